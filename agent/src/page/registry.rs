//! A registry name: its hosts in containerd's order and those that they send to, each with its stages.

use jiff::Timestamp;
use maud::{Markup, html};

use super::dates::limit_words;
use super::history::{self, Since};
use super::markup::{back_off, from_now, millis, seen, term};
use super::query::State;
use super::target::{Target, What};
use super::{dns, stages};
use crate::history::History;
use crate::model::host::{Endpoint, EndpointKey, Role};
use crate::model::namespace::{Health, Namespace, PlannedHost};
use crate::model::report::EndpointReport;
use crate::state::snapshot::Snapshot;

/// More hosts than these are counted.
const HOSTS: usize = 32;

pub fn target<'a>(snapshot: &'a Snapshot, name: &'a str, namespace: &'a Namespace, now: Timestamp) -> Target<'a> {
    let (state, word) = if is_looked_at(snapshot, name, namespace) {
        state(&namespace.health(name, &snapshot.endpoints))
    } else {
        (State::Unseen, State::Unseen.words())
    };
    let hosts = || namespace.hosts.iter().map(|host| &host.endpoint).chain(namespace.dependents.keys());
    let reports = || hosts().filter_map(|endpoint| report(snapshot, name, endpoint));
    let failing = |planned: bool| {
        reports().filter(move |one| one.role.is_planned() == planned).filter_map(EndpointReport::failure)
    };
    // As the summary has it: the cause of the last host that fails.
    let failure =
        || namespace.broken.as_ref().or_else(|| failing(true).next_back()).or_else(|| failing(false).next_back());
    Target {
        state,
        word,
        kind: "registry",
        id: format!("registry-{name}"),
        name: name.to_owned(),
        cause: failure().filter(|_| state != State::Good).map(|failure| failure.cause),
        since: since(snapshot, name, namespace, state, now),
        seen: reports().map(|report| report.started_at).max(),
        hosts: hosts().take(HOSTS).map(ToString::to_string).collect(),
        what: What::Registry(name, namespace),
    }
}

/// Of its planned hosts: failing once the last of them fails, well once the last is well, and in between once there was one of each.
fn since(snapshot: &Snapshot, name: &str, namespace: &Namespace, state: State, now: Timestamp) -> Option<Since> {
    let key = |host: &PlannedHost| (name.to_owned(), host.endpoint.clone());
    let keys: Vec<EndpointKey> = namespace.hosts.iter().take(HOSTS).map(key).collect();
    let known = keys.iter().filter_map(|key| snapshot.endpoint_history(key));
    let (failing, well): (Vec<_>, Vec<_>) = known.partition(|history| history.failing_since().is_some());
    let of = |histories: &[History<'_>]| histories.iter().map(|one| Since::of(one, now)).collect::<Vec<_>>();
    let (failing, well) = (of(&failing), of(&well));
    match state {
        State::Failing => failing.into_iter().max_by_key(|one| one.at),
        State::Good => well.into_iter().max_by_key(|one| one.at),
        State::Degraded => {
            let first = |all: Vec<Since>| all.into_iter().min_by_key(|one| one.at);
            first(failing).into_iter().chain(first(well)).max_by_key(|one| one.at)
        }
        State::Unknown | State::Unseen => None,
    }
}

/// Whether anything is known of it: of one of its hosts, or that it has none.
fn is_looked_at(snapshot: &Snapshot, name: &str, namespace: &Namespace) -> bool {
    let seen = |host: &PlannedHost| report(snapshot, name, &host.endpoint).is_some();
    namespace.broken.is_some() || namespace.hosts.iter().any(seen)
}

fn report<'a>(snapshot: &'a Snapshot, name: &str, endpoint: &Endpoint) -> Option<&'a EndpointReport> {
    snapshot.endpoints.get(&(name.to_owned(), endpoint.clone())).map(AsRef::as_ref)
}

fn state(health: &Health) -> (State, &'static str) {
    match (health.pullable, health.degraded) {
        (Some(true), Some(true)) => (State::Degraded, "degraded"),
        (Some(true), _) => (State::Good, "pullable"),
        (Some(false), _) => (State::Failing, "not pullable"),
        (None, _) => (State::Unknown, "unknown"),
    }
}

