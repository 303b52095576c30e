//! From an accepted connection to an answer: TLS, HTTP, then record, fault, and the registry's own
//! answer.

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::alter::{alter, replacement, respond};
use super::auth::Auth;
use super::body::{CutOff, Payload};
use super::fault::Then;
use super::record::Request;
use super::reply::Reply;
use super::route::{Kind, Route};
use super::{Config, Shared};
use crate::socket::{Socket, Switch, Wire, accept_all, lock};

/// Requests of the lab are small: whatever is longer is cut.
const MAX_REQUEST_BODY: usize = 64 * 1024;

/// Serves every connection of `listener` until dropped.
pub(super) async fn run(listener: TcpListener, tls: Option<Arc<ServerConfig>>, shared: Arc<Shared>) {
    let acceptor = tls.map(TlsAcceptor::from);
    accept_all(listener, |stream| connection(stream, acceptor.clone(), Arc::clone(&shared))).await;
}

async fn connection(tcp: TcpStream, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) {
    shared.connections.fetch_add(1, Ordering::Relaxed);
    let switch = Arc::new(Switch::default());
    let socket = Socket { tcp, switch: Arc::clone(&switch) };
    if let Some(fault) = shared.config.tls.as_ref().and_then(|tls| tls.fault) {
        return fault.play(socket).await;
    }
    let Some(acceptor) = acceptor else {
        return speak_http(Wire::new(socket, Arc::clone(&switch)), switch, shared).await;
    };
    // A handshake that fails is the client's finding, not the lab's.
    if let Ok(stream) = acceptor.accept(socket).await {
        shared.handshakes.fetch_add(1, Ordering::Relaxed);
        speak_http(Wire::new(stream, Arc::clone(&switch)), switch, shared).await;
    }
}

async fn speak_http<S>(wire: Wire<S>, switch: Arc<Switch>, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| answer(request, &switch, &shared));
    // An error here is a fault that was asked for, or a client that left.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(wire), service).await;
}

async fn answer(
    request: http::Request<Incoming>,
    switch: &Switch,
    shared: &Shared,
) -> Result<http::Response<Payload>, CutOff> {
    let request = read(request, &shared.config).await;
    shared.log.record(request.clone());
    let then = lock(&shared.faults).pick(&request).unwrap_or_default();
    if then.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(then.delay_ms)).await;
    }
    if then.hang {
        pending::<()>().await;
    }
    if then.reset {
        switch.reset_at_end();
    }
    if then.reset || then.close_early {
        return Err(CutOff);
    }
    if let Some(raw) = &then.raw {
        switch.write_instead(Bytes::from(shared.peers.expand(raw)));
        let reply = Reply::new(200, "text/plain", "").with("connection", "close");
        return Ok(respond(&request, reply, &Then::default()));
    }
    let (reply, counted) = shared.reply(&request, &then);
    let reply = alter(reply, &then, |text| shared.expand(&request, text));
    shared.log.answered(request.sequence, reply.status, counted);
    Ok(respond(&request, reply, &then))
}

async fn read(request: http::Request<Incoming>, config: &Config) -> Request {
    let (head, mut incoming) = request.into_parts();
    let mut body = Vec::new();
    while body.len() < MAX_REQUEST_BODY {
        let frame = poll_fn(|cx| Pin::new(&mut incoming).poll_frame(cx)).await;
        let Some(Ok(frame)) = frame else { break };
        if let Ok(data) = frame.into_data() {
            body.extend_from_slice(&data);
        }
    }
    body.truncate(MAX_REQUEST_BODY);
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let route = Route::of(config, head.uri.path());
    let target = (head.uri.path(), head.uri.query().unwrap_or(""));
    let body = String::from_utf8_lossy(&body).into_owned();
    Request::new(head.method.as_str(), target, headers, body, route)
}

impl Shared {
    /// The answer before alterations; `true` = it was counted as a pull.
    fn reply(&self, request: &Request, then: &Then) -> (Reply, bool) {
        if let Some(reply) = replacement(then) {
            return (reply, false);
        }
        let reply = self.own_reply(request, then);
        match &self.meter {
            Some(meter) => lock(meter).apply(request, reply),
            None => (reply, false),
        }
    }

