//! The stages of an endpoint: DNS → TCP → proxy → TLS → `/v2/` → token.
//!
//! containerd never asks for `/v2/`: this is pullprobe's own question, whether the host is a
//! registry that lets this node in.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::authority::host_port;
use super::challenge::{self, Challenge, Scheme};
use super::request;
use super::token::{self, OnBehalf, TokenRequestForm};
use crate::cause::Cause;
use crate::http::{HttpClient, Response, headers};
use crate::model::credential::Credential;
use crate::model::dependency::{Dependency, Purpose};
use crate::model::facts::{PingFacts, TokenFacts};
use crate::model::host::{self, Endpoint, RegistryHost, Role};
use crate::model::outcome::{Failure, Outcome, Skip, Step};
use crate::model::ratelimit::RateLimit;
use crate::model::report::{EndpointReport, Stages};
use crate::model::stage::Stage;
use crate::redact::secret::Secret;
use crate::refusal::evidence::Party;
use crate::refusal::{self, Errors, ratelimit};
use crate::route::network::{Destination, Network, Route, reach};
use crate::route::proxy;
use crate::route::requests::Requests;
use crate::route::usage::RequestKind;

/// What `/v2/` answers is a few bytes; an error page may be some KiB.
const BODY_LIMIT: usize = 64_000;

/// Probes one host of a plan, for as long as there is time.
#[tracing::instrument(name = "endpoint", level = "trace", skip_all, fields(host = %host.endpoint))]
pub async fn probe(network: &Network, namespace: &str, host: &RegistryHost, deadline: Instant) -> EndpointReport {
    let began = Instant::now();
    let mut report = begin(network, namespace, &host.endpoint, host.role);
    let probing = Box::pin(connect_to(network, host, &mut report));
    if timeout_at(deadline, probing).await.is_err() {
        report.out_of_time();
    }
    report.duration = began.elapsed();
    report
}

/// Likewise to a host that one of the plan sends to: as far as TLS. What is asked there depends on
/// the image.
pub async fn dependent(
    network: &Network,
    namespace: &str,
    endpoint: &Endpoint,
    need: &Dependency,
    via: &RegistryHost,
    deadline: Instant,
) -> EndpointReport {
    let mut report = begin(network, namespace, endpoint, need.role());
    report.need = Some(need.clone());
    let falls_back = need.purposes.contains(&Purpose::Token) && endpoint.scheme == host::Scheme::Https;
    match timeout_at(deadline, network.led(via, endpoint, via.http_fallback && falls_back)).await {
        Ok(route) => arrive(&mut report, &route),
        Err(_) => report.out_of_time(),
    }
    if report.ok() {
        report.stages.ping = Step::skipped(Skip::NotNeeded);
        report.stages.token = Step::skipped(Skip::NotNeeded);
    }
    // Others may have been there: its stages say how long that took.
    report.duration = report.stages.lines().iter().filter_map(|line| line.duration).sum();
    report
}

/// A planned host that was not probed in time.
pub fn not_reached(network: &Network, namespace: &str, host: &RegistryHost) -> EndpointReport {
    let mut report = begin(network, namespace, &host.endpoint, host.role);
    report.out_of_time();
    report
}

fn begin(network: &Network, namespace: &str, endpoint: &Endpoint, role: Role) -> EndpointReport {
    EndpointReport {
        namespace: namespace.to_owned(),
        endpoint: endpoint.clone(),
        role,
        need: None,
        stages: Stages::default(),
        clock_skew: None,
        rate_limit: RateLimit::default(),
        started_at: network.now,
        duration: Duration::ZERO,
    }
}

fn arrive(report: &mut EndpointReport, route: &Route) {
    report.stages = Stages {
        dns: route.dns.clone(),
        tcp: route.tcp.clone(),
        proxy: route.proxy.clone(),
        tls: route.tls.clone(),
        ..Stages::default()
    };
}

async fn connect_to(network: &Network, host: &RegistryHost, report: &mut EndpointReport) {
    let route = network.route(&Destination::of(host)).await;
    arrive(report, &route);
    if let (Outcome::Failed(failure, _), Some(_)) = (&mut report.stages.tcp.outcome, host.endpoint.impossible_port()) {
        failure.cause = host.misspelled();
    }
    if let Ok(client) = &route.client {
        let login = host.own_credential.as_ref().and_then(Credential::login);
        EndpointProbe { network, host, client, login, report }.run().await;
    }
}

