//! What is in force while a file is broken: the daemons that read it do not forget at once what it
//! said before.
//!
//! Each kind of file has its own rule for how long, kept where the file is read; what they have in
//! common is here: since when a file is broken, and how a finding says so.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::model::finding::{Finding, Severity};

/// A writer is done within it. What is in the file then is what was meant.
pub const GRACE: SignedDuration = SignedDuration::from_secs(5);

/// The one code: something other than what the files now say is in force.
pub const CODE: &str = "last_good_in_force";

/// Which files are broken that were not, by path, and when that was first seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Broken(BTreeMap<String, Timestamp>);

impl Broken {
    /// Since when: as seen before, else now. What lies in the future was seen before the clock was set back:
    /// it would be kept until the clock gets there again.
    pub fn since(&self, file: &str, now: Timestamp) -> Timestamp {
        self.0.get(file).copied().unwrap_or(now).min(now)
    }

    pub fn note(&mut self, file: &str, since: Timestamp) {
        self.0.insert(file.to_owned(), since);
    }
}

/// Says what broke and since when, and what that means: `consequence` begins a sentence.
pub fn finding(file: &str, since: Timestamp, reason: &str, consequence: &str, fix: &str) -> Finding {
    // Whole seconds: more is of no use to anybody.
    let since = since.strftime("%Y-%m-%dT%H:%M:%SZ");
    let message = format!("broken since {since} ({reason}); what it said before is still in force: {consequence}");
    Finding::new(Severity::Error, CODE, message, fix).in_file(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finding_says_since_when_and_has_its_paragraph() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut broken = Broken::default();
        broken.note("/f", broken.since("/f", at(5)));
        assert_eq!((broken.since("/f", at(9)), broken.since("/g", at(9))), (at(5), at(9)));
        assert_eq!(broken.since("/f", at(3)), at(3), "the clock was set back: the future began now");
        let finding = finding("/f", at(5), "no end of a string", "for 5s", "mend it");
        assert!(finding.message.starts_with("broken since 1970-01-01T00:00:05Z (no end of a string)"), "{finding:?}");
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/findings.md")).unwrap();
        assert!(text.contains(&format!("\n**`{CODE}`**")));
    }
}
