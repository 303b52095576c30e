//! Looks at snapshots, one a minute, and what is told after each.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::*;
use crate::cause::Cause;
use crate::model::host::{Capabilities, Endpoint, EndpointKey, Role, Scheme};
use crate::model::namespace::{Namespace, PlannedHost};
use crate::model::outcome::{Failure, Outcome, Skip, Step};
use crate::model::report::EndpointReport;
use crate::model::sample;
use crate::model::stage::Stage;
use crate::signals::{Condition, EventResult, Outgoing, Status};
use crate::state::back_off::{BackOff, Subject};

/// As it is by default.
const DEADLINE: Duration = Duration::from_mins(1);

#[derive(Clone, Copy, PartialEq)]
enum Is {
    Up,
    Down,
    Open,
}

/// Registries and their hosts over time, seen by one agent.
struct World {
    signals: NodeSignals,
    looking: Looking,
    snapshot: Snapshot,
    minute: i64,
}

fn at(minute: i64) -> Timestamp {
    sample::now() + SignedDuration::from_mins(minute)
}

impl World {
    fn new(settings: &str) -> Self {
        Self::with(&format!("signals: {{node_condition: true, events: true{settings}}}"))
    }

    fn with(settings: &str) -> Self {
        let settings = crate::settings::parse("x", settings).unwrap();
        let access = Access::new("https://127.0.0.1:1", "/nowhere");
        let signals = NodeSignals::with(Ok(access), &settings, DEADLINE, at(0));
        let rule = Rule { alike: settings.signals.looks_alike, of: settings.signals.looks };
        let looking = Looking { damping: Damping::new(rule), counted: Timestamp::MIN, lost: BTreeMap::new() };
        signals.desk.send_modify(|signals| signals.condition.as_mut().unwrap().begin(None));
        Self { signals, looking, snapshot: sample::empty(), minute: 0 }
    }

    /// One minute later each registry has been probed; each has its hosts.
    fn pass(&mut self, registries: &[(&str, &[(&str, Is)])]) {
        self.minute += 1;
        for (name, hosts) in registries {
            let planned = hosts.iter().map(|(host, _)| PlannedHost {
                endpoint: Endpoint::new(Scheme::Https, *host),
                role: Role::Upstream,
                capabilities: Capabilities { pull: true, resolve: true, push: false, referrers: false },
                dial_timeout: None,
            });
            let namespace = Namespace { hosts: planned.collect(), ..Namespace::default() };
            self.snapshot.targets.namespaces.insert((*name).to_owned(), namespace);
            for (host, is) in *hosts {
                let report = report(name, host, *is, at(self.minute));
                self.snapshot.endpoints.insert(key(name, host), Arc::new(report));
            }
        }
        self.tell();
    }

    fn tell(&mut self) {
        let now = at(self.minute) + SignedDuration::from_secs(1);
        self.signals.tell(&mut self.looking, &self.snapshot, now);
    }

    /// What would be reported now.
    fn condition(&self) -> Option<Condition> {
        self.signals.desk.borrow().condition.as_ref().unwrap().due(at(self.minute))
    }

    fn status(&self) -> Option<Status> {
        self.condition().map(|condition| condition.status)
    }

    fn events(&self) -> Vec<Outgoing> {
        let mut told = Vec::new();
        self.signals.desk.send_modify(|signals| {
            let recorder = signals.events.as_mut().unwrap();
            while let Some(next) = recorder.next(at(self.minute)) {
                recorder.done(&next.event.key(), EventResult::Taken { count: next.count });
                told.push(next);
            }
        });
        told
    }
}

fn key(registry: &str, host: &str) -> EndpointKey {
    (registry.to_owned(), Endpoint::new(Scheme::Https, host))
}

fn report(registry: &str, host: &str, is: Is, at: Timestamp) -> EndpointReport {
    let rich = sample::rich();
    let mut report = rich.endpoints.values().find(|report| report.ok()).unwrap().as_ref().clone();
    (report.namespace, report.endpoint, report.started_at) = (registry.to_owned(), key("", host).1, at);
    if is != Is::Up {
        report.stages.tls = Step::skipped(Skip::NotReached);
        let mut failure = Failure::new(Stage::Tcp, Cause::TcpRefused, "refused").at(host);
        failure.inconclusive = is == Is::Open;
        report.stages.tcp = Step { outcome: Outcome::Failed(failure, None), duration: None };
    }
    report
}

#[test]
fn one_registry_that_is_down_is_an_event_and_no_false() {
    let mut world = World::new("");
    for _ in 0..10 {
        world.pass(&[("a.example", &[("a.example", Is::Up)]), ("b.example", &[("b.example", Is::Down)])]);
    }
    let condition = world.condition().unwrap();
    assert_eq!((condition.status, condition.reason), (Status::True, "RegistryReachable"));
    assert_eq!(condition.message, "1 of 2 registries can be reached. These cannot: b.example (tcp_refused).");
    let events = world.events();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((events[0].event.reason, events[0].count), ("RegistryUnreachable", 1));
    assert!(events[0].event.message.contains("(cause: tcp_refused at b.example)"), "{events:?}");
}

