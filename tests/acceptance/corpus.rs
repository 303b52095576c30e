//! The inputs that fuzzing kept, once more: what held for them holds, and what broke once stays mended.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::panic::catch_unwind;

use super::binary::repository;
use super::properties;

/// Fewer would mean that the corpus was lost: the replay then shows nothing.
const FEWEST: usize = 5;

#[test]
fn every_property_holds_for_its_corpus() {
    let mut broken = Vec::new();
    for (target, holds) in properties::TARGETS {
        let directory = repository("fuzz/corpus").join(target);
        let inputs = std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        let inputs: Vec<_> = inputs.map(|entry| entry.unwrap().path()).collect();
        assert!(inputs.len() >= FEWEST, "{target} has only {} inputs", inputs.len());
        let breaks = |input: &std::path::PathBuf| {
            let bytes = std::fs::read(input).unwrap();
            catch_unwind(|| holds(&bytes)).is_err()
        };
        broken.extend(inputs.into_iter().filter(breaks));
    }
    assert!(broken.is_empty(), "the panics above are those of {broken:#?}");
}
