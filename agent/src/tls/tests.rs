//! Handshakes with real servers: rustls's, OpenSSL's, and sockets that misbehave.

use std::process::Stdio;

use jiff::SignedDuration;
use pullprobe_lab::ca::{Authority, CertKind, Leaf};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, GeneralSubtree, IsCa, KeyPair, NameConstraints,
};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::model::host::{ClientPair, HostTls, PemFile};
use crate::model::trust::TrustStore;
use crate::redact::secret::Secret;
use crate::version::Version;

mod chains;
mod faults;
mod good_chains;
mod signatures;
mod versions;

const LIMIT: Duration = Duration::from_secs(10);
const HOST: &str = "registry.example";

fn trust(roots: &[CertificateDer<'static>]) -> NodeTrust {
    NodeTrust::from(&TrustStore {
        certificates: roots.to_vec(),
        sources: vec!["/etc/ssl/certs/ca-certificates.crt".into()],
        ..TrustStore::default()
    })
}

fn setup(roots: &[CertificateDer<'static>]) -> TlsSetup {
    TlsSetup::new(Version::NEWEST, false, &trust(roots), &HostTls::default(), jiff::Timestamp::now()).unwrap()
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Unlike `with_single_cert`, this does not read the certificate, which may be broken on purpose.
fn server_config(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let key = provider().key_provider.load_private_key(key).unwrap();
    let presented = rustls::sign::SingleCertAndKey::from(rustls::sign::CertifiedKey::new(chain, key));
    builder.with_no_client_auth().with_cert_resolver(Arc::new(presented))
}

/// A TLS server that shakes hands with everyone and echoes.
async fn serve(config: ServerConfig) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut buffer = [0; 1024];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    let _ = stream.write_all(&buffer[..count]).await;
                    let _ = stream.flush().await;
                }
            });
        }
    });
    address
}

async fn serve_leaf(leaf: &Leaf) -> std::net::SocketAddr {
    serve(server_config(leaf.chain.clone(), leaf.key())).await
}

async fn shake_with(address: std::net::SocketAddr, setup: &TlsSetup) -> Step<TlsFacts> {
    let stream = TcpStream::connect(address).await.unwrap();
    handshake(stream, HOST, setup, LIMIT).await.0
}

fn failure(step: &Step<TlsFacts>) -> &Failure {
    step.failure().unwrap_or_else(|| panic!("expected a failure: {step:?}"))
}

fn pem_file(path: &str, pem: impl Into<String>) -> PemFile {
    PemFile { path: path.into(), pem: Secret::new(pem) }
}

fn with_client(leaf: &Leaf) -> HostTls {
    let pair = ClientPair {
        certificate: pem_file("/client.cert", leaf.cert_pem()),
        key: pem_file("/client.key", leaf.key_pem()),
    };
    HostTls { client: vec![pair], ..HostTls::default() }
}

#[tokio::test]
async fn a_good_server_is_verified_and_reported() {
    let authority = Authority::new("lab").unwrap();
    let address = serve_leaf(&authority.leaf(CertKind::Good, &[HOST, "127.0.0.1"]).unwrap()).await;
    let setup = setup(&[authority.root_der()]);
    let step = shake_with(address, &setup).await;
    let facts = step.facts().unwrap();
    assert!(step.passed() && facts.verified, "{step:?}");
    assert_eq!((facts.version.as_deref(), facts.alpn.as_deref(), facts.ignored), (Some("TLSv1.3"), None, None));
    assert!(facts.cipher.as_deref().unwrap().starts_with("TLS_AES_"));
    assert_eq!(facts.trust, ["/etc/ssl/certs/ca-certificates.crt"]);
    assert_eq!(facts.chain[0].names, [HOST, "127.0.0.1"]);
    assert_eq!((facts.chain.len(), facts.chain[1].issuer.as_str()), (2, "CN=lab root"));
    assert_eq!(facts.chain[0].sha256.len(), 64);
}

#[tokio::test]
async fn a_second_connection_with_the_same_setup_resumes_the_session() {
    let authority = Authority::new("lab").unwrap();
    let address = serve_leaf(&authority.leaf(CertKind::Good, &[HOST]).unwrap()).await;
    let setup = setup(&[authority.root_der()]);
    let (_, first) = handshake(TcpStream::connect(address).await.unwrap(), HOST, &setup, LIMIT).await;
    // Whoever reads the first answer gets the ticket before it.
    assert!(settle(&mut first.unwrap(), LIMIT).await.is_none());
    let (_, second) = handshake(TcpStream::connect(address).await.unwrap(), HOST, &setup, LIMIT).await;
    assert_eq!(second.unwrap().get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::Resumed));
}

