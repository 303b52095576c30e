//! The connection on which the way was proved, as the first to carry requests: Go's transport uses the
//! one that it dialled, too, and another one would cost a handshake and two round trips more.
//!
//! Whoever finds it busy or gone uses the client, which dials anew.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::{HeaderValue, header};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::Request;
use super::fair::Fair;
use super::lru::{LruSlots, Slot, lock};

/// It is closed after so long without a request. Servers do so themselves after a few seconds, and a
/// request that meets this looks like a failure of theirs.
const IDLE: Duration = Duration::from_secs(2);

/// So many idle connections are kept at a time: each takes some 50 KB with its buffers and its session, and an agent may look
/// at two hundred hosts within the time that one is idle.
const CONNECTIONS: usize = 8;
/// So many clients, each of which may keep an idle connection. Eight images at work, as by default, need up to three each: for the
/// registry, its token service and its store of blobs. Where more are at work, some connect anew.
pub const CLIENTS: usize = 32;

/// What is kept open within a cycle.
#[derive(Clone, Debug)]
pub struct IdlePool {
    pub connections: LruSlots<Idle>,
    pub clients: LruSlots<reqwest::Client>,
}

impl Default for IdlePool {
    fn default() -> Self {
        Self { connections: LruSlots::at_most(CONNECTIONS), clients: LruSlots::at_most(CLIENTS) }
    }
}

/// Empty while a request is under way, and when it is closed.
#[derive(Clone, Debug)]
pub struct PooledConnection {
    slot: Arc<Slot<Idle>>,
    kept: LruSlots<Idle>,
}

/// Go limits only their size. More than these are an attack, or a loop.
const HEADERS: usize = 1000;

#[derive(Debug)]
pub struct Idle {
    sender: SendRequest<String>,
    since: Instant,
}

/// The connection, for one request.
pub struct Taken {
    sender: SendRequest<String>,
    slot: Weak<Slot<Idle>>,
    kept: LruSlots<Idle>,
}

impl PooledConnection {
    /// There is none.
    pub fn none() -> Self {
        Self { slot: Arc::default(), kept: LruSlots::at_most(0) }
    }

    pub async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, kept: &IdlePool) -> Self {
        let pooled = Self { slot: Arc::default(), kept: kept.connections.clone() };
        // It sends nothing yet.
        if let Ok((sender, connection)) = as_go_reads().handshake(TokioIo::new(Fair::over(stream))).await {
            put(&pooled.kept, &pooled.slot, sender);
            tokio::spawn(serve(connection, Arc::downgrade(&pooled.slot)));
        }
        pooled
    }

    /// For this request. `None`: the client must send it.
    pub async fn take(&self, request: &Request) -> Option<(Taken, http::Request<String>)> {
        let written = written(request)?;
        let idle = lock(&self.slot).take()?;
        let mut sender = idle.sender;
        sender.ready().await.ok()?;
        Some((Taken { sender, slot: Arc::downgrade(&self.slot), kept: self.kept.clone() }, written))
    }
}

impl Taken {
    /// `None`: the connection was closed before anything was sent.
    pub async fn send(&mut self, request: http::Request<String>) -> Option<hyper::Result<http::Response<Incoming>>> {
        match self.sender.try_send_request(request).await {
            Ok(response) => Some(Ok(response)),
            Err(unsent) if unsent.message().is_some() => None,
            Err(failed) => Some(Err(failed.into_error())),
        }
    }

    /// Once the whole answer was read.
    pub fn give_back(self) {
        if let Some(slot) = self.slot.upgrade().filter(|_| !self.sender.is_closed()) {
            put(&self.kept, &slot, self.sender);
        }
    }
}

fn put(kept: &LruSlots<Idle>, slot: &Arc<Slot<Idle>>, sender: SendRequest<String>) {
    *lock(slot) = Some(Idle { sender, since: Instant::now() });
    kept.used(slot);
}

/// What Go takes of an answer, and hyper by itself does not.
fn as_go_reads() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .max_headers(HEADERS)
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true);
    builder
}

/// Ends when either side closes the connection, or when it was idle for a while.
async fn serve(connection: impl Future, slot: Weak<Slot<Idle>>) {
    let mut connection = pin!(connection);
    loop {
        tokio::select! {
            _ = &mut connection => return,
            () = tokio::time::sleep(IDLE) => {
                let Some(slot) = slot.upgrade() else { continue };
                drop(lock(&slot).take_if(|idle| idle.since.elapsed() >= IDLE));
            }
        }
    }
}

/// As it goes over the wire. `None`: user information in the URL is for the client to translate.
fn written(request: &Request) -> Option<http::Request<String>> {
    let url = &request.url;
    if !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let mut written = http::Request::new(request.form.clone().unwrap_or_default());
    *written.method_mut() = request.method.clone();
    *written.uri_mut() = target.parse().ok()?;
    let headers = written.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_str(&format!("{}{port}", url.host_str()?)).ok()?);
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    // What the caller set takes the place of these; a name may stand there more than once.
    for name in request.headers.keys() {
        headers.remove(name);
    }
    headers.extend(request.headers.clone());
    Some(written)
}
