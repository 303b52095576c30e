//! A stand-in for a Kubernetes API server: the pods of a cluster over TLS and HTTP, as lists and as watches, and what its nodes say of
//! themselves.
//!
//! It knows no more than what a client of pods can see: tokens, field selectors, pages, versions, bookmarks, and versions that
//! are forgotten. What it does not know is a 404.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};
use tokio_rustls::TlsAcceptor;

use crate::Lab;
use crate::socket::{self, Task, accept_all, lock, loopback};
use crate::tls::Tls;

mod told;

use told::Told;
pub use told::Write;

/// What it does to every request instead of answering it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It reads the request and never answers.
    Hang,
    /// It refuses with this status.
    Status(u16),
    /// It is busy, and wants to be asked again after so many seconds.
    Busy { seconds: u32 },
}

/// A running API server; it ends when dropped.
#[derive(Debug)]
pub struct Kubernetes {
    address: SocketAddr,
    authority: String,
    shared: Arc<Shared>,
    _task: Task,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Somebody asked for something.
    asked: Notify,
}

#[derive(Debug, Default)]
struct State {
    token: String,
    version: u64,
    /// By namespace and name.
    pods: BTreeMap<String, Value>,
    /// Each change with its version; what is older is forgotten.
    changes: VecDeque<(u64, Value)>,
    forgotten: u64,
    watches: Vec<Watch>,
    fault: Option<Fault>,
    requests: Vec<String>,
    told: Told,
}

#[derive(Debug)]
struct Watch {
    node: Option<String>,
    events: mpsc::UnboundedSender<Part>,
}

#[derive(Debug)]
enum Part {
    Line(Value),
    /// The connection breaks.
    Break,
}

impl Kubernetes {
    /// At a port of 127.0.0.1, with a certificate of the lab's authority, and without a pod.
    pub fn start(lab: &Lab) -> io::Result<Self> {
        Self::start_at(lab, loopback())
    }

    /// The same at a known address.
    pub fn start_at(lab: &Lab, address: SocketAddr) -> io::Result<Self> {
        let listener = socket::listen(address)?;
        let address = listener.local_addr()?;
        let config = Tls::default().server_config(&lab.authority, &["127.0.0.1", "localhost"])?;
        let acceptor = TlsAcceptor::from(config);
        let shared = Arc::new(Shared::default());
        "first".clone_into(&mut lock(&shared.state).token);
        let serving = Arc::clone(&shared);
        let task = Task::spawn(accept_all(listener, move |tcp| {
            let (acceptor, shared) = (acceptor.clone(), Arc::clone(&serving));
            async move {
                // A handshake that fails is the client's finding.
                let Ok(stream) = acceptor.accept(tcp).await else { return };
                let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
                // An error is a watch that was broken on purpose, or a client that left.
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            }
        }));
        Ok(Self { address, authority: lab.authority.root_pem(), shared, _task: task })
    }

    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Writes what a pod has mounted: `ca.crt`, `token` and `namespace`.
    pub fn mount(&self, directory: &Path) -> io::Result<()> {
        std::fs::create_dir_all(directory)?;
        std::fs::write(directory.join("ca.crt"), &self.authority)?;
        std::fs::write(directory.join("namespace"), "pullprobe")?;
        std::fs::write(directory.join("token"), &lock(&self.shared.state).token)
    }

    /// From now on only this token is taken.
    pub fn set_token(&self, token: &str) {
        token.clone_into(&mut lock(&self.shared.state).token);
    }

    pub fn set_fault(&self, fault: Option<Fault>) {
        lock(&self.shared.state).fault = fault;
    }

    /// Adds a pod, or changes the one of its name.
    pub fn apply(&self, mut pod: Value) {
        let mut state = lock(&self.shared.state);
        let key = key(&pod);
        state.version += 1;
        pod["metadata"]["resourceVersion"] = state.version.to_string().into();
        let kind = if state.pods.contains_key(&key) { "MODIFIED" } else { "ADDED" };
        state.pods.insert(key, pod.clone());
        state.tell(kind, &pod);
    }

