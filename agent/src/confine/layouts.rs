//! Nodes as distributions have them, for the tests of what is read of each.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::host::root::{HostRoot, identity};
use crate::host::sight::Rules;

#[derive(Deserialize)]
struct Expect {
    #[serde(default)]
    node: Extra,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Extra {
    directories: Vec<String>,
    links: BTreeMap<String, String>,
}

/// Each layout of the fixtures, by its name.
pub fn all() -> Vec<(String, tempfile::TempDir)> {
    let layouts = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/layouts"));
    let entries = std::fs::read_dir(layouts).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), plant(&entry.path()))).collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

fn plant(layout: &Path) -> tempfile::TempDir {
    let node = tempfile::tempdir().unwrap();
    copy(layout, node.path());
    let on_node = |path: &str| {
        let path = node.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    let text = std::fs::read_to_string(layout.join("expect.toml")).unwrap();
    let Expect { node: extra } = toml::from_str(&text).unwrap();
    extra.directories.iter().for_each(|directory| std::fs::create_dir_all(on_node(directory)).unwrap());
    extra.links.iter().for_each(|(link, target)| std::os::unix::fs::symlink(target, on_node(link)).unwrap());
    for file in ["/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt"] {
        std::fs::write(on_node(file), "").unwrap();
    }
    node
}

/// Whether the file may be read, or the directory listed.
pub fn is_within(rules: &Rules, root: &HostRoot, path: &Path) -> bool {
    let identity = identity(&root.handle(path).unwrap()).unwrap();
    let now = |directory: &Path| root.handle(directory).ok().and_then(|handle| crate::host::root::identity(&handle));
    rules.allow(path, identity, now) || rules.names.contains_key(&identity)
}

/// Nothing private is within, and the rules are few.
pub fn assert_narrow(name: &str, rules: &Rules, kubelet_root: &Path) {
    assert!(rules.trees.len() < 100 && rules.files.len() < 100, "{name}: {rules:?}");
    let of_kubelet = ["pods/1/volumes/token", "pki/kubelet-client-current.pem"].map(|file| kubelet_root.join(file));
    let of_node = ["/etc/kubernetes/pki/ca.key", "/root/.ssh/id_ed25519", "/home/me/.ssh/id", "/etc/shadow"];
    for path in of_kubelet.into_iter().chain(of_node.map(Into::into)) {
        assert!(
            !rules.allow(&path, (0, 0), |directory| rules.trees.get(directory).copied()),
            "{name}: {}",
            path.display()
        );
    }
}
