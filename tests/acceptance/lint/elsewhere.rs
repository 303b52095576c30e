//! Whoever checks one image sees the findings that bear on it, and how many others there are.
#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test fails")]

use pullprobe_lab::node::Node;
use serde_json::Value;

use super::super::binary::{Finished, document, finish, pullprobe};

/// Nobody listens on this port of the node itself.
const IMAGE: &str = "127.0.0.1:1/team/app:1";
const CONFIG: &str = "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/etc/containerd/certs.d'\n\
                      [plugins.'io.containerd.cri.v1.images'.registry.configs.'quay.io'.tls]\ninsecure_skip_verify = true\n";

fn node() -> Node {
    let node = Node::temporary().unwrap();
    node.containerd_config(CONFIG).unwrap();
    let hosts =
        |registry: &str, text: &str| node.write(&format!("/etc/containerd/certs.d/{registry}/hosts.toml"), text);
    hosts("127.0.0.1:1", "[host.\"https://127.0.0.1:1\"]\n  skip-verify = true\n").unwrap();
    hosts("quay.io", "[host.\"https://mirror.example\"]\n  skip_verify = true\n").unwrap();
    hosts("_default", "[host.\"http://mirror.example\"]\n").unwrap();
    let logins = r#"{"auths": {"registry.example/a b": {"username": "ann"}, "127.0.0.1:1": {"username": "ann"}}}"#;
    node.write("/var/lib/kubelet/config.json", logins).unwrap();
    node
}

fn run(node: &Node, arguments: &[&str]) -> Finished {
    let mut command = pullprobe(arguments.iter().copied().chain(["--containerd-version", "2.1.9", "--host-root"]));
    finish(command.arg(node.root()))
}

fn places(document: &Value) -> Vec<(&str, &str)> {
    let findings = document["findings"].as_array().unwrap();
    findings.iter().map(|one| (one["code"].as_str().unwrap(), one["file"].as_str().unwrap_or_default())).collect()
}

#[test]
fn a_check_shows_what_bears_on_its_image_and_counts_the_rest() {
    let node = node();
    let all = document(&run(&node, &["lint", "--format", "json"]));
    let checked = document(&run(&node, &["check", IMAGE, "--format", "json"]));
    let here = places(&checked);
    let own = "/etc/containerd/certs.d/127.0.0.1:1/hosts.toml";
    assert!(here.contains(&("hosts_file_unknown_key", own)), "{here:?}");
    assert!(here.iter().any(|(_, file)| *file == "/var/lib/kubelet/config.json"), "{here:?}");
    let foreign = |(_, file): &(&str, &str)| file.contains("/quay.io/") || file.contains("/_default/");
    assert!(!here.iter().any(foreign) && !here.iter().any(|(code, _)| *code == "configs_tls_ignored"), "{here:?}");
    let elsewhere = checked["findings_elsewhere"].as_u64().unwrap();
    let of_files = here.iter().filter(|one| places(&all).contains(one)).count() as u64;
    assert_eq!(elsewhere + of_files, places(&all).len() as u64, "{all}");
    assert!(elsewhere >= 4, "{checked}");
    let text = run(&node, &["check", IMAGE]).stdout;
    let line =
        format!("{elsewhere} findings that do not affect these targets are not shown: `pullprobe lint` shows them\n");
    assert!(text.ends_with(&line) && !text.contains("quay.io"), "{text}");
}

#[test]
fn the_directory_of_all_others_bears_on_a_registry_without_one() {
    let node = node();
    let checked = document(&run(&node, &["check", "127.0.0.1:2", "--format", "json"]));
    let here = places(&checked);
    assert!(here.iter().any(|(_, file)| file.contains("/_default/")), "{here:?}");
    assert!(!here.iter().any(|(_, file)| file.contains("/quay.io/") || file.contains("127.0.0.1:1/")), "{here:?}");
}
