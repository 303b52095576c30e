//! A node's root directory as the agent reads it: containerd's, kubelet's and the resolver's files.
//!
//! It writes what it is told, right or wrong; it does not know what the files mean.

use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tempfile::TempDir;

/// Where containerd looks for the configuration of registry hosts, on the node.
pub const CERTS_D: &str = "/etc/containerd/certs.d";

/// A directory that stands for a node's `/`. A temporary one is removed when dropped.
#[derive(Debug)]
pub struct Node {
    root: PathBuf,
    _temporary: Option<TempDir>,
}

/// The layouts of containerd's `config.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigVersion {
    /// containerd 1.x, the old plugin name `cri`.
    V1,
    /// containerd 1.x.
    V2,
    /// containerd 2.x.
    V3,
}

impl ConfigVersion {
    fn text(self, config_path: &str) -> String {
        match self {
            Self::V1 => format!("[plugins.cri.registry]\n  config_path = \"{config_path}\"\n"),
            Self::V2 => format!(
                "version = 2\n\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \"{config_path}\"\n"
            ),
            Self::V3 => format!(
                "version = 3\n\n[plugins.\"io.containerd.cri.v1.images\".registry]\n  config_path = \"{config_path}\"\n"
            ),
        }
    }
}

impl Node {
    /// An empty temporary node.
    pub fn temporary() -> io::Result<Self> {
        let temporary = tempfile::Builder::new().prefix("pullprobe-node-").tempdir()?;
        Ok(Self { root: temporary.path().to_owned(), _temporary: Some(temporary) })
    }

    /// A node in `root`, which stays.
    pub fn at(root: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(root)?;
        Ok(Self { root: root.to_owned(), _temporary: None })
    }

    /// The directory that stands for `/`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a path of the node is on this machine.
    pub fn path(&self, on_node: &str) -> PathBuf {
        self.root.join(on_node.trim_start_matches('/'))
    }

    /// Writes any file, with its directories.
    pub fn write(&self, on_node: &str, content: impl AsRef<[u8]>) -> io::Result<()> {
        let path = self.path(on_node);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, content)
    }

    /// Makes a symbolic link; `target` is what the link says, as the node would read it.
    pub fn link(&self, on_node: &str, target: &str) -> io::Result<()> {
        let path = self.path(on_node);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::os::unix::fs::symlink(target, path)
    }

    /// `/etc/containerd/config.toml` as it stands.
    pub fn containerd_config(&self, text: &str) -> io::Result<()> {
        self.write("/etc/containerd/config.toml", text)
    }

    /// A minimal `/etc/containerd/config.toml` that leads to [`CERTS_D`].
    pub fn use_certs_d(&self, version: ConfigVersion) -> io::Result<()> {
        self.containerd_config(&version.text(CERTS_D))
    }

    /// `hosts.toml` of a registry, which is named as in image references.
    pub fn hosts_toml(&self, registry: &str, text: &str) -> io::Result<()> {
        self.certs_file(registry, "hosts.toml", text)
    }

    /// Any file beside `hosts.toml`: `ca.pem`, `client.cert`, `client.key`, …
    pub fn certs_file(&self, registry: &str, name: &str, content: &str) -> io::Result<()> {
        self.write(&format!("{CERTS_D}/{registry}/{name}"), content)
    }

    /// `/etc/resolv.conf` with these name servers; `rest` are further lines.
    pub fn resolv_conf(&self, nameservers: &[IpAddr], rest: &str) -> io::Result<()> {
        let mut text = String::new();
        for server in nameservers {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "nameserver {server}");
        }
        self.write("/etc/resolv.conf", text + rest)
    }

    /// `/etc/hosts` with localhost and these names.
    pub fn hosts_file(&self, entries: &[(IpAddr, &str)]) -> io::Result<()> {
        let mut text = "127.0.0.1 localhost\n::1 localhost\n".to_owned();
        for (address, name) in entries {
            let _ = writeln!(text, "{address} {name}");
        }
        self.write("/etc/hosts", text)
    }

    /// `/etc/nsswitch.conf` with this order, as `files dns`.
    pub fn nsswitch(&self, hosts: &str) -> io::Result<()> {
        self.write("/etc/nsswitch.conf", format!("passwd: files\nhosts: {hosts}\n"))
    }

    /// The node's trusted roots, all of them, as PEM.
    pub fn trust(&self, pem: &str) -> io::Result<()> {
        self.write("/etc/ssl/certs/ca-certificates.crt", pem)
    }

    /// kubelet's `config.json` with credentials: registry key, user name, password.
    pub fn kubelet_credentials(&self, credentials: &[(&str, &str, &str)]) -> io::Result<()> {
        let mut auths = json!({});
        for (key, user, password) in credentials {
            auths[*key] = json!({"auth": STANDARD.encode(format!("{user}:{password}"))});
        }
        self.kubelet_config(&json!({"auths": auths}).to_string())
    }

    /// kubelet's `config.json` as it stands.
    pub fn kubelet_config(&self, text: &str) -> io::Result<()> {
        self.write("/var/lib/kubelet/config.json", text)
    }

    /// `/proc/cpuinfo`, from which a variant of an ARM processor is told.
    pub fn cpuinfo(&self, text: &str) -> io::Result<()> {
        self.write("/proc/cpuinfo", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_where_the_agent_looks() {
        let node = Node::temporary().unwrap();
        node.use_certs_d(ConfigVersion::V3).unwrap();
        node.hosts_toml("docker.io", "server = \"https://m\"\n").unwrap();
        node.resolv_conf(&["127.9.9.9".parse().unwrap()], "options ndots:1\n").unwrap();
        node.kubelet_credentials(&[("r.example", "u", "p")]).unwrap();
        node.link("/etc/resolv.link", "/etc/resolv.conf").unwrap();
        let read = |path: &str| std::fs::read_to_string(node.path(path)).unwrap();
        assert!(read("/etc/containerd/config.toml").parse::<toml::Table>().is_ok());
        assert_eq!(read("/etc/containerd/certs.d/docker.io/hosts.toml"), "server = \"https://m\"\n");
        assert_eq!(read("/etc/resolv.conf"), "nameserver 127.9.9.9\noptions ndots:1\n");
        assert_eq!(read("/var/lib/kubelet/config.json"), r#"{"auths":{"r.example":{"auth":"dTpw"}}}"#);
        let link = std::fs::read_link(node.path("/etc/resolv.link")).unwrap();
        assert_eq!(link, Path::new("/etc/resolv.conf"));
    }
}