#[tokio::test]
async fn the_http_client_takes_the_same_configuration_and_carries_the_failure() {
    let authority = Authority::new("lab").unwrap();
    let address = serve_leaf(&authority.leaf(CertKind::Expired, &[HOST]).unwrap()).await;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(setup(&[authority.root_der()]).client_config())
        .no_proxy()
        .resolve(HOST, address)
        .build()
        .unwrap();
    let error = client.get(format!("https://{HOST}:{}/v2/", address.port())).send().await.unwrap_err();
    let late = classify_late_dyn(&error).unwrap();
    assert_eq!(late.cause, Cause::TlsExpired);
}

#[tokio::test]
async fn skip_verify_goes_on_and_tells_what_was_not_looked_at() {
    let authority = Authority::new("lab").unwrap();
    let address = serve_leaf(&authority.leaf(CertKind::Expired, &["other.example"]).unwrap()).await;
    let tls = HostTls { skip_verify: Some(true), ..HostTls::default() };
    let setup =
        TlsSetup::new(Version::NEWEST, false, &trust(&[authority.root_der()]), &tls, jiff::Timestamp::now()).unwrap();
    let step = shake_with(address, &setup).await;
    let facts = step.facts().unwrap();
    assert!(step.passed() && !facts.verified);
    assert_eq!((facts.ignored, facts.chain.len()), (Some(Cause::TlsExpired), 2));
}

#[tokio::test]
async fn the_clock_that_is_handed_in_decides() {
    let authority = Authority::new("lab").unwrap();
    let address = serve_leaf(&authority.leaf(CertKind::Good, &[HOST]).unwrap()).await;
    let now = jiff::Timestamp::now() - SignedDuration::from_hours(24 * 365);
    let setup =
        TlsSetup::new(Version::NEWEST, false, &trust(&[authority.root_der()]), &HostTls::default(), now).unwrap();
    let step = shake_with(address, &setup).await;
    assert_eq!(failure(&step).cause, Cause::TlsNotYetValid);
}

#[tokio::test]
async fn a_ca_of_the_host_is_trusted_beside_the_nodes_roots() {
    let authority = Authority::new("lab").unwrap();
    let address = serve_leaf(&authority.leaf(CertKind::Good, &[HOST]).unwrap()).await;
    let tls = HostTls { ca: vec![pem_file("/etc/ca.pem", authority.root_pem())], ..HostTls::default() };
    let setup = TlsSetup::new(Version::NEWEST, false, &trust(&[]), &tls, jiff::Timestamp::now()).unwrap();
    let step = shake_with(address, &setup).await;
    assert!(step.passed(), "{step:?}");
    assert_eq!(step.facts().unwrap().trust, ["/etc/ssl/certs/ca-certificates.crt", "/etc/ca.pem"]);
}

#[test]
fn unusable_files_are_told_in_the_words_of_go() {
    let authority = Authority::new("lab").unwrap();
    let client = authority.client("node").unwrap();
    let other = authority.client("other").unwrap();
    let pair = |certificate: String, key: String| HostTls {
        client: vec![ClientPair { certificate: pem_file("/c", certificate), key: pem_file("/k", key) }],
        ..HostTls::default()
    };
    let cases = [
        (HostTls { ca: vec![pem_file("/ca", "junk")], ..HostTls::default() }, "unable to load CA cert \"/ca\""),
        (
            pair(String::new(), client.key_pem()),
            "failed to load X509 key pair: tls: failed to find any PEM data in certificate input",
        ),
        (
            pair(client.key_pem(), client.key_pem()),
            "failed to load X509 key pair: tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched",
        ),
        (
            pair(client.cert_pem(), client.cert_pem()),
            "failed to load X509 key pair: tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM blocks of the following types: [CERTIFICATE CERTIFICATE]",
        ),
        (
            pair(client.cert_pem(), authority.root_pem()),
            "failed to load X509 key pair: tls: found a certificate rather than a key in the PEM for the private key",
        ),
        (
            pair(client.cert_pem(), other.key_pem()),
            "failed to load X509 key pair: tls: private key does not match public key",
        ),
    ];
    for (tls, go_message) in cases {
        let failure = TlsSetup::new(Version::NEWEST, false, &trust(&[]), &tls, jiff::Timestamp::now()).unwrap_err();
        assert_eq!((failure.cause, failure.go_message.as_str()), (Cause::CaUnusable, go_message));
        assert!(!failure.detail.contains("PRIVATE KEY-----"));
    }
}

#[test]
fn the_suites_are_offered_in_the_order_of_go() {
    let name = HOST.try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(setup(&[]).client_config()), name).unwrap();
    let mut sent = Vec::new();
    client.write_tls(&mut sent).unwrap();
    let mut acceptor = rustls::server::Acceptor::default();
    acceptor.read_tls(&mut sent.as_slice()).unwrap();
    let accepted = acceptor.accept().ok().flatten().unwrap();
    let hello = accepted.client_hello();
    let suites = hello.cipher_suites().iter().map(|suite| u16::from(*suite));
    // Without the one that says that renegotiation is safe, which Go says by an extension.
    let suites: Vec<u16> = suites.filter(|suite| *suite != 0x00ff).collect();
    assert_eq!(suites, [0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0x1301, 0x1302, 0x1303]);
}
