//! Requests on one connection, with bounded answers. It follows no redirect.
//!
//! The first requests use the connection that was measured, over hyper. reqwest carries the further ones: connections, the
//! proxy's part and bodies, to one address and with the TLS settings of the handshake. It resolves no name, follows no
//! redirect, repeats nothing and decides nothing; its errors are told apart by what they carry, never by their text.

mod binding;
pub mod body;
mod chain;
mod confidential;
mod encoding;
pub mod envelope;
mod fair;
pub mod headers;
mod informational;
mod lru;
mod pooled;
mod redirect;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use go::http1::head;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use url::Url;

use crate::cause::Cause;
use crate::model::host::{Endpoint, Scheme};
use crate::model::limit::LimitReached;
use crate::model::outcome::{Failure, Mark};
use crate::model::stage::Stage;
use crate::redact::clean::Clean;
use crate::redact::clip::clip;
use crate::redact::redactor::Redactor;
use crate::redact::urls::without_credentials;
use crate::transport::errno::own_limit;
pub use binding::Binding;
use body::Body;
use chain::chain;
pub use encoding::{is_gzip, readable_part};
pub use informational::Informational;
use lru::{Slot, lock};
use pooled::Taken;
pub use pooled::{IdlePool, PooledConnection};

/// What is read of a refusal at least.
const ERROR_BODY: usize = 8 << 10;

/// hyper's limits: 100 fields where reqwest asks, more on the connection at hand, and so many bytes on both.
const HEAD_TOO_LARGE: &str = "the head of the answer is longer than pullprobe reads: 400 KiB, or 100 fields";

/// containerd reads so much of the body of an error.
const ERROR_LIMIT: usize = 64_000;

#[derive(Clone, Debug)]
pub struct HttpClient {
    /// Further connections. `None` until the proved one does not do, since most hosts never need another, and again when many
    /// other hosts were asked meanwhile.
    inner: Arc<Slot<reqwest::Client>>,
    binding: Arc<Binding>,
    /// Whether a connection has served a request: Go tries once more when such a one is closed.
    used: Arc<AtomicBool>,
}

/// A request without its host's headers and authorization: the session adds those.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    /// A form, already encoded.
    pub form: Option<String>,
    /// How many bytes of the body are kept at most.
    pub body_limit: usize,
}

#[derive(Clone, Debug)]
pub struct Response {
    pub status: StatusCode,
    /// The words behind the status as they came, which Go shows.
    pub reason: Clean,
    pub headers: HeaderMap,
    pub body: Body,
    /// What was left of the body when reading stopped.
    pub body_end: BodyEnd,
    /// Removes the request's secrets from the answer.
    pub redactor: Redactor,
    /// `host:port` of the proxy that passes on requests one by one, and may have answered itself.
    pub passed_on_by: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    Whole,
    /// Longer than the limit; the rest was not read.
    Cut,
    /// The connection ended first.
    Broken,
    /// The deadline came first.
    Stalled,
    /// Other bodies had the room that all share, until the deadline.
    NoRoom,
}

impl Response {
    #[cfg(test)]
    pub fn empty() -> Self {
        let (status, headers) = (StatusCode::OK, HeaderMap::new());
        let (reason, body, redactor) = (Clean::default(), Body::default(), Redactor::default());
        Self { status, reason, headers, body, body_end: BodyEnd::Whole, redactor, passed_on_by: None }
    }

    /// As Go has it: any bytes make a value, and those above 0x7f are mostly UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.headers.get(name)?.as_bytes()).ok()
    }

    /// The time at the far side when it was sent: a cache hands on the date of the answer that it kept,
    /// and says for how long it did.
    pub fn date(&self) -> Option<jiff::Timestamp> {
        let date = jiff::fmt::rfc2822::parse(self.header("date")?).ok()?.timestamp();
        let age = self.header("age").and_then(|age| age.trim().parse::<u32>().ok()).unwrap_or(0);
        date.checked_add(jiff::SignedDuration::from_secs(age.into())).ok()
    }

    /// What it says, for people: without what it was told, and without the credentials of others.
    pub fn repeated(&self, text: &str) -> String {
        without_credentials(&self.redactor.hide(text))
    }

    /// `404 Not Found`, as Go prints it.
    pub fn line(&self) -> String {
        format!("{} {}", self.status.as_u16(), clip(self.repeated(&self.reason)))
    }

    /// The media type without parameters.
    pub fn media_type(&self) -> &str {
        self.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim()
    }
}

impl HttpClient {
    pub fn new(binding: Binding) -> Self {
        Self { inner: Arc::default(), binding: Arc::new(binding), used: Arc::default() }
    }

