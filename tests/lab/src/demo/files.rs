//! What the demo writes: the node's files and the agent's settings.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use super::{Demo, IMAGES, loopback};
use crate::node::{CERTS_D, Node};

/// Writes `DIR/node` and `DIR/pullprobe.yaml`; an earlier demo's node there is removed.
pub(super) fn write(demo: &Demo, dir: &Path) -> io::Result<()> {
    let root = dir.join("node");
    match std::fs::remove_dir_all(&root) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let node = Node::at(&root)?;
    node.containerd_config(&containerd_config())?;
    write_hosts(demo, &node)?;
    write_names(demo, &node)?;
    node.trust(&demo.lab.authority.root_pem())?;
    std::fs::write(dir.join("pullprobe.yaml"), settings(&root)?)
}

fn containerd_config() -> String {
    format!(
        r#"version = 3

[plugins."io.containerd.cri.v1.images".registry]
  config_path = "{CERTS_D}"

[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "registry.demo/pause:1.0"
"#
    )
}

fn write_hosts(demo: &Demo, node: &Node) -> io::Result<()> {
    let dead = format!("https://dead.demo:{}", demo.dead.address().port());
    for (name, endpoint) in [
        ("limited.demo", demo.limited.endpoint()),
        ("private.demo", demo.private.endpoint()),
        ("basic.demo", demo.basic.endpoint()),
        ("dead.demo", &dead),
    ] {
        node.hosts_toml(name, &server(endpoint))?;
    }
    // One registry names its authority itself, the others rely on the node's trusted roots.
    node.certs_file("registry.demo", "ca.pem", &demo.lab.authority.root_pem())?;
    let ca = format!("ca = \"{CERTS_D}/registry.demo/ca.pem\"\n");
    node.hosts_toml("registry.demo", &(server(demo.registry.endpoint()) + &ca))?;
    let mirror = format!("\n[host.\"{}\"]\ncapabilities = [\"pull\", \"resolve\"]\n", demo.mirror.endpoint());
    node.hosts_toml("mirrored.demo", &(server(demo.upstream.endpoint()) + &mirror))
}

/// The registry itself: the lab's ports are its own, and without this line containerd asks port 443.
fn server(endpoint: &str) -> String {
    format!("server = \"{endpoint}\"\n")
}

/// Names come from the lab's name server, or from the hosts file where there is none.
fn write_names(demo: &Demo, node: &Node) -> io::Result<()> {
    node.nsswitch("files dns")?;
    let Some(address) = demo.name_server() else {
        let names = demo.host_names().into_iter().map(|name| (loopback(), name));
        return node.hosts_file(&names.collect::<Vec<_>>());
    };
    node.resolv_conf(&[address], "options timeout:1 attempts:1\n")?;
    node.hosts_file(&[])
}

fn settings(root: &Path) -> io::Result<String> {
    // The port is free now and was chosen by the system: another program is unlikely to take it.
    let port = std::net::TcpListener::bind((loopback(), 0))?.local_addr()?.port();
    let mut images = String::new();
    for image in IMAGES {
        // Writing to a string cannot fail.
        let _ = writeln!(images, "    - {{image: \"{image}\", interval: 10s}}");
    }
    // A JSON string is a YAML string, whatever the directory is called.
    let root = serde_json::Value::from(root.to_string_lossy());
    Ok(format!(
        "node:
  host_root: {root}
  name: demo
targets:
  images:
{images}probe:
  interval: 5s
  timeouts: {{dns: 2s, tcp: 2s, tls: 3s, http: 5s}}
web:
  listen: [\"127.0.0.1:{port}\"]
"
    ))
}
