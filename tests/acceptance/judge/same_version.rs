//! One version in two builds: what the record says of the official one, held against the daemon that runs here.
//!
//! Both are made of the same source: they do the same, save where the Go differs that they were built with. A record
//! that says anything else is no answer of a daemon.

use std::collections::{BTreeMap, BTreeSet};

use super::compare::Told;
use super::recorded::{self, Record};
use super::trial::Trial;

/// The series that runs here has the version of this build of the record.
const SERIES: &str = "2.1";
const BUILD: &str = "v2.1.9";

/// Why the two may differ, in which parts, and in which scenarios.
struct Reason {
    why: &'static str,
    parts: &'static [&'static str],
    scenarios: &'static [&'static str],
}

const REASONS: [Reason; 4] = [
    Reason {
        why: "Debian's Go 1.27 says in other words which field of a document has the wrong type",
        parts: &["message"],
        scenarios: &[
            "config-type-unknown-json",
            "json-config-args-escaped-text",
            "json-config-created-number",
            "json-config-diff-ids-number",
            "json-config-diff-ids-without-layers",
            "json-config-entrypoint-text",
            "json-config-env-number",
            "json-config-history-empty-layer-text",
            "json-config-labels-number",
            "json-config-os-features-text",
            "json-config-os-version-number",
            "json-config-ports-list",
            "json-config-stop-signal-number",
            "json-config-two-faults",
            "json-config-user-number",
            "json-config-variant-number",
            "json-config-volumes-true",
            "json-config-without-layers",
            "json-index-annotations-number",
            "json-index-data",
            "json-index-entry-artifact-type-number",
            "json-index-os-features-text",
            "json-index-schema-version-text",
            "json-manifest-annotations-number",
            "json-manifest-config-data",
            "json-manifest-digest-number",
            "json-manifest-layer-annotation-number",
            "json-manifest-layers-number",
            "json-manifest-numbers",
            "json-manifest-platform-text",
            "json-manifest-schema-version-float",
            "json-manifest-schema-version-text",
            "json-manifest-subject-size-text",
            "json-manifest-urls-text",
        ],
    },
    Reason {
        why: "Debian's build matches the features of an operating system that an index names",
        parts: &["pullable", "message"],
        scenarios: &["index-os-features"],
    },
    Reason {
        why: "Debian's Go refuses an IPv4-mapped address in a certificate",
        parts: &["pullable", "message", "hosts"],
        scenarios: &["upstream-tls-mapped-address"],
    },
    Reason {
        why: "after a refused login pullprobe looks once more without one, and the record is of all that it sends",
        parts: &["credentials"],
        scenarios: &["bearer-wrong", "bearer-wrong-public"],
    },
];

/// What came of holding the record against the daemon.
#[derive(Default)]
pub struct Held {
    /// So many scenarios were held.
    pub scenarios: usize,
    /// Those that have a reason and were held.
    reasons: BTreeSet<&'static str>,
    pub differences: Vec<String>,
}

/// Of each scenario that has both, and is what it was when it was recorded.
pub fn hold(trials: &[Trial], records: &BTreeMap<String, Record>) -> Held {
    let mut held = Held::default();
    for trial in trials.iter().filter(|trial| trial.version == SERIES) {
        let is_as_recorded = |record: &&Record| record.of == recorded::fingerprint(&super::file_of(&trial.scenario));
        let record = records.get(&trial.scenario).filter(is_as_recorded);
        let recorded = record.and_then(|record| record.of_build(BUILD));
        if let (Ok(evidence), Some(recorded)) = (&trial.result, recorded) {
            held.add(&trial.scenario, recorded, &Told::of(&evidence.observation));
        }
    }
    held
}

impl Held {
    fn add(&mut self, scenario: &str, recorded: &Told, daemon: &Told) {
        self.scenarios += 1;
        let reason = REASONS.iter().find(|reason| reason.scenarios.contains(&scenario));
        let name = reason.and_then(|reason| reason.scenarios.iter().find(|one| **one == scenario));
        self.reasons.extend(name);
        let parts = reason.map_or(&[][..], |reason| reason.parts);
        let differing = recorded.differing(daemon);
        let unexplained = differing.iter().filter(|(part, ..)| !parts.contains(part));
        self.differences.extend(unexplained.map(|(part, recorded, daemon)| {
            format!("{scenario}: {part}\n    recorded {BUILD}: {recorded}\n    daemon here:     {daemon}")
        }));
        let alike = parts.iter().filter(|part| !differing.iter().any(|(other, ..)| other == *part));
        self.differences.extend(alike.filter_map(|part| {
            Some(format!("{scenario}: {part} is the same in both builds, and yet there is a reason: {}", reason?.why))
        }));
    }

    /// Of all scenarios: none of the reasons speaks of a scenario that is no more.
    pub fn judge_whole(&self) {
        let named: BTreeSet<&str> = REASONS.iter().flat_map(|reason| reason.scenarios).copied().collect();
        assert_eq!(self.reasons, named, "not held, and yet there is a reason for it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(message: &str) -> Told {
        Told { pullable: Some(false), message: message.to_owned(), ..Told::default() }
    }

    fn found(scenario: &str, recorded: &Told, daemon: &Told) -> Vec<String> {
        let mut held = Held::default();
        held.add(scenario, recorded, daemon);
        assert_eq!(held.scenarios, 1);
        held.differences
    }

    #[test]
    fn builds_of_one_version_tell_the_same_unless_there_is_a_reason() {
        assert_eq!(found("proxy-serves", &Told::default(), &Told::default()), Vec::<String>::new());
        let invented = found("proxy-serves", &refused("Bad Gateway"), &Told::default());
        assert_eq!(invented.len(), 2, "{invented:?}");
        let words = found("json-index-data", &refused("one"), &refused("two"));
        assert_eq!(words, Vec::<String>::new());
        let more_than_words = found("json-index-data", &refused("one"), &Told::default());
        assert_eq!(more_than_words.len(), 1, "{more_than_words:?}");
    }

    #[test]
    fn a_reason_that_nothing_needs_is_a_difference() {
        let alike = found("json-index-data", &refused("one"), &refused("one"));
        assert!(alike.len() == 1 && alike[0].contains("Go 1.27"), "{alike:?}");
    }
}