    /// The client for further connections.
    fn inner(&self) -> Result<reqwest::Client, Failure> {
        let mut inner = lock(&self.inner);
        let client = if let Some(client) = &*inner {
            client.clone()
        } else {
            let unbuildable = |e: reqwest::Error| Failure::new(Stage::Ping, Cause::Unclassified, chain(&e));
            inner.insert(self.binding.client().map_err(unbuildable)?).clone()
        };
        drop(inner);
        self.binding.clients.used(&self.inner);
        Ok(client)
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.binding.endpoint
    }

    /// Sends one request; once more when the connection had served another and was closed or reset under it, which Go takes
    /// for the end of an idle one. A failure's wording is Go's, without the `failed to do request` around it.
    #[tracing::instrument(name = "request", level = "trace", skip_all, fields(method = %request.method, host = %self.endpoint()))]
    pub async fn send(&self, mut request: Request) -> Result<Response, Failure> {
        if request.form.is_some() {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
            request.headers.insert(header::CONTENT_TYPE, form);
        }
        let again = self.used.load(Ordering::Relaxed) && request.form.is_none();
        match self.send_once(request.clone()).await {
            Err(failure) if again && (failure.is_marked(Mark::Reset) || failure.is_marked(Mark::Eof)) => {
                self.send_once(request).await
            }
            sent => sent,
        }
    }

    async fn send_once(&self, request: Request) -> Result<Response, Failure> {
        let Binding { limit, patience, .. } = *self.binding;
        let began = tokio::time::Instant::now();
        let deadline = began + limit;
        let (wanted, is_gos_own) = (request.body_limit, encoding::is_gos_own(&request));
        let redactor = confidential::with(&request, self.binding.proxy.as_ref());
        let head = began + patience.map_or(limit, |patience| patience.min(limit));
        let answer = tokio::time::timeout_at(head, self.exchange(request)).await;
        let (response, connection) = answer.map_err(|_| self.no_answer())??;
        let (status, headers) = (response.status(), response.headers().clone());
        let sent = response.extensions().get::<hyper::ext::ReasonPhrase>();
        let reason = sent.map_or_else(
            || status.canonical_reason().unwrap_or_default().to_owned(),
            |reason| String::from_utf8_lossy(reason.as_bytes()).into_owned(),
        );
        if let Some(words) = head::framing_refused(&headers) {
            // By Go's own rule: there is nothing to be looked at once more.
            return Err(Failure::new(Stage::Ping, Cause::ResponseInvalid, words.clone())
                .at(self.binding.endpoint.host_port())
                .with_go_message(format!("{}{words}", head::BROKEN)));
        }
        let headers = readable(headers);
        // What a refusal says counts also where only one byte of the content was wanted.
        let refuses = status.is_client_error() || status.is_server_error();
        let body_limit = if refuses { wanted.clamp(ERROR_BODY, ERROR_LIMIT) } else { wanted };
        let (body_limit, deadline) = redirect::bounds(status, &headers, body_limit, deadline);
        let (body, body_end) = body::read(response, body_limit, deadline).await;
        if let Some(connection) = connection.filter(|_| body_end == BodyEnd::Whole) {
            connection.give_back();
        }
        self.used.store(true, Ordering::Relaxed);
        let passed_on_by = self.binding.passed_on_by();
        let response = Response { status, reason: reason.into(), headers, body, body_end, redactor, passed_on_by };
        Ok(if is_gos_own { encoding::undone(response, body_limit, deadline).await } else { response })
    }

    /// Asks on the connection that was proved, or on another one.
    async fn exchange(&self, request: Request) -> Result<(reqwest::Response, Option<Taken>), Failure> {
        if let Some((mut connection, mut written)) = self.binding.pooled.take(&request).await {
            let heads = self.binding.informational.watch(&mut written);
            let sent = heads.bound(connection.send(written)).await;
            let sent = sent.ok_or_else(|| self.binding.informational.refusal(&self.binding.endpoint))?;
            let Some(answer) = sent else { return self.dialled(request).await };
            let response = answer.map_err(|error| self.broken(Some(&error), false, &chain(&error)))?;
            return Ok((response.map(reqwest::Body::wrap).into(), Some(connection)));
        }
        self.dialled(request).await
    }

    async fn dialled(&self, request: Request) -> Result<(reqwest::Response, Option<Taken>), Failure> {
        let mut builder = self.inner()?.request(request.method, request.url).headers(request.headers);
        if let Some(form) = request.form {
            builder = builder.body(form);
        }
        let response = builder.send().await.map_err(|error| {
            if error.is_timeout() {
                return self.no_answer();
            }
            self.broken(error.source(), error.is_connect(), &chain(&error))
        })?;
        Ok((response, None))
    }

