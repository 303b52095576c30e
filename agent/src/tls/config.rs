//! The TLS settings of one host as containerd would use them, shared by the probe and its HTTP client.

use std::sync::Arc;
use std::time::Instant;

use go::text::quote;
use go::x509::certificate::Certificate;
use go::x509::p521::SECP521R1;
use go::x509::verify::Roots;
use jiff::{SignedDuration, Timestamp};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, NamedGroup, SignatureScheme, SupportedCipherSuite};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use super::good_chains::GoodChains;
use super::verifier::{PRESENTED, Verifier};
use crate::cause::Cause;
use crate::model::host::{ClientPair, HostTls, PemFile};
use crate::model::outcome::Failure;
use crate::model::stage::Stage;
use crate::model::trust::TrustStore;
use crate::version::Version;

/// All that rustls has, in the order in which Go offers them where the processor knows AES. A server that leaves the choice to its
/// client takes the first that it knows.
const SUITES: [SupportedCipherSuite; 9] = [
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
];

/// What the node trusts for every host, parsed once.
#[derive(Debug, Default)]
pub struct NodeTrust {
    roots: Arc<Roots>,
    good_chains: Arc<GoodChains>,
    /// Files as on the node.
    sources: Vec<String>,
    /// Why containerd may trust more than these.
    unread: Option<Arc<str>>,
}

impl From<&TrustStore> for NodeTrust {
    fn from(trust: &TrustStore) -> Self {
        let mut roots = Roots::default();
        trust.certificates.iter().cloned().for_each(|certificate| roots.add(certificate));
        let unread = trust.unread.as_deref().map(Arc::from);
        Self { roots: Arc::new(roots), good_chains: Arc::default(), sources: trust.sources.clone(), unread }
    }
}

impl NodeTrust {
    /// The files that gave at least one root.
    pub fn sources(&self) -> &[String] {
        &self.sources
    }
}

/// Everything to shake hands with one host. A later connection with the same setup resumes the session.
#[derive(Clone, Debug)]
pub struct TlsSetup {
    config: ClientConfig,
    verifier: Verifier,
    offers_mlkem: bool,
    /// Files as on the node.
    sources: Vec<String>,
}

impl TlsSetup {
    /// `now` is the wall clock at this moment; it goes on from there.
    pub fn new(
        version: Version,
        offers_mlkem: bool,
        trust: &NodeTrust,
        tls: &HostTls,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let mut roots = Roots::beside(&trust.roots);
        let mut sources = trust.sources.clone();
        for file in &tls.ca {
            let certificates = certificates(file);
            if certificates.is_empty() {
                return Err(unusable(
                    &file.path,
                    "it has no certificate",
                    &format!("unable to load CA cert {}", quote(&file.path)),
                ));
            }
            for certificate in certificates {
                roots.add(certificate);
            }
            sources.push(file.path.clone());
        }
        let pairs = tls.client.iter().map(key_pair).collect::<Result<_, _>>()?;
        let verifier = Verifier {
            roots: Arc::new(roots),
            good_chains: tls.ca.is_empty().then(|| Arc::clone(&trust.good_chains)),
            unread: trust.unread.clone(),
            version,
            skip: tls.skip_verify == Some(true),
        };
        let config = client_config(verifier.clone(), pairs, now, offers_mlkem)?;
        Ok(Self { config, verifier, offers_mlkem, sources })
    }

    /// To look at a server that is not trusted: it verifies nothing and offers no certificate.
    pub fn unverified(&self, now: Timestamp) -> Result<Self, Failure> {
        self.without_pairs(true, now)
    }

    /// Judges as if it were then; it offers no certificate.
    pub fn at(&self, now: Timestamp) -> Result<Self, Failure> {
        self.without_pairs(false, now)
    }

    fn without_pairs(&self, skip: bool, now: Timestamp) -> Result<Self, Failure> {
        let verifier = Verifier { skip, ..self.verifier.clone() };
        let config = client_config(verifier, Vec::new(), now, self.offers_mlkem)?;
        Ok(Self { config, ..self.clone() })
    }

    /// Connections with the same one resume each other's sessions.
    pub fn client_config(&self) -> ClientConfig {
        self.config.clone()
    }

    /// Its handshakes are made in full.
    #[must_use]
    pub fn without_sessions(&self) -> Self {
        let mut full = self.clone();
        full.config.resumption = Resumption::disabled();
        full
    }

    pub fn sources(&self) -> &[String] {
        &self.sources
    }
}

