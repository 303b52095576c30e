//! Nodes as distributions deliver them: nothing is wrong with them, and their files are found.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::path::PathBuf;

use pullprobe_lab::node::Node;
use serde::Deserialize;

use super::super::binary::{Finished, document, finish, pullprobe, report, repository};
use super::tree::{self, Extra, Material};

/// Distributions and installers, and what `containerd config default` of each series prints.
const STOCK: [&str; 24] = [
    "aks",
    "bottlerocket",
    "canonical",
    "default-1.6",
    "default-1.7",
    "default-2.0",
    "default-2.1",
    "default-2.2",
    "default-2.3",
    "eks",
    "eks-with-certs-d",
    "flatcar",
    "gke",
    "k0s",
    "k0s-2",
    "k3s",
    "k3s-with-registries",
    "kind",
    "kubeadm",
    "kubespray",
    "microk8s",
    "nvidia-container-toolkit",
    "rke2",
    "talos",
];

/// `expect.toml` of a layout.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// What the distribution ships.
    pub containerd: String,
    pub distribution: String,
    pub config: String,
    /// Why it is that file.
    reason: String,
    pub config_path: Vec<String>,
    pub kubelet_root: String,
    /// Where its containerd listens.
    pub socket: String,
    /// An image, and who is asked for it, in order.
    image: String,
    hosts: Vec<String>,
    #[serde(default)]
    node: Extra,
}

pub struct Layout {
    pub name: String,
    pub expect: Expect,
    pub node: Node,
}

