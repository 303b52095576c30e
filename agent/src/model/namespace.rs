//! A registry name, the hosts that containerd asks for it, and the state that follows from theirs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::dependency::{Dependency, Purpose};
use super::host::{Capabilities, Endpoint, RegistryHost, Role};
use super::outcome::Failure;
use super::report::{EndpointReport, StageLine};
use crate::cause::Cause;
use crate::model::host::EndpointKey;

/// containerd's own time for a connection, its lookup included, unless hosts.toml's `dial_timeout` says otherwise.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(30);
/// A `dial_timeout` of zero: Go sets no limit, and Linux ends each connection sooner.
pub const NO_DIAL_TIMEOUT: Duration = Duration::from_secs(3600);
/// After so long Linux gives up a connection that nobody answers (`tcp_syn_retries` of tcp(7)).
pub const KERNEL_DIAL_TIMEOUT: Duration = Duration::from_secs(127);
/// Go's time for a TLS handshake in containerd's client.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, Default)]
pub struct Namespace {
    /// In containerd's order.
    pub hosts: Vec<PlannedHost>,
    /// Why containerd does not know which hosts to ask, so that every pull fails. `None` when it knows.
    pub broken: Option<Failure>,
    /// Hosts that the planned hosts sent a pull to.
    pub dependents: BTreeMap<Endpoint, Dependent>,
}

/// A host that pulls need because a planned host sends them there (token service or redirect).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependent {
    pub need: Dependency,
    /// When a pull was last sent there.
    pub last_needed: Timestamp,
}

/// The settings of a planned host that decide whether and when containerd asks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedHost {
    pub endpoint: Endpoint,
    pub role: Role,
    pub capabilities: Capabilities,
    /// `None`: containerd's own 30 s.
    pub dial_timeout: Option<Duration>,
}

impl From<&RegistryHost> for PlannedHost {
    fn from(host: &RegistryHost) -> Self {
        Self {
            endpoint: host.endpoint.clone(),
            role: host.role,
            capabilities: host.capabilities,
            dial_timeout: host.dial_timeout,
        }
    }
}

/// The state of a registry name, derived from all of its hosts. A field is `None` when it is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Would some host in containerd's order serve?
    pub pullable: Option<bool>,
    /// Pullable, but not as configured: a host that it would ask fails.
    pub degraded: Option<bool>,
    /// The time that each request loses to failing hosts before the first good one.
    pub fallback_delay: Option<Duration>,
}

impl Namespace {
    /// Whether this host is planned for the registry name, or a planned host sends pulls to it.
    pub fn has(&self, endpoint: &Endpoint) -> bool {
        self.dependents.contains_key(endpoint) || self.hosts.iter().any(|host| host.endpoint == *endpoint)
    }

    pub fn health(&self, name: &str, endpoints: &BTreeMap<EndpointKey, Arc<EndpointReport>>) -> Health {
        if let Some(failure) = &self.broken {
            let known = (!failure.inconclusive).then_some(false);
            return Health { pullable: known, degraded: known, fallback_delay: None };
        }
        let seen: Vec<Seen<'_>> = self
            .hosts
            .iter()
            .map(|host| Seen {
                host,
                report: endpoints.get(&(name.to_owned(), host.endpoint.clone())).map(AsRef::as_ref),
                cut_off: self.is_cut_off(name, &host.endpoint, endpoints),
            })
            .collect();
        let resolves = any_good(seen.iter().filter(|seen| seen.host.capabilities.resolve));
        let pulls = any_good(seen.iter().filter(|seen| seen.host.capabilities.pull));
        let pullable = both(resolves, pulls);
        let asked = || seen.iter().filter(|seen| seen.host.capabilities.resolve || seen.host.capabilities.pull);
        let degraded = match pullable {
            Some(true) => both(Some(true), any(asked().map(|seen| seen.good().map(|good| !good)))),
            Some(false) => Some(false),
            None => None,
        };
        Health { pullable, degraded, fallback_delay: fallback_delay(&seen) }
    }