pub fn detail(snapshot: &Snapshot, name: &str, namespace: &Namespace, now: Timestamp) -> Markup {
    let of = |endpoint| report(snapshot, name, endpoint);
    let count = namespace.hosts.len() + namespace.dependents.len();
    let delay = namespace.health(name, &snapshot.endpoints).fallback_delay.filter(|delay| !delay.is_zero());
    html! {
        @if let Some(delay) = delay { p { "Each request loses " (millis(delay)) " to dead hosts." } }
        @if let Some(failure) = &namespace.broken {
            @let who = if failure.inconclusive { "pullprobe" } else { "containerd" };
            p.says { (who) " does not know which hosts to ask: " (failure.detail) }
        }
        @for planned in namespace.hosts.iter().take(HOSTS) {
            @if let Some(report) = of(&planned.endpoint) { (host(snapshot, report, now)) } @else { (unseen(planned)) }
        }
        @for report in namespace.dependents.keys().filter_map(of).take(HOSTS) { (host(snapshot, report, now)) }
        @if count > HOSTS { p.none { "It has " (count) " hosts: all are in the " a href="api/v1/report" { "report as JSON" } "." } }
    }
}

fn heading(endpoint: &Endpoint, role: Role, when: &Markup) -> Markup {
    html! { p.heading { code { (endpoint) } " " span.role { (role.as_str()) } " " span.when { (when) } } }
}

fn unseen(planned: &PlannedHost) -> Markup {
    html! { div.host { (heading(&planned.endpoint, planned.role, &html! { "not looked at yet" })) } }
}

fn host(snapshot: &Snapshot, report: &EndpointReport, now: Timestamp) -> Markup {
    let key: EndpointKey = (report.namespace.clone(), report.endpoint.clone());
    html! { div.host {
        (heading(&report.endpoint, report.role, &seen(report.started_at, now)))
        (stages::draw(&stages::of_host(&report.stages)))
        @if let Some(failure) = report.failure() { p.says { b { (failure.cause.as_str()) } " " (failure.detail) } }
        @if let Some(until) = snapshot.endpoint_back_off(&key) { (back_off(until, now)) }
        @for line in dns::nameservers(&report.stages) {
            p.server.(line.tone.class()) { i { (line.tone.sign()) } " " code { (line.server) } " " (line.said) }
        }
        (history::detail(snapshot.endpoint_history(&key), now))
        (facts(snapshot, &key, report, now))
    } }
}

fn facts(snapshot: &Snapshot, key: &EndpointKey, report: &EndpointReport, now: Timestamp) -> Markup {
    let success = snapshot.last_success.get(key).copied();
    let ago = success.map_or_else(|| "not since the start".to_owned(), |at| from_now(at, now));
    let purposes = report.need.iter().flat_map(|need| &need.purposes);
    let needed = purposes.map(|purpose| purpose.as_str()).collect::<Vec<_>>().join(", ");
    let chain = report.stages.tls.facts().map(|tls| tls.chain.iter());
    let expiry = chain.and_then(|chain| chain.map(|one| one.not_after).min());
    html! { dl.line {
        @if report.up() == Some(false) { (term("last success", &ago)) }
        (term("needed for", &needed))
        @if let Some((stage, share)) = report.stages.slow() { (term("slow", &format!("{stage} {share}"))) }
        @if let Some(tcp) = report.stages.tcp.facts() {
            @let up = tcp.addresses.iter().filter(|seen| seen.cause.is_none()).count();
            (term("addresses", &format!("{up} of {} connect", tcp.addresses.len())))
        }
        @if let Some(at) = expiry.and_then(|seconds| Timestamp::from_second(seconds).ok()) {
            (term("certificate ends", &from_now(at, now)))
        }
        @if let Some(skew) = report.clock_skew.filter(|skew| skew.abs() >= 1.0) {
            (term("clock differs by", &format!("{skew:.0} s")))
        }
        @if let Some(seen) = snapshot.rate_limits.get(key) { (term("pull limit", &limit_words(seen, now))) }
    } }
}
