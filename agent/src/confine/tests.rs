use std::collections::BTreeSet;
use std::os::unix::fs::symlink;

use super::*;

const KUBELET: &str = "/var/lib/kubelet";

/// A root with these files, whose directories are made.
fn root(files: &[&str]) -> (tempfile::TempDir, HostRoot) {
    let directory = tempfile::tempdir().unwrap();
    for file in files {
        let path = directory.path().join(file.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "text").unwrap();
    }
    let root = HostRoot::open(directory.path()).unwrap();
    (directory, root)
}

fn of(paths: &[&str]) -> BTreeSet<PathBuf> {
    paths.iter().map(PathBuf::from).collect()
}

fn rules_for(root: &HostRoot, files: &[&str], directories: &[&str], missed: &[&str]) -> Rules {
    let needs = Needs { files: of(files), directories: of(directories), missed: of(missed), ..Needs::default() };
    rules(root, Path::new(KUBELET), &needs)
}

fn trees_of(rules: &Rules) -> BTreeSet<PathBuf> {
    rules.trees.keys().cloned().collect()
}

#[test]
fn a_file_brings_its_directory_where_nothing_private_is_beside_it() {
    let files = [
        "/etc/containerd/config.toml",
        "/etc/resolv.conf",
        "/etc/kubernetes/providers.yaml",
        "/etc/default/kubelet",
        "/var/lib/kubelet/config.json",
        "/usr/lib/systemd/system/containerd.service",
        "/run/systemd/resolve/stub-resolv.conf",
        "/run/NetworkManager/resolv.conf",
    ];
    let (_keep, root) = root(&files);
    let rules = rules_for(&root, &files, &[], &[]);
    let trees = ["/etc/containerd", "/run/systemd/resolve", "/usr/lib/systemd/system"];
    assert_eq!(trees_of(&rules), of(&trees));
    let single = ["/etc/default/kubelet", "/etc/kubernetes/providers.yaml", "/etc/resolv.conf"];
    let single = single.into_iter().chain(["/run/NetworkManager/resolv.conf", "/var/lib/kubelet/config.json"]);
    assert_eq!(rules.files.keys().cloned().collect::<BTreeSet<_>>(), single.map(PathBuf::from).collect());
}

#[test]
fn no_directory_is_opened_that_holds_or_is_in_something_private() {
    let (_keep, root) = root(&["/data/kube/agent/pki/ca.key", "/data/plain/conf/x"]);
    let private = Private::of(&root, Path::new("/data/kubelet"));
    for closed in [
        "/",
        "/etc",
        "/usr",
        "/var/lib",
        "/etc/kubernetes",
        "/etc/kubernetes/pki",
        "/etc/kubernetes/pki/etcd",
        "/etc/rancher/k3s",
        "/etc/ssh",
        "/etc/ssl",
        "/etc/pki/tls",
        "/home/me/.docker",
        "/root/.ssh",
        "/run/containerd",
        "/run/containerd/io.containerd.runtime.v2.task/k8s.io/x/rootfs/etc",
        "/var/lib/containerd",
        "/var/lib/kubelet",
        "/var/lib/kubelet/pods/1/volumes",
        "/var/lib/k0s/kubelet",
        "/data/kubelet",
        "/data/kubelet/pods/1",
        "/var/lib/rancher/k3s/server/tls",
        "/var/lib/rancher/rke2",
        "/var/snap/microk8s/8148/credentials",
        "/var/snap/microk8s/8148",
        "/data/kube/agent",
    ] {
        assert!(!private.spares(Path::new(closed)), "{closed}");
    }
    for open in [
        "/etc/containerd",
        "/etc/ssl/certs",
        "/etc/systemd/system",
        "/usr/share/ca-certificates/mozilla",
        "/var/lib/rancher/k3s/agent/etc/containerd",
        "/var/lib/containerd/io.containerd.content.v1.content",
        "/var/snap/microk8s/8148/args",
        "/run/resolvconf",
        "/data/plain/conf",
    ] {
        assert!(private.spares(Path::new(open)), "{open}");
    }
}

#[test]
fn of_a_directory_with_private_files_only_the_names_are_kept() {
    let (_keep, root) = root(&["/var/lib/kubelet/pods/1/token", "/etc/containerd/certs.d/r.example/hosts.toml"]);
    let rules = rules_for(&root, &[], &["/var/lib/kubelet", "/etc/containerd/certs.d"], &[]);
    assert_eq!(trees_of(&rules), of(&["/etc/containerd/certs.d"]));
    assert_eq!(rules.names.len(), 1);
    assert!(rules.files.is_empty());
}

#[test]
fn files_of_pods_are_not_opened_whatever_names_them() {
    let token = "/var/lib/kubelet/pods/1/volumes/token";
    let (_keep, root) = root(&[token, "/root/.docker/config.json"]);
    let rules = rules_for(&root, &[token, "/root/.docker/config.json"], &[], &["/var/lib/kubelet/pods"]);
    assert_eq!((rules.files.len(), rules.trees.len()), (1, 0), "{rules:?}");
}

#[test]
fn processes_are_one_tree_and_not_a_rule_for_each() {
    let (_keep, root) = root(&["/proc/1/comm", "/proc/2/comm"]);
    let rules = rules_for(&root, &["/proc/1/comm", "/proc/2/comm"], &["/proc"], &[]);
    assert_eq!((trees_of(&rules), rules.files.len()), (of(&["/proc"]), 0));
}

#[test]
fn a_reading_notes_where_links_lead_and_what_was_not_there() {
    let (keep, root) = root(&["/run/systemd/resolve/resolv.conf", "/etc/containerd/config.toml"]);
    symlink("/run/systemd/resolve/resolv.conf", keep.path().join("etc/resolv.conf")).unwrap();
    let root = root.recording();
    root.read(Path::new("/etc/resolv.conf"), 100).unwrap();
    root.list(Path::new("/etc/containerd")).unwrap();
    root.read(Path::new("/etc/containerd/certs.d/_default/hosts.toml"), 100).unwrap_err();
    let needs = root.needs();
    assert_eq!(needs.files, of(&["/run/systemd/resolve/resolv.conf"]));
    assert_eq!(needs.directories, of(&["/etc/containerd"]));
    assert_eq!(needs.missed, of(&["/etc/containerd"]));
}

#[test]
fn paths_among_words_are_found_and_nothing_else() {
    let words = ["--config=/etc/kubernetes/azure.json", "/etc/aws/config", "get", "--flag", "/", "https://x/y", "-v=2"];
    let expected = ["/etc/kubernetes/azure.json", "/etc/aws/config"].map(PathBuf::from);
    assert_eq!(plugin::named(words.into_iter()), expected);
}

#[test]
fn it_is_told_in_the_published_page() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/findings.md")).unwrap();
    for code in [GIVEN_UP, UNCONFINED] {
        assert!(text.contains(&format!("\n**`{code}`**")), "{code}");
    }
}
