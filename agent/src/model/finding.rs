//! Something worth knowing about the node's files or path that is not itself the failure of a pull.

use std::collections::BTreeMap;

use go::place::{Position, SourceLocation};

use crate::redact::clean::Clean;
use crate::redact::urls::without_credentials;

/// Longer texts are cut: whoever writes a file must not fill the report.
const TEXT_LIMIT: usize = 2048;
/// More findings of one code tell nothing new.
const ALIKE_LIMIT: usize = 100;

/// How much it matters. `Error`: containerd will not do what the file says; `lint` then exits 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Info,
    Warning,
    Error,
}

impl Severity {
    pub const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Info];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// A finding: what and where, and how to fix it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// A word of a closed set in snake case (`hosts_file_invalid`), documented in docs/findings.md.
    pub code: &'static str,
    /// The path as on the node, without the host root. `None` when it is about no file.
    pub file: Option<Clean>,
    /// `None` when it is about the whole file.
    pub position: Option<Position>,
    /// What is there, and what containerd of this version does with it.
    pub message: Clean,
    pub fix: Clean,
    /// The registries, or hosts, that alone it is about. Empty: it affects every pull.
    pub about: Vec<Clean>,
}

impl Finding {
    pub fn new(severity: Severity, code: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        let shown = |text: String| Clean::clipped(&without_credentials(&text), TEXT_LIMIT);
        let (message, fix) = (shown(message.into()), shown(fix.into()));
        Self { severity, code, file: None, position: None, message, fix, about: Vec::new() }
    }

    #[must_use]
    pub fn in_file(mut self, file: impl Into<Clean>) -> Self {
        self.file = Some(file.into());
        self
    }

    #[must_use]
    pub fn about(mut self, registry: impl Into<Clean>) -> Self {
        self.about.push(registry.into());
        self
    }

    #[must_use]
    pub const fn at(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }

    #[must_use]
    pub fn located(self, place: &SourceLocation) -> Self {
        let finding = self.in_file(&*place.file);
        Self { position: place.position, ..finding }
    }

    pub fn line(&self) -> Option<usize> {
        self.position.map(|position| position.line)
    }

    pub fn column(&self) -> Option<usize> {
        self.position.map(|position| position.column)
    }
}

/// What is shown of all findings: at most 100 of one code, and one more that says how many are left out.
pub fn shown(findings: &[Finding]) -> Vec<Finding> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut left_out: BTreeMap<&str, (usize, Finding)> = BTreeMap::new();
    let mut shown = Vec::new();
    for finding in findings {
        let count = counts.entry(finding.code).or_default();
        *count += 1;
        if *count <= ALIKE_LIMIT {
            shown.push(finding.clone());
            continue;
        }
        let (more, worst) = left_out.entry(finding.code).or_insert_with(|| (0, finding.clone()));
        *more += 1;
        worst.severity = worst.severity.max(finding.severity);
    }
    shown.extend(left_out.into_values().map(|(more, worst)| {
        let message = format!("{more} more findings with the code `{}` are left out.", worst.code);
        Finding::new(worst.severity, worst.code, message, "Mend those that are shown, then look again.")
    }));
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_very_many_findings_of_one_code_the_first_are_shown_and_the_others_counted() {
        let finding = |code, severity, number| Finding::new(severity, code, format!("number {number}"), "");
        let mut findings: Vec<Finding> =
            (0..ALIKE_LIMIT + 2).map(|number| finding("unknown_key", Severity::Warning, number)).collect();
        findings.push(finding("config_type", Severity::Error, 0));
        findings.push(finding("unknown_key", Severity::Error, 0));
        let few = shown(&findings);
        assert_eq!(few.len(), ALIKE_LIMIT + 2);
        assert_eq!((few[ALIKE_LIMIT - 1].message.as_str(), few[ALIKE_LIMIT].code), ("number 99", "config_type"));
        let last = few.last().unwrap();
        assert_eq!((last.code, last.severity), ("unknown_key", Severity::Error));
        assert!(last.message.starts_with("3 more findings"), "{}", last.message);
        assert_eq!(shown(&findings[..ALIKE_LIMIT]), findings[..ALIKE_LIMIT]);
    }

    #[test]
    fn what_a_file_says_can_neither_flood_the_report_nor_steer_a_terminal() {
        let hostile = format!("unknown key `\u{1b}[2J{}`", "é".repeat(100_000));
        let finding = Finding::new(Severity::Error, "unknown_key", hostile.clone(), hostile);
        for text in [&finding.message, &finding.fix] {
            assert!(text.len() <= TEXT_LIMIT && !text.chars().any(char::is_control), "{text:?}");
        }
    }
}
