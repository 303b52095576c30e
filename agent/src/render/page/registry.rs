//! Each registry name with its hosts in containerd's order and those that they send to, each with its
//! ladder.

use jiff::Timestamp;

use super::markup::{self, Html, Tone, from_now, millis};
use crate::model::host::EndpointKey;
use crate::model::namespace::{Health, Namespace, PlannedHost};
use crate::model::ratelimit::{LimitState, Limiter};
use crate::model::report::{EndpointReport, StageLine, StageResult};
use crate::state::snapshot::{SeenLimit, Snapshot};

pub fn section(page: &mut Html, snapshot: &Snapshot, now: Timestamp) {
    page.raw("<section><h2>Registries</h2>");
    for (name, namespace) in &snapshot.targets.namespaces {
        let health = namespace.health(name, &snapshot.endpoints);
        let unseen = (Tone::Quiet, "not looked at yet");
        let (tone, word) = if is_looked_at(snapshot, name, namespace) { state(&health) } else { unseen };
        page.raw(&format!("<article class=\"{}\"><h3>", tone.class())).pill(tone, word).element("code", "", name);
        if let Some(delay) = health.fallback_delay.filter(|delay| !delay.is_zero()) {
            page.element("span", "when", &format!("each request loses {} to dead hosts", millis(delay)));
        }
        page.raw("</h3>");
        hosts(page, snapshot, name, namespace, now);
        page.raw("</article>");
    }
    if snapshot.targets.namespaces.is_empty() {
        page.element("p", "none", "No registry is a target.");
    }
    page.raw("</section>");
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
        (None, _) => (Tone::Doubt, "could not be told"),
    }
}

fn hosts(page: &mut Html, snapshot: &Snapshot, name: &str, namespace: &Namespace, now: Timestamp) {
    if let Some(failure) = &namespace.broken {
        let who = if failure.inconclusive { "pullprobe" } else { "containerd" };
        page.element("p", "says bad", &format!("{who} cannot tell whom to ask: {}", failure.detail));
    }
    for planned in &namespace.hosts {
        let key = (name.to_owned(), planned.endpoint.clone());
        match snapshot.endpoints.get(&key) {
            Some(report) => host(page, snapshot, report, now),
            None => unseen(page, planned),
        }
    }
    for endpoint in namespace.dependents.keys() {
        let key = (name.to_owned(), endpoint.clone());
        if let Some(report) = snapshot.endpoints.get(&key) {
            host(page, snapshot, report, now);
        }
    }
}

fn unseen(page: &mut Html, planned: &PlannedHost) {
    page.raw("<div class=\"host\"><p><code>").text(&planned.endpoint.to_string()).raw("</code>");
    page.element("span", "role", planned.role.as_str()).element("span", "when", "not looked at yet").raw("</p></div>");
}

fn host(page: &mut Html, snapshot: &Snapshot, report: &EndpointReport, now: Timestamp) {
    let key: EndpointKey = (report.namespace.clone(), report.endpoint.clone());
    page.raw("<div class=\"host\"><p><code>").text(&report.endpoint.to_string()).raw("</code>");
    page.element("span", "role", report.role.as_str());
    page.element("span", "when", &from_now(report.started_at, now)).raw("</p><ol class=\"ladder\">");
    for line in report.stages.lines() {
        rung(page, &line);
    }
    page.raw("</ol>");
    if let Some(failure) = report.failure() {
        page.raw("<p class=\"says\"><b>").text(failure.cause.as_str()).raw("</b> ").text(&failure.detail).raw("</p>");
    }
    if let Some(back_off) = snapshot.endpoint_back_off(&key) {
        markup::patience(page, back_off, now);
    }
    page.raw("<dl class=\"line\">");
    if report.up() == Some(false) {
        let success = snapshot.last_success.get(&key).copied();
        let ago = success.map_or_else(|| "not since the start".to_owned(), |at| from_now(at, now));
        page.term("last success", &ago);
    }
    let purposes = report.need.iter().flat_map(|need| &need.purposes);
    page.term("needed for", &purposes.map(|purpose| purpose.as_str()).collect::<Vec<_>>().join(", "));
    if let Some((stage, share)) = report.stages.slow() {
        page.term("slow", &format!("{stage} {share}"));
    }
    if let Some(tcp) = report.stages.tcp.facts() {
        let up = tcp.addresses.iter().filter(|seen| seen.cause.is_none()).count();
        page.term("addresses", &format!("{up} of {} connect", tcp.addresses.len()));
    }
    let expiry = report.stages.tls.facts().and_then(|tls| tls.chain.iter().map(|one| one.not_after).min());
    if let Some(at) = expiry.and_then(|seconds| Timestamp::from_second(seconds).ok()) {
        page.term("certificate ends", &from_now(at, now));
    }
    if let Some(skew) = report.clock_skew.filter(|skew| skew.abs() >= 1.0) {
        page.term("clock differs by", &format!("{skew:.0} s"));
    }
    if let Some(seen) = snapshot.rate_limits.get(&key) {
        page.term("pull limit", &limit_words(seen, now));
    }
    page.raw("</dl></div>");
}

fn rung(page: &mut Html, line: &StageLine<'_>) {
    let (tone, said) = match line.result {
        StageResult::Passed => (Tone::Good, line.duration.map(millis).unwrap_or_default()),
        StageResult::Failed(_) => (Tone::Bad, line.duration.map(millis).unwrap_or_default()),
        StageResult::Skipped(why) => (Tone::Quiet, why.as_str().replace('_', " ")),
    };
    page.raw(&format!("<li class=\"{}\"><i>{}</i><b>", tone.class(), tone.sign()));
    page.text(line.stage.as_str()).raw("</b>").element("span", "", &said).raw("</li>");
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
