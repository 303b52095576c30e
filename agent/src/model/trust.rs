//! The root certificates that containerd trusts on this node, before any `ca` of a host.

use std::path::PathBuf;

use rustls_pki_types::CertificateDer;

use super::finding::Finding;

#[derive(Clone, Debug, Default)]
pub struct TrustStore {
    /// In the order in which Go loads them, each once.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The files that gave at least one, as on the node.
    pub sources: Vec<String>,
    pub findings: Vec<Finding>,
    /// What `SSL_CERT_FILE` and `SSL_CERT_DIR` named.
    pub named: [Option<String>; 2],
    /// Every file and directory that was looked at, and its mark; none where there was nothing.
    pub looked_at: Vec<(PathBuf, Option<Mark>)>,
    /// Why there may be more that containerd trusts: pullprobe did not read all that it reads.
    pub unread: Option<String>,
    /// Another look may find something else although no mark has changed.
    pub is_unsettled: bool,
}

/// Another file, or the same one written anew, has another mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub device: u64,
    pub inode: u64,
    pub size: u64,
    /// Time of the last change of anything about it: seconds and nanoseconds.
    pub changed: (i64, i64),
}
