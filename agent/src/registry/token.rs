//! Gets a bearer token as containerd does: POST first when there is a secret, GET otherwise.
//!
//! Sources: containerd `core/remotes/docker/auth/fetch.go`; the token and `OAuth2` specifications of distribution.

use std::time::Duration;

use base64::Engine as _;
use go::json::decode::Undecoded;
use go::redirect::{Passing, Trail};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::time::Instant;
use url::Url;

use super::authority::authority;
use super::redirect::{OF_ONE_HOST, form_withheld, location, withheld};
use crate::cause::Cause;
use crate::http::body::no_room;
use crate::http::{BodyEnd, HttpClient, Request, Response, is_gzip, readable_part};
use crate::model::dependency::Purpose;
use crate::model::host::{Endpoint, RegistryHost, Scheme};
use crate::model::limit::LimitReached;
use crate::model::outcome::Failure;
use crate::model::stage::Stage;
use crate::redact::secret::Secret;
use crate::route::dependencies::PullOrigin;
use crate::route::named::{self, Named};
use crate::route::network::Network;
use crate::route::requests::Requests;
use crate::route::usage::RequestKind;

pub mod answer;
mod options;
mod refusal;

use answer::Form;
pub use options::{TokenOptions, TokenRequestForm, options};

/// Tokens of the largest services are a few KiB.
const BODY_LIMIT: usize = 1 << 20;
/// Others may be before it.
const UNPACKED_WITHIN: Duration = Duration::from_secs(10);
/// How each gzip begins (RFC 1952, 2.3.1).
const GZIP: &[u8] = &[0x1f, 0x8b, 8];
/// As Go's client.
const REQUEST_LIMIT: usize = 10;

#[derive(Clone, Debug)]
pub struct Token {
    pub value: Secret,
    pub expires_in: Option<Duration>,
    pub anonymous: bool,
    /// `host:port` of the service.
    pub host: String,
    /// Since when [`Self::expires_in`] counts.
    got: Instant,
}

impl Token {
    /// Why Go's client does not send it: a line end or the like in it.
    pub fn fault(&self) -> Option<Failure> {
        HeaderValue::from_bytes(self.value.expose().as_bytes()).err().map(|_| {
            let detail = "the token holds a line end or another control character: no request can carry it";
            Failure::new(Stage::Token, Cause::TokenInvalid, detail)
                .with_go_message("net/http: invalid header field value for \"Authorization\"")
                .at(self.host.clone())
        })
    }

    /// One without a time lasts for the whole pull.
    pub fn is_over(&self) -> bool {
        self.expires_in.is_some_and(|life| self.got.elapsed() >= life)
    }
}

/// The registry host on whose behalf a token is fetched: its TLS settings and headers count.
#[derive(Clone, Copy, Debug)]
pub struct OnBehalf<'a> {
    /// The registry's name in image references.
    pub namespace: &'a str,
    /// The image that it is for. Empty: none, only to see whether one is given.
    pub image: &'a str,
    pub host: &'a RegistryHost,
    pub headers: &'a HeaderMap,
    /// What may still be sent.
    pub allowed: &'a Requests,
}

impl<'a> OnBehalf<'a> {
    pub const fn origin(&self) -> PullOrigin<'a> {
        PullOrigin { namespace: self.namespace, of: self.image, via: &self.host.endpoint }
    }
}

