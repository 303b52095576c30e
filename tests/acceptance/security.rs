//! docs/security.md promises nothing that no test shows.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::collections::BTreeSet;
use std::path::Path;

use super::binary::repository;

/// The last column of each table that has tests.
fn named(text: &str) -> BTreeSet<String> {
    let rows = text.lines().filter(|line| line.starts_with("| ") && line.matches(" | ").count() == 2);
    let cells = rows.filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

fn sources(directory: &Path, all: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let names = named(&std::fs::read_to_string(repository("docs/security.md")).unwrap());
    assert!(names.len() > 30, "{names:?}");
    let mut all = String::new();
    ["agent/src", "tests/acceptance", "tests/lab"].iter().for_each(|place| sources(&repository(place), &mut all));
    let missing: Vec<&String> = names.iter().filter(|name| !all.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "docs/security.md names tests that there are not: {missing:?}");
}
