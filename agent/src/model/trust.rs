//! The root certificates that containerd trusts on this node, before any `ca` of a host.

use rustls_pki_types::CertificateDer;

use super::finding::Finding;

#[derive(Clone, Debug, Default)]
pub struct TrustStore {
    /// In the order in which Go loads them, each once.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The files that gave at least one, as on the node.
    pub sources: Vec<String>,
    pub findings: Vec<Finding>,
}
