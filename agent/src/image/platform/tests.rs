//! The cases of containerd's platforms package.

use super::*;
use crate::cases::{Case, Cases};

fn p(text: &str) -> Platform {
    text.parse().unwrap()
}

fn list(case: &Case, field: &str) -> Vec<Platform> {
    case.expected[field].as_array().unwrap().iter().map(|text| p(text.as_str().unwrap())).collect()
}

fn check_matches(cases: &[Case], exact: bool) {
    for case in cases {
        let node = p(case.input["host"].as_str().unwrap());
        for (field, expected) in [("match", true), ("no_match", false)] {
            for offered in list(case, field) {
                assert_eq!(node.rank(&offered, exact).is_some(), expected, "{} {node} {offered}", case.id);
            }
        }
    }
}

#[test]
fn the_classic_client_takes_older_builds() {
    check_matches(&Cases::of_kind("platform_match_only"), false);
}

#[test]
fn the_transfer_service_takes_only_the_nodes_own() {
    check_matches(&Cases::of_kind("platform_match_strict"), true);
}

#[test]
fn spellings_are_normalised() {
    for case in Cases::of_kind("platform_normalize") {
        let text = |value: &serde_json::Value, field: &str| value[field].as_str().unwrap().to_owned();
        let found = Platform::new("linux", &text(&case.input, "architecture"), &text(&case.input, "variant"));
        assert_eq!(found.architecture, text(&case.expected, "architecture"), "{}", case.id);
        assert_eq!(found.variant, text(&case.expected, "variant"), "{}", case.id);
    }
    for case in Cases::of_kind("platform_equal") {
        let own = p(case.input["platform"].as_str().unwrap());
        for other in case.input["others"].as_array().unwrap() {
            assert_eq!(p(other.as_str().unwrap()) == own, case.expected["equal"], "{} {other}", case.id);
        }
    }
    assert_eq!(p("macOS/arm64"), p("darwin/aarch64/v8.0"));
}

#[test]
fn a_newer_node_ranks_older_builds_by_fitness() {
    let ranked =
        |node: &str, offered: &[&str]| offered.iter().map(|text| p(node).rank(&p(text), false)).collect::<Vec<_>>();
    let arm64 =
        ranked("linux/arm64", &["linux/arm64/v8", "linux/arm/v8", "linux/arm/v7", "linux/arm/v5", "linux/arm64/v9"]);
    assert_eq!(arm64, [Some(0), Some(1), Some(2), Some(4), None]);
    let amd64 = ranked("linux/amd64", &["linux/amd64/v1", "linux/386", "linux/amd64/v3", "windows/amd64"]);
    assert_eq!(amd64, [Some(0), Some(1), None, None]);
    let v3 = ranked("linux/amd64/v3", &["linux/amd64/v3", "linux/amd64/v2", "linux/amd64", "linux/386"]);
    assert_eq!(v3, [Some(0), Some(1), Some(2), Some(3)]);
    let v9 = ranked(
        "linux/arm64/v9.1",
        &["linux/arm64/v9.1", "linux/arm64/v9", "linux/arm64/v8.6", "linux/arm64", "linux/arm/v8"],
    );
    assert_eq!(v9, [Some(0), Some(1), Some(2), Some(8), Some(9)]);
}

#[test]
fn a_64_bit_arm_of_unknown_version_takes_nothing() {
    let node = p("linux/arm64/unknown");
    for offered in ["linux/arm64", "linux/arm64/v8", "linux/arm/v7"] {
        assert_eq!(node.rank(&p(offered), false), None, "{offered}");
    }
}

#[test]
fn an_architecture_without_a_family_takes_only_itself() {
    for architecture in ["riscv64", "s390x", "ppc64le", "loong64"] {
        let node = Platform::new("linux", architecture, "");
        assert_eq!(node.compatible(), std::slice::from_ref(&node));
        assert_eq!(node.rank(&Platform::new("linux", architecture, "z15"), false), None);
    }
}

#[test]
fn hostile_variants_stay_small() {
    for text in
        ["linux/arm64/v9.255", "linux/arm64/v8.255", "linux/amd64/v255", "linux/arm/v255", "linux/arm64/v9.99999999999"]
    {
        assert!(p(text).compatible().len() < 600, "{text}");
    }
}
