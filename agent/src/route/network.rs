//! The route to a host: DNS, TCP, proxy and TLS. It runs once per cycle, and all callers share the result.
//!
//! This module knows the order of these stages and nothing about registries.

mod follow_up;
mod line;
pub mod reach;
mod timeouts;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use jiff::Timestamp;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use super::dependencies::Dependencies;
use super::proxy;
use super::usage::Usage;
use crate::cause::Cause;
use crate::dns::{self, LookupLimits};
use crate::environment::{ProxyRules, ProxyUrl};
use crate::host::resolv::Names;
use crate::http::{Binding, Connections, HttpClient, IdlePool, Informational};
use crate::model::facts::{DnsFacts, ProxyFacts, TcpFacts, TlsFacts};
use crate::model::host::{Endpoint, HostTls, RegistryHost, Scheme};
use crate::model::namespace::DIAL_TIMEOUT;
use crate::model::outcome::{Failure, Outcome, Skip, Step};
use crate::model::stage::Stage;
use crate::observation::sinkhole;
use crate::tls::{self, NodeTrust, TlsSetup};
use crate::transport::connection::Connection;
use crate::transport::tcp;
use crate::version::Version;
use line::Line;
use reach::Reach;
pub use timeouts::Timeouts;

/// The node's network as containerd would use it, for one cycle.
#[derive(Debug)]
pub struct Network {
    pub names: Arc<Names>,
    pub trust: Arc<NodeTrust>,
    pub proxies: Arc<ProxyRules>,
    pub timeouts: Timeouts,
    pub version: Version,
    reach: Reach,
    /// The wall clock when the cycle began: what certificates are judged by.
    pub now: Timestamp,
    began: Instant,
    pub usage: Arc<Usage>,
    pub dependencies: Dependencies,
    kept: IdlePool,
    routes: Mutex<HashMap<RouteKey, Vec<RouteWithTls>>>,
}

/// The endpoint, whether https falls back to http, the dial timeout, and who sends there.
type RouteKey = (Endpoint, bool, Option<Duration>, Option<Endpoint>);

/// The same address with other TLS settings is another route.
type RouteWithTls = (HostTls, Arc<OnceCell<Arc<Route>>>);

/// The result of connecting to a host, and the client that talks to it.
#[derive(Debug)]
pub struct Route {
    /// The scheme that worked: http where the https attempt fell back.
    pub endpoint: Endpoint,
    pub dns: Step<DnsFacts>,
    pub tcp: Step<TcpFacts>,
    pub proxy: Step<ProxyFacts>,
    pub tls: Step<TlsFacts>,
    /// `Err` when a stage failed.
    pub client: Result<HttpClient, Failure>,
}

/// What is needed to reach a host.
#[derive(Clone, Debug)]
pub struct Destination<'a> {
    pub endpoint: Endpoint,
    pub tls: &'a HostTls,
    pub dial_timeout: Option<Duration>,
    /// Try https, fall back to http.
    pub http_fallback: bool,
    /// The planned host that sends pulls there. `None`: the plan itself names this host.
    pub led_by: Option<&'a RegistryHost>,
}

impl<'a> Destination<'a> {
    pub fn of(host: &'a RegistryHost) -> Self {
        Self {
            endpoint: host.endpoint.clone(),
            tls: &host.tls,
            dial_timeout: host.dial_timeout,
            http_fallback: host.http_fallback,
            led_by: None,
        }
    }
}

impl Network {
    pub fn new(
        names: Arc<Names>,
        trust: Arc<NodeTrust>,
        proxies: Arc<ProxyRules>,
        timeouts: Timeouts,
        version: Version,
        now: Timestamp,
    ) -> Self {
        let (began, routes) = (Instant::now(), Mutex::default());
        let (usage, dependencies, kept) = (Arc::default(), Dependencies::default(), IdlePool::default());
        let reach = Reach::default();
        Self { names, trust, proxies, timeouts, version, reach, now, began, usage, dependencies, kept, routes }
    }

    fn setup(&self, to: &Destination<'_>) -> Result<TlsSetup, Failure> {
        let offers_mlkem = self.version.go().offers_mlkem();
        TlsSetup::new(self.version, offers_mlkem, &self.trust, to.tls, self.now)
    }

    /// The wall-clock time now, counted on from the start of the cycle.
    pub fn clock(&self) -> Timestamp {
        let passed = jiff::SignedDuration::try_from(self.began.elapsed()).unwrap_or_default();
        self.now.checked_add(passed).unwrap_or(self.now)
    }