/// Asks for a token. The failure's wording begins behind `failed to authorize: `.
pub async fn fetch(
    network: &Network,
    from: OnBehalf<'_>,
    options: &TokenOptions,
    login: Option<(&str, &Secret)>,
) -> Result<Token, Failure> {
    let authority = authority(&options.realm);
    let scheme = if options.realm.scheme() == "http" { Scheme::Http } else { Scheme::Https };
    let endpoint = Endpoint::new(scheme, authority);
    network.dependencies.note(from.origin(), &endpoint, Purpose::Token);
    let route = network.led(from.host, &endpoint, from.host.http_fallback && scheme == Scheme::Https).await;
    let kind = if login.is_some() { "oauth" } else { "anonymous" };
    let with_go_message = |failure: Failure, method: &str| {
        let text = format!(
            "failed to fetch {kind} token: {method} \"{}\": {}",
            redacted_url(options, login.is_some(), network.version.redacts_queries()),
            failure.go_message
        );
        failure.with_go_message(text)
    };
    let blamed = |failure: Failure| named::blame(failure, &endpoint, &from.host.endpoint, Named::Realm);
    let verb = if login.is_some() { "Post" } else { "Get" };
    let client = route.client.as_ref().map_err(|f| with_go_message(blamed(f.clone()), verb))?;
    let exchange = Exchange { network, client, options, headers: from.headers, from };
    exchange.run(login).await.map_err(|error| match error {
        Refusal::Transport(failure, method) => {
            with_go_message(Failure { stage: Stage::Token, ..blamed(*failure) }, method)
        }
        Refusal::Status(failure) => {
            let text = format!("failed to fetch {kind} token: {}", failure.go_message);
            failure.with_go_message(text).host_or(&endpoint.host_port())
        }
    })
}

/// The URL that an error would show.
fn redacted_url(options: &TokenOptions, posted: bool, redacted: bool) -> String {
    // Only what we ask for: the realm's own query stays out.
    let url = query_url(&TokenOptions { realm: without_query(&options.realm), ..options.clone() });
    let Some(query) = url.query().filter(|_| !posted) else { return options.written.clone() };
    let place = options.written.split('?').next().unwrap_or_default();
    if !redacted {
        return format!("{place}?{query}");
    }
    let hidden: Vec<String> =
        query.split('&').map(|pair| format!("{}=%5BREDACTED%5D", pair.split('=').next().unwrap_or_default())).collect();
    format!("{place}?{}", hidden.join("&"))
}

fn without_query(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_query(None);
    url
}

fn query_url(options: &TokenOptions) -> Url {
    let mut url = options.realm.clone();
    let mut pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    pairs.extend(options.scopes.iter().map(|scope| ("scope".to_owned(), scope.clone())));
    if !options.service.is_empty() {
        pairs.push(("service".to_owned(), options.service.clone()));
    }
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    if pairs.is_empty() {
        url.set_query(None);
    } else {
        url.query_pairs_mut().clear().extend_pairs(pairs);
    }
    url
}

enum Refusal {
    Transport(Box<Failure>, &'static str),
    Status(Failure),
}

struct Exchange<'a> {
    network: &'a Network,
    client: &'a HttpClient,
    options: &'a TokenOptions,
    headers: &'a HeaderMap,
    from: OnBehalf<'a>,
}

