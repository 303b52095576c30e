//! TLS: every kind of certificate and every way a handshake fails, as rustls sees them.

use std::io;
use std::io::ErrorKind;

use pullprobe_lab::Lab;
use pullprobe_lab::ca::{CertKind, Leaf};
use pullprobe_lab::registry::{Config, Registry, Scheme};
use pullprobe_lab::tls::{HandshakeFault, Tls, Version};
use rustls::{AlertDescription, CertificateError, Error, ProtocolVersion};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::client::{PATIENCE, SILENCE, exchange, get, handshake, request};

type Stream = TlsStream<TcpStream>;

fn start(lab: &Lab, tls: Tls) -> Registry {
    lab.registry(Config { host: "registry.test".to_owned(), tls: Some(tls), ..Config::default() }).unwrap()
}

async fn connect(lab: &Lab, registry: &Registry, identity: Option<Leaf>) -> io::Result<Stream> {
    handshake(registry, &lab.authority, "registry.test", identity, PATIENCE).await
}

fn cause(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

#[tokio::test]
async fn a_good_certificate_is_trusted_by_name_and_address() {
    let lab = Lab::new().unwrap();
    let registry = start(&lab, Tls::default());
    assert!(registry.endpoint().starts_with("https://registry.test:"));
    for name in ["registry.test", "127.0.0.1", "localhost"] {
        let stream = handshake(&registry, &lab.authority, name, None, PATIENCE).await.unwrap();
        let (bytes, _) = exchange(stream, &request("GET /v2/", &[], ""), PATIENCE).await;
        assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
    assert_eq!(registry.handshakes(), 3);
}

#[tokio::test]
async fn a_broken_certificate_is_broken_in_its_own_way() {
    let lab = Lab::new().unwrap();
    let fault = async |cert| {
        let registry = start(&lab, Tls { cert, ..Tls::default() });
        let error = connect(&lab, &registry, None).await.unwrap_err();
        match cause(&error) {
            Some(Error::InvalidCertificate(certificate)) => certificate.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(fault(CertKind::Expired).await, CertificateError::ExpiredContext { .. }));
    assert!(matches!(fault(CertKind::NotYetValid).await, CertificateError::NotValidYetContext { .. }));
    let name = CertificateError::NotValidForNameContext {
        expected: "registry.test".try_into().unwrap(),
        presented: Vec::new(),
    };
    let is_name = |found: &CertificateError| std::mem::discriminant(found) == std::mem::discriminant(&name);
    assert!(is_name(&fault(CertKind::WrongName).await));
    assert!(is_name(&fault(CertKind::CommonNameOnly).await));
    assert_eq!(fault(CertKind::SelfSigned).await, CertificateError::UnknownIssuer);
    assert_eq!(fault(CertKind::IncompleteChain).await, CertificateError::UnknownIssuer);
    // Same issuer name, other key: the signature is what does not fit.
    let unknown = fault(CertKind::UnknownAuthority).await;
    assert!(matches!(unknown, CertificateError::UnknownIssuer | CertificateError::BadSignature), "{unknown:?}");
    assert!(matches!(fault(CertKind::ExpiredIntermediate).await, CertificateError::ExpiredContext { .. }));
}

#[tokio::test]
async fn a_handshake_fails_as_asked() {
    let lab = Lab::new().unwrap();
    let fault = async |fault| {
        let registry = start(&lab, Tls { fault: Some(fault), ..Tls::default() });
        connect(&lab, &registry, None).await.unwrap_err()
    };
    let hanging = start(&lab, Tls { fault: Some(HandshakeFault::Hang), ..Tls::default() });
    let error = handshake(&hanging, &lab.authority, "registry.test", None, SILENCE).await.unwrap_err();
    assert_eq!((error.kind(), hanging.connections()), (ErrorKind::TimedOut, 1));
    assert_eq!(fault(HandshakeFault::Close).await.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(fault(HandshakeFault::Reset).await.kind(), ErrorKind::ConnectionReset);
    let alert = fault(HandshakeFault::Alert(70)).await;
    assert_eq!(cause(&alert), Some(&Error::AlertReceived(AlertDescription::ProtocolVersion)));
    let old = fault(HandshakeFault::Tls10).await;
    assert!(matches!(cause(&old), Some(Error::PeerIncompatible(_))), "{old:?}");
    for other in [HandshakeFault::PlainHttp, HandshakeFault::Garbage] {
        let error = fault(other).await;
        assert!(matches!(cause(&error), Some(Error::InvalidMessage(_))), "{error:?}");
    }
}

#[tokio::test]
async fn versions_are_bounded() {
    let lab = Lab::new().unwrap();
    let tls = Tls { max_version: Some(Version::V1_2), ..Tls::default() };
    let registry = start(&lab, tls);
    let stream = connect(&lab, &registry, None).await.unwrap();
    assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_2));
    let none = Tls { max_version: Some(Version::V1_2), min_version: Some(Version::V1_3), ..Tls::default() };
    assert!(lab.registry(Config { tls: Some(none), ..Config::default() }).is_err());
}

#[tokio::test]
async fn a_client_certificate_can_be_required() {
    let lab = Lab::new().unwrap();
    let registry = start(&lab, Tls { client_certificate: true, ..Tls::default() });
    // With TLS 1.3 the client learns of it when it reads.
    let mut stream = connect(&lab, &registry, None).await.unwrap();
    let error = stream.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(cause(&error), Some(&Error::AlertReceived(AlertDescription::CertificateRequired)));
    let identity = lab.authority.client("node").unwrap();
    let stream = connect(&lab, &registry, Some(identity)).await.unwrap();
    let (bytes, _) = exchange(stream, &request("GET /v2/", &[], ""), PATIENCE).await;
    assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn plain_and_tls_may_be_mixed_up() {
    let lab = Lab::new().unwrap();
    let plain = lab.registry(Config { scheme: Some(Scheme::Https), ..Config::default() }).unwrap();
    assert!(plain.endpoint().starts_with("https://127.0.0.1:"));
    assert_eq!(get(&plain, "GET /v2/").await.status, 200);
    let error = handshake(&plain, &lab.authority, "127.0.0.1", None, PATIENCE).await.unwrap_err();
    assert!(matches!(cause(&error), Some(Error::InvalidMessage(_))), "{error:?}");
}

#[test]
fn files_are_pem() {
    let lab = Lab::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    lab.authority.write(dir.path()).unwrap();
    let leaf = lab.authority.leaf(CertKind::Good, &["registry.test"]).unwrap();
    let (cert, key) = leaf.write(dir.path(), "client").unwrap();
    let openssl = |arguments: &[&str]| {
        let output = std::process::Command::new("openssl").args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let (root, middle) = (path("root.pem"), path("intermediate.pem"));
    openssl(&["verify", "-CAfile", &root, "-untrusted", &middle, &cert]);
    let public = openssl(&["x509", "-noout", "-pubkey", "-in", &cert]);
    assert_eq!(openssl(&["pkey", "-pubout", "-in", &key]), public);
}
