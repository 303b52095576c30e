//! Names that Go has for parts of TLS, and what rustls has for them.

use go::x509::p521::SECP521R1;
use rustls::SupportedCipherSuite;
use rustls::crypto::SupportedKxGroup;
use rustls::crypto::aws_lc_rs::{cipher_suite, kx_group};

use super::TlsVersion;

pub const VERSIONS: [(&str, TlsVersion); 2] = [("TLS12", TlsVersion::Tls12), ("TLS13", TlsVersion::Tls13)];
/// Versions that the toolkit takes and rustls has not.
pub const OLD_VERSIONS: [&str; 2] = ["TLS10", "TLS11"];

/// Go's names of the suites that rustls has. Those of TLS 1.3 are always offered, in Go as here.
pub const SUITES: [(&str, SupportedCipherSuite); 9] = [
    ("TLS_AES_128_GCM_SHA256", cipher_suite::TLS13_AES_128_GCM_SHA256),
    ("TLS_AES_256_GCM_SHA384", cipher_suite::TLS13_AES_256_GCM_SHA384),
    ("TLS_CHACHA20_POLY1305_SHA256", cipher_suite::TLS13_CHACHA20_POLY1305_SHA256),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

pub const GROUPS: [(&str, &dyn SupportedKxGroup); 4] = [
    ("CurveP256", kx_group::SECP256R1),
    ("CurveP384", kx_group::SECP384R1),
    ("CurveP521", SECP521R1),
    ("X25519", kx_group::X25519),
];

/// The headers that the toolkit sets, and the values that it takes. None: any.
pub const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

/// What each policy asks for. `None`: what rustls would have to take without a look at it.
pub const CLIENT_AUTH: [(&str, Option<Policy>); 6] = [
    ("NoClientCert", Some(Policy::None)),
    ("VerifyClientCertIfGiven", Some(Policy::IfGiven)),
    ("RequireAndVerifyClientCert", Some(Policy::Required)),
    ("RequestClientCert", None),
    ("RequireAnyClientCert", None),
    ("RequireClientCert", None),
];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    #[default]
    None,
    IfGiven,
    Required,
}