/// Like Go: TLS 1.2 and 1.3, its order of suites, X25519MLKEM768 first where containerd has it, P-521 last. No ALPN: containerd
/// speaks HTTP/1.1 only, and Go then offers no protocol at all.
fn client_config(
    verifier: Verifier,
    pairs: Vec<Arc<CertifiedKey>>,
    now: Timestamp,
    offers_mlkem: bool,
) -> Result<ClientConfig, Failure> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = SUITES.to_vec();
    provider.kx_groups.retain(|group| offers_mlkem || group.name() != NamedGroup::X25519MLKEM768);
    provider.kx_groups.push(SECP521R1);
    let provider = Arc::new(provider);
    let clock = Arc::new(Clock { now, began: Instant::now() });
    ClientConfig::builder_with_details(provider, clock)
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)
        .map(|builder| {
            let mut config = builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
                .with_client_cert_resolver(Arc::new(ClientPairs(pairs)));
            // One host speaks with it; the default reserves room for dozens.
            config.resumption = Resumption::in_memory_sessions(1);
            config
        })
        .map_err(|error| Failure::new(Stage::Tls, Cause::Unclassified, error.to_string()))
}

/// Every certificate of a file; Go passes over what else is in it.
fn certificates(file: &PemFile) -> Vec<CertificateDer<'static>> {
    let pem = file.pem.expose().as_bytes();
    CertificateDer::pem_slice_iter(pem).flatten().filter(|der| Certificate::parse(der).is_ok()).collect()
}

fn key_pair(pair: &ClientPair) -> Result<Arc<CertifiedKey>, Failure> {
    let broken = |path: &str, reason: &str| unusable(path, reason, &format!("failed to load X509 key pair: {reason}"));
    let chain = certificates(&pair.certificate);
    if chain.is_empty() {
        return Err(broken(&pair.certificate.path, &no_certificate(pair.certificate.pem.expose())));
    }
    let key = PrivateKeyDer::from_pem_slice(pair.key.pem.expose().as_bytes())
        .map_err(|_| broken(&pair.key.path, &no_key(pair.key.pem.expose())))?;
    match CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()) {
        Ok(pair) => Ok(Arc::new(pair)),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(broken(&pair.key.path, "tls: private key does not match public key"))
        }
        Err(_) => Err(broken(&pair.key.path, "tls: failed to parse private key")),
    }
}

/// Go's words for a certificate file without a certificate.
fn no_certificate(pem: &str) -> String {
    match labels(pem).as_slice() {
        [] => "tls: failed to find any PEM data in certificate input".into(),
        [label] if label.ends_with("PRIVATE KEY") => {
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched".into()
        }
        labels => format!(
            "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the following types: [{}]",
            labels.join(" ")
        ),
    }
}

/// Go's words for a key file without a key.
fn no_key(pem: &str) -> String {
    match labels(pem).as_slice() {
        [] => "tls: failed to find any PEM data in key input".into(),
        ["CERTIFICATE"] => "tls: found a certificate rather than a key in the PEM for the private key".into(),
        labels => format!(
            "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM blocks of the following types: [{}]",
            labels.join(" ")
        ),
    }
}

/// The types of the PEM blocks.
fn labels(pem: &str) -> Vec<&str> {
    pem.lines().filter_map(|line| line.trim_end().strip_prefix("-----BEGIN ")?.strip_suffix("-----")).collect()
}

fn unusable(path: &str, reason: &str, go_message: &str) -> Failure {
    Failure::new(Stage::Config, Cause::CaUnusable, format!("{path}: {reason}")).with_go_message(go_message)
}

/// The client certificates of a host: the first that suits the server's request is sent, else none.
#[derive(Debug)]
struct ClientPairs(Vec<Arc<CertifiedKey>>);

impl ResolvesClientCert for ClientPairs {
    fn resolve(&self, acceptable_issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let suits = |pair: &&Arc<CertifiedKey>| {
            pair.key.choose_scheme(schemes).is_some() && is_issued_by(pair, acceptable_issuers)
        };
        let chosen = self.0.iter().find(suits).cloned();
        // Where nobody collects it, nobody asks for it.
        let _ = PRESENTED.try_with(|presented| {
            let mut presented = presented.borrow_mut();
            presented.client_certificate_asked = true;
            presented.client_certificate_sent = chosen.is_some();
        });
        chosen
    }

    /// Always: it is the request that must be seen, certificate or not.
    fn has_certs(&self) -> bool {
        true
    }
}

/// A server that names no issuers takes any.
fn is_issued_by(pair: &CertifiedKey, acceptable: &[&[u8]]) -> bool {
    let mut chain = pair.cert.iter().filter_map(|der| Certificate::parse(der).ok());
    acceptable.is_empty() || chain.any(|certificate| acceptable.contains(&certificate.issuer()))
}

/// The wall clock, going on from a moment that was handed in.
#[derive(Debug)]
struct Clock {
    now: Timestamp,
    began: Instant,
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let passed = SignedDuration::try_from(self.began.elapsed()).ok()?;
        let seconds = self.now.checked_add(passed).ok()?.as_second();
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(u64::try_from(seconds).ok()?)))
    }
}
