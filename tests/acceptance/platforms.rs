//! Which manifest of an index each kind of node gets, as `check --platform` says it.
#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test fails")]

use serde_json::Value;

use super::binary::{document, finish};
use super::world::{Given, World};

/// What the index has something for.
const OFFERED: [&str; 11] = [
    "linux/386",
    "linux/amd64",
    "linux/amd64/v2",
    "linux/amd64/v3",
    "linux/arm/v5",
    "linux/arm/v6",
    "linux/arm/v7",
    "linux/arm64/v8",
    "linux/ppc64le",
    "linux/riscv64",
    "linux/s390x",
];

/// The platform of what a node takes, or the cause why it takes nothing.
fn taken(containerd: &str, node: &str, offered: &[&str]) -> String {
    let entries: Vec<String> = offered.iter().map(|platform| format!("{{platform = '{platform}'}}")).collect();
    let given = format!(
        "containerd = '{containerd}'
        platform = '{node}'
        [[registries]]
        host = 'registry.example'
        tls = {{}}
        push = [{{repository = 'demo/app', tag = '1.0', content = {{index = {{manifests = [{}]}}}}}}]",
        entries.join(", ")
    );
    let world = World::start(toml::from_str::<Given>(&given).unwrap());
    let said = finish(world.command("check").args(["registry.example/demo/app:1.0", "--format", "json"]));
    let image = document(&said)["images"][0].clone();
    let text = |value: &Value| value.as_str().unwrap_or("null").to_owned();
    let pullable = image["pullable"] == true;
    assert_eq!(said.code, Some(i32::from(!pullable)), "{node}: {image:#}");
    if pullable { text(&image["platform"]["selected"]) } else { text(&image["cause"]) }
}

/// The classic client of 1.7 takes what also runs there; the transfer service of 2.1 takes the node's own.
#[test]
fn each_kind_of_node_gets_its_own_manifest() {
    let mismatch = "platform_mismatch";
    for (node, classic, transfer) in [
        ("linux/386", "linux/386", "linux/386"),
        ("linux/amd64", "linux/amd64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64", "linux/amd64"),
        ("linux/amd64/v2", "linux/amd64/v2", "linux/amd64/v2"),
        ("linux/amd64/v3", "linux/amd64/v3", "linux/amd64/v3"),
        ("linux/amd64/v4", "linux/amd64/v3", mismatch),
        ("linux/arm", "linux/arm/v7", "linux/arm/v7"),
        ("linux/arm/v5", "linux/arm/v5", "linux/arm/v5"),
        ("linux/arm/v6", "linux/arm/v6", "linux/arm/v6"),
        ("linux/arm/v7", "linux/arm/v7", "linux/arm/v7"),
        ("linux/arm/v8", "linux/arm/v7", mismatch),
        ("linux/arm64", "linux/arm64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64", "linux/arm64"),
        ("linux/ppc64le", "linux/ppc64le", "linux/ppc64le"),
        ("linux/riscv64", "linux/riscv64", "linux/riscv64"),
        ("linux/s390x", "linux/s390x", "linux/s390x"),
        ("linux/loong64", mismatch, mismatch),
    ] {
        assert_eq!(taken("1.7", node, &OFFERED), classic, "{node} with 1.7");
        assert_eq!(taken("2.1", node, &OFFERED), transfer, "{node} with 2.1");
    }
}

/// Where only something older is offered, the classic client takes the newest of it.
#[test]
fn an_older_build_is_taken_by_the_classic_client_alone() {
    for (node, offered, classic) in [
        ("linux/amd64", &["linux/386"][..], "linux/386"),
        ("linux/amd64/v3", &["linux/386", "linux/amd64", "linux/amd64/v2"], "linux/amd64/v2"),
        ("linux/arm/v8", &["linux/arm/v5", "linux/arm/v6"], "linux/arm/v6"),
        ("linux/arm/v7", &["linux/arm/v5"], "linux/arm/v5"),
        ("linux/arm64", &["linux/arm/v6", "linux/arm/v7"], "linux/arm/v7"),
    ] {
        assert_eq!(taken("1.7", node, offered), classic, "{node} with 1.7");
        assert_eq!(taken("2.1", node, offered), "platform_mismatch", "{node} with 2.1");
    }
    for (node, offered) in
        [("linux/386", "linux/amd64"), ("linux/arm/v6", "linux/arm/v7"), ("linux/amd64", "linux/amd64/v2")]
    {
        assert_eq!(taken("1.7", node, &[offered]), "platform_mismatch", "{node}");
    }
}