    /// The route to a host. The first call connects, and later calls share its result.
    pub async fn route(&self, to: &Destination<'_>) -> Arc<Route> {
        let led_by = to.led_by.map(|host| host.endpoint.clone());
        let key = (to.endpoint.clone(), to.http_fallback, to.dial_timeout, led_by);
        let cell = {
            let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
            let alike = routes.entry(key).or_default();
            let known = alike.iter().find(|(tls, _)| tls == to.tls).map(|(_, cell)| Arc::clone(cell));
            known.unwrap_or_else(|| {
                let cell = Arc::default();
                alike.push((to.tls.clone(), Arc::clone(&cell)));
                cell
            })
        };
        // Boxed: what awaits a way is itself awaited deep down, and the compiler follows futures only so far.
        let connect_to = || async { Arc::new(self.connect_to(to).await) }.boxed();
        Arc::clone(cell.get_or_init(connect_to).await)
    }

    #[tracing::instrument(name = "connect", level = "trace", skip_all, fields(host = %to.endpoint))]
    async fn connect_to(&self, to: &Destination<'_>) -> Route {
        let route = self.connect_once(to, &to.endpoint).await;
        let falls_back = to.http_fallback
            && route.client.as_ref().is_err_and(|failure| falls_back(failure, self.version, to.endpoint.has_port()));
        if !falls_back {
            return route;
        }
        let plain = Endpoint::new(Scheme::Http, to.endpoint.authority.clone());
        self.connect_once(to, &plain).await
    }

    async fn connect_once(&self, to: &Destination<'_>, endpoint: &Endpoint) -> Route {
        let mut route = Route::begin(endpoint);
        let reached = self.reach(to, &mut route).await;
        route.client = reached.map_err(|failure| {
            sinkhole::explained(failure.host_or(&endpoint.host_port()), endpoint.host(), route.dns.facts())
        });
        route
    }

    async fn reach(&self, to: &Destination<'_>, route: &mut Route) -> Result<HttpClient, Failure> {
        let setup = self.setup(to).inspect_err(|failure| {
            route.tls = Step::new(Outcome::Failed(failure.clone(), None), Duration::ZERO);
        })?;
        let (stream, bound) = match self.connect(to, route, &setup).await {
            Ok(connected) => connected,
            Err(failure) => return Err(Box::pin(self.tried_again(to, route, &setup, failure)).await),
        };
        let stream = match self.secure(route, stream, &setup).await {
            Err(failure) => return Err(Box::pin(self.follow_up(to, route, &setup, failure)).await),
            Ok(stream) => stream,
        };
        let line = Line {
            endpoint: route.endpoint.clone(),
            address: bound.address,
            // How many a proxy has was not kept.
            has_other_addresses: bound.proxy.is_some()
                || route.dns.facts().is_some_and(|facts| facts.addresses.len() > 1),
            proxy: bound.proxy.clone(),
            bare_users: self.version.go().signs_in_without_password(),
            setup,
            timeouts: self.timeouts,
        };
        Ok(HttpClient::new(Binding {
            endpoint: route.endpoint.clone(),
            address: bound.address,
            proxy: bound.proxy,
            connections: Connections::over(stream, &self.kept).await,
            line: Arc::new(line),
            limit: self.timeouts.http,
            patience: self.version.response_header_timeout(),
            informational: Informational::of(self.version),
        }))
    }