struct EndpointProbe<'a> {
    network: &'a Network,
    host: &'a RegistryHost,
    client: &'a HttpClient,
    login: Option<(&'a str, &'a Secret)>,
    report: &'a mut EndpointReport,
}

impl EndpointProbe<'_> {
    async fn run(&mut self) {
        let began = Instant::now();
        let response = match self.get(None).await {
            Ok(response) => response,
            Err(failure) => {
                self.report.stages.ping = step(Outcome::Failed(failure, None), began.elapsed());
                return;
            }
        };
        if let Some(failure) = proxy::refusal(&response, &Errors::of(&response)) {
            self.turned_away(failure, began.elapsed());
            return;
        }
        self.report.clock_skew = skew(&response, self.network.clock());
        self.report.rate_limit = ratelimit::of_ping(&response, self.network.clock(), &self.report.namespace);
        let challenges = challenge::of(&response);
        let facts = PingFacts {
            http_status: response.status.as_u16(),
            challenges: challenges.iter().map(Challenge::facts).collect(),
        };
        let outcome = match judge(&response, &challenges, self.host, &self.report.namespace) {
            None => Outcome::Passed(facts),
            Some(failure) => {
                let pause = ratelimit::pause(&response, self.network.clock());
                let failure = failure.at(self.client.endpoint().host_port()).again_after(pause);
                let other = proxy::or_the_proxy(&response, &Errors::of(&response));
                Outcome::Failed(failure.or_maybe(other.as_slice()), Some(facts))
            }
        };
        self.report.stages.ping = Step::new(outcome, began.elapsed());
        if self.report.stages.ping.passed() {
            self.authorize(response.status.as_u16(), &challenges).await;
        }
    }

    /// The proxy answered in the registry's place: its own stage ends here, and nothing more is known.
    fn turned_away(&mut self, failure: Failure, took: Duration) {
        let proxy = &mut self.report.stages.proxy;
        let facts = proxy.facts().cloned();
        *proxy = Step::new(Outcome::Failed(failure, facts), proxy.duration.unwrap_or_default() + took);
    }

    /// A token or a password that the registry takes, where it asks for one.
    async fn authorize(&mut self, status: u16, challenges: &[Challenge]) {
        let first = challenges.iter().find(|challenge| challenge.scheme != Scheme::Digest).filter(|_| status == 401);
        let Some(challenge) = first else {
            self.report.stages.token = Step::skipped(Skip::NotNeeded);
            return;
        };
        let began = Instant::now();
        let outcome = match challenge.scheme {
            Scheme::Bearer => self.bearer(challenge).await,
            Scheme::Basic | Scheme::Digest => self.basic().await,
        };
        self.report.stages.token = step(outcome, began.elapsed());
    }

    async fn bearer(&self, challenge: &Challenge) -> Outcome<TokenFacts> {
        let options = match token::options(challenge, None, TokenRequestForm::default()) {
            Ok(options) => options,
            Err(failure) => return Outcome::Failed(failure, None),
        };
        let headers = HeaderMap::new();
        let allowed = Requests::default();
        let from = OnBehalf {
            namespace: &self.report.namespace,
            image: "",
            host: self.host,
            headers: &headers,
            allowed: &allowed,
        };
        let facts = |token: &token::Token| TokenFacts {
            host: token.host.clone().into(),
            anonymous: token.anonymous,
            expires_in: token.expires_in,
        };
        match token::fetch(self.network, from, &options, self.login).await {
            Ok(token) => {
                self.network.dependencies.succeeded(from.origin());
                Outcome::Passed(facts(&token))
            }
            Err(failure) if reach::is_kept_back(&failure) => Outcome::Skipped(Skip::NotFollowed),
            // Without a repository to ask for, a refusal of nobody in particular is no fault.
            Err(failure) if self.login.is_none() && failure.cause == Cause::CredentialsMissing => {
                let host = host_port(&options.realm);
                Outcome::Passed(TokenFacts { host: host.into(), anonymous: true, expires_in: None })
            }
            Err(failure) => Outcome::Failed(failure, None),
        }
    }

    async fn basic(&self) -> Outcome<TokenFacts> {
        let host = self.client.endpoint().host_port();
        let facts = |anonymous| TokenFacts { host: host.clone().into(), anonymous, expires_in: None };
        let Some((user, secret)) = self.login else { return Outcome::Passed(facts(true)) };
        match self.get(Some(token::basic(user, secret))).await {
            Err(failure) => Outcome::Failed(failure, None),
            Ok(response) if response.status.as_u16() == 401 || response.status.as_u16() == 403 => {
                let errors = Errors::of(&response);
                let reading = refusal::read(&response, &errors, Party::Registry, &self.report.namespace);
                let (rejected, ended) = refusal::refused_login(&response, &errors, self.login);
                let is_told = reading.is_by_words() && !reading.says_expired();
                let cause = if is_told { reading.cause } else { rejected };
                let words = refusal::behind(": ", &response, &errors);
                let detail = format!("/v2/ answered {} to the credential{ended}{words}", response.line());
                let failure = Failure::new(Stage::Token, cause, detail).at(host.clone());
                Outcome::Failed(reading.tell(failure), None)
            }
            Ok(response) => match judge(&response, &[], self.host, &self.report.namespace) {
                None => Outcome::Passed(facts(false)),
                // It let everybody else in as far as to be asked for a password.
                Some(failure) => {
                    let pause = ratelimit::pause(&response, self.network.clock());
                    Outcome::Failed(failure.staged(Stage::Token).at(host.clone()).again_after(pause), None)
                }
            },
        }
    }

    async fn get(&self, authorization: Option<HeaderValue>) -> Result<Response, Failure> {
        if let Some(failure) = &self.host.unsendable {
            return Err(Failure { stage: Stage::Ping, ..failure.clone() });
        }
        let mut headers = headers::of(self.host);
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, value);
        }
        let request = request::base(self.client, &self.host.path, headers, BODY_LIMIT)?;
        request::send(self.network, self.host, self.client, RequestKind::Ping, request).await
    }
}

