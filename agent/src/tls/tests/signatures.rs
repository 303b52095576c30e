//! Handshakes signed with SHA-1: what each Go makes of them.

use rustls::sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey};
use rustls::{SignatureAlgorithm, SignatureScheme};

use super::*;

/// Too old to know the setting, or built with the settings of an older release.
const TAKE_SHA_1: [&str; 3] = ["1.6.20~ds1", "2.1.9~ds1", "v2.1.9"];
const REFUSE_SHA_1: [&str; 2] = ["v1.7.34", "v2.3.4"];

fn setup_of(version: &str, root: &CertificateDer<'static>) -> TlsSetup {
    let trust = trust(std::slice::from_ref(root));
    let version = version.parse().unwrap();
    TlsSetup::new(version, false, &trust, &HostTls::default(), jiff::Timestamp::now()).unwrap()
}

#[tokio::test]
async fn a_server_that_signs_with_sha_1_alone_serves_those_whose_go_offers_it() {
    let authority = Authority::new("lab").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let leaf = authority.leaf(CertKind::Good, &[HOST]).unwrap();
    let (cert, key) = leaf.write(dir.path(), "server").unwrap();
    let sha_1 = ["-tls1_2", "-cipher", "DEFAULT:@SECLEVEL=0", "-sigalgs", "ECDSA+SHA1:RSA+SHA1"];
    let (_child, address) = faults::openssl_with(&cert, &key, &sha_1).await;
    for version in TAKE_SHA_1 {
        let step = shake_with(address, &setup_of(version, &authority.root_der())).await;
        assert!(step.passed(), "{version}: {step:?}");
    }
    for version in REFUSE_SHA_1 {
        let step = shake_with(address, &setup_of(version, &authority.root_der())).await;
        let failure = failure(&step);
        assert_eq!(
            (failure.cause, failure.go_message.as_str(), failure.inconclusive),
            (Cause::TlsProtocol, "remote error: tls: handshake failure", false),
            "{version}"
        );
    }
}

/// Signs with SHA-1 whatever the client offers, as old servers do.
#[derive(Debug)]
struct Stubborn;

impl SigningKey for Stubborn {
    fn choose_scheme(&self, _offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(Self))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for Stubborn {
    fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(vec![0; 70])
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_SHA1_Legacy
    }
}

#[tokio::test]
async fn a_signature_that_was_not_offered_is_not_looked_into() {
    let authority = Authority::new("lab").unwrap();
    let leaf = authority.leaf(CertKind::Good, &[HOST]).unwrap();
    let config =
        ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&rustls::version::TLS12]).unwrap();
    let presented = SingleCertAndKey::from(CertifiedKey::new(leaf.chain.clone(), Arc::new(Stubborn)));
    let address = serve(config.with_no_client_auth().with_cert_resolver(Arc::new(presented))).await;
    let go_message = async |version| {
        let step = shake_with(address, &setup_of(version, &authority.root_der())).await;
        failure(&step).go_message.to_string()
    };
    for version in REFUSE_SHA_1 {
        assert_eq!(go_message(version).await, "tls: certificate used with invalid signature algorithm");
    }
    for version in TAKE_SHA_1 {
        assert_eq!(go_message(version).await, "tls: invalid signature by the server certificate");
    }
}