impl Layout {
    pub fn all() -> Vec<Self> {
        let material = Material::new();
        let mut directories: Vec<PathBuf> = std::fs::read_dir(repository("tests/fixtures/layouts"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        directories.sort();
        let read = |directory: PathBuf| {
            let name = directory.file_name().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(directory.join("expect.toml")).unwrap();
            let expect: Expect = toml::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            let node = tree::plant(&directory, &expect.node, &material);
            Self { name, expect, node }
        };
        let all: Vec<Self> = directories.into_iter().map(read).collect();
        assert_eq!(all.iter().map(|layout| layout.name.as_str()).collect::<Vec<_>>(), STOCK);
        all
    }

    fn run(&self, verb: &[&str]) -> Finished {
        let mut command = pullprobe(verb);
        command.arg("--host-root").arg(self.node.root()).args(["--containerd-version", &self.expect.containerd]);
        finish(&mut command)
    }
}

#[test]
fn nothing_is_found_in_stock_layouts() {
    let mut silent = 0;
    for layout in Layout::all() {
        let text = layout.run(&["lint"]);
        let mut lines = text.stdout.lines();
        let headline = lines.next().unwrap_or_default();
        assert_eq!((text.code, lines.collect::<Vec<_>>()), (Some(0), vec!["nothing found"]), "{}", layout.name);
        let why = format!("reading {}: {}", layout.expect.config, layout.expect.reason);
        assert!(headline.ends_with(&why), "{}: {headline}", layout.name);
        let json = document(&layout.run(&["lint", "--format", "json"]));
        assert_eq!(json["findings"].as_array().unwrap().len(), 0, "{}: {json}", layout.name);
        assert_eq!(json["containerd"]["config_path"], serde_json::json!(layout.expect.config_path), "{}", layout.name);
        silent += 1;
    }
    report(&format!("{silent} stock layouts, lint is silent"));
    assert!(silent >= 15, "only {silent} layouts");
}

#[test]
fn plans_follow_the_files_of_the_distribution() {
    for layout in Layout::all() {
        let run = layout.run(&["plan", &layout.expect.image, "--format", "json"]);
        assert_eq!(run.code, Some(0), "{}: {run:?}", layout.name);
        let plan = document(&run);
        let expected = serde_json::json!({
            "distribution": layout.expect.distribution,
            "containerd_config": layout.expect.config,
            "reason": layout.expect.reason,
            "kubelet_root": layout.expect.kubelet_root,
            "socket": layout.expect.socket,
        });
        assert_eq!(plan["paths"], expected, "{}", layout.name);
        let hosts = plan["images"][0]["hosts"].as_array().unwrap();
        let asked: Vec<&str> = hosts.iter().map(|host| host["endpoint"].as_str().unwrap()).collect();
        assert_eq!(asked, layout.expect.hosts, "{}", layout.name);
    }
}

/// Kubelet's own files are where the distribution's kubelet looks.
#[test]
fn a_credential_is_found_in_the_kubelet_root_of_the_distribution() {
    for layout in Layout::all() {
        let file = format!("{}/config.json", layout.expect.kubelet_root);
        let registry = layout.expect.image.split_once('/').map_or("docker.io", |(registry, _)| registry);
        let key = if registry == "docker.io" { "https://index.docker.io/v1/" } else { registry };
        layout.node.write(&file, format!(r#"{{"auths": {{"{key}": {{"auth": "YW5uOnNlY3JldA=="}}}}}}"#)).unwrap();
        let plan = document(&layout.run(&["plan", &layout.expect.image, "--format", "json"]));
        let credentials = plan["images"][0]["credentials"].as_array().unwrap();
        assert_eq!((credentials.len(), &credentials[0]["key"]), (1, &key.into()), "{}: {plan}", layout.name);
    }
}

#[test]
fn of_two_distributions_on_one_node_the_finding_says_which_is_read() {
    let layout = Layout::all().into_iter().find(|layout| layout.name == "k3s").unwrap();
    layout.node.containerd_config("disabled_plugins = [\"cri\"]\n").unwrap();
    let json = document(&layout.run(&["lint", "--format", "json"]));
    let findings = json["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{json}");
    assert_eq!((&findings[0]["code"], &findings[0]["severity"]), (&"config_candidates".into(), &"info".into()));
    let message = findings[0]["message"].as_str().unwrap();
    assert!(
        message.contains("k3s.service is installed") && message.contains("/etc/containerd/config.toml"),
        "{message}"
    );
    assert_eq!(json["paths"]["containerd_config"], layout.expect.config.as_str());
}

/// Nothing that a distribution does not have is named as what to change, and nothing that it writes anew alone.
#[test]
fn fixes_name_the_places_of_the_distribution() {
    let own = [
        ("k0s-2", "move the directories to /etc/k0s/certs.d"),
        ("k3s", "/etc/rancher/k3s/registries.yaml"),
        ("k3s-with-registries", "systemctl restart k3s-agent"),
        ("microk8s", "snap restart microk8s.daemon-containerd"),
        ("rke2", "/etc/rancher/rke2/registries.yaml"),
        ("talos", "machine.registries"),
    ];
    let mut asked = 0;
    for layout in Layout::all() {
        let Some((_, word)) = own.iter().find(|(name, _)| *name == layout.name) else { continue };
        let hosts = format!("{}/x.example/hosts.toml", layout.expect.config_path[0]);
        layout.node.write(&hosts, "[host.\"https://m.example\"]\n  skip_verify = true\n  ca = \"/nothing\"\n").unwrap();
        layout.node.write("/etc/containerd/certs.d/y.example/hosts.toml", "[host.\"https://m.example\"]\n").unwrap();
        let config = format!("{}/conf.d/a.toml", layout.expect.config.rsplit_once('/').unwrap().0);
        layout.node.write(&config, "version = 2\n").unwrap();
        layout.node.link("/etc/nsswitch.conf", "/etc").unwrap();
        let json = document(&layout.run(&["lint", "--format", "json"]));
        let findings = json["findings"].as_array().unwrap();
        assert!(findings.len() >= 3, "{}: {json}", layout.name);
        let fixes: Vec<&str> = findings.iter().map(|finding| finding["fix"].as_str().unwrap()).collect();
        for foreign in [" /etc/containerd/", "`/etc/containerd/", "\"/etc/containerd/", "restart containerd"] {
            assert!(!fixes.iter().any(|fix| fix.contains(foreign)), "{}: {foreign}: {fixes:#?}", layout.name);
        }
        assert!(fixes.iter().any(|fix| fix.contains(word)), "{}: {word}: {fixes:#?}", layout.name);
        asked += 1;
    }
    assert_eq!(asked, own.len());
}
