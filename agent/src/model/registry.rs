//! A registry that was asked for by name: could images be pulled from it, and what stands in the way?

use std::collections::BTreeSet;
use std::sync::Arc;

use super::host::Endpoint;
use super::namespace::{Dependent, Health, Namespace, PlannedHost};
use super::outcome::Failure;
use super::report::EndpointReport;

#[derive(Clone, Debug)]
pub struct RegistryReport {
    /// As image references write it.
    pub name: String,
    pub health: Health,
    /// Why containerd asks none of its hosts, or why nobody can tell which.
    pub broken: Option<Failure>,
    pub endpoints: Vec<EndpointReport>,
    /// The hosts of the plan that a pull may ask for anything.
    asked: BTreeSet<Endpoint>,
}

impl RegistryReport {
    /// The hosts of the plan, or why there is none, and what was seen of them and of those that they send to.
    pub fn new(name: String, hosts: Vec<PlannedHost>, broken: Option<Failure>, endpoints: Vec<EndpointReport>) -> Self {
        let may_be_asked = |host: &&PlannedHost| host.capabilities.resolve || host.capabilities.pull;
        let asked = hosts.iter().filter(may_be_asked).map(|host| host.endpoint.clone()).collect();
        let dependent = |report: &EndpointReport| {
            let dependent = Dependent { need: report.need.clone()?, last_needed: report.started_at };
            Some((report.endpoint.clone(), dependent))
        };
        let dependents = endpoints.iter().filter_map(dependent).collect();
        let seen = |report: &EndpointReport| ((name.clone(), report.endpoint.clone()), Arc::new(report.clone()));
        let seen = endpoints.iter().map(seen).collect();
        let namespace = Namespace { hosts, broken, dependents };
        let health = namespace.health(&name, &seen);
        Self { name, health, broken: namespace.broken, endpoints, asked }
    }

    /// What to look at first. `None`: nothing that a pull needs has failed.
    pub fn failure(&self) -> Option<&Failure> {
        let counts = |report: &&EndpointReport| report.need.is_some() || self.asked.contains(&report.endpoint);
        let failed = || self.endpoints.iter().filter(counts).find_map(EndpointReport::failure);
        self.broken.as_ref().or_else(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Cause;
    use crate::model::host::Capabilities;
    use crate::model::sample;
    use crate::model::stage::Stage;

    fn planned(report: &EndpointReport, capabilities: Capabilities) -> PlannedHost {
        PlannedHost { endpoint: report.endpoint.clone(), role: report.role, capabilities, dial_timeout: None }
    }

    /// One that answers, and one that does not.
    fn hosts() -> (EndpointReport, EndpointReport) {
        let snapshot = sample::rich();
        let planned = || snapshot.endpoints.values().filter(|report| report.role.is_planned());
        let good = planned().find(|report| report.serves()).unwrap();
        let bad = planned().find(|report| report.up() == Some(false)).unwrap();
        (good.as_ref().clone(), bad.as_ref().clone())
    }

    #[test]
    fn a_host_that_answers_and_may_only_be_pushed_to_serves_no_pull() {
        let (good, bad) = hosts();
        let push = Capabilities { pull: false, resolve: false, ..Capabilities::ALL };
        let plan = vec![planned(&good, push), planned(&bad, Capabilities::ALL)];
        let report = RegistryReport::new("r.example".into(), plan, None, vec![good.clone(), bad.clone()]);
        assert_eq!(report.health.pullable, Some(false));
        assert_eq!(report.failure(), bad.failure());
        // The other way round its failure is nobody's concern.
        let plan = vec![planned(&bad, push), planned(&good, Capabilities::ALL)];
        let report = RegistryReport::new("r.example".into(), plan, None, vec![bad, good]);
        assert_eq!((report.health.pullable, report.health.degraded), (Some(true), Some(false)));
        assert_eq!(report.failure(), None);
    }

    #[test]
    fn what_keeps_containerd_from_asking_anybody_is_what_to_look_at() {
        let broken =
            |inconclusive| Failure { inconclusive, ..Failure::new(Stage::Config, Cause::CaUnusable, "no such file") };
        let report =
            |inconclusive| RegistryReport::new("r.example".into(), Vec::new(), Some(broken(inconclusive)), Vec::new());
        assert_eq!(report(false).health.pullable, Some(false));
        assert_eq!(report(true).health.pullable, None);
        assert_eq!(report(false).failure(), Some(&broken(false)));
    }
}