#[test]
fn only_all_of_them_for_several_looks_are_false_and_it_takes_several_to_be_true_again() {
    let mut world = World::new("");
    let mut all = |is| {
        world.pass(&[("a.example", &[("a.example", is)]), ("b.example", &[("m.example", is), ("b.example", is)])]);
        (world.status(), world.condition().map(|condition| condition.since))
    };
    let down: Vec<_> = (0..4).map(|_| all(Is::Down)).collect();
    let fourth = at(3) + SignedDuration::from_secs(1);
    assert_eq!(
        down,
        [(None, None), (None, None), (Some(Status::False), Some(fourth)), (Some(Status::False), Some(fourth))]
    );
    let up: Vec<_> = (0..3).map(|_| all(Is::Up).0).collect();
    assert_eq!(up, [Some(Status::False), Some(Status::False), Some(Status::True)]);
}

#[test]
fn a_mirror_that_answers_is_enough() {
    let mut world = World::new(", min_hosts: 1");
    for _ in 0..5 {
        world.pass(&[("b.example", &[("m.example", Is::Up), ("b.example", Is::Down)])]);
    }
    assert_eq!(world.status(), Some(Status::True));
    for _ in 0..5 {
        world.pass(&[("b.example", &[("m.example", Is::Down), ("b.example", Is::Up)])]);
        assert_eq!(world.status(), Some(Status::True));
    }
}

#[test]
fn the_outage_of_a_single_host_is_no_fault_of_the_node_unless_one_host_is_said_to_be_enough() {
    for (settings, expected) in [("", Status::Unknown), (", min_hosts: 1", Status::False)] {
        let mut world = World::new(settings);
        for _ in 0..4 {
            // Two registries behind one mirror.
            world.pass(&[("a.example", &[("m.example", Is::Down)]), ("b.example", &[("m.example", Is::Down)])]);
        }
        let condition = world.condition().unwrap();
        assert_eq!(condition.status, expected);
        assert!(condition.message.contains("a.example (tcp_refused), b.example (tcp_refused)"), "{condition:?}");
    }
}

#[test]
fn only_the_chosen_registries_count() {
    let mut world = World::new(", registries: [b.example], min_hosts: 1");
    for _ in 0..4 {
        world.pass(&[("a.example", &[("a.example", Is::Up)]), ("b.example", &[("b.example", Is::Down)])]);
    }
    assert_eq!(world.status(), Some(Status::False));
}

#[test]
fn what_pullprobe_cannot_tell_is_unknown() {
    let mut world = World::new("");
    for _ in 0..3 {
        world.pass(&[("a.example", &[("a.example", Is::Open)]), ("b.example", &[("b.example", Is::Down)])]);
    }
    let condition = world.condition().unwrap();
    assert_eq!((condition.status, condition.reason), (Status::Unknown, "NotKnown"));
    assert!(condition.message.contains("Open: a.example."), "{condition:?}");
}

#[test]
fn a_report_counts_once_and_an_old_one_does_not() {
    let mut world = World::new("");
    let down: [(&str, &[(&str, Is)]); 2] =
        [("a.example", &[("a.example", Is::Down)]), ("b.example", &[("b.example", Is::Down)])];
    world.pass(&down);
    for _ in 0..2 {
        world.minute += 1;
        world.tell();
        assert_eq!(world.status(), None, "the same reports are no new looks");
    }
    for _ in 0..4 {
        world.minute += 1;
        world.tell();
    }
    assert_eq!(world.status(), Some(Status::Unknown), "nobody has looked for minutes");
}

/// Every node would be told apart from its fleet because a registry asked for peace.
#[test]
fn registries_that_asked_to_be_left_alone_stay_what_they_were_until_others_are_lost() {
    let mut world = World::new("");
    world.pass(&[("a.example", &[("a.example", Is::Up)])]);
    let back_off = BackOff {
        reason: Cause::RateLimited,
        since: at(1),
        wait: Duration::from_secs(3_600),
        factor: 1,
        next_probe_at: at(61),
        asked: true,
    };
    world.snapshot.back_offs.insert(Subject::Host(key("a.example", "a.example")), back_off);
    for _ in 0..20 {
        world.minute += 1;
        world.tell();
        assert_eq!(world.status(), Some(Status::True), "minute {}", world.minute);
    }
    for _ in 0..3 {
        world.pass(&[("b.example", &[("b.example", Is::Down)])]);
    }
    assert_eq!(world.status(), Some(Status::Unknown));
}

