//! Nodes of several distributions, and of several at once.

use super::*;

fn node(files: &[(&str, &str)]) -> (tempfile::TempDir, HostRoot) {
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = dir.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let root = HostRoot::open(dir.path()).unwrap();
    (dir, root)
}

fn found(files: &[(&str, &str)]) -> Layout {
    let (_keep, root) = node(files);
    let environment = DaemonEnvironment::load(&root, None);
    Layout::find(&root, &environment, None, None)
}

const DEFAULT: (&str, &str) = ("/etc/containerd/config.toml", "version = 3\n");
const K3S: (&str, &str) = ("/var/lib/rancher/k3s/agent/etc/containerd/config.toml", "version = 3\n");

fn unit(name: &'static str, command: &str) -> (String, String) {
    (format!("/etc/systemd/system/{name}"), format!("[Service]\nExecStart={command}\n"))
}

#[test]
fn an_empty_node_has_the_default_and_nothing_to_say() {
    let layout = found(&[]);
    assert_eq!(layout.config, Path::new(DEFAULT.0));
    assert_eq!((layout.distribution, layout.config_named), ("upstream", false));
    assert_eq!(layout.kubelet_root, Path::new("/var/lib/kubelet"));
    assert_eq!(layout.findings, []);
}

#[test]
fn the_command_line_wins_over_all_places_and_a_person_over_it() {
    let (path, text) = unit("containerd.service", "/usr/bin/containerd --config=/srv/c.toml --address /run/other.sock");
    let (_keep, root) = node(&[(&path, &text), DEFAULT, K3S]);
    let environment = DaemonEnvironment::load(&root, None);
    let layout = Layout::find(&root, &environment, None, None);
    assert_eq!((layout.config.as_path(), layout.config_named), (Path::new("/srv/c.toml"), true));
    assert_eq!(layout.socket, "/run/other.sock");
    assert!(layout.reason.contains("containerd.service"), "{}", layout.reason);
    let named = Layout::find(&root, &environment, Some(Path::new(K3S.0)), Some(Path::new("/srv/kubelet")));
    assert_eq!((named.config.as_path(), named.distribution), (Path::new(K3S.0), "k3s"));
    assert_eq!(named.kubelet_root, Path::new("/srv/kubelet"));
}

#[test]
fn an_installed_service_decides_and_the_other_file_is_told() {
    let (path, text) = unit("k3s-agent.service", "/usr/local/bin/k3s agent");
    let layout = found(&[(&path, &text), DEFAULT, K3S]);
    assert_eq!(
        (layout.config.as_path(), layout.socket.as_str()),
        (Path::new(K3S.0), "/run/k3s/containerd/containerd.sock")
    );
    let [finding] = layout.findings.as_slice() else { panic!("{:?}", layout.findings) };
    assert_eq!((finding.code, finding.severity), ("config_candidates", Severity::Info));
    assert!(
        finding.message.contains("k3s-agent.service is installed") && finding.message.contains(DEFAULT.0),
        "{finding:?}"
    );
}

#[test]
fn a_service_whose_file_is_elsewhere_is_followed_there() {
    let moved = "/data/agent/etc/containerd/config.toml";
    let (path, text) = unit("k3s.service", "/usr/local/bin/k3s server --data-dir /data");
    assert_eq!(found(&[(&path, &text), (moved, "")]).config, Path::new(moved));
    let (path, text) = unit("rke2-server.service", "/usr/local/bin/rke2 server");
    let settings = ("/etc/rancher/rke2/config.yaml", "token: x\ndata-dir: /data\n");
    assert_eq!(found(&[(&path, &text), settings, (moved, "")]).config, Path::new(moved));
}

#[test]
fn a_service_without_its_file_yields_to_the_file_that_is_there() {
    let (path, text) =
        unit("k3s.service", "/usr/local/bin/k3s server --container-runtime-endpoint /run/containerd/containerd.sock");
    let layout = found(&[(&path, &text), DEFAULT]);
    assert_eq!((layout.config.as_path(), layout.findings.len()), (Path::new(DEFAULT.0), 0));
    let alone = found(&[(&path, &text)]);
    assert_eq!(alone.config, Path::new(K3S.0), "it is not written before k3s ran");
}

#[test]
fn the_only_known_file_is_taken() {
    for distribution in with_own_place() {
        let layout = found(&[(distribution.config, "")]);
        assert_eq!((layout.distribution, layout.findings.len()), (distribution.name, 0));
        assert_eq!(layout.config, Path::new(distribution.config));
    }
}

#[test]
fn of_several_files_the_one_with_a_socket_is_taken() {
    let socket = ("/run/containerd/containerd.sock", "");
    let layout = found(&[DEFAULT, K3S, socket]);
    assert_eq!((layout.config.as_path(), layout.findings[0].severity), (Path::new(DEFAULT.0), Severity::Info));
    let undecided = found(&[DEFAULT, K3S]);
    assert_eq!((undecided.config.as_path(), undecided.findings[0].severity), (Path::new(K3S.0), Severity::Warning));
}

#[test]
fn talos_has_two_containerds_and_its_name_tells_which_is_kubelets() {
    let files = [DEFAULT, ("/etc/cri/containerd.toml", ""), ("/etc/os-release", "NAME=\"Talos\"\nID=talos\n")];
    let layout = found(&files);
    assert_eq!((layout.config.as_path(), layout.distribution), (Path::new("/etc/cri/containerd.toml"), "Talos"));
    assert_eq!(layout.findings, []);
}

#[test]
fn kubelets_root_is_the_distributions_where_it_is_there() {
    let config = "/etc/k0s/containerd.toml";
    assert_eq!(found(&[(config, "")]).kubelet_root, Path::new("/var/lib/kubelet"));
    assert_eq!(found(&[(config, ""), ("/var/lib/k0s/kubelet/x", "")]).kubelet_root, Path::new("/var/lib/k0s/kubelet"));
}

#[test]
fn a_file_of_k3s_that_somebody_names_is_known_by_its_place() {
    let named = |path: &str, unit: Option<(&str, &str)>| {
        let files: Vec<_> = unit.into_iter().chain([(path, "")]).collect();
        let (_keep, root) = node(&files);
        let environment = DaemonEnvironment::load(&root, None);
        Layout::find(&root, &environment, Some(Path::new(path)), None).distribution
    };
    assert_eq!(named("/data/agent/etc/containerd/config.toml", None), "k3s");
    assert_eq!(named("/data/config.toml", None), "upstream");
    let (path, text) = unit("containerd.service", "/usr/bin/containerd");
    assert_eq!(named("/data/agent/etc/containerd/config.toml", Some((&path, &text))), "upstream");
}
