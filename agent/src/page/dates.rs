//! What ends, and when: certificates of hosts, pull limits of registries, and logins of the node.

use jiff::Timestamp;
use maud::{Markup, html};

use super::markup::{dated, from_now};
use crate::model::host::EndpointKey;
use crate::model::ratelimit::{LimitState, Limiter};
use crate::model::report::EndpointReport;
use crate::state::snapshot::{SeenLimit, Snapshot};

/// Of each kind; more rows are counted.
const ROWS: usize = 50;

struct Row {
    of: String,
    said: String,
    at: Option<Timestamp>,
}

pub fn section(snapshot: &Snapshot, now: Timestamp) -> Markup {
    let kinds = [
        ("Certificates", "ends", certificates(snapshot)),
        ("Pull limits", "seen", limits(snapshot, now)),
        ("Credentials", "ends", credentials(snapshot, now)),
    ];
    html! { @if kinds.iter().any(|(_, _, rows)| !rows.is_empty()) { section #dates aria-labelledby="dates-heading" {
        h2 #dates-heading { "Certificates, limits and credentials" }
        @for (caption, date, rows) in &kinds { @if !rows.is_empty() { (table(caption, date, rows, now)) } }
    } } }
}

fn table(caption: &str, date: &str, rows: &[Row], now: Timestamp) -> Markup {
    html! { table {
        caption { (caption) }
        thead { tr { th scope="col" { "of" } th scope="col" { "what" } th scope="col" { (date) } } }
        tbody { @for row in rows.iter().take(ROWS) { tr {
            td.host { (row.of) } td { (row.said) } td { @if let Some(at) = row.at { (dated(at, now)) } }
        } } }
    }
    @if rows.len() > ROWS { p.none { (rows.len() - ROWS) " more are in the " a href="api/v1/report" { "report as JSON" } "." } } }
}

/// Of each host the one that ends first, and of all hosts those that end first.
fn certificates(snapshot: &Snapshot) -> Vec<Row> {
    let mut rows: Vec<Row> = snapshot.endpoints.values().filter_map(|report| certificate(report)).collect();
    rows.sort_by(|a, b| (a.at, &a.of).cmp(&(b.at, &b.of)));
    rows.dedup_by(|a, b| a.of == b.of);
    rows
}

fn certificate(report: &EndpointReport) -> Option<Row> {
    let first = report.stages.tls.facts()?.chain.iter().min_by_key(|one| one.not_after)?;
    let at = Timestamp::from_second(first.not_after).ok();
    Some(Row { of: report.endpoint.to_string(), said: first.subject.to_string(), at })
}

fn limits(snapshot: &Snapshot, now: Timestamp) -> Vec<Row> {
    let known = |seen: &&SeenLimit| matches!(seen.limit.state, LimitState::Limited | LimitState::Blocked);
    let rows = snapshot.rate_limits.iter().filter(|(_, seen)| known(seen));
    rows.map(|((_, endpoint), seen): (&EndpointKey, _)| Row {
        of: endpoint.to_string(),
        said: limit_words(seen, now),
        at: Some(seen.at),
    })
    .collect()
}

fn credentials(snapshot: &Snapshot, now: Timestamp) -> Vec<Row> {
    let mut known = snapshot.credential_expiries();
    known.sort_by_key(|one| one.lifetime.ends);
    known
        .into_iter()
        .map(|one| {
            let renewed = one.renews.map(|at| format!(", requested again {}", from_now(at, now))).unwrap_or_default();
            let file = one.file.as_ref().map(|file| format!(" ({file})")).unwrap_or_default();
            let ends = Some(one.lifetime.ends);
            Row { of: one.registry.to_string(), said: format!("{}{file}{renewed}", one.source), at: ends }
        })
        .collect()
}

pub fn limit_words(seen: &SeenLimit, now: Timestamp) -> String {
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
