//! The agent's port where it speaks TLS: how an honest client uses it while others do not.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pullprobe_lab::ca::{Authority, CertKind};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::ServerName;
use serde_json::Value;

use crate::scene::{NAME, Scene};

/// A connection that shook hands.
pub type Shaken = StreamOwned<ClientConnection, TcpStream>;

/// Whoever attacks comes from here.
pub const CROWD: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// Whoever scrapes comes from there. Both are of the node.
pub const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

const LOOK: Duration = Duration::from_millis(50);

pub struct Door {
    pub address: SocketAddr,
    agent: u32,
    client: Arc<ClientConfig>,
}

/// Has the agent speak TLS, with a certificate of the scene's authority.
pub fn install(scene: &mut Scene) -> io::Result<()> {
    let leaf = scene.authority.leaf(CertKind::Good, &[NAME])?;
    let directory = scene.node.path("/web");
    std::fs::create_dir_all(&directory)?;
    std::fs::write(directory.join("tls.crt"), leaf.cert_pem())?;
    std::fs::write(directory.join("tls.key"), leaf.key_pem())?;
    let file = directory.join("web.yaml");
    std::fs::write(&file, "tls_server_config: {cert_file: tls.crt, key_file: tls.key}\n")?;
    scene.web = format!(", hosts: [{NAME}], config_file: {}", file.display());
    Ok(())
}

impl Door {
    pub fn new(address: SocketAddr, agent: u32, authority: &Authority) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.root_der()).map_err(io::Error::other)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(io::Error::other)?;
        let client = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
        Ok(Self { address, agent, client })
    }

    fn begun(&self) -> io::Result<ClientConnection> {
        let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
        ClientConnection::new(Arc::clone(&self.client), name).map_err(io::Error::other)
    }

    /// What a client says first.
    pub fn hello(&self) -> io::Result<Vec<u8>> {
        let mut hello = Vec::new();
        self.begun()?.write_tls(&mut hello)?;
        Ok(hello)
    }

    pub fn connect(&self, from: Ipv4Addr) -> io::Result<TcpStream> {
        let socket: OwnedFd = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&socket, &SocketAddr::new(IpAddr::V4(from), 0))?;
        connect(&socket, &self.address)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.set_write_timeout(Some(Duration::from_secs(10)))?;
        Ok(stream)
    }

    pub fn shaken(&self, from: Ipv4Addr) -> io::Result<Shaken> {
        let (mut connection, mut stream) = (self.begun()?, self.connect(from)?);
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(StreamOwned::new(connection, stream))
    }

    pub fn get(&self, from: Ipv4Addr, path: &str) -> io::Result<Vec<u8>> {
        let mut stream = self.shaken(from)?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {NAME}\r\n\r\n").as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
        if !answer.starts_with(b"HTTP/1.0 200") && !answer.starts_with(b"HTTP/1.1 200") {
            return Err(io::Error::other(format!("{path}: {}", String::from_utf8_lossy(&answer[..end]))));
        }
        Ok(answer.split_off(end))
    }

    /// How long a scrape took.
    pub fn scraped(&self, from: Ipv4Addr) -> io::Result<Duration> {
        let began = Instant::now();
        let metrics = self.get(from, "/metrics")?;
        if metrics.windows(21).any(|part| part == b"pullprobe_build_info{") {
            return Ok(began.elapsed());
        }
        Err(io::Error::other("these are no metrics"))
    }

    /// How many the agent has open.
    pub fn descriptors(&self) -> io::Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.agent))?.count())
    }

    /// Waits until the image was probed, again if `after` says when before, and says when.
    pub fn probed(&self, after: Option<&str>, limit: Duration) -> io::Result<String> {
        let began = Instant::now();
        loop {
            let report = self.get(OTHER, "/api/v1/report").ok();
            let report = report.and_then(|body| serde_json::from_slice::<Value>(&body).ok());
            let probed_at = report.as_ref().and_then(|report| report["images"][0]["probed_at"].as_str());
            match probed_at {
                Some(at) if Some(at) != after => return Ok(at.to_owned()),
                _ if began.elapsed() > limit => return Err(io::Error::other("the image was not probed")),
                _ => std::thread::sleep(LOOK),
            }
        }
    }
}
