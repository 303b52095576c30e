//! Speaks to one host of the plan as containerd's client does: headers, `ns=`, challenges, tokens,
//! redirects and retries of one logical request. What the answer means is judged by the callers.
//!
//! Sources: containerd `core/remotes/docker/{resolver,authorizer,registry}.go`; Go `net/http/client.go`.

use std::collections::HashMap;
use std::time::Duration;

use go::redirect::{Passing, Trail};
use http::{HeaderValue, Method, StatusCode, header};
use tokio::sync::Mutex;
use url::Url;

use super::authority::{authority, host_port};
use super::redirect::{OF_ONE_HOST, withheld};
use super::token::Token;
use crate::cause::Cause;
use crate::http::{HttpClient, Request, Response, headers};
use crate::image::reference::Reference;
use crate::model::credential::Credential;
use crate::model::dependency::Purpose;
use crate::model::host::{Endpoint, RegistryHost, Scheme};
use crate::model::outcome::{Failure, Mark};
use crate::model::stage::Stage;
use crate::redact::clean::Clean;
use crate::redact::clip::clip;
use crate::refusal::evidence::Party;
use crate::refusal::{Errors, ratelimit};
use crate::registry::redirect::location;
use crate::registry::request;
use crate::route::dependencies;
use crate::route::named::{Named, blame};
use crate::route::network::{Destination, Network, Route};
use crate::route::requests::Requests;
use crate::route::usage::RequestKind;
use crate::version::PullMode;

mod authorize;
mod base;
mod redacted_url;

use super::redirect::location::RedirectError;
use authorize::Handler;
pub use base::Base;

/// Requests in a row, the first among them: Go's `http.Client` with containerd's check follows the redirect
/// of the tenth no more.
const REQUEST_LIMIT: usize = 10;

/// What containerd leaves between a connection that broke off and the next.
const PAUSE: Duration = Duration::from_millis(50);

/// One host, for one image and one credential. Tokens are kept until they are refused.
#[derive(Debug)]
pub struct Session<'a> {
    pub network: &'a Network,
    pub host: &'a RegistryHost,
    pub image: &'a Reference,
    /// Its name on this host. `Err`: chance decides about it.
    pub repository: Result<String, String>,
    /// What kubelet passed. `None`: nothing, and containerd's own configuration may step in.
    pub credential: Option<&'a Credential>,
    pub mode: PullMode,
    /// The last host of the list is asked once more after some server errors.
    pub is_last: bool,
    /// What may still be sent for this image, shared by its hosts.
    pub allowed: &'a Requests,
    auth: Mutex<HashMap<String, Handler>>,
}

/// A request by its place below the host's prefix.
#[derive(Clone, Debug)]
pub struct ObjectRequest {
    pub method: Method,
    /// `manifests` or `blobs`.
    pub collection: &'static str,
    pub object: String,
    pub accept: String,
    /// Only these bytes, as the Range header says it.
    pub range: Option<String>,
    pub body_limit: usize,
    pub kind: RequestKind,
}

/// The last answer of a logical request.
#[derive(Clone, Debug)]
pub struct RegistryResponse {
    pub response: Response,
    pub method: Method,
    /// Of the request as first sent.
    pub url: Url,
    /// Of the answer, after redirects.
    pub final_url: Url,
    /// Where the bytes come from, when that is another host.
    pub redirect: Option<Endpoint>,
    pub credential_sent: bool,
    /// Whether an `Authorization` header went to the one who answered.
    pub signed: bool,
    /// How a token was got, where one was.
    pub token: Option<Token>,
}

impl RegistryResponse {
    /// Who answered: a redirect may lead to another registry, or to where a registry keeps its content.
    pub fn party(&self) -> Party {
        let (path, response) = (self.final_url.path(), &self.response);
        // A storage may have a path that looks like the API's, and speaks no registry's language.
        let speaks = || Errors::of(response).has_code() || response.headers.contains_key(header::WWW_AUTHENTICATE);
        let is_api = || path.contains("/manifests/") || (path.contains("/blobs/sha256:") && speaks());
        if self.final_url == self.url || is_api() { Party::Registry } else { Party::Storage }
    }
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub struct RequestError {
    pub failure: Failure,
    pub credential_sent: bool,
    /// The failure is one from before (no token was to be had); nothing was sent.
    pub known: bool,
    /// The way to a host failed, be it one behind a redirect. It is not gone again.
    pub unreached: bool,
    /// The status of the answer that led to it. `None`: there was none.
    pub http_status: Option<u16>,
}

impl RequestError {
    pub const fn new(failure: Failure, credential_sent: bool) -> Self {
        Self { failure, credential_sent, known: false, unreached: false, http_status: None }
    }
}

impl<'a> Session<'a> {
    pub fn new(
        network: &'a Network,
        host: &'a RegistryHost,
        image: &'a Reference,
        credential: Option<&'a Credential>,
        mode: PullMode,
        is_last: bool,
        allowed: &'a Requests,
    ) -> Self {
        let repository = host.rewrites.apply(&image.repository);
        Self { network, host, image, repository, credential, mode, is_last, allowed, auth: Mutex::default() }
    }