    /// DNS and TCP to the host itself or, where the rules say so, a tunnel through the proxy.
    async fn connect(
        &self,
        to: &Destination<'_>,
        route: &mut Route,
        setup: &TlsSetup,
    ) -> Result<(Connection, Bound), Failure> {
        let endpoint = route.endpoint.clone();
        if let Some(port) = endpoint.impossible_port() {
            let detail = format!("there is no port {port}: the highest is 65535");
            let failure = Failure::new(Stage::Tcp, Cause::HostsFileInvalid, detail)
                .with_go_message(format!("dial tcp: address {port}: invalid port"));
            route.tcp = Step::new(Outcome::Failed(failure.clone(), None), Duration::ZERO);
            return Err(failure);
        }
        if let Some(words) = self.proxies.refusal(endpoint.scheme) {
            let detail = "REQUEST_METHOD is set for containerd, and Go takes no HTTP_PROXY in a CGI program: unset it";
            let failure = Failure::new(Stage::Proxy, Cause::ProxyUnreachable, detail).with_go_message(words);
            route.proxy = Step::new(Outcome::Failed(failure.clone(), None), Duration::ZERO);
            return Err(failure);
        }
        if let Some(failure) = self.literal_kept_back(to, &endpoint).await {
            (route.dns, route.tcp) = (Step::skipped(Skip::NotNeeded), Step::skipped(Skip::NotFollowed));
            return Err(failure);
        }
        let decision = self.proxies.decide(endpoint.scheme, endpoint.host(), endpoint.port());
        let Some(proxy) = decision.proxy else {
            let (dns, tcp, stream) = self.dial(endpoint.host(), endpoint.port(), to.dial_timeout, Some(to)).await;
            let address = tcp.facts().and_then(|facts| facts.chosen);
            let failure = dns.failure().or_else(|| tcp.failure()).cloned();
            (route.dns, route.tcp) = (dns, tcp);
            let is_cut_short = |failure: &Failure| failure.inconclusive && failure.cause != Cause::LimitReached;
            if failure.as_ref().is_some_and(reach::is_kept_back) {
                route.tcp = Step::skipped(Skip::NotFollowed);
            } else if route.dns.failure().is_some_and(is_cut_short) {
                route.dns = Step::skipped(Skip::OutOfTime);
            } else if route.tcp.failure().is_some_and(is_cut_short) {
                route.tcp = Step::skipped(Skip::OutOfTime);
            }
            let (Some(stream), Some(address)) = (stream, address) else {
                return Err(
                    failure.unwrap_or_else(|| Failure::new(Stage::Tcp, Cause::Unclassified, "no address chosen"))
                );
            };
            let facts = ProxyFacts { proxy: None, rule: decision.rule.into(), connect_status: None };
            route.proxy = Step { outcome: Outcome::Passed(facts), duration: Some(Duration::ZERO) };
            return Ok((stream.into(), Bound { address, proxy: None }));
        };
        route.dns = Step::skipped(Skip::LeftToProxy);
        route.tcp = Step::skipped(Skip::LeftToProxy);
        let tunnel = Tunnel { endpoint: &endpoint, proxy: &proxy, rule: &decision.rule, setup };
        let (step, reached) = self.through_proxy(tunnel, to.dial_timeout).await;
        let failure = step.failure().cloned();
        let doubt = failure.as_ref().filter(|failure| failure.inconclusive).map(Failure::skip);
        route.proxy = doubt.map_or(step, Step::skipped);
        reached
            .map(|(stream, address)| (stream, Bound { address, proxy: Some(proxy) }))
            .ok_or_else(|| failure.unwrap_or_else(|| Failure::new(Stage::Proxy, Cause::Unclassified, "no tunnel")))
    }

    async fn dial(
        &self,
        host: &str,
        port: u16,
        dial_timeout: Option<Duration>,
        guarded: Option<&Destination<'_>>,
    ) -> (Step<DnsFacts>, Step<TcpFacts>, Option<TcpStream>) {
        let budget = dial_timeout.unwrap_or(DIAL_TIMEOUT);
        let patience = LookupLimits { budget, limit: self.timeouts.dns };
        let dns = dns::lookup(&self.names, host, patience).await;
        let addresses = match &dns.outcome {
            Outcome::Passed(facts) => facts.addresses.clone(),
            Outcome::Failed(..) | Outcome::Skipped(_) => return (dns, Step::default(), None),
        };
        if let Some(to) = guarded
            && let Some(failure) = self.kept_back(to, &addresses, port).await
        {
            return (dns, Step::new(Outcome::Failed(failure, None), Duration::ZERO), None);
        }
        let left = budget.saturating_sub(dns.duration.unwrap_or_default());
        let (tcp, stream) = tcp::connect(&addresses, port, host, left, self.timeouts.tcp).await;
        (dns, tcp, stream)
    }

