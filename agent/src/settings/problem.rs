//! One thing that is wrong with a settings file: where, what was found, what is allowed.

use std::fmt;

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
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let short: String = text.chars().take(FOUND_LIMIT).map(clean).collect();
    let more = if text.chars().nth(FOUND_LIMIT).is_some() { "…" } else { "" };
    format!("`{short}{more}`")
}

/// The candidate that was probably meant: at most three letters and half of it are wrong.
pub fn nearest<'a>(found: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let found: String = found.chars().take(FOUND_LIMIT).collect();
    let distances = candidates.into_iter().map(|candidate| (distance(&found, candidate), candidate));
    distances
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(2).min(3))
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, taken out or changed (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_the_one_that_was_mistyped_and_none_if_all_are_far() {
        let names = ["interval", "timeouts", "concurrency"];
        assert_eq!(nearest("intervall", names), Some("interval"));
        assert_eq!(nearest("timeout", names), Some("timeouts"));
        assert_eq!(nearest("tpc", ["dns", "tcp"]), Some("tcp"));
        assert_eq!(nearest("frequency", ["interval", "timeouts"]), None);
        assert_eq!(nearest(&"x".repeat(100_000), names), None);
    }
}