    pub async fn route(&self) -> std::sync::Arc<Route> {
        self.network.route(&Destination::of(self.host)).await
    }

    /// The URL that containerd asks: its path is cleaned, `ns` added for a stand-in.
    pub fn url(&self, endpoint: &Endpoint, ask: &ObjectRequest) -> Result<Url, Failure> {
        let repository = self.repository.as_ref().map_err(|why| {
            let failure = Failure::new(Stage::Config, Cause::HostsFileInvalid, why.clone());
            Failure { inconclusive: true, ..failure.host_or(&endpoint.host_port()) }
        })?;
        let path = format!("/{}/{repository}/{}/{}", self.host.path, ask.collection, ask.object);
        let clean: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let mut text = format!("{endpoint}/{}", clean.join("/"));
        if let Some(namespace) = &self.host.namespace_query {
            text.push_str("?ns=");
            text.extend(url::form_urlencoded::byte_serialize(namespace.as_bytes()));
        }
        Url::parse(&text).map_err(|e| self.unaskable(endpoint, ask, &text, e))
    }

    /// Sends until there is an answer that containerd would look at. A HEAD that is refused with 405 is
    /// answered: what containerd asks instead may cost a pull, and the caller has the purse.
    pub async fn ask(&self, ask: &ObjectRequest) -> Result<RegistryResponse, RequestError> {
        let route = self.route().await;
        let url = self.url(&route.endpoint, ask).map_err(|failure| RequestError::new(failure, false))?;
        let mut refusals = 0_u32;
        let mut retried_status = None;
        let mut repeated = false;
        let (mut number, limit) = (0, self.network.version.request_limit());
        loop {
            number += 1;
            let sent = match Box::pin(self.send_once(&route, ask, &url)).await {
                Err(broken) if number < limit && self.may_send_again(&broken) => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                sent => sent?,
            };
            let status = sent.response.status;
            match status.as_u16() {
                408 | 429
                    if !repeated
                        && ratelimit::may_follow_at_once(&sent.response, self.network.clock())
                        && !ratelimit::announces(&sent.response) =>
                {
                    repeated = true;
                }
                401 => {
                    refusals += 1;
                    let learnt = self.authenticate(&route, &sent, refusals).await;
                    if !learnt.map_err(|no| RequestError { http_status: Some(401), ..no })? {
                        return Ok(sent);
                    }
                }
                500 | 503 | 504 if self.may_retry(status, retried_status) => retried_status = Some(status),
                // containerd repeats 408 and 429 five times at once; once is enough to see them pass.
                _ => return Ok(sent),
            }
        }
    }

    /// The last host is asked again where a connection ended before its answer, as often as containerd does: one that
    /// answers every third time serves it. Where it waited in vain the silence is the same next time, and is not waited
    /// for again. Nor is the token service asked again, nor a host that was not reached: its way stays as it is.
    fn may_send_again(&self, broken: &RequestError) -> bool {
        let is_cut = broken.failure.stage != Stage::Token && broken.failure.is_marked(Mark::Eof);
        is_cut && !broken.unreached && self.is_last && self.network.version.retries_transport_errors()
    }

    fn may_retry(&self, status: StatusCode, retried: Option<StatusCode>) -> bool {
        self.is_last && self.network.version.retries_server_errors() && retried.is_none_or(|before| before != status)
    }

    /// Why Go's client sends nothing: HTTP cannot carry a header of the host, or the token.
    fn sendable(&self, verb: &str, url: &Url, token: Option<&Token>) -> Result<(), RequestError> {
        let fault = self.host.unsendable.clone().or_else(|| token.and_then(Token::fault));
        fault.map_or(Ok(()), |failure| {
            let text = format!("failed to do request: {verb} \"{}\": {}", self.redacted_url(url), failure.go_message);
            Err(RequestError::new(failure.with_go_message(text), false))
        })
    }

