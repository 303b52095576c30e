//! hosts.toml: decoded or rejected at a place in the file; a rejected one leaves only the registry itself.

use std::thread_local;

use go::toml::{self, Data, Table};
use pullprobe::mirrors::hosts_toml::parse;
use pullprobe::model::host::Origin;
use pullprobe::node::containerd::{Containerd, ContainerdOptions};
use pullprobe::plan::plan;
use pullprobe::version::Version;

use super::config_toml::check_plan;
use super::node::{Node, check_findings, check_place};

const REGISTRY: &str = "registry.example";
const DIRECTORY: &str = "/certs.d/registry.example";
const FILE: &str = "/certs.d/registry.example/hosts.toml";
const CA: &[u8] = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

thread_local! {
    static NODE: Node = Node::new().with("/certs.d/registry.example/ca.pem", CA).with(FILE, b"");
}

pub fn holds(data: &[u8]) {
    NODE.with(|node| {
        node.write(FILE, data);
        super::VERSIONS.iter().for_each(|version| check(node, data, version.parse().unwrap()));
    });
}

fn check(node: &Node, data: &[u8], version: Version) {
    let parsed = std::str::from_utf8(data).ok().map(|_| parse(data, FILE, DIRECTORY, version));
    match &parsed {
        Some(Ok(file)) => {
            for host in file.hosts.iter().chain([&file.server]) {
                check_place(data, host.place.line(), host.place.start().column);
            }
        }
        Some(Err(rejection)) => check_place(data, rejection.place.line(), rejection.place.start().column),
        None => {}
    }
    let options = ContainerdOptions {
        version: Some(version),
        certs_d: Some(vec!["/certs.d".into()]),
        ..ContainerdOptions::default()
    };
    let containerd = Containerd::load(&node.root, &options);
    check_findings(&containerd.findings, FILE, data);
    let plan = plan(&containerd, REGISTRY);
    check_plan(&plan, data);
    if matches!(&parsed, Some(Err(rejection)) if rejection.open) {
        assert!(containerd.findings.iter().any(|finding| finding.code == "file_unread"), "{containerd:?}");
        return;
    }
    assert_eq!(plan.directory.as_deref(), Some(DIRECTORY));
    if !data.is_empty() && parse(data, FILE, DIRECTORY, version).is_err() {
        assert!(containerd.findings.iter().any(|finding| finding.code == "hosts_file_invalid"), "{containerd:?}");
        let upstream = plan.hosts.iter().map(|host| (host.endpoint.authority.as_str(), &host.origin));
        assert_eq!(upstream.collect::<Vec<_>>(), [(REGISTRY, &Origin::ImplicitUpstream)]);
    }
    let text = String::from_utf8_lossy(data);
    if text.matches(super::MARKER).count() == 1 && marked_header(&text, version) {
        let said = format!("{:?} {plan:?}", containerd.findings);
        assert!(!said.contains(super::MARKER), "{said}");
    }
}

fn marked_header(text: &str, version: Version) -> bool {
    toml::parse(text, "", version.dialect()).is_ok_and(|table| in_header(&table, false))
}

fn in_header(table: &Table, header: bool) -> bool {
    table.entries.iter().any(|(key, value)| match &value.data {
        Data::Table(below) => in_header(below, key == "header"),
        Data::String(text) => header && text.contains(super::MARKER),
        _ => false,
    })
}
