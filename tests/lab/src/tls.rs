//! The TLS side of a lab server: which certificate it shows, what it speaks, and how its handshake
//! fails.

use std::io;
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::ca::{Authority, CertKind};
use crate::socket::Socket;

/// How a server speaks TLS. The default is a good certificate for loopback, TLS 1.2 and 1.3.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// What is wrong with the certificate.
    pub cert: CertKind,
    /// Names and addresses in the certificate; empty = the server's host and address and `localhost`.
    pub names: Vec<String>,
    /// The oldest version it speaks; `None` = 1.2.
    pub min_version: Option<Version>,
    /// The newest version it speaks; `None` = 1.3.
    pub max_version: Option<Version>,
    /// It asks for a client certificate of the lab's authority and ends the handshake without one.
    pub client_certificate: bool,
    /// What it does instead of a handshake; `None` = it shakes hands.
    pub fault: Option<HandshakeFault>,
}

/// The versions that a lab server can really speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Version {
    /// TLS 1.2.
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V1_3,
}

/// What a server does after it has read the client's first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandshakeFault {
    /// It never answers.
    Hang,
    /// It closes.
    Close,
    /// It resets the connection.
    Reset,
    /// It sends this fatal alert and closes: 40 handshake failure, 70 protocol version, 112 unrecognised name.
    Alert(u8),
    /// It chooses TLS 1.0, as a server does that knows nothing newer.
    Tls10,
    /// It answers in HTTP, as a plain server does.
    PlainHttp,
    /// It sends bytes that are no TLS record.
    Garbage,
}

impl HandshakeFault {
    pub(crate) async fn play(self, mut socket: Socket) {
        let mut hello = [0; 2048];
        if socket.read(&mut hello).await.is_err() {
            return;
        }
        let answer: Vec<u8> = match self {
            Self::Hang => return std::future::pending().await,
            Self::Close => Vec::new(),
            Self::Reset => return socket.switch.reset_at_end(),
            Self::Alert(description) => vec![0x15, 3, 3, 0, 2, 2, description],
            Self::Tls10 => tls10_server_hello(),
            Self::PlainHttp => b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec(),
            Self::Garbage => vec![0xff; 32],
        };
        // The client may have left: then it has seen its fault.
        let _ = socket.write_all(&answer).await;
        let _ = socket.shutdown().await;
        // Unread bytes would turn the close into a reset, so wait until the client is done.
        while matches!(socket.read(&mut hello).await, Ok(n) if n > 0) {}
    }
}

/// A record with a `ServerHello` of version 0x0301 and cipher `TLS_RSA_WITH_AES_128_CBC_SHA`.
fn tls10_server_hello() -> Vec<u8> {
    let mut record = vec![0x16, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1];
    record.extend([0x5a; 32]);
    record.extend([0, 0, 0x2f, 0]);
    record
}

impl Tls {
    /// For a server that a test plays by itself, and its clients trust.
    pub fn acceptor(authority: &Authority, name: &str) -> io::Result<tokio_rustls::TlsAcceptor> {
        let tls = Self { cert: CertKind::Good, ..Self::default() };
        tls.server_config(authority, &[name]).map(Into::into)
    }

    /// The rustls configuration of a server that `own_names` lead to.
    pub(crate) fn server_config(&self, authority: &Authority, own_names: &[&str]) -> io::Result<Arc<ServerConfig>> {
        let names: Vec<&str> =
            if self.names.is_empty() { own_names.to_vec() } else { self.names.iter().map(String::as_str).collect() };
        let leaf = authority.leaf(self.cert, &names)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&self.versions()?)
            .map_err(io::Error::other)?;
        let builder = if self.client_certificate {
            let mut roots = RootCertStore::empty();
            roots.add(authority.root_der()).map_err(io::Error::other)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
                .build()
                .map_err(io::Error::other)?;
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&leaf.key()).map_err(io::Error::other)?;
        // Whatever the certificate is like: rustls itself would not serve one that it does not understand.
        let single = SingleCertAndKey::from(CertifiedKey::new(leaf.chain, key));
        let mut config = builder.with_cert_resolver(Arc::new(single));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn versions(&self) -> io::Result<Vec<&'static SupportedProtocolVersion>> {
        let min = self.min_version.unwrap_or(Version::V1_2);
        let max = self.max_version.unwrap_or(Version::V1_3);
        let versions: Vec<_> = [(Version::V1_2, &rustls::version::TLS12), (Version::V1_3, &rustls::version::TLS13)]
            .into_iter()
            .filter(|(version, _)| (min..=max).contains(version))
            .map(|(_, supported)| supported)
            .collect();
        if versions.is_empty() {
            return Err(io::Error::other("tls.min_version is newer than tls.max_version"));
        }
        Ok(versions)
    }
}