/// Where containerd would wait for longer, or reads what pullprobe does not, nothing is known of the host.
fn step<F>(outcome: Outcome<F>, took: Duration) -> Step<F> {
    match outcome {
        Outcome::Failed(failure, _) if failure.inconclusive => Step::skipped(failure.skip()),
        outcome => Step::new(outcome, took),
    }
}

/// Whether the answer to `/v2/` is a registry's. Every registry answers 200 or 401 there; a mirror
/// below a path of its own may know nothing at that place.
fn judge(response: &Response, challenges: &[Challenge], host: &RegistryHost, namespace: &str) -> Option<Failure> {
    let errors = Errors::of(response);
    let line = response.line();
    let words = refusal::behind(": ", response, &errors);
    let reading = refusal::read(response, &errors, Party::Registry, namespace);
    let signs_in = headers::of(host).contains_key(header::AUTHORIZATION);
    let fail = |cause, what: &str| {
        let failure = Failure::new(Stage::Ping, cause, format!("{}/ answered {line}{what}", host.path));
        Some(reading.tell(failure))
    };
    match response.status.as_u16() {
        200..=299 if refusal::is_web_page(response) => {
            let cause = if reading.is_by_words() { reading.cause } else { Cause::NotARegistry };
            fail(cause, &format!(" with a web page{words}"))
        }
        200..=299 => None,
        401 if !challenges.is_empty() => None,
        // Nobody signed in yet, unless the host's own headers do.
        401 if reading.is_by_words() && (signs_in || !reading.says_expired()) => fail(reading.cause, &words),
        401 => {
            let bare = !response.headers.contains_key(header::WWW_AUTHENTICATE);
            fail(
                Cause::ChallengeInvalid,
                if bare { " without WWW-Authenticate" } else { " with no challenge that containerd knows" },
            )
        }
        400 if reading.cause == Cause::HttpToTlsPort => {
            fail(Cause::HttpToTlsPort, ": plain HTTP was sent to a TLS port")
        }
        // What refuses for itself stands before whatever is at that place.
        404 | 405 if reading.is_by_words() => fail(reading.cause, &words),
        404 | 405 if host.path != "/v2" => None,
        404 | 405 => fail(Cause::NotARegistry, ": there is no distribution API"),
        // Redirected as a whole: the probe of the image follows.
        301 | 302 | 303 | 307 | 308 if response.headers.contains_key(header::LOCATION) => None,
        403 if reading.says_expired() && !signs_in => fail(Cause::AccessDenied, &words),
        _ => fail(reading.cause, &words),
    }
}

