//! Servers that are no TLS servers, too old, silent, or ask for a client certificate.

use std::path::Path;

use rustls_pki_types::pem::PemObject as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::*;

/// A server that reads the `ClientHello`, answers with these bytes and closes (`None`: resets).
async fn answer(bytes: Option<&'static [u8]>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; 4096];
        let Some(bytes) = bytes else {
            // A close with unread bytes is a reset.
            let _ = stream.read(&mut hello[..1]).await;
            return;
        };
        let _ = stream.read(&mut hello).await;
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        while matches!(stream.read(&mut hello).await, Ok(1..)) {}
    });
    address
}

const TLS10_HELLO: &[u8] = b"\x16\x03\x01\x00\x2a\x02\x00\x00\x26\x03\x01\
    ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ\x00\x00\x2f\x00";

#[tokio::test]
async fn what_a_server_does_instead_of_tls_has_a_cause_each() {
    let cases: [(&'static [u8], Cause, &str); 7] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Cause::TlsPlainHttp, "http: server gave HTTP response to HTTPS client"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Cause::TlsProtocol, "tls: first record does not look like a TLS handshake"),
        (b"", Cause::TlsClosed, "EOF"),
        (b"\x15\x03\x03\x00\x02\x02\x28", Cause::TlsProtocol, "remote error: tls: handshake failure"),
        (b"\x15\x03\x03\x00\x02\x02\x46", Cause::TlsProtocol, "remote error: tls: protocol version not supported"),
        (b"\x15\x03\x03\x00\x02\x02\x70", Cause::TlsProtocol, "remote error: tls: unrecognized name"),
        (TLS10_HELLO, Cause::TlsProtocol, "tls: server selected unsupported protocol version 301"),
    ];
    let setup = setup(&[]);
    for (bytes, cause, go_message) in cases {
        let step = shake_with(answer(Some(bytes)).await, &setup).await;
        let failure = failure(&step);
        assert_eq!((failure.cause, failure.go_message.as_str()), (cause, go_message), "{}", failure.detail);
    }
}

#[tokio::test]
async fn a_reset_names_both_ends() {
    let address = answer(None).await;
    let step = shake_with(address, &setup(&[])).await;
    let failure = failure(&step);
    assert_eq!(failure.cause, Cause::TlsClosed);
    let expected = format!("->{address}: read: connection reset by peer");
    assert!(
        failure.go_message.starts_with("read tcp 127.0.0.1:") && failure.go_message.ends_with(&expected),
        "{}",
        failure.go_message
    );
}

#[tokio::test]
async fn a_server_that_never_answers_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (step, _) = handshake(stream, HOST, &setup(&[]), Duration::from_millis(50)).await;
    let failure = failure(&step);
    assert_eq!((failure.cause, failure.go_message.as_str()), (Cause::TlsTimeout, "net/http: TLS handshake timeout"));
    let stopped = "did not end within 50ms, where pullprobe stops; containerd waits 10s: no byte came back";
    assert!(failure.inconclusive && failure.detail.ends_with(stopped), "{failure:?}");
    assert!(failure.fix().contains("probe.timeouts.tls"), "{}", failure.fix());
}

/// Nobody answers, and the clock is the test's.
#[tokio::test(start_paused = true)]
async fn a_handshake_has_as_long_as_go_gives_it_and_no_longer() {
    let (here, _there) = tokio::io::duplex(1 << 16);
    let began = tokio::time::Instant::now();
    let (step, _) = handshake(Connection::inside(here, None), HOST, &setup(&[]), LIMIT * 6).await;
    let failure = failure(&step);
    assert!(!failure.inconclusive && failure.detail.ends_with("did not end in time: no byte came back"), "{failure:?}");
    assert!((LIMIT..LIMIT * 2).contains(&began.elapsed()), "{:?}", began.elapsed());
}

fn client_auth(authority: &Authority, leaf: &Leaf, version: &'static rustls::SupportedProtocolVersion) -> ServerConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.root_der()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider()).build().unwrap();
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[version]).unwrap();
    builder.with_client_cert_verifier(verifier).with_single_cert(leaf.chain.clone(), leaf.key()).unwrap()
}

