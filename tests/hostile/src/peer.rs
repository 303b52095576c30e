//! A registry that does to each request what its rules say, and counts what it is asked.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::script::{Line, Script, Talk};
use crate::shelf::{Shelf, TAG};

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// With its query.
    pub path: String,
    pub head: String,
}

impl Asked {
    /// The tag or digest at the end of the path.
    pub fn object(&self) -> &str {
        let path = self.path.split('?').next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default()
    }

    /// A field of the head, as sent.
    pub fn field(&self, name: &str) -> &str {
        let value = |line: &str| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
        let line = self.head.lines().find(|line| value(line)).unwrap_or_default();
        line.split_once(':').map_or("", |(_, value)| value.trim())
    }
}

/// Which requests a rule is about.
pub type When = fn(&Asked) -> bool;

pub const ANY: When = |_| true;
pub const PING: When = |asked| asked.path == "/v2/";
pub const MANIFEST: When = |asked| asked.path.contains("/manifests/");
pub const HEAD: When = |asked| asked.method == "HEAD";
/// The document behind the tag, or what it is said to be, by GET.
pub const GET: When = |asked| asked.method == "GET" && asked.path.contains("/manifests/");
pub const BLOB: When = |asked| asked.path.contains("/blobs/");
pub const TOKEN: When = |asked| asked.path.starts_with("/token");
pub const WITHOUT_LOGIN: When = |asked| !asked.path.starts_with("/token") && asked.field("authorization").is_empty();

/// How a registry behaves. The default has one good image.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The first that is about a request decides; without any the shelf answers.
    pub rules: Vec<(When, Script)>,
    pub shelf: Shelf,
    /// It speaks TLS.
    pub tls: Option<Arc<ServerConfig>>,
    /// What it says before it is asked.
    pub greeting: Option<Script>,
    /// What `${other}` in its scripts leads to.
    pub other: Option<Box<Self>>,
    /// The node has a login for it: a secret that nothing may show.
    pub login: bool,
}

impl Default for Spec {
    fn default() -> Self {
        Self { rules: Vec::new(), shelf: Shelf::good(), tls: None, greeting: None, other: None, login: false }
    }
}

impl Spec {
    #[must_use]
    pub fn on(mut self, when: When, script: Script) -> Self {
        self.rules.push((when, script));
        self
    }

    #[must_use]
    pub fn other(self, other: Self) -> Self {
        Self { other: Some(Box::new(other)), ..self }
    }

    #[must_use]
    pub fn login(self) -> Self {
        Self { login: true, ..self }
    }
}

/// A good image, and this for some requests.
pub fn on(when: When, script: Script) -> Spec {
    Spec::default().on(when, script)
}

/// These documents, served well.
pub fn has(shelf: Shelf) -> Spec {
    Spec { shelf, ..Spec::default() }
}

/// A running one; it ends when dropped.
pub struct Peer {
    pub address: SocketAddr,
    state: Arc<State>,
    other: Option<Box<Self>>,
}

struct State {
    spec: Spec,
    own: String,
    other: String,
    asked: AtomicUsize,
    stops: AtomicBool,
    /// When each HEAD of a tag came: the beginning of a probe.
    probes: Mutex<Vec<Instant>>,
}

impl Peer {
    pub fn start(spec: Spec) -> io::Result<Self> {
        Self::start_at("127.0.0.1:0", spec)
    }

    pub fn start_at(address: &str, mut spec: Spec) -> io::Result<Self> {
        let other = spec.other.take().map(|other| Self::start(*other)).transpose()?;
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let url = |tls: bool, address: SocketAddr| format!("{}://{address}", if tls { "https" } else { "http" });
        let state = State {
            own: url(spec.tls.is_some(), address),
            other: other.as_ref().map(Self::url).unwrap_or_default(),
            spec,
            asked: AtomicUsize::new(0),
            stops: AtomicBool::new(false),
            probes: Mutex::default(),
        };
        let state = Arc::new(state);
        let serving = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if serving.stops.load(Ordering::Relaxed) {
                    return;
                }
                let state = Arc::clone(&serving);
                // Who leaves has what it wanted.
                std::thread::spawn(move || drop(meet(&stream, &state)));
            }
        });
        Ok(Self { address, state, other: other.map(Box::new) })
    }

    pub fn url(&self) -> String {
        self.state.own.clone()
    }

    pub fn image(&self) -> String {
        format!("{}/demo/app:{TAG}", self.address)
    }

    /// What it and the others of the attack were asked.
    pub fn requests(&self) -> usize {
        self.state.asked.load(Ordering::Relaxed) + self.other.as_ref().map_or(0, |other| other.requests())
    }

    /// When probes of its image began.
    pub fn probes(&self) -> Vec<Instant> {
        self.state.probes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.state.stops.store(true, Ordering::Relaxed);
        // The listener is asked once more, and looks.
        drop(TcpStream::connect_timeout(&self.address, Duration::from_secs(1)));
    }
}

fn meet(tcp: &TcpStream, state: &State) -> io::Result<()> {
    let spec = &state.spec;
    if let Some(greeting) = &spec.greeting {
        state.asked.fetch_add(1, Ordering::Relaxed);
        let mut io = tcp;
        Line { io: &mut io, tcp }.play(greeting, false, &<[u8]>::to_vec)?;
        return Ok(());
    }
    if let Some(config) = &spec.tls {
        let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        return converse(StreamOwned::new(connection, tcp.try_clone()?), tcp, state);
    }
    let mut first = [0];
    if tcp.peek(&mut first)? == 1 && first == [0x16] {
        // A server of plain HTTP says so, and the client comes back without TLS.
        return (&mut &*tcp).write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
    }
    converse(tcp.try_clone()?, tcp, state)
}

fn converse<S: Talk>(stream: S, tcp: &TcpStream, state: &State) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(asked) = read(&mut reader)? {
        state.asked.fetch_add(1, Ordering::Relaxed);
        if asked.method == "HEAD" && asked.object() == TAG {
            state.probes.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        }
        let rule = state.spec.rules.iter().find(|(when, _)| when(&asked));
        let script = rule.map_or_else(|| state.spec.shelf.reply(&asked), |(_, script)| script.clone());
        let mut line = Line { io: reader.get_mut(), tcp };
        if !line.play(&script, asked.method == "HEAD", &|bytes| expand(bytes, state, &asked))? {
            return Ok(());
        }
    }
    Ok(())
}

fn read<S: Talk>(reader: &mut BufReader<S>) -> io::Result<Option<Asked>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head)? == 0 {
            return Ok(None);
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut words = head.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let asked = Asked { method, path, head };
    let length = asked.field("content-length").parse().unwrap_or(0);
    io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
    Ok(Some(asked))
}

/// `${self}`, `${other}`, `${path}`, `${authorization}` and `${n}`, the number of requests so far.
fn expand(bytes: &[u8], state: &State, asked: &Asked) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut from = 0;
    while let Some(at) = bytes[from..].windows(2).position(|pair| pair == b"${").map(|at| from + at) {
        let Some(end) = bytes[at..].iter().position(|byte| *byte == b'}').map(|end| at + end) else { break };
        let value = match &bytes[at + 2..end] {
            b"self" => state.own.clone(),
            b"other" => state.other.clone(),
            b"path" => asked.path.clone(),
            b"authorization" => asked.field("authorization").to_owned(),
            b"n" => state.asked.load(Ordering::Relaxed).to_string(),
            _ => {
                from = end;
                continue;
            }
        };
        from = at + value.len();
        bytes.splice(at..=end, value.into_bytes());
    }
    bytes
}