    pub fn delete(&self, namespace: &str, name: &str) {
        let mut state = lock(&self.shared.state);
        if let Some(mut pod) = state.pods.remove(&format!("{namespace}/{name}")) {
            state.version += 1;
            pod["metadata"]["resourceVersion"] = state.version.to_string().into();
            state.tell("DELETED", &pod);
        }
    }

    /// Tells every watch how far it has come.
    pub fn bookmark(&self) {
        let mut state = lock(&self.shared.state);
        state.version += 1;
        let version = state.version.to_string();
        let object = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": version, "creationTimestamp": null},
                            "spec": {"containers": null}, "status": {}});
        for watch in &state.watches {
            let _ = watch.events.send(Part::Line(json!({"type": "BOOKMARK", "object": object})));
        }
    }

    /// Forgets every version so far: watches get an error and end, and who asks for an old version gets 410.
    pub fn compact(&self) {
        let mut state = lock(&self.shared.state);
        state.version += 1;
        state.forgotten = state.version;
        state.changes.clear();
        for watch in state.watches.drain(..) {
            let _ = watch.events.send(Part::Line(json!({"type": "ERROR", "object": gone()})));
        }
    }

    /// Breaks every connection with a watch.
    pub fn drop_watches(&self) {
        for watch in lock(&self.shared.state).watches.drain(..) {
            let _ = watch.events.send(Part::Break);
        }
    }

    /// Ends every watch in good order, as after `timeoutSeconds`.
    pub fn end_watches(&self) {
        lock(&self.shared.state).watches.clear();
    }

    /// Path and query of every request, in their order.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.shared.state).requests.clone()
    }

    /// How many watches are open.
    pub fn watches(&self) -> usize {
        let mut state = lock(&self.shared.state);
        state.watches.retain(|watch| !watch.events.is_closed());
        state.watches.len()
    }

    /// Waits until so many requests came in all.
    pub async fn asked(&self, requests: usize) {
        loop {
            let asked = self.shared.asked.notified();
            if lock(&self.shared.state).requests.len() >= requests {
                return;
            }
            asked.await;
        }
    }
}

impl State {
    fn tell(&mut self, kind: &str, pod: &Value) {
        let event = json!({"type": kind, "object": pod});
        self.changes.push_back((self.version, event.clone()));
        for watch in self.watches.iter().filter(|watch| is_of(watch.node.as_deref(), pod)) {
            let _ = watch.events.send(Part::Line(event.clone()));
        }
    }

    fn refusal(&self, request: &Request<Incoming>) -> Option<Response<Payload>> {
        let expected = format!("Bearer {}", self.token);
        let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if authorization != Some(&expected) {
            return Some(refused(401, "Unauthorized", "Unauthorized"));
        }
        match self.fault {
            Some(Fault::Status(status)) => Some(refused(status, "Refused", "the lab refuses this")),
            Some(Fault::Busy { seconds }) => {
                let mut busy = refused(429, "TooManyRequests", "Too many requests, please try again later.");
                busy.headers_mut().insert(header::RETRY_AFTER, seconds.into());
                Some(busy)
            }
            _ if told::is_write(request) => None,
            _ if request.uri().path() != "/api/v1/pods" => Some(refused(404, "NotFound", "not found")),
            _ => None,
        }
    }

    fn list(&self, node: Option<&str>, query: &BTreeMap<String, String>) -> Response<Payload> {
        let of_node: Vec<&Value> = self.pods.values().filter(|pod| is_of(node, pod)).collect();
        // As a real one: what is answered from memory has no pages.
        let is_from_memory = query.get("resourceVersion").is_some_and(|version| version == "0");
        let limit =
            query.get("limit").and_then(|limit| limit.parse().ok()).filter(|limit| *limit > 0 && !is_from_memory);
        let begin: usize = query.get("continue").and_then(|begin| begin.parse().ok()).unwrap_or_default();
        let page: Vec<&Value> = of_node.iter().skip(begin).take(limit.unwrap_or(usize::MAX)).copied().collect();
        let end = begin + page.len();
        let mut metadata = json!({"resourceVersion": self.version.to_string()});
        if end < of_node.len() {
            metadata["continue"] = end.to_string().into();
            metadata["remainingItemCount"] = (of_node.len() - end).into();
        }
        let items: Vec<Value> = page.into_iter().cloned().collect();
        json_response(200, &json!({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items}))
    }