impl Exchange<'_> {
    async fn run(&self, login: Option<(&str, &Secret)>) -> Result<Token, Refusal> {
        let Some((user, secret)) = login else {
            let response = self.get(None).await?;
            return self.accept(&response, &Method::GET, true, login).await;
        };
        let response = self.post(user, secret).await?;
        let mut last = (response, Method::POST);
        let by_get = match last.0.status {
            StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST => true,
            StatusCode::METHOD_NOT_ALLOWED => !user.is_empty(),
            _ => false,
        };
        if by_get {
            last = (self.get(login).await?, Method::GET);
        }
        match self.accept(&last.0, &last.1, by_get, login).await {
            Err(Refusal::Status(failure)) if !by_get && !last.0.status.is_success() => {
                Err(Refusal::Status(self.why_no_post(failure, last.0.status, (user, secret)).await))
            }
            other => other,
        }
    }

    /// containerd asks by POST, and some that guard a token service let only GET pass: pullprobe looks. It is the method
    /// only where POST is refused once more: a server error may have been a moment's.
    async fn why_no_post(&self, failure: Failure, status: StatusCode, login: (&str, &Secret)) -> Failure {
        // Whoever struggles is not asked more than containerd would ask.
        let is_overloaded = matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT);
        // Once for each question: a wrong login that is sent again and again is locked.
        if self.options.scopes.is_empty() || is_overloaded || !refusal::may_be_of_post(&failure) {
            return failure;
        }
        let Ok(by_get) = self.get(Some(login)).await else { return failure };
        if self.accept(&by_get, &Method::GET, true, Some(login)).await.is_err() {
            return failure;
        }
        // The login was taken: sending it again locks nobody out.
        match self.post(login.0, login.1).await {
            Ok(again) if again.status == status => refusal::only_by_get(failure),
            Ok(_) | Err(_) => failure,
        }
    }

    async fn get(&self, login: Option<(&str, &Secret)>) -> Result<Response, Refusal> {
        let mut headers = self.headers.clone();
        if let Some((user, secret)) = login {
            headers.insert(header::AUTHORIZATION, basic(user, secret));
        }
        self.send(
            Request { method: Method::GET, url: query_url(self.options), headers, form: None, body_limit: BODY_LIMIT },
            "Get",
        )
        .await
    }

    async fn post(&self, user: &str, secret: &Secret) -> Result<Response, Refusal> {
        let request = Request {
            method: Method::POST,
            url: self.options.realm.clone(),
            headers: self.headers.clone(),
            form: Some(self.form(user, secret)),
            body_limit: BODY_LIMIT,
        };
        self.send(request, "Post").await
    }

    fn form(&self, user: &str, secret: &Secret) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        if !self.options.scopes.is_empty() {
            form.append_pair("scope", &self.options.scopes.join(" "));
        }
        form.append_pair("service", &self.options.service).append_pair("client_id", "containerd-client");
        if user.is_empty() {
            form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", secret.expose());
        } else {
            form.append_pair("grant_type", "password")
                .append_pair("username", user)
                .append_pair("password", secret.expose());
        }
        form.finish()
    }

    /// Sends, and follows redirects as Go does: 301, 302 and 303 turn POST into GET without its form.
    async fn send(&self, request: Request, method: &'static str) -> Result<Response, Refusal> {
        let lost = |failure: Failure| Refusal::Transport(Box::new(failure), method);
        let mut client = self.client.clone();
        let mut trail = Trail::new(self.network.version.go(), &request.url);
        let first = request.headers.clone();
        let mut request = request;
        for _ in 0..REQUEST_LIMIT {
            self.from.allowed.take(Stage::Token).map_err(|limit| lost(limit.into()))?;
            self.network.usage.request(client.endpoint(), RequestKind::Token);
            let response = client.send(request.clone()).await.map_err(lost)?;
            let code = response.status.as_u16();
            let target = location::target(&response, &request.url)
                .map_err(|redirect_error| lost(Failure { stage: Stage::Token, ..*redirect_error.failure }))?;
            let Some(target) = target else { return Ok(response) };
            if matches!(code, 301..=303) {
                request = Request { method: Method::GET, form: None, ..request };
            }
            request.headers.clone_from(&first);
            let passing = trail.follow(&target);
            if request.form.is_some() && !trail.is_of_first(&target) {
                return Err(lost(form_withheld(&trail, &target)));
            }
            if passing == Passing::Withheld && OF_ONE_HOST.iter().any(|name| first.contains_key(name)) {
                return Err(lost(withheld(&trail, Stage::Token, &target)));
            }
            if passing != Passing::Kept {
                OF_ONE_HOST.iter().for_each(|name| drop(request.headers.remove(name)));
            }
            client = self.client_for(&target).await.map_err(lost)?;
            request.url = target;
        }
        let failure = Failure::new(Stage::Token, Cause::RedirectInvalid, "ten redirects in a row");
        Err(lost(failure.with_go_message("stopped after 10 redirects")))
    }

    async fn client_for(&self, target: &Url) -> Result<HttpClient, Failure> {
        let scheme = if target.scheme() == "http" { Scheme::Http } else { Scheme::Https };
        let host = self.from.host;
        let endpoint = Endpoint::new(scheme, authority(target));
        self.network.dependencies.note(self.from.origin(), &endpoint, Purpose::Token);
        self.network.led(host, &endpoint, false).await.client.clone()
    }

    /// What is asked for: its names are no reasons.
    fn about(&self) -> String {
        let repositories = self.options.scopes.iter().filter_map(|scope| scope.split(':').nth(1));
        std::iter::once(self.from.namespace).chain(repositories).collect::<Vec<_>>().join("/")
    }

    async fn accept(
        &self,
        response: &Response,
        method: &Method,
        either: bool,
        login: Option<(&str, &Secret)>,
    ) -> Result<Token, Refusal> {
        if !response.status.is_success() && !response.status.is_redirection() {
            let url = redacted_url(self.options, *method == Method::POST, false);
            let place = if self.network.version.words_head_status_anew() {
                format!(" from {method} request to {url}")
            } else {
                String::new()
            };
            let told = refusal::TokenRefusal { place: &place, login, now: self.network.clock(), about: &self.about() };
            return Err(Refusal::Status(refusal::refused(response, &told)));
        }
        let invalid = |detail: &str, go_message: &str| {
            Failure::new(Stage::Token, Cause::TokenInvalid, detail).with_go_message(go_message)
        };
        let form = if either { Form::Fetch } else { Form::OAuth };
        let decoded = match response.body_end {
            // What Go undoes is undone already where it is what it says.
            // A decoder of JSON stops at the end of the document, and does not see what is wrong behind it.
            BodyEnd::Whole if is_gzip(&response.headers) && response.body.starts_with(GZIP) => {
                match readable_part(&response.body, BODY_LIMIT, Instant::now() + UNPACKED_WITHIN).await {
                    Some(part) => part.decoded(move |bytes| answer::decode(bytes, form)).await,
                    None => Err(Undecoded::TooMuch(format!("its gzip was not unpacked within {UNPACKED_WITHIN:?}"))),
                }
            }
            BodyEnd::Whole if is_gzip(&response.headers) => Err(Undecoded::Invalid("gzip: invalid header".to_owned())),
            BodyEnd::Whole | BodyEnd::Cut | BodyEnd::Stalled => {
                response.body.decoded(move |bytes| answer::decode(bytes, form)).await
            }
            BodyEnd::NoRoom => Err(Undecoded::TooMuch(no_room())),
            BodyEnd::Broken => Err(Undecoded::Invalid("unexpected EOF".to_owned())),
        };
        let answer = decoded.map_err(|undecoded| {
            let words = match (unfinished(response.body_end), undecoded) {
                (Some(failure), _) => return Refusal::Status(failure),
                (None, Undecoded::TooMuch(words)) => {
                    return Refusal::Status(LimitReached::new(Stage::Token, words).into());
                }
                (None, Undecoded::Invalid(words)) => words,
            };
            let detail =
                format!("the token service answered {} with no usable document: {words}", response.status.as_u16());
            let failure = invalid(&detail, &format!("unable to decode token response: {words}"));
            Refusal::Status(refusal::page(response, failure))
        })?;
        let value = if answer.access_token.is_empty() { answer.token } else { answer.access_token };
        if value.is_empty() {
            return Err(Refusal::Status(invalid(
                "the token service answered 200 without a token",
                "authorization server did not include a token in the response",
            )));
        }
        Ok(Token {
            value: Secret::new(value),
            expires_in: (answer.expires_in > 0).then(|| Duration::from_secs(answer.expires_in.unsigned_abs())),
            anonymous: login.is_none(),
            host: self.client.endpoint().host_port(),
            got: Instant::now(),
        })
    }
}

/// Go reads on where pullprobe stops.
fn unfinished(end: BodyEnd) -> Option<Failure> {
    match end {
        BodyEnd::Whole | BodyEnd::Broken | BodyEnd::NoRoom => None,
        BodyEnd::Cut => {
            let words = format!("pullprobe reads at most {BODY_LIMIT} bytes of a token service's answer");
            Some(LimitReached::new(Stage::Token, words).into())
        }
        BodyEnd::Stalled => {
            let detail = "the answer with the token did not end within pullprobe's time limit; containerd waits longer";
            let failure = Failure::new(Stage::Token, Cause::RegistryTimeout, detail);
            Some(Failure { inconclusive: true, ..failure })
        }
    }
}

pub fn basic(user: &str, secret: &Secret) -> HeaderValue {
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{}", secret.expose()));
    let mut value = HeaderValue::from_str(&format!("Basic {text}")).unwrap_or(HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}
