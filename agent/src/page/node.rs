//! The node itself: findings about its files and what was seen from it, and the facts.

use jiff::Timestamp;
use maud::{Markup, html};

use super::markup::{Room, Tone, bytes, fix, from_now, millis, pill, term};
use crate::model::finding::{Finding, Severity};
use crate::state::snapshot::{FilesystemSpace, Snapshot};

/// More than these are counted, and so are those for which there is no room.
const FINDINGS: usize = 100;
const FINDINGS_BYTES: usize = 160 << 10;

pub fn findings(snapshot: &Snapshot, now: Timestamp) -> Markup {
    let mut findings: Vec<Finding> = snapshot.findings(now);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let mut room = Room::of(FINDINGS_BYTES);
    let cards = findings.iter().take(FINDINGS).map(card).filter(|card| room.takes(card.0.len()));
    let cards: Vec<Markup> = cards.collect();
    html! { @if !findings.is_empty() { section #findings aria-labelledby="findings-heading" {
        h2 #findings-heading { "Findings" }
        @for card in &cards { (card) }
        @if findings.len() > cards.len() {
            p.none { (findings.len() - cards.len()) " more are in the " a href="api/v1/report" { "report as JSON" } "." }
        }
    } } }
}

fn card(finding: &Finding) -> Markup {
    let tone = match finding.severity {
        Severity::Error => Tone::Bad,
        Severity::Warning => Tone::Doubt,
        Severity::Info => Tone::Quiet,
    };
    html! { article.(tone.class()) {
        h3 {
            (pill(tone, finding.severity.as_str())) " "
            @if finding.file.is_some() { code { (place(finding)) } " " }
            span.when { (finding.code) }
        }
        p.says { (finding.message) }
        (fix(&finding.fix))
    } }
}

fn place(finding: &Finding) -> String {
    let Some(file) = &finding.file else { return String::new() };
    let number = |number: Option<usize>| number.map(|number| format!(":{number}")).unwrap_or_default();
    format!("{file}{}{}", number(finding.line()), number(finding.column()))
}

pub fn facts(snapshot: &Snapshot, now: Timestamp) -> Markup {
    let state = &snapshot.state;
    let containerd = format!("{} (known from: {})", state.containerd.version, state.containerd.source.as_str());
    let hash = snapshot.config.hash.as_deref().unwrap_or_default();
    let changed = snapshot.config.changed_at.map(|at| format!("{} · {hash}", from_now(at, now)));
    html! { section #node aria-labelledby="node-heading" {
        h2 #node-heading { "Node" }
        dl.facts {
            (term("containerd", &containerd))
            (term("configuration", &state.containerd.config_files.join(" ")))
            (term("hosts.toml below", &state.containerd.config_path.join(" ")))
            (term("last change", changed.as_deref().unwrap_or_default()))
            @if let Some(disk) = &state.image_filesystem { div { dt { "image disk" } dd { (space(disk)) } } }
            (term("agent started", &from_now(snapshot.started_at, now)))
            (term("last cycle took", &snapshot.last_cycle.map(millis).unwrap_or_default()))
        }
    } }
}

fn space(disk: &FilesystemSpace) -> Markup {
    let used = 100 - percent(disk.available_bytes, disk.size_bytes);
    html! {
        (bytes(disk.available_bytes)) " of " (bytes(disk.size_bytes)) " free"
        @if disk.inodes > 0 { ", " (percent(disk.inodes_free, disk.inodes)) " % of inodes free" }
        meter min="0" max="100" low="85" high="95" optimum="0" value=(used) { (used) " % used" }
    }
}

/// Never above 100, whatever a file system claims.
fn percent(part: u64, whole: u64) -> u64 {
    part.min(whole).saturating_mul(100).checked_div(whole).unwrap_or(0)
}
