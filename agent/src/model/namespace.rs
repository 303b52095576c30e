//! A registry name with the hosts that containerd asks for it, and what they come to together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::cause::Cause;
use super::host::{Capabilities, Endpoint, RegistryHost, Role};
use super::outcome::Failure;
use super::report::{EndpointReport, StageLine};
use super::snapshot::EndpointKey;

/// containerd's own time for a connection, unless hosts.toml's `dial_timeout` says otherwise.
const DIAL_TIMEOUT: Duration = Duration::from_secs(30);
/// Go's time for a TLS handshake in containerd's client.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, Default)]
pub struct Namespace {
    /// In containerd's order.
    pub hosts: Vec<PlannedHost>,
    /// Why containerd cannot even tell whom to ask, and every pull fails. `None` when it can.
    pub broken: Option<Failure>,
}

/// What of a host of the plan decides whether and when it is asked.
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

/// What the hosts of a namespace come to together. A field is `None` when it could not be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Would some host in containerd's order serve?
    pub pullable: Option<bool>,
    /// Pullable, but not as configured: a host that it would ask fails.
    pub degraded: Option<bool>,
    /// What failing hosts ahead of the first good one cost each request.
    pub fallback_delay: Option<Duration>,
}

impl Namespace {
    pub fn health(&self, name: &str, endpoints: &BTreeMap<EndpointKey, Arc<EndpointReport>>) -> Health {
        if self.broken.is_some() {
            return Health { pullable: Some(false), degraded: Some(false), fallback_delay: None };
        }
        let seen: Vec<Seen<'_>> = self
            .hosts
            .iter()
            .map(|host| Seen {
                host,
                report: endpoints.get(&(name.to_owned(), host.endpoint.clone())).map(AsRef::as_ref),
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
}

/// A host and what its last probe saw.
struct Seen<'a> {
    host: &'a PlannedHost,
    report: Option<&'a EndpointReport>,
}

impl Seen<'_> {
    fn good(&self) -> Option<bool> {
        self.report.and_then(EndpointReport::up)
    }

    /// The time that containerd loses on this host: where it runs into a deadline of its own, that
    /// deadline, which may be longer than ours.
    fn cost(&self) -> Option<Duration> {
        let report = self.report?;
        let failure = report.failure()?;
        let deadline = match failure.cause {
            Cause::TcpTimeout => self.host.dial_timeout.unwrap_or(DIAL_TIMEOUT),
            Cause::TlsTimeout => HANDSHAKE_TIMEOUT,
            _ => Duration::ZERO,
        };
        let lines = report.stages.lines();
        let took = |line: &StageLine<'_>| line.duration.unwrap_or_default();
        let walked: Duration = lines.iter().filter(|line| line.stage != failure.stage).map(took).sum();
        let failed: Duration = lines.iter().filter(|line| line.stage == failure.stage).map(took).sum();
        Some(walked + failed.max(deadline))
    }
}

/// The hosts are asked in order and a fallback happens while resolving, so only those count that may.
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

/// Three-valued `or`: one unknown is enough to not know, unless another decides.
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
            stages,
            clock_skew: None,
            rate_limit: RateLimit::default(),
            started_at: jiff::Timestamp::UNIX_EPOCH,
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
        Namespace { hosts: hosts.to_vec(), broken: None }.health(NAME, &reports.into_iter().collect())
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
    fn a_broken_configuration_fails_every_pull() {
        let broken = Some(Failure::new(Stage::Config, Cause::HostsFileInvalid, "line 3"));
        let health = Namespace { hosts: Vec::new(), broken }.health(NAME, &BTreeMap::new());
        assert_eq!(health.pullable, Some(false));
    }
}
