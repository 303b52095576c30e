//! The node's files as a directory tree: containerd sees it as its `/etc`, pullprobe as its host root.

use std::net::IpAddr;
use std::path::Path;

use pullprobe_lab::node::Node;
use serde_json::json;

use super::cri::AuthConfig;
use super::scenario::Scenario;
use super::servers::{NAME_SERVER, Servers};

pub fn write(root: &Path, scenario: &Scenario, version: &str, servers: &Servers) {
    let node = Node::at(root).unwrap();
    node.nsswitch("files dns").unwrap();
    node.trust(&servers.public.authority.root_pem()).unwrap();
    write_names(&node, scenario);
    write_certificates(&node, servers);
    node.containerd_config(&config(scenario, version)).unwrap();
    for (directory, text) in &scenario.hosts {
        node.hosts_toml(directory, text).unwrap();
    }
    for (path, text) in &scenario.files {
        node.write(path, text).unwrap();
    }
    for (path, target) in &scenario.links {
        node.link(path, target).unwrap();
    }
    if let Some(credential) = &scenario.credential {
        node.kubelet_config(&kubelet_credentials(&scenario.image, credential)).unwrap();
    }
}

/// How an operator gives containerd an environment: a drop-in of its unit.
pub fn write_unit(root: &Path, environment: &[(String, String)]) {
    if environment.is_empty() {
        return;
    }
    let node = Node::at(root).unwrap();
    let line = |(key, value): &(String, String)| format!("Environment=\"{key}={value}\"\n");
    let lines: String = environment.iter().map(line).collect();
    node.write("/etc/systemd/system/containerd.service", "[Service]\nExecStart=/usr/bin/containerd\n").unwrap();
    let path = "/etc/systemd/system/containerd.service.d/environment.conf";
    node.write(path, format!("[Service]\n{lines}")).unwrap();
}

/// Names come from the scenario's name server, or else from the hosts file; never from this machine.
fn write_names(node: &Node, scenario: &Scenario) {
    let mut names: Vec<(IpAddr, &str)> = vec![("127.0.0.1".parse().unwrap(), "localhost")];
    names.push(("::1".parse().unwrap(), "localhost"));
    if scenario.dns.is_none() {
        let servers = scenario.servers.iter().filter(|server| server.has_name());
        names.extend(servers.map(|server| (server.address, server.host.as_str())));
    }
    node.hosts_file(&names).unwrap();
    node.resolv_conf(&[NAME_SERVER], "").unwrap();
}

/// Certificates that the node's configuration may name.
fn write_certificates(node: &Node, servers: &Servers) {
    let client = servers.public.authority.client("node").unwrap();
    let files = [
        ("/etc/lab/private-ca.pem", servers.private.authority.root_pem()),
        ("/etc/lab/public-ca.pem", servers.public.authority.root_pem()),
        ("/etc/lab/client.cert", client.cert_pem()),
        ("/etc/lab/client.key", client.key_pem()),
        ("/etc/lab/client.pem", client.cert_pem() + &client.key_pem()),
        ("/etc/lab/not-a-certificate.pem", "this is no certificate\n".to_owned()),
    ];
    for (path, text) in files {
        node.write(path, text).unwrap();
    }
}

fn config(scenario: &Scenario, version: &str) -> String {
    let given = scenario.config.get(version).or_else(|| scenario.config.get("all"));
    given.cloned().unwrap_or_else(|| default_config(version))
}

/// What an operator writes to switch certs.d on, in the schema of the version.
fn default_config(version: &str) -> String {
    let (schema, plugin) = match version {
        "2.1" => (3, "io.containerd.cri.v1.images"),
        _ => (2, "io.containerd.grpc.v1.cri"),
    };
    format!("version = {schema}\n[plugins.'{plugin}'.registry]\nconfig_path = '/etc/containerd/certs.d'\n")
}

/// The file from which kubelet would take this very credential for this image.
fn kubelet_credentials(image: &str, credential: &AuthConfig) -> String {
    let key = match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "https://index.docker.io/v1/",
    };
    let entry = if credential.identity_token.is_empty() {
        json!({"username": credential.username, "password": credential.password})
    } else {
        json!({"identitytoken": credential.identity_token})
    };
    json!({"auths": {key: entry}}).to_string()
}