    /// Whether every host that this one redirects manifests to, or every one for blobs, is down: it
    /// answers, and nothing can be pulled through it.
    fn is_cut_off(&self, name: &str, via: &Endpoint, endpoints: &BTreeMap<EndpointKey, Arc<EndpointReport>>) -> bool {
        [Purpose::Manifest, Purpose::Blob].into_iter().any(|purpose| {
            let leads = |need: &Dependency| need.purposes.contains(&purpose) && need.via.contains(via);
            let mut targets = self.dependents.iter().filter(|(_, dependent)| leads(&dependent.need)).peekable();
            let down = |endpoint: &Endpoint| {
                endpoints.get(&(name.to_owned(), endpoint.clone())).is_some_and(|report| report.up() == Some(false))
            };
            targets.peek().is_some() && targets.all(|(endpoint, _)| down(endpoint))
        })
    }
}

/// A host and what its last probe saw.
struct Seen<'a> {
    host: &'a PlannedHost,
    report: Option<&'a EndpointReport>,
    cut_off: bool,
}

impl Seen<'_> {
    fn good(&self) -> Option<bool> {
        if self.cut_off { Some(false) } else { self.report.and_then(EndpointReport::up) }
    }

    /// The time that containerd loses on this host: where it runs into a deadline of its own, that
    /// deadline, which may be longer than ours.
    fn cost(&self) -> Option<Duration> {
        let report = self.report?;
        let failure = report.failure()?;
        let lines = report.stages.lines();
        let took = |line: &StageLine<'_>| line.duration.unwrap_or_default();
        let walked: Duration = lines.iter().filter(|line| line.stage != failure.stage).map(took).sum();
        let failed: Duration = lines.iter().filter(|line| line.stage == failure.stage).map(took).sum();
        let deadline = match failure.cause {
            Cause::TcpTimeout => {
                let dial = self.host.dial_timeout.unwrap_or(DIAL_TIMEOUT).saturating_sub(walked);
                dial.min(KERNEL_DIAL_TIMEOUT)
            }
            Cause::TlsTimeout => HANDSHAKE_TIMEOUT,
            _ => Duration::ZERO,
        };
        Some(walked + failed.max(deadline))
    }
}

/// containerd asks the hosts in order, and falls back to the next one only while it resolves. So only hosts that may
/// resolve are considered.
fn fallback_delay(seen: &[Seen<'_>]) -> Option<Duration> {
    let mut delay = Duration::ZERO;
    for host in seen.iter().filter(|seen| seen.host.capabilities.resolve) {
        if host.good()? {
            return Some(delay);
        }
        delay += host.cost()?;
    }
    None
}

fn any_good<'a>(hosts: impl Iterator<Item = &'a Seen<'a>>) -> Option<bool> {
    any(hosts.map(Seen::good))
}

/// Three-valued `or`: true if any is true, else unknown if any is unknown, else false.
fn any(answers: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut all_known = true;
    for answer in answers {
        match answer {
            Some(true) => return Some(true),
            Some(false) => {}
            None => all_known = false,
        }
    }
    all_known.then_some(false)
}