    async fn send_once(&self, route: &Route, ask: &ObjectRequest, url: &Url) -> Result<RegistryResponse, RequestError> {
        let verb = if ask.method == Method::HEAD { "Head" } else { "Get" };
        let mut url_now = url.clone();
        let mut client = route.client.clone();
        let mut redirect: Option<Endpoint> = None;
        let (authorization, token) = self.authorization(url).await?;
        let mut credential_sent = gives_away(authorization.as_ref(), token.as_ref());
        let mut led_by = Clean::default();
        let mut trail = Trail::new(self.network.version.go(), url);
        let carries = credential_sent || OF_ONE_HOST.iter().any(|name| headers::has(self.host, name));
        let mut keeps = true;
        self.sendable(verb, url, token.as_ref())?;
        for _ in 0..REQUEST_LIMIT {
            let here = client.as_ref().map_or(&route.endpoint, HttpClient::endpoint).host_port();
            let shown = self.redacted_url(&url_now);
            let undone_at = |shown: &str, failure: &Failure, credential_sent| {
                let text = format!("failed to do request: {verb} \"{shown}\": {}", failure.go_message);
                RequestError::new(failure.clone().with_go_message(text).host_or(&here), credential_sent)
            };
            let undone = |failure: &Failure, credential_sent| undone_at(&shown, failure, credential_sent);
            let unreached = |failure| RequestError { unreached: true, ..undone(failure, credential_sent) };
            let client_now = client.as_ref().map_err(unreached)?;
            let value = self.authorization_at(&url_now, authorization.as_ref(), keeps, redirect.is_none()).await;
            credential_sent |= redirect.is_some() && value.is_some() && token.is_none();
            self.allowed.take(ask.kind.stage()).map_err(|limit| RequestError::new(limit.into(), credential_sent))?;
            let request = self.request(ask, &url_now, value.as_ref(), !keeps);
            let signed = request.headers.contains_key(header::AUTHORIZATION);
            let sent = request::send(self.network, self.host, client_now, ask.kind, request).await;
            let response = sent.map_err(|failure| undone(&failure, credential_sent))?;
            let target = match location::target(&response, &url_now) {
                Ok(None) => {
                    let (method, url, final_url) = (ask.method.clone(), url.clone(), url_now);
                    let answered =
                        RegistryResponse { response, method, url, final_url, redirect, credential_sent, signed, token };
                    return Ok(answered);
                }
                Ok(Some(target)) => target,
                Err(RedirectError { at, failure }) => {
                    let failure = Failure { stage: ask.kind.stage(), ..*failure };
                    return Err(undone_at(at.as_deref().unwrap_or(&shown), &failure, credential_sent));
                }
            };
            led_by = location::redacted(&response, &target);
            let passing = trail.follow(&target);
            if passing == Passing::Withheld && carries && !self.signs_for(&target).await {
                return Err(undone(&withheld(&trail, ask.kind.stage(), &target), credential_sent));
            }
            // A token that was given to nobody in particular is no secret.
            keeps = passing == Passing::Kept || passing == Passing::Withheld && !carries;
            let endpoint = endpoint_of(&target);
            client = self.client_for(&endpoint, route, ask).await;
            if authority(&target) != authority(url) {
                redirect = Some(endpoint);
            }
            url_now = target;
        }
        let failure = Failure::new(ask.kind.stage(), Cause::RedirectInvalid, "ten redirects in a row");
        let text =
            format!("failed to do request: {verb} \"{}\": stopped after 10 redirects", clip(led_by.into_string()));
        Err(RequestError::new(failure.with_go_message(text).at(host_port(&url_now)), credential_sent))
    }

    /// Whether a host behind a redirect gets an `Authorization` of its own, in place of the first host's.
    async fn signs_for(&self, target: &Url) -> bool {
        !headers::has(self.host, &header::COOKIE) && matches!(self.authorization(target).await, Ok((Some(_), _)))
    }

    /// What goes in the header `Authorization` of a request that may be one behind a redirect.
    async fn authorization_at(
        &self,
        url: &Url,
        first: Option<&HeaderValue>,
        keeps: bool,
        is_own: bool,
    ) -> Option<HeaderValue> {
        let kept = first.filter(|_| keeps);
        if is_own && keeps { kept.cloned() } else { self.on_redirect(url, kept).await }
    }

    async fn client_for(&self, endpoint: &Endpoint, route: &Route, ask: &ObjectRequest) -> Result<HttpClient, Failure> {
        if *endpoint == route.endpoint {
            return route.client.clone();
        }
        let purpose = if ask.collection == "blobs" { Purpose::Blob } else { Purpose::Manifest };
        let origin = dependencies::PullOrigin {
            namespace: &self.image.domain,
            of: &self.image.to_string(),
            via: &self.host.endpoint,
        };
        self.network.dependencies.note(origin, endpoint, purpose);
        let client = self.network.led(self.host, endpoint, false).await.client.clone();
        client.map_err(|failure| blame(failure, endpoint, &route.endpoint, Named::Redirect))
    }

    /// `leaves`: a redirect leads to somebody else, for whom the credentials among the host's own headers
    /// are not meant.
    fn request(&self, ask: &ObjectRequest, url: &Url, authorization: Option<&HeaderValue>, leaves: bool) -> Request {
        let mut headers = headers::of(self.host);
        if leaves {
            OF_ONE_HOST.iter().for_each(|name| drop(headers.remove(name)));
        }
        if let Ok(accept) = HeaderValue::from_bytes(ask.accept.as_bytes()) {
            headers.entry(header::ACCEPT).or_insert(accept);
        }
        if let Some(Ok(range)) = ask.range.as_deref().map(HeaderValue::from_str) {
            headers.insert(header::RANGE, range);
        }
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, value.clone());
        }
        Request { method: ask.method.clone(), url: url.clone(), headers, form: None, body_limit: ask.body_limit }
    }
}

/// Whether a credential goes out, be it inside a token.
fn gives_away(authorization: Option<&HeaderValue>, token: Option<&Token>) -> bool {
    authorization.is_some() && token.is_none_or(|token| !token.anonymous)
}

fn endpoint_of(url: &Url) -> Endpoint {
    let scheme = if url.scheme() == "http" { Scheme::Http } else { Scheme::Https };
    Endpoint::new(scheme, authority(url))
}