    /// What a healthy registry with this content answers.
    fn own_reply(&self, request: &Request, then: &Then) -> Reply {
        let auth = &self.config.auth;
        if request.kind == Kind::Token {
            return match auth {
                Auth::Bearer(bearer) => bearer.token(request),
                _ => Reply::new(404, "text/plain", "404 page not found\n"),
            };
        }
        if request.kind == Kind::Any {
            return Reply::new(404, "text/plain", "404 page not found\n");
        }
        if let Some(refusal) = auth.refuses(request, &self.realm(request)) {
            return refusal.with("docker-distribution-api-version", "registry/2.0");
        }
        if !matches!(&*request.method, "GET" | "HEAD") {
            return Reply::error(405, "UNSUPPORTED", "the operation is unsupported");
        }
        let store = lock(&self.store);
        let reply = match request.kind {
            Kind::Ping => Reply::new(200, "application/json", "{}"),
            _ if !store.has(&request.repository) => {
                Reply::error(404, "NAME_UNKNOWN", "repository name not known to registry")
            }
            Kind::Tags => {
                let tags = store.tags(&request.repository);
                Reply::json(&json!({"name": request.repository, "tags": tags}))
            }
            Kind::Manifest => match store.manifest(&request.repository, &request.reference) {
                Some(manifest) => Reply::new(200, &manifest.media_type, manifest.body.clone())
                    .with("docker-content-digest", &manifest.digest),
                None => Reply::error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
            },
            _ => match store.blob(&request.repository, &request.reference) {
                Some(blob) => {
                    let range = request.header("range").filter(|_| !then.ignore_range);
                    ranged(blob, range).with("docker-content-digest", &request.reference)
                }
                None => Reply::error(404, "BLOB_UNKNOWN", "blob unknown to registry"),
            },
        };
        reply.with("docker-distribution-api-version", "registry/2.0")
    }

    fn realm(&self, request: &Request) -> String {
        match &self.config.auth {
            Auth::Bearer(bearer) if !bearer.realm.is_empty() => self.expand(request, &bearer.realm),
            _ => self.expand(request, "${self}/token"),
        }
    }

    /// `${self}` is the endpoint under the name that the client used, `${object}` the path behind `/v2/`.
    fn expand(&self, request: &Request, text: &str) -> String {
        if !text.contains("${") {
            return text.to_owned();
        }
        let scheme = self.endpoint.split_once("://").map_or("http", |(scheme, _)| scheme);
        let own = match request.header("host") {
            Some(host) => format!("{scheme}://{host}"),
            None => self.endpoint.clone(),
        };
        let line = request.line();
        let path = line.split_once(' ').map_or("/", |(_, path)| path);
        let object = path.split_once("/v2/").map_or("", |(_, object)| object);
        self.peers.expand(&text.replace("${self}", &own).replace("${path}", path).replace("${object}", object))
    }
}

/// The whole blob, or the part that `Range: bytes=A-B` or `bytes=A-` asks for.
fn ranged(blob: &Bytes, range: Option<&str>) -> Reply {
    let whole = || Reply::new(200, "application/octet-stream", blob.clone()).with("accept-ranges", "bytes");
    let Some((first, last)) =
        range.and_then(|range| range.strip_prefix("bytes=")).and_then(|range| range.split_once('-'))
    else {
        return whole();
    };
    let Ok(first) = first.parse::<usize>() else {
        return whole();
    };
    let end = last.parse::<usize>().map_or(blob.len(), |last| blob.len().min(last.saturating_add(1)));
    if first >= end {
        let reply = Reply::new(416, "text/plain", "");
        return reply.with("content-range", &format!("bytes */{}", blob.len()));
    }
    let range = format!("bytes {first}-{}/{}", end - 1, blob.len());
    Reply::new(206, "application/octet-stream", blob.slice(first..end)).with("content-range", &range)
}