    fn watch(&mut self, node: Option<&str>, query: &BTreeMap<String, String>) -> Response<Payload> {
        let since: u64 = query.get("resourceVersion").and_then(|version| version.parse().ok()).unwrap_or_default();
        if since < self.forgotten {
            return json_response(410, &gone());
        }
        let (events, receiver) = mpsc::unbounded_channel();
        for (_, event) in
            self.changes.iter().filter(|(version, event)| *version > since && is_of(node, &event["object"]))
        {
            let _ = events.send(Part::Line(event.clone()));
        }
        self.watches.push(Watch { node: node.map(str::to_owned), events });
        let mut response = Response::new(Payload::Events(receiver));
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        response
    }
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Payload>, Infallible> {
    let is_hanging = {
        let mut state = lock(&shared.state);
        state.requests.push(request.uri().to_string());
        state.fault == Some(Fault::Hang)
    };
    shared.asked.notify_waiters();
    if is_hanging {
        std::future::pending::<()>().await;
    }
    if told::is_write(&request) {
        if let Some(refusal) = lock(&shared.state).refusal(&request) {
            return Ok(refusal);
        }
        let Ok(write) = Write::read(request).await else { return Ok(refused(400, "BadRequest", "no body")) };
        let (status, body) = lock(&shared.state).told.take(&write);
        shared.asked.notify_waiters();
        return Ok(json_response(status, &body));
    }
    let query: BTreeMap<String, String> = query(request.uri().query().unwrap_or_default());
    let node = query.get("fieldSelector").and_then(|selector| selector.strip_prefix("spec.nodeName="));
    let mut state = lock(&shared.state);
    if let Some(refusal) = state.refusal(&request) {
        return Ok(refusal);
    }
    let is_watch = query.get("watch").is_some_and(|watch| matches!(watch.as_str(), "1" | "true"));
    let asked: u64 = query.get("resourceVersion").and_then(|version| version.parse().ok()).unwrap_or_default();
    if !is_watch && asked > state.version {
        return Ok(refused(504, "Timeout", "Too large resource version"));
    }
    Ok(if is_watch { state.watch(node, &query) } else { state.list(node, &query) })
}

/// Every `name=value`, with `%XX` resolved.
fn query(text: &str) -> BTreeMap<String, String> {
    let plain = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            let code = |digit: Option<u8>| digit.and_then(|digit| (digit as char).to_digit(16));
            match byte {
                b'%' => {
                    let (high, low) = (code(rest.next()), code(rest.next()));
                    bytes.extend(high.zip(low).and_then(|(high, low)| u8::try_from(high * 16 + low).ok()));
                }
                b'+' => bytes.push(b' '),
                byte => bytes.push(byte),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (plain(name), plain(value))).collect()
}

fn key(pod: &Value) -> String {
    let text = |name: &str| pod["metadata"][name].as_str().unwrap_or_default().to_owned();
    format!("{}/{}", text("namespace"), text("name"))
}

fn is_of(node: Option<&str>, pod: &Value) -> bool {
    node.is_none_or(|node| pod["spec"]["nodeName"].as_str() == Some(node))
}

fn gone() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Expired", "code": 410,
           "message": "too old resource version: 1 (2)"})
}

fn refused(status: u16, reason: &str, message: &str) -> Response<Payload> {
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason,
                      "message": message, "code": status});
    json_response(status, &body)
}

fn json_response(status: u16, body: &Value) -> Response<Payload> {
    let mut response = Response::new(Payload::Whole(Some(Bytes::from(body.to_string()))));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

/// The body of an answer.
enum Payload {
    Whole(Option<Bytes>),
    Events(mpsc::UnboundedReceiver<Part>),
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Events(events) => events.poll_recv(cx).map(|part| match part? {
                Part::Line(event) => Some(Ok(Frame::data(Bytes::from(format!("{event}\n"))))),
                Part::Break => Some(Err(io::Error::other("the connection breaks"))),
            }),
        }
    }
}
