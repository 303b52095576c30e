//! The node: a root of its own where it differs from the machine's, its addresses, and the files of its daemons.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use crate::pki::Pki;
use crate::process::run;
use crate::{OUTSIDE, Result, cgroup, lab};

pub const NODE_NAME: &str = "node1";
/// kubelet refuses an address of loopback.
pub const NODE_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// The address of the service `kubernetes`, which the API server itself listens at: there is no kube-proxy.
pub const API_SERVER: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);
pub const SERVICES: &str = "10.96.0.0/24";
pub const PAUSE: &str = "registry.k8s.io/pause:3.6";
/// What the cluster's programs need, on a file system that ends with the namespace.
pub const STATE: &str = "/run/e2e";

/// Places that the node's daemons write to.
const OWN: [&str; 3] = ["/run", "/var/lib", "/var/log"];
/// Directories that a node has.
const DIRECTORIES: [&str; 7] = [
    "/run/e2e",
    "/run/systemd",
    "/run/lock",
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/etc/cni/net.d",
    "/etc/containerd/certs.d",
];

/// Gives this process's mount and network namespaces what a node has. Nothing of the machine changes.
pub async fn bring_up() -> Result {
    for path in OWN {
        run("mount", ["-t", "tmpfs", "-o", "mode=755", "tmpfs", path]).await?;
    }
    fs::create_dir_all(STATE)?;
    run("cp", ["-a", "/etc", STATE]).await?;
    run("mount", ["--bind", "/run/e2e/etc", "/etc"]).await?;
    // What containerd and kubelet mount has to reach those who were started before.
    run("mount", ["--make-rshared", "/"]).await?;
    for directory in DIRECTORIES {
        fs::create_dir_all(directory)?;
    }
    for address in [NODE_ADDRESS, API_SERVER] {
        run("ip", ["address", "add", &format!("{address}/32"), "dev", "lo"]).await?;
    }
    run("ip", ["link", "set", "lo", "up"]).await?;
    // Every address of the lab is the machine's, without being listed as one.
    run("ip", ["route", "add", "local", lab::NETWORK, "dev", "lo"]).await?;
    let node = NODE_ADDRESS.to_string();
    run("ip", ["route", "add", "default", "dev", "lo", "src", &node]).await?;
    Ok(())
}

/// The files of resolver, containerd, its network plugins and kubelet.
pub fn write_files(pki: &Pki, network_plugins: &Path, lab: &lab::Lab) -> Result {
    replace("/etc/hosts", &format!("127.0.0.1 localhost\n{NODE_ADDRESS} {NODE_NAME}\n"))?;
    replace("/etc/resolv.conf", &format!("nameserver {}\n", lab::NAME_SERVER))?;
    replace("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")?;
    replace("/etc/ssl/certs/ca-certificates.crt", &lab.root_pem())?;
    for (registry, text) in lab.hosts() {
        let directory = Path::new("/etc/containerd/certs.d").join(registry);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("hosts.toml"), text)?;
    }
    fs::write("/etc/containerd/config.toml", containerd(network_plugins))?;
    fs::write("/etc/cni/net.d/10-e2e.conflist", network().to_string())?;
    fs::write(Path::new(STATE).join("kubelet.json"), kubelet(pki).to_string())?;
    Ok(())
}

/// A file in place of what may be a link out of the node.
fn replace(path: &str, text: &str) -> Result {
    if fs::symlink_metadata(path).is_ok() {
        fs::remove_file(path)?;
    }
    fs::write(path, text).map_err(|error| format!("{path}: {error}"))?;
    Ok(())
}

/// Without `restrict_oom_score_adj` no sandbox starts where the machine withholds `CAP_SYS_RESOURCE`.
fn containerd(network_plugins: &Path) -> String {
    format!(
        r#"version = 2
disabled_plugins = ["io.containerd.internal.v1.opt"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{}"
    conf_dir = "/etc/cni/net.d"
"#,
        network_plugins.display()
    )
}

fn network() -> serde_json::Value {
    json!({"cniVersion": "0.4.0", "name": "e2e", "plugins": [{
        "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]},
    }]})
}

/// Pods pull at once and side by side, so that a test does not wait for kubelet's own limits.
fn kubelet(pki: &Pki) -> serde_json::Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "tlsCertFile": pki.path("kubelet-server.crt"),
        "tlsPrivateKeyFile": pki.path("kubelet-server.key"),
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": pki.path("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup::of(&std::env::var(OUTSIDE).unwrap_or_default()),
        "failSwapOn": false,
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "registryPullQPS": 0,
        "serializeImagePulls": false,
        "resolvConf": "/etc/resolv.conf",
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
    })
}

/// Scripts for people: `NAME ARGUMENTS…` runs a command in the node.
pub fn write_script(path: &Path, command: &str) -> Result {
    let outside = std::env::var(OUTSIDE)?;
    let text = format!(
        "#!/bin/sh\ninside=$(pgrep -P \"$(pgrep -P {outside})\")\n\
         exec nsenter --target \"$inside\" --mount --net --pid --wd=/ -- {command} \"$@\"\n"
    );
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}
