//! A registry of plain HTTP that says whatever bytes it is given, and counts what it is asked.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pullprobe_lab::registry::sha256;

pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What was asked: method, path and query, and the head as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub head: String,
}

impl Asked {
    /// The tag or digest at the end of the path.
    pub fn object(&self) -> &str {
        self.path.split('?').next().unwrap().rsplit('/').next().unwrap()
    }
}

/// How an answer goes on.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: &'static str,
    /// `Name: value` each, as bytes.
    pub fields: Vec<Vec<u8>>,
    pub body: Arc<Vec<u8>>,
    /// The body is announced longer than it is, and nothing more comes.
    pub stalls: bool,
}

impl Reply {
    pub fn new(status: &'static str) -> Self {
        Self { status, fields: Vec::new(), body: Arc::default(), stalls: false }
    }

    #[must_use]
    pub fn field(mut self, field: impl Into<Vec<u8>>) -> Self {
        self.fields.push(field.into());
        self
    }

    #[must_use]
    pub fn body(mut self, body: &Arc<Vec<u8>>) -> Self {
        self.body = Arc::clone(body);
        self
    }
}

type Answers = dyn Fn(&Asked) -> Reply + Send + Sync;

/// It listens until the process ends: what it holds is little.
pub struct Peer {
    pub address: SocketAddr,
    asked: Arc<AtomicUsize>,
    log: Arc<Mutex<Vec<Asked>>>,
}

impl Peer {
    pub fn start(answers: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, log) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<Asked>>>::default());
        let (counted, logged) = (Arc::clone(&asked), Arc::clone(&log));
        let answers: Arc<Answers> = Arc::new(answers);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, counted, logged) = (Arc::clone(&answers), Arc::clone(&counted), Arc::clone(&logged));
                std::thread::spawn(move || serve(&stream, &*answers, &counted, &logged));
            }
        });
        Self { address, asked, log }
    }

    pub fn image(&self) -> String {
        format!("{}/demo/app:1.0", self.address)
    }

    pub fn requests(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    pub fn log(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }
}

fn serve(stream: &TcpStream, answers: &Answers, counted: &AtomicUsize, log: &Mutex<Vec<Asked>>) -> Option<()> {
    let mut first = [0];
    if stream.peek(&mut first).ok()? == 1 && first == [0x16] {
        // TLS: a server of plain HTTP says so, and the client comes back without.
        let mut stream = stream;
        let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
        return None;
    }
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let mut words = head.split_whitespace();
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let asked = Asked { method, path, head };
        counted.fetch_add(1, Ordering::Relaxed);
        log.lock().unwrap().push(asked.clone());
        let reply = answers(&asked);
        let length = reply.body.len() + usize::from(reply.stalls);
        let mut out = format!("HTTP/1.1 {}\r\nContent-Length: {length}\r\n", reply.status).into_bytes();
        for field in &reply.fields {
            out.extend_from_slice(field);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        let mut stream = stream;
        stream.write_all(&out).ok()?;
        if asked.method != "HEAD" {
            stream.write_all(&reply.body).ok()?;
            if reply.stalls {
                std::thread::park_timeout(Duration::from_mins(2));
                return None;
            }
        }
    }
}

/// Documents by tag and digest.
#[derive(Clone, Default)]
pub struct Shelf {
    documents: BTreeMap<String, (String, Arc<Vec<u8>>)>,
    /// Whose bodies stop one byte before their end.
    pub stalls: Vec<String>,
}

impl Shelf {
    pub fn add(&mut self, media_type: &str, body: impl Into<Vec<u8>>) -> String {
        let body = Arc::new(body.into());
        let digest = sha256(&body);
        self.documents.insert(digest.clone(), (media_type.to_owned(), body));
        digest
    }

    pub fn tag(&mut self, digest: &str) {
        let document = self.documents[digest].clone();
        self.documents.insert("1.0".into(), document);
    }

    pub fn text(&self, digest: &str) -> Vec<u8> {
        self.documents[digest].1.to_vec()
    }

    pub fn entry(&self, digest: &str) -> String {
        let (media_type, body) = &self.documents[digest];
        format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{}}}"#, body.len())
    }

    /// An image that can be pulled; its manifest's digest.
    pub fn good_image(&mut self) -> String {
        let layer = self.add(LAYER, "layer");
        let config = r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:a"]}}"#;
        let config = self.add(CONFIG, config);
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{},"layers":[{}]}}"#,
            self.entry(&config),
            self.entry(&layer)
        );
        self.add(MANIFEST, manifest)
    }

    pub fn reply(&self, asked: &Asked) -> Reply {
        if asked.path == "/v2/" {
            return Reply::new("200 OK");
        }
        let Some((media_type, body)) = self.documents.get(asked.object()) else { return Reply::new("404 Not Found") };
        let digest = sha256(body);
        let stalls = asked.method == "GET" && self.stalls.contains(&digest);
        let reply = Reply::new("200 OK")
            .field(format!("Content-Type: {media_type}"))
            .field(format!("Docker-Content-Digest: {digest}"));
        Reply { stalls, ..reply.body(body) }
    }

    pub fn serve(self) -> Peer {
        Peer::start(move |asked| self.reply(asked))
    }
}