#[tokio::test]
async fn a_client_certificate_that_is_asked_for_is_missed_or_sent() {
    let authority = Authority::new("lab").unwrap();
    let stranger = Authority::new("stranger").unwrap();
    let leaf = authority.leaf(CertKind::Good, &[HOST]).unwrap();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let address = serve(client_auth(&authority, &leaf, version)).await;
        let step = shake_with(address, &setup(&[authority.root_der()])).await;
        let refused = failure(&step);
        assert_eq!(refused.cause, Cause::TlsClientCertificateRequired, "{refused:?}");
        assert_eq!(refused.go_message, "remote error: tls: certificate required");
        assert_eq!(step.facts().unwrap().chain.len(), 2);

        let with = |client: Leaf| {
            TlsSetup::new(
                Version::NEWEST,
                false,
                &trust(&[authority.root_der()]),
                &with_client(&client),
                jiff::Timestamp::now(),
            )
            .unwrap()
        };
        let step = shake_with(address, &with(authority.client("node").unwrap())).await;
        assert!(step.passed(), "{step:?}");
        // The server names whom it trusts, and Go keeps a certificate of anyone else to itself.
        let step = shake_with(address, &with(stranger.client("node").unwrap())).await;
        assert_eq!(failure(&step).go_message, "remote error: tls: certificate required");
    }
}

/// `openssl s_server` on a free port, with this certificate.
async fn openssl(leaf: &Leaf, arguments: &[&str]) -> (tokio::process::Child, tempfile::TempDir, std::net::SocketAddr) {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = leaf.write(dir.path(), "server").unwrap();
    let (child, address) = openssl_with(&cert, &key, arguments).await;
    (child, dir, address)
}

pub(super) async fn openssl_with(
    cert: &Path,
    key: &Path,
    arguments: &[&str],
) -> (tokio::process::Child, std::net::SocketAddr) {
    let mut child = tokio::process::Command::new("openssl")
        .args(["s_server", "-accept", "127.0.0.1:0", "-cert"])
        .arg(cert)
        .arg("-key")
        .arg(key)
        .arg("-cert_chain")
        .arg(cert)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let accept = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("openssl ended before it listened");
            if let Some(address) = line.strip_prefix("ACCEPT ") {
                return address.parse().unwrap();
            }
        }
    };
    let address = tokio::time::timeout(LIMIT, accept).await.expect("openssl does not listen");
    // Whatever it prints from here on must not fill the pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, address)
}

/// containerd takes such a key; where it signs with RSA-PSS, as TLS 1.3 has it, it cannot be verified here.
#[tokio::test]
async fn a_key_too_short_to_verify_with_leaves_open_what_containerd_would_see() {
    let dir = tempfile::tempdir().unwrap();
    let [cert, key] = ["cert", "key"].map(|name| dir.path().join(name));
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:1024", "-nodes", "-days", "2", "-subj", "/CN=short", "-addext"])
        .arg(format!("subjectAltName=DNS:{HOST}"))
        .args(["-out".as_ref(), cert.as_os_str(), "-keyout".as_ref(), key.as_os_str()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let root = CertificateDer::from_pem_slice(&std::fs::read(&cert).unwrap()).unwrap();
    let setup = setup(&[root]);
    for version in ["-tls1_3", "-tls1_2"] {
        let (_child, address) = openssl_with(&cert, &key, &[version, "-cipher", "DEFAULT:@SECLEVEL=0"]).await;
        let step = shake_with(address, &setup).await;
        assert!(failure(&step).inconclusive, "{version} {step:?}");
    }
}

#[tokio::test]
async fn openssl_servers_are_told_apart() {
    let authority = Authority::new("lab").unwrap();
    let leaf = authority.leaf(CertKind::Good, &[HOST]).unwrap();
    let setup = setup(&[authority.root_der()]);
    let required = "remote error: tls: certificate required";
    let cases: [(&[&str], _); 5] = [
        (&[], None),
        (&["-tls1_2"], None),
        (
            &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
            Some((Cause::TlsProtocol, "remote error: tls: protocol version not supported")),
        ),
        (&["-Verify", "1", "-verify_return_error"], Some((Cause::TlsClientCertificateRequired, required))),
        (
            &["-tls1_2", "-Verify", "1", "-verify_return_error"],
            Some((Cause::TlsClientCertificateRequired, "remote error: tls: handshake failure")),
        ),
    ];
    for (arguments, expected) in cases {
        let (_child, _dir, address) = openssl(&leaf, arguments).await;
        let step = shake_with(address, &setup).await;
        let found = step.failure().map(|failure| (failure.cause, failure.go_message.as_str()));
        assert_eq!(found, expected, "{arguments:?}: {step:?}");
    }
}