/// The far clock minus ours. `Date` has whole seconds, so half a second is neither's fault.
fn skew(response: &Response, now: Timestamp) -> Option<f64> {
    Some(response.date()?.duration_since(now).as_secs_f64() + 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Owner;
    use crate::model::sample;

    fn skew_of(headers: &[(&'static str, &str)]) -> Option<f64> {
        let headers = headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
        let response = Response { headers: headers.collect(), ..Response::empty() };
        skew(&response, "2026-11-21T10:00:00.5Z".parse().unwrap())
    }

    fn host(path: &str, headers: Vec<(String, Secret)>) -> RegistryHost {
        let host = sample::host(Endpoint::new(host::Scheme::Https, "r.example"));
        RegistryHost { role: Role::Mirror, path: path.to_owned(), headers, ..host }
    }

    fn judged(host: &RegistryHost, status: u16, media_type: &str, body: &str) -> Option<Failure> {
        let mut response = Response { body: body.as_bytes().to_vec().into(), ..Response::empty() };
        response.status = http::StatusCode::from_u16(status).unwrap();
        response.headers.insert("content-type", media_type.parse().unwrap());
        judge(&response, &[], host, "r.example")
    }

    #[test]
    fn a_page_that_says_whose_it_is_is_not_taken_for_a_missing_registry() {
        let filter = "<html><title>Web Page Blocked</title>FortiGuard Intrusion Prevention</html>";
        let missing = "<html><title>404 Not Found</title>nginx</html>";
        for (path, status) in [("/v2", 200), ("/v2", 404), ("/v2", 405), ("/v2", 401), ("/mirror/v2", 404)] {
            let failure = judged(&host(path, Vec::new()), status, "text/html", filter).unwrap();
            assert_eq!((failure.cause, failure.owner()), (Cause::FilterBlocked, Owner::Network), "{path} {status}");
            assert!(failure.summary().contains("web filter"), "{}", failure.summary());
        }
        let cause = |path, status| judged(&host(path, Vec::new()), status, "text/html", missing).map(|told| told.cause);
        assert_eq!(cause("/v2", 404), Some(Cause::NotARegistry));
        assert_eq!(cause("/v2", 200), Some(Cause::NotARegistry));
        assert_eq!(cause("/mirror/v2", 404), None);
    }

    #[test]
    fn only_who_signs_in_is_told_that_the_login_is_past_its_time() {
        let words = r#"{"errors":[{"code":"DENIED","message":"Your authorization token has expired."}]}"#;
        let signed_in = host("/v2", vec![("Authorization".to_owned(), Secret::new("Basic QVdTOng="))]);
        let cause = |host, status| judged(host, status, "application/json", words).map(|told| told.cause);
        assert_eq!(cause(&signed_in, 403), Some(Cause::CredentialsExpired));
        assert_eq!(cause(&signed_in, 401), Some(Cause::CredentialsExpired));
        let nobody = host("/v2", Vec::new());
        assert_eq!(cause(&nobody, 403), Some(Cause::AccessDenied));
        assert_eq!(cause(&nobody, 401), Some(Cause::ChallengeInvalid));
    }

    #[test]
    fn the_far_clock_is_read_off_the_date_whatever_a_cache_did_with_the_answer() {
        assert_eq!(skew_of(&[("date", "Sat, 21 Nov 2026 10:00:00 GMT")]), Some(0.0));
        assert_eq!(skew_of(&[("date", "Sat, 21 Nov 2026 08:00:00 GMT")]), Some(-7_200.0));
        assert_eq!(skew_of(&[("date", "Sat, 21 Nov 2026 09:00:00 GMT"), ("age", "3600")]), Some(0.0));
        assert_eq!(skew_of(&[("date", "today")]), None);
        assert_eq!(skew_of(&[]), None);
    }
}
