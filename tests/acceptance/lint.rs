//! Planted faults, one node each: `lint` finds them, where they are, and nothing else.
#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test fails")]

mod asked;
mod confirm;
mod elsewhere;
mod fault;
pub mod layouts;
mod tree;

use std::collections::BTreeSet;

use super::binary::{document, finish, pullprobe, repository};
use fault::Fault;
use tree::Material;

/// Codes whose fault takes more than files in a directory, with the test that plants it.
const PLANTED_ELSEWHERE: [(&str, &str); 11] = [
    ("certs_d_too_large", "thousands of directories: node::containerd::lint::tests"),
    ("version_assumed", "a node without a version: layouts"),
    ("config_candidates", "several distributions on one node: layouts"),
    ("host_rewrite", "a file of k3s: layouts"),
    ("credentials_file_unreadable", "a file that root cannot read: node::credentials::tests"),
    ("credentials_withheld", "only with --no-credentials: anonymous"),
    ("credential_expires_soon", "only for hours: expiry"),
    ("pull_secret_malformed", "no file of the node: node::credentials::tests"),
    ("pull_secret_type_doubtful", "no file of the node: node::credentials::tests"),
    ("pull_secret_type_ignored", "no file of the node: pod_secrets"),
    ("pull_secret_without_key", "no file of the node: node::credentials::tests"),
];

#[test]
fn every_planted_fault_is_found_where_it_is_and_nothing_else() {
    let material = Material::new();
    let faults = Fault::all();
    assert!(faults.len() >= 40, "only {} faults are planted", faults.len());
    let wrong: Vec<String> = faults.iter().filter_map(|fault| fault.judge(&material).err()).collect();
    assert!(wrong.is_empty(), "{} of {} faults:\n{}", wrong.len(), faults.len(), wrong.join("\n"));
}

#[test]
fn a_file_that_is_not_read_leaves_the_answer_open() {
    let material = Material::new();
    for fault in Fault::all().into_iter().filter(|fault| fault.codes().any(|code| code == "file_unread")) {
        let node = fault.node(&material);
        let ask = |arguments: &[&str]| {
            let mut command = pullprobe(arguments.iter().copied().chain(["--format", "json", "--host-root"]));
            finish(command.arg(node.root()).args(["--containerd-version", "2.1.9"]))
        };
        let check = ask(&["check", "r.example/team/app:1"]);
        let image = &document(&check)["images"][0];
        assert_eq!((check.code, image["pullable"].is_null()), (Some(3), true), "{}: {image}", fault.name);
        assert!(image["cause"].is_null() && image["kubelet_message"].is_null(), "{}: {image}", fault.name);
        let plan = ask(&["plan", "r.example"]);
        let planned = &document(&plan)["images"][0];
        assert_eq!((plan.code, planned["error"].is_null()), (Some(3), true), "{}: {planned}", fault.name);
        assert!(planned["unknown"].as_str().unwrap().contains("larger than 1 MiB"), "{}: {planned}", fault.name);
        assert_eq!(ask(&["check", "r.example"]).code, Some(3), "{}", fault.name);
    }
}

#[test]
fn every_code_about_containerd_and_credentials_is_planted() {
    let document = std::fs::read_to_string(repository("docs/findings.md")).unwrap();
    let section = |title: &&str| {
        ["config.toml", "Directories", "hosts.toml", "Credentials"].iter().any(|start| title.starts_with(start))
    };
    let sections = document.split("\n## ").filter(section);
    let documented: BTreeSet<&str> =
        sections.flat_map(str::lines).filter_map(|line| line.strip_prefix("**`")?.split('`').next()).collect();
    assert!(documented.len() > 60, "{documented:?}");
    let faults = Fault::all();
    let planted: BTreeSet<&str> = faults.iter().flat_map(Fault::codes).collect();
    let missing: Vec<&&str> = documented
        .difference(&planted)
        .filter(|code| !PLANTED_ELSEWHERE.iter().any(|(known, _)| known == *code))
        .collect();
    assert!(missing.is_empty(), "no fault is planted for {missing:?}");
}