/// Three-valued `and`.
fn both(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::facts::PingFacts;
    use crate::model::host::Scheme;
    use crate::model::outcome::{Outcome, Step};
    use crate::model::ratelimit::RateLimit;
    use crate::model::report::Stages;
    use crate::model::stage::Stage;

    const NAME: &str = "docker.io";

    fn host(name: &str, role: Role) -> PlannedHost {
        let endpoint = Endpoint::new(Scheme::Https, name);
        PlannedHost { endpoint, role, capabilities: Capabilities::ALL, dial_timeout: None }
    }

    fn report(host: &PlannedHost, stages: Stages) -> (EndpointKey, Arc<EndpointReport>) {
        let report = EndpointReport {
            namespace: NAME.into(),
            endpoint: host.endpoint.clone(),
            role: host.role,
            need: None,
            stages,
            clock_skew: None,
            rate_limit: RateLimit::default(),
            started_at: Timestamp::UNIX_EPOCH,
            duration: Duration::from_secs(3),
        };
        ((NAME.into(), host.endpoint.clone()), Arc::new(report))
    }

    fn good(host: &PlannedHost) -> (EndpointKey, Arc<EndpointReport>) {
        let ping = Outcome::Passed(PingFacts { http_status: 200, challenges: Vec::new() });
        report(host, Stages { ping: Step::new(ping, Duration::from_secs(1)), ..Stages::default() })
    }

    fn bad(host: &PlannedHost, cause: Cause) -> (EndpointKey, Arc<EndpointReport>) {
        let tcp = Outcome::Failed(Failure::new(Stage::Tcp, cause, "x"), None);
        report(host, Stages { tcp: Step::new(tcp, Duration::from_secs(2)), ..Stages::default() })
    }

    fn health(hosts: &[PlannedHost], reports: impl IntoIterator<Item = (EndpointKey, Arc<EndpointReport>)>) -> Health {
        Namespace { hosts: hosts.to_vec(), ..Namespace::default() }.health(NAME, &reports.into_iter().collect())
    }

    #[test]
    fn a_dead_mirror_before_a_good_upstream_degrades_and_costs_containerds_own_deadline() {
        let (mirror, upstream) = (host("m.example", Role::Mirror), host("r.example", Role::Upstream));
        let hosts = [mirror.clone(), upstream.clone()];
        let of = |cause| health(&hosts, [bad(&mirror, cause), good(&upstream)]);
        let expected = |seconds| Health {
            pullable: Some(true),
            degraded: Some(true),
            fallback_delay: Some(Duration::from_secs(seconds)),
        };
        assert_eq!(of(Cause::TcpRefused), expected(2));
        assert_eq!(of(Cause::TcpTimeout), expected(30));
    }

    #[test]
    fn a_dead_upstream_behind_a_good_mirror_degrades_and_costs_nothing() {
        let (mirror, upstream) = (host("m.example", Role::Mirror), host("r.example", Role::Upstream));
        let both = health(&[mirror.clone(), upstream.clone()], [good(&mirror), bad(&upstream, Cause::TcpRefused)]);
        assert_eq!(both, Health { pullable: Some(true), degraded: Some(true), fallback_delay: Some(Duration::ZERO) });
    }

    #[test]
    fn no_host_that_serves_is_not_pullable_and_an_unmeasured_one_leaves_it_open() {
        let (mirror, upstream) = (host("m.example", Role::Mirror), host("r.example", Role::Upstream));
        let hosts = [mirror.clone(), upstream.clone()];
        let none = health(&hosts, [bad(&mirror, Cause::TcpRefused), bad(&upstream, Cause::TcpRefused)]);
        assert_eq!(none, Health { pullable: Some(false), degraded: Some(false), fallback_delay: None });
        assert_eq!(health(&hosts, [bad(&mirror, Cause::TcpRefused)]), Health::default());
        let open = health(&hosts, [good(&upstream)]);
        assert_eq!((open.pullable, open.degraded, open.fallback_delay), (Some(true), None, None));
    }

    #[test]
    fn a_mirror_that_may_pull_but_not_resolve_cannot_serve_alone() {
        let mut mirror = host("m.example", Role::Mirror);
        mirror.capabilities.resolve = false;
        let upstream = host("r.example", Role::Upstream);
        let seen = health(&[mirror.clone(), upstream.clone()], [good(&mirror), bad(&upstream, Cause::TcpRefused)]);
        assert_eq!(seen.pullable, Some(false));
    }

    #[test]
    fn a_registry_whose_only_store_of_blobs_is_down_serves_nothing() {
        let upstream = host("r.example", Role::Upstream);
        let stores = [host("a.example", Role::Redirect), host("b.example", Role::Redirect)];
        let dependent = |store: &PlannedHost| {
            let need = Dependency::new(Purpose::Blob, upstream.endpoint.clone());
            (store.endpoint.clone(), Dependent { need, last_needed: Timestamp::UNIX_EPOCH })
        };
        let health = |known: &[PlannedHost], down: &[PlannedHost]| {
            let dependents = known.iter().map(dependent).collect();
            let namespace = Namespace { hosts: vec![upstream.clone()], dependents, ..Namespace::default() };
            let reports = down.iter().map(|store| bad(store, Cause::TcpRefused)).chain([good(&upstream)]);
            namespace.health(NAME, &reports.collect()).pullable
        };
        assert_eq!(health(&stores[..1], &stores[..1]), Some(false));
        assert_eq!(health(&stores, &stores), Some(false));
        assert_eq!(health(&stores, &stores[..1]), Some(true), "the other may serve");
        assert_eq!(health(&stores[..1], &[]), Some(true));
    }

    #[test]
    fn a_broken_configuration_fails_every_pull() {
        let broken = Some(Failure::new(Stage::Config, Cause::HostsFileInvalid, "line 3"));
        let health = Namespace { broken, ..Namespace::default() }.health(NAME, &BTreeMap::new());
        assert_eq!(health.pullable, Some(false));
    }
}
