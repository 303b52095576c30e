//! How long the agent goes on probing hosts that only other hosts name (token services, redirects).

use jiff::{SignedDuration, Timestamp};

use crate::model::host::Endpoint;
use crate::model::namespace::{Dependent, Namespace};
use crate::model::report::EndpointReport;
use crate::state::targets::Targets;

/// A host is no longer probed after no pull was sent to it for this long. Images are probed every few minutes, but an
/// image that costs a counted pull perhaps once an hour.
const WATCHED: SignedDuration = SignedDuration::from_hours(6);
/// The most such hosts of one registry name. It needs a token service and a few stores of blobs. Beyond that the
/// oldest host is dropped.
const LIMIT: usize = 16;

/// Takes over what is still watched for the targets that remain.
pub fn keep(targets: &mut Targets, before: &mut Targets, now: Timestamp) {
    for (name, namespace) in &mut targets.namespaces {
        let Some(known) = before.namespaces.get_mut(name) else { continue };
        namespace.dependents = std::mem::take(&mut known.dependents);
        let planned = &namespace.hosts;
        namespace.dependents.retain(|endpoint, dependent| {
            let leads = |via: &Endpoint| planned.iter().any(|host| host.endpoint == *via);
            dependent.need.via.retain(leads);
            !dependent.need.via.is_empty()
                && now.duration_since(dependent.last_needed) < WATCHED
                && !planned.iter().any(|host| host.endpoint.same_place(endpoint))
        });
    }
}

/// A host is probed on a schedule once a pull through it succeeded. A redirect alone is not enough: otherwise a
/// registry could make the agent scan the node's network and publish the result.
pub fn note(targets: &mut Targets, report: &EndpointReport) {
    let Some(need) = report.need.as_ref().filter(|need| need.seen) else { return };
    let Some(namespace) = targets.namespaces.get_mut(&report.namespace) else { return };
    if !need.pooled && !namespace.dependents.contains_key(&report.endpoint) {
        return;
    }
    let known = namespace
        .dependents
        .entry(report.endpoint.clone())
        .or_insert_with(|| Dependent { need: need.clone(), last_needed: report.started_at });
    known.need.merge(need);
    known.last_needed = known.last_needed.max(report.started_at);
    if namespace.dependents.len() > LIMIT {
        drop_oldest(namespace);
    }
}

fn drop_oldest(namespace: &mut Namespace) {
    let oldest = namespace.dependents.iter().min_by_key(|(_, dependent)| dependent.last_needed);
    if let Some(endpoint) = oldest.map(|(endpoint, _)| endpoint.clone()) {
        namespace.dependents.remove(&endpoint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dependency::{Dependency, Purpose};
    use crate::model::host::{Capabilities, Role, Scheme};
    use crate::model::namespace::PlannedHost;
    use crate::model::sample;

    const NAME: &str = "r.example";

    fn of(host: &str) -> Endpoint {
        Endpoint::new(Scheme::Https, host)
    }

    fn targets() -> Targets {
        let capabilities = Capabilities::ALL;
        let host = PlannedHost { endpoint: of(NAME), role: Role::Upstream, capabilities, dial_timeout: None };
        let namespace = Namespace { hosts: vec![host], ..Namespace::default() };
        Targets { namespaces: [(NAME.to_owned(), namespace)].into(), ..Targets::default() }
    }

    fn sent_to(host: &str, hours: i64) -> EndpointReport {
        EndpointReport {
            namespace: NAME.to_owned(),
            role: Role::Redirect,
            need: Some(Dependency::new(Purpose::Blob, of(NAME))),
            started_at: sample::now() + SignedDuration::from_hours(hours),
            ..sample::presenting(host, "CN=A", true)
        }
    }

    fn watched(targets: &Targets) -> Vec<String> {
        targets.namespaces[NAME].dependents.keys().map(|endpoint| endpoint.authority.to_string()).collect()
    }

    #[test]
    fn a_host_is_watched_until_no_pull_needed_it_for_some_hours() {
        let mut targets = targets();
        note(&mut targets, &sent_to("a.example", 0));
        note(&mut targets, &sent_to("b.example", 4));
        let mut later = self::targets();
        keep(&mut later, &mut targets, sample::now() + SignedDuration::from_hours(5));
        assert_eq!(watched(&later), ["a.example", "b.example"]);
        let mut latest = self::targets();
        keep(&mut latest, &mut later, sample::now() + SignedDuration::from_hours(6));
        assert_eq!(watched(&latest), ["b.example"]);
    }

    #[test]
    fn a_host_that_no_good_pull_needed_is_not_watched_but_a_watched_one_is_when_it_fails() {
        let unproved = |host: &str, hours| {
            let mut report = sent_to(host, hours);
            report.need.as_mut().unwrap().pooled = false;
            report
        };
        let mut targets = targets();
        note(&mut targets, &unproved("10.0.0.5:22", 0));
        assert!(watched(&targets).is_empty());
        note(&mut targets, &sent_to("a.example", 0));
        note(&mut targets, &unproved("a.example", 3));
        let known = &targets.namespaces[NAME].dependents[&of("a.example")];
        assert_eq!(known.last_needed, sample::now() + SignedDuration::from_hours(3));
    }

    #[test]
    fn to_be_watched_is_not_to_be_needed() {
        let mut targets = targets();
        note(&mut targets, &sent_to("a.example", 0));
        let mut remembered = sent_to("a.example", 5);
        remembered.need.as_mut().unwrap().seen = false;
        note(&mut targets, &remembered);
        assert_eq!(targets.namespaces[NAME].dependents[&of("a.example")].last_needed, sample::now());
    }

    #[test]
    fn it_ends_with_the_host_that_led_there_and_when_it_is_planned_itself() {
        let mut known = targets();
        note(&mut known, &sent_to("a.example", 0));
        note(&mut known, &sent_to("b.example", 0));
        let mut other = targets();
        other.namespaces.get_mut(NAME).unwrap().hosts[0].endpoint = of("b.example:443");
        keep(&mut other, &mut known.clone(), sample::now());
        assert!(watched(&other).is_empty());
        let mut both = targets();
        let mut host = both.namespaces[NAME].hosts[0].clone();
        host.endpoint = of("b.example:443");
        both.namespaces.get_mut(NAME).unwrap().hosts.push(host);
        keep(&mut both, &mut known, sample::now());
        assert_eq!(watched(&both), ["a.example"]);
    }

    #[test]
    fn a_registry_that_names_another_host_each_time_is_not_followed_to_all_of_them() {
        let mut targets = targets();
        for number in 0..100 {
            note(&mut targets, &sent_to(&format!("{number:03}.example"), number));
        }
        assert_eq!((watched(&targets).len(), watched(&targets)[0].as_str()), (LIMIT, "084.example"));
    }
}
