//! Something worth knowing about the node's files or path that is not itself the failure of a pull.

use go::place::{Position, SourceLocation};

use crate::redact::clean::Clean;
use crate::redact::urls::without_credentials;

/// Longer texts are cut: whoever writes a file must not fill the report.
const TEXT_LIMIT: usize = 2048;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_can_neither_flood_the_report_nor_steer_a_terminal() {
        let hostile = format!("unknown key `\u{1b}[2J{}`", "é".repeat(100_000));
        let finding = Finding::new(Severity::Error, "unknown_key", hostile.clone(), hostile);
        for text in [&finding.message, &finding.fix] {
            assert!(text.len() <= TEXT_LIMIT && !text.chars().any(char::is_control), "{text:?}");
        }
    }
}
