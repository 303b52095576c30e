//! docs/security.md and docs/deaths.md promise nothing that no test shows.
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

/// The names of the functions that the test runner runs. Attributes and comments may stand between.
fn tests_of(source: &str) -> BTreeSet<&str> {
    let mut is_test = false;
    let mut tests = BTreeSet::new();
    for line in source.lines().map(str::trim_start) {
        let is_attribute = line.starts_with("#[");
        is_test |= line == "#[test]" || line.starts_with("#[tokio::test]") || line.starts_with("#[tokio::test(");
        let signature = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if let Some(name) = signature.and_then(|rest| rest.split('(').next()).filter(|_| is_test) {
            tests.insert(name);
        }
        is_test &= is_attribute || line.starts_with("//");
    }
    tests
}

#[test]
fn every_test_that_is_named_exists() {
    let of = |document: &str| named(&std::fs::read_to_string(repository(document)).unwrap());
    let (promised, deaths) = (of("docs/security.md"), of("docs/deaths.md"));
    assert!(promised.len() > 30 && deaths.len() > 15, "{promised:?} {deaths:?}");
    let names: BTreeSet<String> = promised.into_iter().chain(deaths).collect();
    let mut all = String::new();
    ["agent/src", "agent/go/src", "tests/acceptance", "tests/lab"]
        .iter()
        .for_each(|place| sources(&repository(place), &mut all));
    let tests = tests_of(&all);
    let missing: Vec<&String> = names.iter().filter(|name| !tests.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "docs/security.md or docs/deaths.md names tests that there are not: {missing:?}");
}

#[test]
fn only_what_the_runner_runs_is_a_test() {
    let source = "
        #[test]
        fn plain() {}
        #[tokio::test(flavor = \"multi_thread\")]
        // Why.
        #[expect(clippy::panic)]
        async fn later() {}
        fn helper() {}
        #[cfg(test)]
        fn only_for_tests() {}
        // #[test]
        fn put_off() {}
        #[test]
        const NOT: u8 = 0;
        fn behind() {}
    ";
    assert_eq!(tests_of(source).into_iter().collect::<Vec<_>>(), ["later", "plain"]);
}