    async fn through_proxy(
        &self,
        tunnel: Tunnel<'_>,
        dial_timeout: Option<Duration>,
    ) -> (Step<ProxyFacts>, Option<(Connection, SocketAddr)>) {
        let Tunnel { endpoint, proxy, rule, setup } = tunnel;
        let began = Instant::now();
        let facts = |connect_status| ProxyFacts {
            proxy: Some(proxy.to_string().into()),
            rule: rule.to_owned().into(),
            connect_status,
        };
        if let Some(failure) = proxy::garbled(proxy) {
            return (Step::new(Outcome::Failed(failure, Some(facts(None))), began.elapsed()), None);
        }
        let (dns, tcp, stream) = self.dial(&proxy.host, proxy.port, dial_timeout, None).await;
        let address = tcp.facts().and_then(|facts| facts.chosen);
        let (Some(stream), Some(address)) = (stream, address) else {
            let failure = dns.failure().or_else(|| tcp.failure()).map_or_else(
                || Failure::new(Stage::Proxy, Cause::ProxyUnreachable, "the proxy cannot be reached"),
                |inner| proxy::not_reached(proxy, inner),
            );
            let failure = failure.host_or(&proxy.host_port());
            return (Step::new(Outcome::Failed(failure, Some(facts(None))), began.elapsed()), None);
        };
        let target = proxy::Target {
            host_port: &endpoint.host_port(),
            bare_users: self.version.go().signs_in_without_password(),
            plain: endpoint.scheme == Scheme::Http,
        };
        let (step, stream) = proxy::tunnel(stream, proxy, rule, target, setup, self.timeouts.http).await;
        // The way to the proxy has no stage of its own: those of the host are left to the proxy.
        let step = Step { duration: Some(began.elapsed()), ..step };
        (step, stream.map(|stream| (stream, address)))
    }

    /// TLS where the scheme asks for it. Further connections of the client resume its session.
    async fn secure(&self, route: &mut Route, stream: Connection, setup: &TlsSetup) -> Result<Connection, Failure> {
        if route.endpoint.scheme == Scheme::Http {
            route.tls = Step::skipped(Skip::NotNeeded);
            return Ok(stream);
        }
        let ends = stream.ends();
        let (step, stream) = tls::handshake(stream, route.endpoint.host(), setup, self.timeouts.tls).await;
        route.tls = step;
        match (route.tls.failure(), stream) {
            (Some(failure), _) => Err(failure.clone()),
            (None, Some(stream)) => Ok(Connection::inside(stream, ends)),
            (None, None) => Err(Failure::new(Stage::Tls, Cause::Unclassified, "no session")),
        }
    }
}

impl Route {
    /// The state before the first stage.
    fn begin(endpoint: &Endpoint) -> Self {
        Self {
            endpoint: endpoint.clone(),
            dns: Step::default(),
            tcp: Step::default(),
            proxy: Step::default(),
            tls: Step::default(),
            client: Err(Failure::new(Stage::Dns, Cause::Unclassified, "not reached")),
        }
    }
}

/// What is asked of a proxy.
#[derive(Clone, Copy)]
struct Tunnel<'a> {
    endpoint: &'a Endpoint,
    proxy: &'a ProxyUrl,
    rule: &'a str,
    setup: &'a TlsSetup,
}

/// Where the client's connections go.
struct Bound {
    address: SocketAddr,
    proxy: Option<ProxyUrl>,
}

/// Whether containerd's fallback client would go on with plain HTTP after this failure
/// (containerd `core/remotes/docker/resolver.go`, `HTTPFallback`).
fn falls_back(failure: &Failure, version: Version, has_port: bool) -> bool {
    match failure.cause {
        // What containerd would meet there is unknown, and so is whether it turns to HTTP.
        _ if failure.inconclusive => false,
        Cause::TlsPlainHttp => version.upgrades_http_with_tls(),
        Cause::TlsTimeout => version.falls_back_on_handshake_timeout(),
        Cause::TcpRefused | Cause::TcpTimeout => version.falls_back_on_refused() && !has_port,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::Cases;
    use crate::node::containerd::cases_tests::releases;

    #[test]
    fn where_the_end_of_https_is_unknown_nothing_falls_back() {
        let late = Failure::new(Stage::Tls, Cause::TlsTimeout, "");
        assert!(falls_back(&late, Version::NEWEST, true));
        assert!(!falls_back(&Failure { inconclusive: true, ..late }, Version::NEWEST, true));
    }

    #[test]
    fn a_refused_connection_falls_back_to_http_only_without_a_port() {
        for case in Cases::of_kind("http_fallback_trigger") {
            assert_eq!(case.input["error"], "connect: connection refused");
            let endpoint = Endpoint::new(Scheme::Https, case.input["host"].as_str().unwrap());
            let refused = Failure::new(Stage::Tcp, Cause::TcpRefused, "");
            for version in releases(&case.versions) {
                let found = falls_back(&refused, version, endpoint.has_port());
                assert_eq!(found, case.expected["fallback"], "{} on {version}", case.id);
            }
        }
    }
}
