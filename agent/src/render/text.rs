//! A verdict for a terminal: the answer first, then the stages, then `fix:`.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;

use crate::cause::Cause;
use crate::model::finding::{Finding, Severity};
use crate::model::ratelimit::Limiter;
use crate::model::report::{
    Attempt, Candidate, CandidatePull, ContentSource, CredentialUsed, EndpointReport, ImageReport, StageResult,
};
use crate::model::space::bytes;
use crate::model::tally;

pub mod fleet;
pub mod hosts;
mod registry;

pub use registry::{registry, sentence};

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub color: bool,
}

#[derive(Clone, Copy)]
enum Tone {
    Good,
    Bad,
    Doubt,
    Dim,
    Strong,
}

impl Style {
    fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "31;1",
            Tone::Doubt => "33",
            Tone::Dim => "2",
            Tone::Strong => "1",
        };
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// One image: verdict, what was asked, `fix:`, what kubelet will show.
pub fn image(report: &ImageReport, style: Style) -> String {
    let verdict = &report.verdict;
    let typed = || if report.requested.is_empty() { "\"\"".to_owned() } else { report.requested.clone().into() };
    let name = report.image.as_ref().map_or_else(typed, ToString::to_string);
    let (tone, word) = match (verdict.pullable, verdict.runnable) {
        (Some(true), Some(false)) => (Tone::Bad, "pulls, but will not start"),
        (Some(true), _) => (Tone::Good, "pullable"),
        (Some(false), _) => (Tone::Bad, "NOT PULLABLE"),
        (None, _) => (Tone::Doubt, "unknown"),
    };
    let cause = verdict.cause.map(|cause| format!("  {cause}")).unwrap_or_default();
    let stage = verdict.stage.map(|stage| format!(" at {stage}")).unwrap_or_default();
    let mut out = String::new();
    let _ = writeln!(out, "{}  {}{cause}{stage}", style.paint(Tone::Strong, &name), style.paint(tone, word));
    let _ = writeln!(out, "  {}", verdict.summary);
    if !verdict.also_possible.is_empty() {
        let others: Vec<&str> = verdict.also_possible.iter().map(|cause| cause.as_str()).collect();
        let _ = writeln!(out, "  the registry gives the same answer for: {}", others.join(", "));
    }
    for attempt in &report.attempts {
        let _ = writeln!(out, "  {}", attempt_line(attempt, style));
    }
    for line in facts_of(report) {
        let _ = writeln!(out, "  {}", style.paint(Tone::Dim, &line));
    }
    if !verdict.fix.is_empty() {
        let _ = writeln!(out, "  {} {}", style.paint(Tone::Strong, "fix:"), verdict.fix);
    }
    if let Some(tight) = report.finding() {
        out.push_str("  ");
        out.push_str(&finding(&tight, style));
    }
    if let Some(message) = &verdict.kubelet_message {
        let _ = writeln!(
            out,
            "  {} {}",
            style.paint(Tone::Dim, "kubectl describe pod will say:"),
            message.replace('\n', " ⏎ ")
        );
    }
    out
}

fn attempt_line(attempt: &Attempt, style: Style) -> String {
    let mark = if attempt.failure.is_none() { style.paint(Tone::Good, "✓") } else { style.paint(Tone::Bad, "✗") };
    let status = attempt.http_status.map(|status| format!(" {status}")).unwrap_or_default();
    let what = match &attempt.failure {
        None => String::new(),
        Some(failure) => format!(" {}: {}", style.paint(Tone::Bad, failure.cause.as_str()), failure.detail),
    };
    let credential = if attempt.credential_sent { ", credential sent" } else { "" };
    let aside = format!("({}{credential}, {})", attempt.role.as_str(), span(attempt.duration));
    format!(
        "{mark} {:<7} {}{status}{what} {}",
        attempt.operation.as_str(),
        attempt.endpoint,
        style.paint(Tone::Dim, &aside)
    )
}

fn facts_of(report: &ImageReport) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(digest) = &report.digest {
        lines.push(format!("digest {digest}"));
    }
    let offered = report.platform.shown();
    if !offered.is_empty() {
        lines.push(format!("platform {} wanted, offered: {}", report.wanted, offered.join(", ")));
    }
    let now = report.started_at;
    if report.candidates.len() > 1 {
        lines.extend(report.candidates.iter().zip(1..).map(|candidate| candidate_line(candidate, now)));
    } else if let Some(used) = &report.credential {
        lines.push(format!("credential {} from {} (key {}){}", used.kind, used.source, used.key, used.end(now)));
    }
    if let Some(redirect) = report.blob.as_ref().and_then(|blob| blob.redirect_host.as_ref()) {
        lines.push(format!("content comes from {redirect}"));
    }
    let limit = &report.rate_limit;
    if let (Some(remaining), Some(total)) = (limit.remaining, limit.limit) {
        let window = limit.window.map(|window| format!(" per {}", span(window))).unwrap_or_default();
        lines.push(format!("rate limit: {remaining} of {total} pulls left{window}"));
    }
    match limit.blocked_by {
        Some(Limiter::Quota) => lines.push("rate limit: its quota is used up".to_owned()),
        Some(Limiter::Burst) => lines.push("rate limit: too many requests at once; pulls may be left".to_owned()),
        None => {}
    }
    lines.extend(report.warnings.iter().map(|text| format!("the registry warns: {text}")));
    if report.source.is_some_and(|source| source != ContentSource::Registry) {
        let source = report.source.map_or("", ContentSource::as_str);
        lines.push(format!("manifest read from: {source}"));
    }
    if let Some(space) = report.space.filter(|space| space.needed_bytes > 0) {
        let (needed, free) = (bytes(space.needed_bytes), bytes(space.free_bytes));
        lines
            .push(format!("space: {needed} to download, about {} unpacked, {free} free", bytes(space.estimated_bytes)));
    }
    lines.extend(tally::spent(report.counted_pulls));
    lines
}

