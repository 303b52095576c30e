//! containerd's own cases (`tests/fixtures/containerd-cases.json`), for the tests of every room.

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub struct Case {
    pub id: String,
    pub kind: String,
    pub versions: String,
    pub input: Value,
    pub expected: Value,
}

pub struct Cases;

impl Cases {
    /// The cases of one kind; there is at least one, so that a misspelt kind fails.
    pub fn of_kind(kind: &str) -> Vec<Case> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/containerd-cases.json");
        let all: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let found: Vec<Case> = all.into_iter().filter(|case| case.kind == kind).collect();
        assert!(!found.is_empty(), "no case of kind {kind}");
        found
    }
}
