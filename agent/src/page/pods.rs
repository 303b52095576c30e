//! The containers that wait for an image, and what would not start again.

use jiff::Timestamp;
use maud::{Markup, html};

use super::markup::{Tone, from_now, note, pill};
use crate::pods::{Api, ContainerKind, Need};
use crate::state::snapshot::Snapshot;
use crate::state::waiting::{self, Outlook};

/// More rows than this are counted.
const ROWS: usize = 50;

pub fn section(snapshot: &Snapshot, now: Timestamp) -> Markup {
    let book = &snapshot.pods;
    let waiting: Vec<&Need> = book.waiting().collect();
    let lost = snapshot.not_restartable();
    html! { @if book.api != Api::Unused { section #pods aria-labelledby="pods-heading" {
        h2 #pods-heading { "Pods" }
        @if let Api::Down { since, why } = &book.api {
            (note(Tone::Doubt, &html! { "The pods of this node are not known since " (from_now(*since, now)) ": " (why) "." }))
        }
        @if waiting.is_empty() { p.none { (book.pods()) " pods are known here. No container waits for an image." } }
        @else {
            (containers(snapshot, &waiting, now))
            @if waiting.len() > ROWS { p.none { (waiting.len() - ROWS) " more waiting for an image." } }
        }
        @if !lost.is_empty() { article.doubt {
            h3 { (pill(Tone::Doubt, "would not start again")) }
            p.says { "Containers run with these images. They could not be pulled again: the containers would not start on \
                      another node, or here after a clean-up." }
            ul { @for (image, report) in lost.iter().take(ROWS) {
                li { code { (image) } @if let Some(cause) = report.verdict.cause { " " (cause.as_str()) } }
            } }
            @if lost.len() > ROWS { p.none { (lost.len() - ROWS) " more would not." } }
        } }
    } } }
}

/// A row for each.
fn containers(snapshot: &Snapshot, needs: &[&Need], now: Timestamp) -> Markup {
    html! { table {
        thead { tr { th scope="col" { "pod" } th scope="col" { "image" } th scope="col" { "waits" } th scope="col" { "what is in its way" } } }
        tbody { @for need in needs.iter().take(ROWS) {
            @let outlook = snapshot.outlook(need, snapshot.report_for(need));
            tr {
                td { (who(need)) }
                td.host { (need.image) }
                td { (wait(need, now)) }
                td.(tone(outlook).class()) { (tone(outlook).sign()) " " (way(outlook)) }
            }
        } }
    } }
}

fn who(need: &Need) -> Markup {
    html! {
        (need.namespace) "/" (need.pod) " · " (need.container)
        @if need.kind != ContainerKind::Container { " (" (need.kind.as_str()) ")" }
        @if !need.pull_secrets.is_empty() { ", brings " (need.secrets()) }
    }
}

fn wait(need: &Need, now: Timestamp) -> Markup {
    let Some(waiting) = &need.waiting else { return html! { "runs" } };
    html! {
        (waiting.reason)
        @if let Some(since) = waiting.since { ", since " (from_now(since, now).trim_end_matches(" ago")) }
        @if let Some(next) = waiting.next_try(now) {
            ". About " (next.tries) @if next.tries == 1 { " try" } @else { " tries" } ", the next probably " (from_now(next.estimated_at, now))
        }
        @if let Some(message) = waiting.message.as_ref().filter(|message| **message != waiting.reason) { pre { (message) } }
    }
}

fn way(outlook: Outlook<'_>) -> Markup {
    html! {
        @match outlook.cause {
            Some(waiting::RETRY) => "It can be pulled. kubelet has only to try again (kubelet_back_off).",
            Some(waiting::OWN_LIMIT) => "It can be pulled. kubelet's own limit turned the pull away (kubelet_pull_limit).",
            Some(cause) => (cause),
            None if outlook.pullable == Some(true) => "nothing",
            None => { "unknown" @if !outlook.because.is_empty() { ": " (outlook.because) } },
        }
    }
}

const fn tone(outlook: Outlook<'_>) -> Tone {
    match outlook.pullable {
        Some(true) => Tone::Good,
        Some(false) => Tone::Bad,
        None => Tone::Doubt,
    }
}

/// Who needs an image, below its verdict.
pub fn needed_by(needs: &[&Need]) -> Markup {
    super::markup::term("needed by", &waiting::needed_by(needs))
}
