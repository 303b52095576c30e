//! containerd's config.toml, with a drop-in that it may import: findings that point into it, a plan
//! that is bounded, no password in either.

use std::thread_local;

use go::toml::{self, Data, Table};
use pullprobe::node::containerd::{Containerd, ContainerdOptions, DEFAULT_CONFIG};
use pullprobe::plan::{Plan, plan};
use pullprobe::version::Version;

use super::node::{Node, check_findings, check_place};

const DROP_IN: &str = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/certs.d\"\n";
const REGISTRIES: [&str; 4] = ["docker.io", "registry.example", "localhost:5000", "[::1]:5000"];

thread_local! {
    static NODE: Node = Node::new()
        .with("/etc/containerd/conf.d/10.toml", DROP_IN.as_bytes())
        .with("/certs.d/registry.example/hosts.toml", b"[host.\"http://mirror.example\"]\n");
}

pub fn holds(data: &[u8]) {
    NODE.with(|node| {
        node.write(DEFAULT_CONFIG, data);
        for version in super::VERSIONS {
            let options = ContainerdOptions { version: Some(version.parse().unwrap()), ..ContainerdOptions::default() };
            let containerd = Containerd::load(&node.root, &options);
            check(&containerd, data);
            assert_eq!(containerd.content_hash, Containerd::load(&node.root, &options).content_hash);
        }
    });
}

fn check(containerd: &Containerd, data: &[u8]) {
    check_findings(&containerd.findings, DEFAULT_CONFIG, data);
    assert_eq!(containerd.content_hash.len(), 64);
    let plans: Vec<Plan> = REGISTRIES.iter().map(|registry| plan(containerd, registry)).collect();
    plans.iter().for_each(|plan| check_plan(plan, data));
    if let Some(fault) = &containerd.fatal {
        assert!(plans.iter().all(|plan| plan.fatal.is_some()), "{fault:?}");
        if &*fault.place.file == DEFAULT_CONFIG {
            check_place(data, fault.place.line(), fault.place.start().column);
        }
    }
    if holds_marked_secret(&String::from_utf8_lossy(data), containerd.version) {
        let said = format!("{:?} {:?} {plans:?}", containerd.findings, containerd.fatal);
        assert!(!said.contains(super::MARKER), "{said}");
    }
}

/// A plan has either hosts or the reason why there are none, and no more hosts than were written.
pub fn check_plan(plan: &Plan, data: &[u8]) {
    assert!(plan.fatal.is_none() || plan.hosts.is_empty(), "{plan:?}");
    assert!(plan.hosts.len() <= 2 + data.len() / 2, "{} hosts on {} bytes", plan.hosts.len(), data.len());
    for host in &plan.hosts {
        assert!(!host.endpoint.authority.is_empty() && !host.endpoint.authority.contains('@'), "{:?}", host.endpoint);
        assert!(!host.endpoint.to_string().chars().any(char::is_control), "{:?}", host.endpoint);
    }
}

/// Whether the marker is the value of a password and stands nowhere else.
fn holds_marked_secret(text: &str, version: Version) -> bool {
    let once = text.matches(super::MARKER).count() == 1;
    once && toml::parse(text, "", version.dialect()).is_ok_and(|table| marked(&table, false))
}

fn marked(table: &Table, of_registry: bool) -> bool {
    table.entries.iter().any(|(key, value)| match &value.data {
        Data::Table(below) => marked(below, of_registry || key == "auth" || key == "auths"),
        Data::String(text) => {
            of_registry && ["password", "identitytoken", "auth"].contains(&key.as_str()) && text.contains(super::MARKER)
        }
        _ => false,
    })
}
