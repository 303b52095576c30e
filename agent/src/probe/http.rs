//! One HTTP client for one endpoint: pinned to the address that was proved, with the trust of the
//! plan, following no redirect, every answer bounded in time and size.

use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use url::Url;

use crate::model::cause::Cause;
use crate::model::host::{Endpoint, Scheme};
use crate::model::outcome::{Failure, clip};
use crate::model::stage::Stage;
use crate::node::proxy::ProxyUrl;

/// As Go's transport: idle connections are kept this long.
const IDLE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub struct HttpClient {
    inner: reqwest::Client,
    endpoint: Endpoint,
    address: SocketAddr,
    limit: Duration,
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
    pub reason: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// What was left of the body when reading stopped.
    pub body_end: BodyEnd,
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
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// `404 Not Found`, as Go prints it.
    pub fn line(&self) -> String {
        format!("{} {}", self.status.as_u16(), clip(self.reason.clone()))
    }

    /// The media type without parameters.
    pub fn media_type(&self) -> &str {
        self.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim()
    }
}

/// What a client is bound to.
pub struct Binding<'a> {
    pub endpoint: &'a Endpoint,
    /// Where the host's name leads (the proxy's name, behind a proxy).
    pub address: SocketAddr,
    pub proxy: Option<&'a ProxyUrl>,
    pub tls: rustls::ClientConfig,
    pub limit: Duration,
}

impl HttpClient {
    pub fn new(binding: Binding<'_>) -> Result<Self, Failure> {
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .no_proxy()
            .pool_idle_timeout(IDLE)
            .connect_timeout(binding.limit);
        let unbuildable = |e: reqwest::Error| Failure::new(Stage::Ping, Cause::Unclassified, chain(&e));
        if let Some(proxy) = binding.proxy {
            builder = builder
                .proxy(reqwest::Proxy::all(proxy.with_credentials().expose()).map_err(unbuildable)?)
                .resolve(&proxy.host, binding.address);
        } else {
            builder = builder.resolve(&binding.endpoint.host().to_ascii_lowercase(), binding.address);
        }
        let inner = builder.tls_backend_preconfigured(binding.tls).build().map_err(unbuildable)?;
        let used = Arc::default();
        Ok(Self { inner, endpoint: binding.endpoint.clone(), address: binding.address, limit: binding.limit, used })
    }

    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends one request; once more when the connection had served another and was closed under it.
    /// A failure's wording is Go's, without the `failed to do request` around it.
    pub async fn send(&self, request: Request) -> Result<Response, Failure> {
        let again = self.used.load(Ordering::Relaxed) && request.form.is_none();
        match self.send_once(request.clone()).await {
            Err(failure) if again && failure.wording == "EOF" => self.send_once(request).await,
            sent => sent,
        }
    }

    async fn send_once(&self, request: Request) -> Result<Response, Failure> {
        let deadline = tokio::time::Instant::now() + self.limit;
        let mut builder = self.inner.request(request.method, request.url).headers(request.headers);
        if let Some(form) = request.form {
            builder = builder
                .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8")
                .body(form);
        }
        let answer = tokio::time::timeout_at(deadline, builder.send()).await;
        let response = answer.map_err(|_| self.no_answer())?.map_err(|e| self.broken(&e))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let sent = response.extensions().get::<hyper::ext::ReasonPhrase>();
        let reason = sent.map_or_else(
            || status.canonical_reason().unwrap_or_default().to_owned(),
            |reason| String::from_utf8_lossy(reason.as_bytes()).into_owned(),
        );
        let (body, body_end) = read_body(response, request.body_limit, deadline).await;
        self.used.store(true, Ordering::Relaxed);
        Ok(Response { status, reason, headers, body, body_end })
    }

    fn no_answer(&self) -> Failure {
        let detail = format!("no answer within {:?}", self.limit);
        Failure::new(Stage::Ping, Cause::RegistryTimeout, detail)
            .at(self.endpoint.host_port())
            .worded("net/http: timeout awaiting response headers")
    }

    /// An error after the connection was proved once: which kind, and what Go would say.
    fn broken(&self, error: &reqwest::Error) -> Failure {
        if error.is_timeout() {
            return self.no_answer();
        }
        let here = |failure: Failure| failure.at(self.endpoint.host_port());
        let mut source = error.source();
        while let Some(inner) = source {
            if let Some(failure) = inner.downcast_ref::<std::io::Error>().and_then(super::tls::classify_late) {
                return here(failure);
            }
            if let Some(hyper) = inner.downcast_ref::<hyper::Error>() {
                if hyper.is_parse() {
                    return here(self.unparsable(hyper));
                }
                if hyper.is_incomplete_message() {
                    return here(ended(chain(error), "EOF"));
                }
            }
            if let Some(io) = inner.downcast_ref::<std::io::Error>() {
                return here(self.of_io(io, error));
            }
            source = inner.source();
        }
        here(ended(chain(error), ""))
    }

    fn unparsable(&self, error: &hyper::Error) -> Failure {
        let wording = "net/http: HTTP/1.x transport connection broken: malformed HTTP response";
        let cause = Cause::ResponseInvalid;
        let detail = match self.endpoint.scheme {
            Scheme::Http => format!("the answer is not HTTP: {}", chain(error)),
            Scheme::Https => format!("the answer breaks HTTP: {}", chain(error)),
        };
        Failure::new(Stage::Ping, cause, detail).worded(wording)
    }

    fn of_io(&self, io: &std::io::Error, error: &reqwest::Error) -> Failure {
        use std::io::ErrorKind;
        match io.kind() {
            ErrorKind::ConnectionRefused if error.is_connect() => {
                Failure::new(Stage::Tcp, Cause::TcpRefused, chain(error)).worded("connect: connection refused")
            }
            ErrorKind::ConnectionReset => ended(chain(error), &reset_by(self.address)),
            ErrorKind::BrokenPipe => ended(chain(error), "write: broken pipe"),
            ErrorKind::UnexpectedEof => ended(chain(error), "EOF"),
            _ => ended(chain(error), ""),
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

fn ended(detail: String, wording: &str) -> Failure {
    Failure::new(Stage::Ping, Cause::ResponseInvalid, detail).worded(wording)
}

async fn read_body(
    mut response: reqwest::Response,
    limit: usize,
    deadline: tokio::time::Instant,
) -> (Vec<u8>, BodyEnd) {
    let mut body = Vec::new();
    loop {
        match tokio::time::timeout_at(deadline, response.chunk()).await {
            Err(_) => return (body, BodyEnd::Stalled),
            Ok(Err(_)) => return (body, BodyEnd::Broken),
            Ok(Ok(None)) => return (body, BodyEnd::Whole),
            Ok(Ok(Some(chunk))) => {
                let room = limit.saturating_sub(body.len());
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    return (body, BodyEnd::Cut);
                }
            }
        }
    }
}

/// The error and its sources in one line, without the URL: it may hold a token in its query.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        let text = match error.downcast_ref::<reqwest::Error>() {
            Some(_) => "request failed".to_owned(),
            None => error.to_string(),
        };
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        next = error.source();
    }
    clip(parts.join(": "))
}
