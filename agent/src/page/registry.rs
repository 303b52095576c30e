//! Each registry name with its hosts in containerd's order and those that they send to, each with its
//! ladder.

use jiff::Timestamp;
use maud::{Markup, html};

use super::dns;
use super::markup::{Tone, back_off, from_now, millis, pill, term};
use crate::model::host::{Endpoint, EndpointKey, Role};
use crate::model::namespace::{Health, Namespace, PlannedHost};
use crate::model::ratelimit::{LimitState, Limiter};
use crate::model::report::{EndpointReport, StageLine, StageResult};
use crate::state::snapshot::{SeenLimit, Snapshot};

pub fn section(snapshot: &Snapshot, now: Timestamp) -> Markup {
    let namespaces = &snapshot.targets.namespaces;
    html! { section {
        h2 { "Registries" }
        @for (name, namespace) in namespaces { (card(snapshot, name, namespace, now)) }
        @if namespaces.is_empty() { p.none { "No registry is a target." } }
    } }
}

fn card(snapshot: &Snapshot, name: &str, namespace: &Namespace, now: Timestamp) -> Markup {
    let health = namespace.health(name, &snapshot.endpoints);
    let unseen = (Tone::Quiet, "not looked at yet");
    let (tone, word) = if is_looked_at(snapshot, name, namespace) { state(&health) } else { unseen };
    html! { article class=(tone.class()) {
        h3 {
            (pill(tone, word)) code { (name) }
            @if let Some(delay) = health.fallback_delay.filter(|delay| !delay.is_zero()) {
                span.when { "each request loses " (millis(delay)) " to dead hosts" }
            }
        }
        (hosts(snapshot, name, namespace, now))
    } }
}

/// Whether anything is known of it: of one of its hosts, or that it has none.
pub fn is_looked_at(snapshot: &Snapshot, name: &str, namespace: &Namespace) -> bool {
    let seen = |host: &PlannedHost| snapshot.endpoints.contains_key(&(name.to_owned(), host.endpoint.clone()));
    namespace.broken.is_some() || namespace.hosts.iter().any(seen)
}

fn state(health: &Health) -> (Tone, &'static str) {
    match (health.pullable, health.degraded) {
        (Some(true), Some(true)) => (Tone::Doubt, "degraded"),
        (Some(true), _) => (Tone::Good, "pullable"),
        (Some(false), _) => (Tone::Bad, "not pullable"),
        (None, _) => (Tone::Doubt, "unknown"),
    }
}

fn hosts(snapshot: &Snapshot, name: &str, namespace: &Namespace, now: Timestamp) -> Markup {
    let report = |endpoint: &Endpoint| snapshot.endpoints.get(&(name.to_owned(), endpoint.clone()));
    html! {
        @if let Some(failure) = &namespace.broken {
            @let who = if failure.inconclusive { "pullprobe" } else { "containerd" };
            p.says.bad { (who) " does not know which hosts to ask: " (failure.detail) }
        }
        @for planned in &namespace.hosts {
            @if let Some(report) = report(&planned.endpoint) { (host(snapshot, report, now)) } @else { (unseen(planned)) }
        }
        @for report in namespace.dependents.keys().filter_map(report) { (host(snapshot, report, now)) }
    }
}

fn heading(endpoint: &Endpoint, role: Role, when: &str) -> Markup {
    html! { p { code { (endpoint) } span.role { (role.as_str()) } span.when { (when) } } }
}

fn unseen(planned: &PlannedHost) -> Markup {
    html! { div.host { (heading(&planned.endpoint, planned.role, "not looked at yet")) } }
}

fn host(snapshot: &Snapshot, report: &EndpointReport, now: Timestamp) -> Markup {
    let key: EndpointKey = (report.namespace.clone(), report.endpoint.clone());
    html! { div.host {
        (heading(&report.endpoint, report.role, &from_now(report.started_at, now)))
        ol.ladder { @for line in report.stages.lines() { (stage(&line)) } }
        @if let Some(failure) = report.failure() { p.says { b { (failure.cause.as_str()) } " " (failure.detail) } }
        @if let Some(until) = snapshot.endpoint_back_off(&key) { (back_off(until, now)) }
        @for line in dns::nameservers(&report.stages) {
            p class={ "server " (line.tone.class()) } { i { (line.tone.sign()) } " " code { (line.server) } " " (line.said) }
        }
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

fn stage(line: &StageLine<'_>) -> Markup {
    let (tone, said) = match line.result {
        StageResult::Passed => (Tone::Good, line.duration.map(millis).unwrap_or_default()),
        StageResult::Failed(_) => (Tone::Bad, line.duration.map(millis).unwrap_or_default()),
        StageResult::Skipped(why) => (Tone::Quiet, why.as_str().replace('_', " ")),
    };
    html! { li class=(tone.class()) { i { (tone.sign()) } b { (line.stage.as_str()) } span { (said) } } }
}

fn limit_words(seen: &SeenLimit, now: Timestamp) -> String {
    let limit = &seen.limit;
    let quota = match (limit.state, limit.remaining, limit.limit) {
        (LimitState::Unlimited, _, _) => "none announced".to_owned(),
        (LimitState::Unknown, _, _) => "not known".to_owned(),
        (_, Some(left), Some(of)) => format!("{left} of {of} left"),
        (LimitState::Blocked, _, _) if limit.blocked_by == Some(Limiter::Burst) => {
            "too many requests at once".to_owned()
        }
        (LimitState::Blocked, _, _) if limit.blocked_by == Some(Limiter::Quota) => "spent".to_owned(),
        (LimitState::Blocked, _, _) => "turned away".to_owned(),
        (LimitState::Limited, _, _) => "announced".to_owned(),
    };
    let window = limit.window.map(|window| format!(" in {} h", window.as_secs().div_ceil(3_600)));
    let again = seen.retry_at().map(|at| format!(", again {}", from_now(at, now)));
    quota + window.as_deref().unwrap_or_default() + again.as_deref().unwrap_or_default()
}
