//! A small HTTP proxy: CONNECT tunnels and plain requests in absolute form, let through or refused.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::socket::{self, Task, accept_all, lock, loopback};

/// A request's head is small; whoever sends more is no client of ours.
const MAX_HEAD: u64 = 64 * 1024;

/// What a proxy does; the default lets everything through.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How it meets requests.
    pub mode: Mode,
    /// Only so many; it serves the later ones. `None` = all.
    pub times: Option<usize>,
    /// The `Proxy-Authorization` it wants, as `Basic dXNlcjpwYXNz`: all others get 407. `None` = any.
    pub credential: Option<String>,
    /// How it asks for one; empty = Basic.
    pub challenges: Vec<String>,
    /// Addresses of names that the system does not know: host to `ip` or `ip:port`.
    pub hosts: BTreeMap<String, String>,
}

/// How a proxy meets requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It serves them.
    #[default]
    Serve,
    /// It answers this status: 403 is its policy, 407 wants a credential, 502 cannot reach the target.
    Status(u16),
    /// It reads the request and never answers.
    Hang,
    /// It reads the request and closes.
    Close,
    /// It answers something that is not HTTP.
    Garbage,
}

/// A request that the proxy received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `CONNECT`, or the method of a plain request.
    pub method: String,
    /// `host:port`, or the URL of a plain request.
    pub target: String,
    /// As sent.
    pub authorization: Option<String>,
}

/// A running proxy; it ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _task: Task,
}

impl Proxy {
    /// Starts it on 127.0.0.1; must be called within a tokio runtime.
    pub fn start(config: Config) -> io::Result<Self> {
        let listener = socket::listen(loopback())?;
        let address = listener.local_addr()?;
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let (config, log) = (Arc::new(config), Arc::clone(&seen));
        let task = Task::spawn(accept_all(listener, move |tcp| {
            let (config, log) = (Arc::clone(&config), Arc::clone(&log));
            async move {
                // What fails here fails for the client, who notices.
                let _ = serve(tcp, &config, &log).await;
            }
        }));
        Ok(Self { address, seen, _task: task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// As in `HTTPS_PROXY`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.seen).clone()
    }
}

/// A request's head.
struct Head {
    method: String,
    target: String,
    lines: Vec<String>,
}

impl Head {
    async fn read(client: &mut BufReader<TcpStream>) -> io::Result<Self> {
        let mut limited = client.take(MAX_HEAD);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if limited.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.trim_end().is_empty() {
                break;
            }
            lines.push(line.trim_end().to_owned());
        }
        let mut words = lines.first().map(String::as_str).unwrap_or_default().split(' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        Ok(Self { method: word(), target: word(), lines })
    }

    fn authorization(&self) -> Option<String> {
        self.lines.iter().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("proxy-authorization").then(|| value.trim().to_owned())
        })
    }
}

async fn serve(tcp: TcpStream, config: &Config, log: &Mutex<Vec<Seen>>) -> io::Result<()> {
    let mut client = BufReader::new(tcp);
    let head = Head::read(&mut client).await?;
    let authorization = head.authorization();
    let unwelcome = config.credential.is_some() && config.credential != authorization;
    let before = {
        let mut log = lock(log);
        log.push(Seen { method: head.method.clone(), target: head.target.clone(), authorization });
        log.len() - 1
    };
    match config.times.filter(|times| before >= *times).map_or(config.mode, |_| Mode::Serve) {
        Mode::Hang => std::future::pending().await,
        Mode::Close => Ok(()),
        Mode::Garbage => client.write_all(b"this is not HTTP\r\n\r\n").await,
        Mode::Status(status) => refuse(&mut client, status).await,
        Mode::Serve if unwelcome => refuse(&mut client, 407).await,
        Mode::Serve => forward(&mut client, &head, config).await,
    }
}

async fn refuse(client: &mut BufReader<TcpStream>, status: u16) -> io::Result<()> {
    let reason =
        http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Refused");
    let challenge = if status == 407 { "proxy-authenticate: Basic realm=\"lab proxy\"\r\n" } else { "" };
    let answer = format!("HTTP/1.1 {status} {reason}\r\n{challenge}content-length: 0\r\nconnection: close\r\n\r\n");
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await
}

async fn forward(client: &mut BufReader<TcpStream>, head: &Head, config: &Config) -> io::Result<()> {
    let tunnel = head.method == "CONNECT";
    let (authority, path) = if tunnel {
        (head.target.as_str(), "")
    } else {
        let rest = head.target.strip_prefix("http://").unwrap_or(&head.target);
        rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash))
    };
    let Ok(mut server) = connect(authority, config).await else {
        return refuse(client, 502).await;
    };
    if tunnel {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    } else {
        server.write_all(origin_form(head, path).as_bytes()).await?;
    }
    tokio::io::copy_bidirectional(client, &mut server).await.map(|_| ())
}

/// The request as its origin server expects it, once: the connection is not reused for another host.
fn origin_form(head: &Head, path: &str) -> String {
    let kept = |line: &&String| {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        name != "connection" && !name.starts_with("proxy-")
    };
    let first = format!("{} {path} HTTP/1.1", head.method);
    let headers = head.lines.iter().skip(1).filter(kept).map(String::as_str);
    let mut lines = vec![first.as_str(), "connection: close"];
    lines.extend(headers);
    lines.join("\r\n") + "\r\n\r\n"
}

async fn connect(authority: &str, config: &Config) -> io::Result<TcpStream> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port),
        None => (authority, "80"),
    };
    match config.hosts.get(host) {
        Some(address) if address.parse::<SocketAddr>().is_ok() => TcpStream::connect(address).await,
        Some(address) => TcpStream::connect(format!("{address}:{port}")).await,
        None => TcpStream::connect(format!("{host}:{port}")).await,
    }
}
