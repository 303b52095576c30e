//! Requests on one connection, with bounded answers. It follows no redirect.
//!
//! The first requests use the connection that was measured; further connections go to the same address, in the same way.
//! Errors of hyper are told apart by what they carry, never by their text.

mod binding;
pub mod body;
mod chain;
mod confidential;
mod connections;
mod encoding;
pub mod envelope;
mod fair;
pub mod headers;
mod informational;
mod lru;
mod redirect;
#[cfg(test)]
mod tests;
mod written;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use go::http1::head;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::time::{Instant, timeout};
use url::Url;

use crate::cause::Cause;
use crate::model::host::{Endpoint, Scheme};
use crate::model::limit::LimitReached;
use crate::model::outcome::{Failure, Mark};
use crate::model::proxy::ProxyUrl;
use crate::model::stage::Stage;
use crate::redact::clean::Clean;
use crate::redact::clip::clip;
use crate::redact::redactor::Redactor;
use crate::redact::urls::without_credentials;
use crate::transport::errno::own_limit;
pub use binding::Binding;
use body::Body;
use chain::chain;
use connections::Taken;
pub use connections::{Connections, Dial, IdlePool};
pub use encoding::{is_gzip, readable_part};
use hyper::body::Incoming;
pub use informational::Informational;
use written::written;

/// What is read of a refusal at least.
const ERROR_BODY: usize = 8 << 10;

const HEAD_TOO_LARGE: &str = "the head of the answer is longer than pullprobe reads: 400 KiB, or 1,000 fields";
/// hyper takes a URL of 65,534 bytes at most.
const URL_TOO_LONG: &str =
    "pullprobe sends no request to this URL: it is longer than 64 KiB, or has characters that no URL has";

/// containerd reads so much of the body of an error.
const ERROR_LIMIT: usize = 64_000;

#[derive(Clone, Debug)]
pub struct HttpClient {
    binding: Arc<Binding>,
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

/// The head of an answer, and when it was asked for.
struct Answer {
    response: http::Response<Incoming>,
    sent: Instant,
}

/// Why there is none.
enum NoAnswer {
    /// The connection was closed before anything was sent.
    Unsent(Failure),
    Failed(Failure),
}

impl HttpClient {
    pub fn new(binding: Binding) -> Self {
        Self { binding: Arc::new(binding) }
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.binding.endpoint
    }

    /// Sends one request. A failure's wording is Go's, without the `failed to do request` around it.
    #[tracing::instrument(name = "request", level = "trace", skip_all, fields(method = %request.method, host = %self.endpoint()))]
    pub async fn send(&self, mut request: Request) -> Result<Response, Failure> {
        if request.form.is_some() {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
            request.headers.insert(header::CONTENT_TYPE, form);
        }
        let (wanted, is_gos_own) = (request.body_limit, encoding::is_gos_own(&request));
        let redactor = confidential::with(&request, self.binding.proxy.as_ref());
        let (Answer { response, sent }, connection) = self.exchange(request).await?;
        let deadline = sent + self.binding.limit;
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
        let (body, body_end) = body::read(&headers, response.into_body(), body_limit, deadline).await;
        // What is left of a short one is here already: hyper reads past it, or closes the connection.
        if matches!(body_end, BodyEnd::Whole | BodyEnd::Cut) {
            connection.give_back();
        }
        let passed_on_by = self.binding.via().map(ProxyUrl::host_port);
        let response = Response { status, reason: reason.into(), headers, body, body_end, redactor, passed_on_by };
        Ok(if is_gos_own { encoding::undone(response, body_limit, deadline).await } else { response })
    }

    /// Asks on a connection that is open, or on another one. As Go: where one that has served is closed or reset under the
    /// request, it was idle for too long, and a fresh one is asked.
    async fn exchange(&self, request: Request) -> Result<(Answer, Taken), Failure> {
        let Binding { connections, line, .. } = &*self.binding;
        let unwritable = || Failure::from(LimitReached::new(Stage::Ping, URL_TOO_LONG));
        let written = written(&request, self.binding.via()).ok_or_else(unwritable)?;
        if let Some(mut idle) = connections.take().await {
            let may_repeat = idle.has_served && request.form.is_none();
            match self.ask(&mut idle, written.clone()).await {
                Ok(answer) => return Ok((answer, idle)),
                Err(NoAnswer::Unsent(_)) => {}
                Err(NoAnswer::Failed(failure))
                    if may_repeat && (failure.is_marked(Mark::Reset) || failure.is_marked(Mark::Eof)) => {}
                Err(NoAnswer::Failed(failure)) => return Err(failure),
            }
        }
        let stream = line.dial().await?;
        let mut fresh = connections.begin(stream).await.map_err(|error| self.broken(&error, false))?;
        match self.ask(&mut fresh, written).await {
            Ok(answer) => Ok((answer, fresh)),
            Err(NoAnswer::Unsent(failure) | NoAnswer::Failed(failure)) => Err(failure),
        }
    }

    async fn ask(&self, connection: &mut Taken, mut request: http::Request<String>) -> Result<Answer, NoAnswer> {
        let Binding { limit, patience, informational, .. } = *self.binding;
        let heads = informational.watch(&mut request);
        let sent = Instant::now();
        // As Go's transport: the time to dial is another one.
        let patience = patience.map_or(limit, |patience| patience.min(limit));
        let answer = timeout(patience, heads.bound(connection.send(request))).await;
        let answer = answer.map_err(|_| NoAnswer::Failed(self.no_answer()))?;
        let answer = answer.ok_or_else(|| NoAnswer::Failed(informational.refusal(&self.binding.endpoint)))?;
        match answer {
            Ok(response) => Ok(Answer { response, sent }),
            Err(unsent) if unsent.message().is_some() => {
                Err(NoAnswer::Unsent(self.broken(&unsent.into_error(), connection.has_served)))
            }
            Err(failed) => Err(NoAnswer::Failed(self.broken(&failed.into_error(), connection.has_served))),
        }
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
            .or_maybe(if self.binding.via().is_some() { &[Cause::ProxyUnreachable] } else { &[] })
            .with_go_message("net/http: timeout awaiting response headers")
            .marked(Mark::NoHeader);
        Failure { inconclusive: patience.is_none_or(|patience| patience > limit), ..failure }
    }

    /// An error on a connection that is open: which kind, and what Go would say.
    fn broken(&self, error: &hyper::Error, has_served: bool) -> Failure {
        let here = |failure: Failure| failure.at(self.binding.endpoint.host_port());
        let (said, is_unsent) = (&chain(error), error.is_canceled());
        let mut error: Option<&(dyn std::error::Error + 'static)> = Some(error);
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
                return here(self.of_io(io, said, has_served));
            }
            error = inner.source();
        }
        // It was closed, and nobody said why.
        here(if is_unsent { ended(said, "EOF").marked(Mark::Eof) } else { ended(said, "") })
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

    fn of_io(&self, io: &std::io::Error, said: &str, has_served: bool) -> Failure {
        use std::io::ErrorKind;
        if let Some(words) = own_limit(io) {
            return LimitReached::new(Stage::Tcp, words).into();
        }
        match io.kind() {
            ErrorKind::ConnectionReset if self.binding.endpoint.scheme == Scheme::Http && !has_served => {
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
