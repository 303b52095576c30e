//! One thing that is wrong with a settings file: where, what was found, what is allowed.

use std::fmt;

use crate::redact::clean::is_hostile;
use crate::redact::urls::without_credentials;

/// The longest piece of the file that is repeated in a problem, in characters.
const FOUND_LIMIT: usize = 60;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    /// 1-based.
    pub line: usize,
    pub column: usize,
    /// `probe.timeouts.dns`. Empty: it is about the file as a whole.
    pub key: String,
    pub found: String,
    pub allowed: String,
    /// What to do, beyond writing what is allowed. Empty: nothing.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "found {}, allowed: {}.", self.found, self.allowed)?;
        if self.fix.is_empty() { Ok(()) } else { write!(f, " {}", self.fix) }
    }
}

/// A piece of the file in backquotes, short and in one line.
pub fn quoted(text: &str) -> String {
    let text = without_credentials(text);
    let clean = |c: char| if is_hostile(c) { ' ' } else { c };
    let short: String = text.chars().take(FOUND_LIMIT).map(clean).collect();
    let more = if text.chars().nth(FOUND_LIMIT).is_some() { "…" } else { "" };
    format!("`{short}{more}`")
}