/// kubelet makes one pull for each.
fn candidate_line((candidate, nth): (&Candidate, usize), now: Timestamp) -> String {
    let CredentialUsed { source, key, kind, .. } = &candidate.credential;
    let end = match candidate.pull {
        None => "not tried",
        Some(CandidatePull { pullable: Some(true), .. }) => "pulls",
        Some(CandidatePull { cause, .. }) => cause.map_or("unknown", Cause::as_str),
    };
    let anonymous = if candidate.anonymous { ", anonymous," } else { "" };
    format!("credential {nth}: {kind}{anonymous} from {source} (key {key}){}: {end}", candidate.credential.end(now))
}

/// One endpoint: its stages on a line, and the failure below it.
pub fn endpoint(report: &EndpointReport, style: Style) -> String {
    let mut stages = Vec::new();
    for line in report.stages.shown() {
        let name = line.stage.as_str();
        let took = line.duration.filter(|d| !d.is_zero()).map(|d| format!(" {}", span(d))).unwrap_or_default();
        match line.result {
            StageResult::Passed => {
                stages.push(format!("{} {name}{}", style.paint(Tone::Good, "✓"), style.paint(Tone::Dim, &took)));
            }
            StageResult::Failed(_) => stages.push(format!(
                "{} {}{}",
                style.paint(Tone::Bad, "✗"),
                style.paint(Tone::Bad, name),
                style.paint(Tone::Dim, &took)
            )),
            StageResult::Skipped(_) => {}
        }
    }
    let mut out = format!(
        "  {} {}  {}\n",
        style.paint(Tone::Strong, &report.endpoint.to_string()),
        style.paint(Tone::Dim, report.role.as_str()),
        stages.join("  ")
    );
    if let Some(failure) = report.failure() {
        let _ = writeln!(out, "    {} {}", style.paint(Tone::Bad, failure.cause.as_str()), failure.detail);
    }
    out
}

/// `file:line:column: severity: message`, and the fix below.
pub fn finding(finding: &Finding, style: Style) -> String {
    let tone = match finding.severity {
        Severity::Error => Tone::Bad,
        Severity::Warning => Tone::Doubt,
        Severity::Info => Tone::Dim,
    };
    let place = finding.file.as_ref().map(|file| {
        let line = finding.line().map(|line| format!(":{line}")).unwrap_or_default();
        let column = finding.column().map(|column| format!(":{column}")).unwrap_or_default();
        format!("{file}{line}{column}: ")
    });
    let mut out = format!(
        "{}{}: {} [{}]\n",
        place.unwrap_or_default(),
        style.paint(tone, finding.severity.as_str()),
        finding.message,
        finding.code
    );
    if !finding.fix.is_empty() {
        let _ = writeln!(out, "  {} {}", style.paint(Tone::Strong, "fix:"), finding.fix);
    }
    out
}

/// What is not shown: findings that have no part in what was checked.
pub fn elsewhere(number: usize, style: Style) -> String {
    let line = match number {
        0 => return String::new(),
        1 => "1 finding that does not affect these targets is not shown: `pullprobe lint` shows it".to_owned(),
        many => format!("{many} findings that do not affect these targets are not shown: `pullprobe lint` shows them"),
    };
    format!("{}\n", style.paint(Tone::Dim, &line))
}

/// A duration as people say it: `340µs`, `12ms`, `1.5s`, `6h`.
fn span(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s < 1e-3 => format!("{}µs", duration.as_micros()),
        s if s < 1.0 => format!("{}ms", duration.as_millis()),
        s if s < 60.0 => format!("{s:.1}s"),
        s if s < 3600.0 => format!("{:.0}m", s / 60.0),
        s => format!("{:.0}h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::credential::CredentialSource;

    #[test]
    fn each_candidate_has_its_place_and_its_end() {
        let line = |nth, source, anonymous, pull| {
            let credential =
                CredentialUsed { source, key: "*.example".into(), kind: "basic", lifetime: None, renews: None };
            candidate_line((&Candidate { credential, anonymous, pull }, nth), Timestamp::UNIX_EPOCH)
        };
        let pull = |pullable, cause| Some(CandidatePull { pullable, cause });
        let secret = CredentialSource::PullSecret("shop".into(), "pull".into());
        assert_eq!(
            line(1, secret, false, pull(Some(false), Some(Cause::CredentialsRejected))),
            "credential 1: basic from pull-secret:shop/pull (key *.example): credentials_rejected"
        );
        let file = || CredentialSource::KubeletConfigJson;
        assert_eq!(
            line(2, file(), true, pull(Some(true), None)),
            "credential 2: basic, anonymous, from kubelet-config-json (key *.example): pulls"
        );
        assert!(line(3, file(), false, pull(None, None)).ends_with(": unknown"));
        assert!(line(4, file(), false, None).ends_with(": not tried"));
    }
}