    /// Where containerd waits for longer than this did, nothing follows from it.
    fn no_answer(&self) -> Failure {
        let Binding { limit, patience, .. } = *self.binding;
        let detail = match patience {
            Some(patience) if patience <= limit => format!("no answer within {patience:?}"),
            Some(patience) => {
                format!("no answer within {limit:?}, where pullprobe stops; containerd waits {patience:?}")
            }
            None => {
                format!("no answer within {limit:?}, where pullprobe stops; this containerd has no limit of its own")
            }
        };
        let failure = Failure::new(Stage::Ping, Cause::RegistryTimeout, detail)
            .at(self.binding.endpoint.host_port())
            .or_maybe(if self.binding.passed_on_by().is_some() { &[Cause::ProxyUnreachable] } else { &[] })
            .with_go_message("net/http: timeout awaiting response headers")
            .marked(Mark::NoHeader);
        Failure { inconclusive: patience.is_none_or(|patience| patience > limit), ..failure }
    }

    /// An error after the connection was proved once: which kind, and what Go would say. `said` is all
    /// of it in one line.
    fn broken(&self, mut error: Option<&(dyn std::error::Error + 'static)>, connecting: bool, said: &str) -> Failure {
        let here = |failure: Failure| failure.at(self.binding.endpoint.host_port());
        while let Some(inner) = error {
            if let Some(failure) = inner.downcast_ref::<std::io::Error>().and_then(crate::tls::classify_late) {
                return here(failure);
            }
            if let Some(hyper) = inner.downcast_ref::<hyper::Error>() {
                if hyper.is_parse_too_large() {
                    return here(LimitReached::new(Stage::Ping, HEAD_TOO_LARGE).into());
                }
                if hyper.is_parse() {
                    return here(self.unparsable(hyper));
                }
                if hyper.is_incomplete_message() {
                    return here(ended(said, "EOF").marked(Mark::Eof));
                }
            }
            if let Some(io) = inner.downcast_ref::<std::io::Error>() {
                return here(self.of_io(io, connecting, said));
            }
            error = inner.source();
        }
        here(ended(said, ""))
    }

    fn unparsable(&self, error: &hyper::Error) -> Failure {
        let go_message = "net/http: HTTP/1.x transport connection broken: malformed HTTP response";
        let cause = Cause::ResponseInvalid;
        let detail = match self.binding.endpoint.scheme {
            Scheme::Http => format!("the answer is not HTTP: {}", chain(error)),
            Scheme::Https => format!("the answer breaks HTTP: {}", chain(error)),
        };
        Failure::new(Stage::Ping, cause, detail).with_go_message(go_message).marked(Mark::NoHttp)
    }

    fn of_io(&self, io: &std::io::Error, connecting: bool, said: &str) -> Failure {
        use std::io::ErrorKind;
        if let Some(words) = own_limit(io) {
            return LimitReached::new(Stage::Tcp, words).into();
        }
        match io.kind() {
            ErrorKind::ConnectionRefused if connecting => {
                Failure::new(Stage::Tcp, Cause::TcpRefused, said).with_go_message("connect: connection refused")
            }
            ErrorKind::ConnectionReset
                if self.binding.endpoint.scheme == Scheme::Http && !self.used.load(Ordering::Relaxed) =>
            {
                let detail = format!("the first connection was reset: {said}");
                let failure = Failure::new(Stage::Tcp, Cause::TcpReset, detail).marked(Mark::Reset);
                failure.with_go_message(reset_by(self.binding.address))
            }
            ErrorKind::ConnectionReset => ended(said, &reset_by(self.binding.address)).marked(Mark::Reset),
            ErrorKind::BrokenPipe => ended(said, "write: broken pipe"),
            ErrorKind::UnexpectedEof => ended(said, "EOF").marked(Mark::Eof),
            _ => ended(said, ""),
        }
    }
}

/// `read tcp HERE->THERE: read: connection reset by peer`. The client does not tell its own port.
fn reset_by(there: SocketAddr) -> String {
    let any: SocketAddr = if there.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let here =
        std::net::UdpSocket::bind(any).and_then(|socket| socket.connect(there).and_then(|()| socket.local_addr()));
    let from = here.map(|here| SocketAddr::new(here.ip(), 0).to_string()).unwrap_or_default();
    format!("read tcp {from}->{there}: read: connection reset by peer")
}

/// Where Go passes on bytes that are no UTF-8, they are replaced as it does when it shows them. Of challenges and
/// redirects the very bytes count.
fn readable(mut headers: HeaderMap) -> HeaderMap {
    for (name, value) in &mut headers {
        if matches!(*name, header::LOCATION | header::WWW_AUTHENTICATE) {
            continue;
        }
        if let Cow::Owned(text) = String::from_utf8_lossy(value.as_bytes())
            && let Ok(readable) = HeaderValue::from_bytes(text.as_bytes())
        {
            *value = readable;
        }
    }
    headers
}

fn ended(detail: &str, go_message: &str) -> Failure {
    Failure::new(Stage::Ping, Cause::ResponseInvalid, detail).with_go_message(go_message)
}
