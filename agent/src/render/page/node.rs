//! The node itself: findings about its files and what was seen from it, and the facts.

use jiff::Timestamp;

use super::markup::{Html, Tone, bytes, from_now, millis};
use crate::model::finding::{Finding, Severity};
use crate::state::snapshot::{FilesystemSpace, Snapshot};

pub fn findings(page: &mut Html, snapshot: &Snapshot, now: Timestamp) {
    let mut findings: Vec<Finding> = snapshot.findings(now);
    if findings.is_empty() {
        return;
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    page.raw("<section><h2>Findings</h2>");
    for finding in &findings {
        let tone = match finding.severity {
            Severity::Error => Tone::Bad,
            Severity::Warning => Tone::Doubt,
            Severity::Info => Tone::Quiet,
        };
        page.raw(&format!("<article class=\"{}\"><h3>", tone.class())).pill(tone, finding.severity.as_str());
        if finding.file.is_some() {
            page.element("code", "", &place(finding));
        }
        page.element("span", "when", finding.code).raw("</h3>").element("p", "says", &finding.message);
        if !finding.fix.is_empty() {
            page.raw("<p class=\"fix\"><b>Fix</b> ").prose(&finding.fix).raw("</p>");
        }
        page.raw("</article>");
    }
    page.raw("</section>");
}

fn place(finding: &Finding) -> String {
    let Some(file) = &finding.file else { return String::new() };
    let number = |number: Option<usize>| number.map(|number| format!(":{number}")).unwrap_or_default();
    format!("{file}{}{}", number(finding.line), number(finding.column))
}

pub fn facts(page: &mut Html, snapshot: &Snapshot, now: Timestamp) {
    let state = &snapshot.state;
    page.raw("<section><h2>Node</h2><dl class=\"facts\">");
    page.term(
        "containerd",
        &format!("{} (known from: {})", state.containerd.version, state.containerd.source.as_str()),
    );
    page.term("configuration", &state.containerd.config_files.join(" "));
    page.term("hosts.toml below", &state.containerd.config_path.join(" "));
    let changed = snapshot
        .config
        .changed_at
        .map(|at| format!("{} · {}", from_now(at, now), snapshot.config.hash.as_deref().unwrap_or_default()));
    page.term("last change", changed.as_deref().unwrap_or_default());
    if let Some(disk) = &state.image_filesystem {
        page.raw("<div><dt>image disk</dt><dd>");
        space(page, disk);
        page.raw("</dd></div>");
    }
    for credential in snapshot.credential_expiries() {
        let mut what = format!("{} for {} {}", credential.source, credential.registry, credential.lifetime.words(now));
        if let Some(renews) = credential.renews {
            what = format!("{what}, asked for anew {}", from_now(renews, now));
        }
        page.term("credential", &what);
    }
    page.term("agent started", &from_now(snapshot.started_at, now));
    page.term("last cycle took", &snapshot.last_cycle.map(millis).unwrap_or_default());
    page.raw("</dl></section>");
}

fn space(page: &mut Html, disk: &FilesystemSpace) {
    page.text(&format!("{} of {} free", bytes(disk.available_bytes), bytes(disk.size_bytes)));
    if disk.inodes > 0 {
        page.text(&format!(", {} % of inodes free", percent(disk.inodes_free, disk.inodes)));
    }
    let used = 100 - percent(disk.available_bytes, disk.size_bytes);
    page.raw(&format!(
        "<meter min=\"0\" max=\"100\" low=\"85\" high=\"95\" optimum=\"0\" value=\"{used}\">{used} % used</meter>"
    ));
}

/// Never above 100, whatever a file system claims.
fn percent(part: u64, whole: u64) -> u64 {
    part.min(whole).saturating_mul(100).checked_div(whole).unwrap_or(0)
}
