//! Which metrics a query asks for, and which ones the agent has.

use std::collections::BTreeSet;

use super::tools::text;

const PREFIX: &str = "pullprobe_";

/// The agent's families, as the documented interface lists them.
pub fn known() -> BTreeSet<String> {
    let names: BTreeSet<_> = text("tests/fixtures/metric-names.txt").lines().map(str::to_owned).collect();
    assert!(names.iter().all(|name| name.starts_with(PREFIX)));
    names
}

/// Every family that occurs in a query, an exposition or a page; a file's name is none.
pub fn mentioned(text: &str) -> BTreeSet<String> {
    let is_part_of_a_word = |c: char| c.is_ascii_alphanumeric() || "_.".contains(c);
    text.split(|c| !is_part_of_a_word(c))
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| word.starts_with(PREFIX) && !word.contains('.'))
        .map(family)
        .collect()
}

/// A histogram's series have a suffix that its family has not.
fn family(series: &str) -> String {
    ["_bucket", "_sum", "_count"].iter().find_map(|suffix| series.strip_suffix(suffix)).unwrap_or(series).to_owned()
}

pub fn assert_known(query: &str) {
    let unknown: Vec<_> = mentioned(query).difference(&known()).cloned().collect();
    assert!(unknown.is_empty(), "{query} asks for unknown {unknown:?}");
}

#[test]
fn names_are_found_inside_functions_and_without_a_histograms_suffix() {
    let query =
        r#"in pullprobe_test.yaml: rate(pullprobe_probe_duration_seconds_bucket{a="b"}[5m])/pullprobe_endpoint_up."#;
    let expected = ["pullprobe_endpoint_up", "pullprobe_probe_duration_seconds"];
    assert_eq!(mentioned(query), expected.map(str::to_owned).into());
}

#[test]
fn the_sample_exposition_has_every_metric_and_no_other() {
    let exposition = text("tests/fixtures/deploy/exposition.txt");
    assert_eq!(mentioned(&exposition), known());
}
