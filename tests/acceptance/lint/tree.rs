//! A node made of a fixture's files, and of what git cannot keep: links, modes, keys, empty directories.
#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test fails")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use pullprobe_lab::ca::{Authority, CertKind};
use pullprobe_lab::node::Node;
use serde::Deserialize;

/// What a fixture's node has besides the fixture's files.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Extra {
    /// Empty directories.
    pub directories: Vec<String>,
    /// Files of comments, larger than pullprobe reads.
    pub large: Vec<String>,
    /// Links, with what they say.
    pub links: BTreeMap<String, String>,
    /// Certificates and keys: `authority`, `certificate`, `key` or `other key`.
    pub material: BTreeMap<String, String>,
    /// Permission bits in octal; without: 644.
    pub modes: BTreeMap<String, String>,
}

/// Certificates and keys of one run.
pub struct Material {
    authority: String,
    certificate: String,
    key: String,
    other_key: String,
}

impl Material {
    pub fn new() -> Self {
        let authority = Authority::new("lint").unwrap();
        let client = authority.client("node").unwrap();
        let other = authority.leaf(CertKind::Good, &["registry.example"]).unwrap();
        Self {
            authority: authority.root_pem(),
            certificate: client.cert_pem(),
            key: client.key_pem(),
            other_key: other.key_pem(),
        }
    }

    fn named(&self, name: &str) -> &str {
        match name {
            "authority" => &self.authority,
            "certificate" => &self.certificate,
            "key" => &self.key,
            "other key" => &self.other_key,
            other => unreachable!("no such material: {other}"),
        }
    }
}

/// Files that are read as they are in the fixture's directory, but for those in its root. What every
/// sound node has is added: name servers and roots.
pub fn plant(fixture: &Path, extra: &Extra, material: &Material) -> Node {
    let node = Node::temporary().unwrap();
    node.write("/etc/resolv.conf", "nameserver 192.0.2.53\n").unwrap();
    node.write("/etc/ssl/certs/ca-certificates.crt", &material.authority).unwrap();
    for entry in std::fs::read_dir(fixture).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
        copy(&entry.path(), &node.root().join(entry.file_name()));
    }
    extra.directories.iter().for_each(|path| std::fs::create_dir_all(node.path(path)).unwrap());
    let comments = "#\n".repeat(9 << 20);
    extra.large.iter().for_each(|path| node.write(path, &comments).unwrap());
    extra.links.iter().for_each(|(path, target)| node.link(path, target).unwrap());
    extra.material.iter().for_each(|(path, name)| node.write(path, material.named(name)).unwrap());
    open(node.root());
    for (path, mode) in &extra.modes {
        set_mode(&node.path(path), u32::from_str_radix(mode, 8).unwrap());
    }
    node
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }
}

/// The same permissions whatever the umask under which the fixtures were checked out.
fn open(directory: &Path) {
    set_mode(directory, 0o755);
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            open(&entry.path());
        } else if kind.is_file() {
            set_mode(&entry.path(), 0o644);
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
