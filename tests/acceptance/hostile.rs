//! Peers and files that mean harm: each is tried on the program itself, against the bound that it has to keep.
//! Every attack prints a line: what it was, its bound, what was measured.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

mod agents;
mod bytes;
mod files;
mod limits;
mod memory;
mod peer;
mod requests;
mod words;

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::binary::{document, finish, pullprobe, report};

/// One line of the table.
pub fn measured(attack: &str, bound: &str, measured: &str) {
    report(&format!("| {attack:<60} | {bound:<24} | {measured:<40} |"));
}

/// `check` on a node without files, of registries on loopback that speak plain HTTP.
pub fn check(targets: &[String], host_root: &std::path::Path) -> Command {
    let mut command =
        pullprobe(["check", "--format", "json", "--containerd-version", "2.1", "--platform", "linux/amd64"]);
    command.arg("--host-root").arg(host_root).args(targets);
    command
}

/// The only image of a report of `check`, and how long it took.
pub fn checked(target: &str) -> (Value, Duration) {
    let node = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let finished = finish(&mut check(&[target.to_owned()], node.path()));
    let image = document(&finished)["images"][0].clone();
    (image, began.elapsed())
}

/// Nothing is claimed, and the reason is a limit that is named.
pub fn assert_limit(image: &Value, named: &str) {
    assert_eq!(image["pullable"], Value::Null, "{image:#}");
    assert_eq!(image["cause"], Value::Null, "{image:#}");
    let summary = image["summary"].as_str().unwrap();
    assert!(summary.contains(named), "`{named}` is not named: {summary}");
}