#[test]
fn a_pod_that_waits_is_told_its_cause_and_fix_once_and_only_where_they_are_certain() {
    let mut world = World::new("");
    world.snapshot = sample::rich();
    world.tell();
    world.tell();
    let events: Vec<Outgoing> = world.events().into_iter().filter(|it| it.event.reason == "ImageNotPullable").collect();
    let mut told = BTreeMap::new();
    for event in &events {
        let crate::signals::Object::Pod { field_path, uid, .. } = &event.event.object else { panic!("{event:?}") };
        assert!(!uid.is_empty() && event.count == 1, "{event:?}");
        told.insert(field_path.clone().unwrap(), event.event.message.clone());
    }
    let certain = ["malformed", "never", "refused"].map(|name| format!("spec.containers{{{name}}}"));
    assert_eq!(told.keys().cloned().collect::<Vec<_>>(), certain, "{told:#?}");
    let refused = &told[&certain[2]];
    assert!(refused.starts_with("Container refused cannot get its image ghcr.io/example/private:1. "), "{refused}");
    assert!(refused.ends_with("(cause: credentials_rejected)"), "{refused}");
}

/// Any of them may have been deleted since.
#[test]
fn of_pods_that_are_not_known_any_more_nothing_is_told() {
    let mut world = World::new("");
    world.snapshot = sample::rich();
    Arc::make_mut(&mut world.snapshot.pods).down(at(0), "the API is away");
    world.tell();
    assert!(world.events().iter().all(|it| it.event.reason != "ImageNotPullable"));
    Arc::make_mut(&mut world.snapshot.pods).up(at(0));
    world.tell();
    assert_eq!(world.events().iter().filter(|it| it.event.reason == "ImageNotPullable").count(), 3);
}

#[test]
fn a_clock_that_is_set_back_stops_no_look() {
    let all = |is| [("a.example", [("a.example", is)]), ("b.example", [("b.example", is)])];
    for (is, expected) in [(Some(Is::Down), Status::False), (None, Status::Unknown)] {
        let mut world = World::new("");
        let pass = |world: &mut World, is| {
            let all = all(is);
            world.pass(&all.each_ref().map(|(name, hosts)| (*name, &hosts[..])));
        };
        (0..5).for_each(|_| pass(&mut world, Is::Up));
        assert_eq!(world.status(), Some(Status::True));
        world.minute -= 120;
        for _ in 0..4 {
            if let Some(is) = is {
                pass(&mut world, is);
            } else {
                // Nobody probes: the last reports are of a time that has not come.
                world.minute += 1;
                world.tell();
            }
        }
        assert_eq!(world.status(), Some(expected));
    }
}

/// Where packets are dropped on several addresses, a probe lasts longer than three short intervals.
#[test]
fn probes_that_last_longer_than_the_interval_are_looks_too() {
    const TAKES: i64 = 40;
    let mut world = World::with("signals: {node_condition: true, events: true}\nprobe: {interval: 5s}");
    world.pass(&[("a.example", &[("a.example", Is::Up)]), ("b.example", &[("b.example", Is::Up)])]);
    let begin = at(world.minute);
    let mut statuses = vec![world.status()];
    for second in (5..=300).step_by(5) {
        let now = begin + SignedDuration::from_secs(second);
        // The next one begins five seconds after the end of the one before.
        if second % (TAKES + 5) == 0 {
            for name in ["a.example", "b.example"] {
                let mut failed = report(name, name, Is::Down, now - SignedDuration::from_secs(TAKES));
                failed.duration = Duration::from_secs(TAKES.unsigned_abs());
                world.snapshot.endpoints.insert(key(name, name), Arc::new(failed));
            }
        }
        world.signals.tell(&mut world.looking, &world.snapshot, now);
        statuses.push(world.status());
    }
    statuses.dedup();
    assert_eq!(statuses, [Some(Status::True), Some(Status::False)]);
}

#[test]
fn without_a_token_that_is_told() {
    let settings = crate::settings::parse("x", "signals: {node_condition: true}").unwrap();
    for (no_access, why) in [
        (NoAccess::NoPod("KUBERNETES_SERVICE_HOST"), "no token for the Kubernetes API: it runs outside a pod"),
        (NoAccess::NoPort, "KUBERNETES_SERVICE_PORT is no port"),
        (NoAccess::NoToken, "no token for the Kubernetes API: none is mounted in its pod"),
    ] {
        let signals = NodeSignals::with(Err(no_access), &settings, DEADLINE, at(0));
        let findings = signals.desk.borrow().delivery.findings(at(0));
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].message.contains(why) && findings[0].fix.contains("rbac.nodeCondition"), "{findings:?}");
    }
    let off = NodeSignals::with(Ok(Access::new("https://127.0.0.1:1", "/x")), &Settings::default(), DEADLINE, at(0));
    assert!(off.access.is_none(), "nothing is wanted, so nothing is asked");
}
