//! A client that hides nothing: it writes a request and keeps every byte that comes back.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use pullprobe_lab::ca::{Authority, Leaf};
use pullprobe_lab::registry::Registry;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What ends by itself has ended by then, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What does not end by itself is watched this long.
pub const SILENCE: Duration = Duration::from_millis(300);

/// A response, taken apart.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        Some(Self { status, headers, body: bytes[end + 4..].to_vec() })
    }
}

/// The text of a request that ends the connection; `line` is `METHOD path`.
pub fn request(line: &str, headers: &[(&str, &str)], body: &str) -> String {
    let length = body.len().to_string();
    let host = [("host", "registry.test")];
    let own_host = headers.iter().any(|(name, _)| *name == "host");
    let head = [("connection", "close"), ("content-length", &length)].into_iter();
    let lines = head.chain(host.into_iter().filter(|_| !own_host)).chain(headers.iter().copied());
    let lines: Vec<String> = lines.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{line} HTTP/1.1\r\n{}\r\n{body}", lines.concat())
}

/// Everything that comes back until the connection ends, it fails, or time is up.
pub async fn exchange<S>(mut stream: S, text: &str, time: Duration) -> (Vec<u8>, io::Result<()>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut bytes = Vec::new();
    let talk = async {
        stream.write_all(text.as_bytes()).await?;
        // What endless bodies send beyond this is not needed.
        while bytes.len() < 1_000_000 {
            if stream.read_buf(&mut bytes).await? == 0 {
                break;
            }
        }
        Ok(())
    };
    let result = timeout(time, talk).await;
    (bytes, result.unwrap_or(Err(io::ErrorKind::TimedOut.into())))
}

/// Sends a request in plain HTTP and keeps what comes back as it is.
pub async fn raw(registry: &Registry, line: &str, time: Duration) -> (Vec<u8>, io::Result<()>) {
    let stream = TcpStream::connect(registry.address()).await.unwrap();
    exchange(stream, &request(line, &[], ""), time).await
}

/// Sends a request in plain HTTP to a server that answers.
pub async fn send(registry: &Registry, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let stream = TcpStream::connect(registry.address()).await.unwrap();
    let (bytes, result) = exchange(stream, &request(line, headers, body), PATIENCE).await;
    result.unwrap();
    Answer::parse(&bytes).unwrap_or_else(|| panic!("{:?}", String::from_utf8_lossy(&bytes)))
}

/// As [`send`], without headers and body.
pub async fn get(registry: &Registry, line: &str) -> Answer {
    send(registry, line, &[], "").await
}

/// Shakes hands as a client that trusts `authority` alone.
pub async fn handshake(
    registry: &Registry,
    authority: &Authority,
    name: &str,
    identity: Option<Leaf>,
    time: Duration,
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.root_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(leaf) => {
            let key = leaf.key();
            builder.with_client_auth_cert(leaf.chain, key).unwrap()
        }
    };
    let connector = TlsConnector::from(Arc::new(config));
    let tcp = TcpStream::connect(registry.address()).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    timeout(time, connector.connect(name, tcp)).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
}
