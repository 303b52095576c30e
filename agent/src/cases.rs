//! containerd's own cases (`tests/fixtures/containerd-cases.json`), for the tests of every room. Those that
//! no test runs are in one table, with the reason (`tests/fixtures/containerd-cases-left-out.toml`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::version::Version;

#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    pub id: String,
    pub kind: String,
    pub versions: String,
    pub input: Value,
    pub expected: Value,
}

/// A row of the table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LeftOut {
    kind: Option<String>,
    #[serde(default)]
    ids: Vec<String>,
    /// Only this much is left out: the rest is run.
    part: Option<String>,
    /// Only on these.
    versions: Option<String>,
    reason: String,
    /// Where real daemons show the same matter.
    #[serde(default)]
    scenarios: Vec<String>,
}

impl LeftOut {
    fn is_whole(&self) -> bool {
        self.part.is_none() && self.versions.is_none()
    }

    fn names(&self, case: &Case) -> bool {
        self.kind.as_ref() == Some(&case.kind) || self.ids.contains(&case.id)
    }
}

impl Case {
    /// Whether the table leaves the case out on this version.
    pub fn skips(&self, version: Version) -> bool {
        table().iter().any(|row| row.names(self) && row.versions.as_deref().is_some_and(|text| within(text, version)))
    }
}

/// Whether the version is in one of the ranges: `1.6.0-1.6.24, 2.0.*`.
fn within(ranges: &str, version: Version) -> bool {
    ranges.split(", ").any(|range| {
        let (first, last) = match range.strip_suffix(".*") {
            Some(series) => (format!("{series}.0"), series),
            None => range.split_once('-').map(|(first, last)| (first.to_owned(), last)).unwrap(),
        };
        (first.parse().unwrap()..=last.parse().unwrap()).contains(&version)
    })
}

pub struct Cases;

impl Cases {
    /// The cases of one kind that are to be run; there is at least one, so that a misspelt kind fails.
    pub fn of_kind(kind: &str) -> Vec<Case> {
        let table = table();
        let left_out = |case: &Case| table.iter().any(|row| row.is_whole() && row.names(case));
        let found: Vec<Case> = all().into_iter().filter(|case| case.kind == kind && !left_out(case)).collect();
        assert!(!found.is_empty(), "no case of kind {kind} is left to run");
        found
    }

    /// Whether the table leaves out a part of a case, so that no test skips one in silence.
    pub fn leaves_out(id: &str, part: &str) -> bool {
        table().iter().any(|row| row.part.as_deref() == Some(part) && row.ids.iter().any(|one| one == id))
    }
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn all() -> Vec<Case> {
    let path = repository("tests/fixtures/containerd-cases.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn table() -> Vec<LeftOut> {
    #[derive(Deserialize)]
    struct Table {
        left_out: Vec<LeftOut>,
    }
    let path = repository("tests/fixtures/containerd-cases-left-out.toml");
    toml::from_str::<Table>(&std::fs::read_to_string(path).unwrap()).unwrap().left_out
}

/// Every source file of the agent but this one.
fn sources(directory: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("agent/src/cases.rs") {
            found.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_kind_is_run_or_left_out_with_a_reason() {
    let mut texts = Vec::new();
    sources(&repository("agent/src"), &mut texts);
    let runs = |kind: &str| texts.iter().any(|text| text.contains(&format!("of_kind(\"{kind}\")")));
    let (all, table) = (all(), table());
    let kinds: BTreeSet<&str> = all.iter().map(|case| case.kind.as_str()).collect();
    for kind in kinds {
        let of_kind: Vec<&Case> = all.iter().filter(|case| case.kind == kind).collect();
        let whole = |case: &&&Case| table.iter().any(|row| row.is_whole() && row.names(case));
        let left_out = of_kind.iter().filter(whole).count();
        assert_eq!(runs(kind), left_out < of_kind.len(), "{kind}: {left_out} of {} are left out", of_kind.len());
    }
}

#[test]
fn every_row_of_the_table_is_about_a_case_and_a_scenario_that_exist() {
    let all = all();
    for row in table() {
        let name = row.kind.clone().unwrap_or_else(|| row.ids.join(", "));
        assert!(row.kind.is_some() == row.ids.is_empty() && row.reason.len() > 20, "{name} says too little");
        for id in &row.ids {
            assert!(all.iter().any(|case| case.id == *id), "there is no case {id}");
        }
        assert!(row.kind.is_none() || all.iter().any(|case| row.names(case)), "there is no kind {name}");
        for scenario in &row.scenarios {
            let path = repository("tests/scenarios/pull").join(scenario).with_extension("toml");
            assert!(path.is_file(), "{name}: there is no scenario {scenario}");
        }
    }
}
