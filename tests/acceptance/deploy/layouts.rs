//! Each distribution's node under a real container runtime, as the chart's pod has it: nothing keeps it from starting, it finds
//! the node's files, and it has given up the others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use pullprobe_lab::ca::Authority;
use tempfile::TempDir;

use super::super::judge::daemon::executable;
use super::super::lint::layouts::Layout;
use super::containerd::Containerd;
use super::daemon::{Daemon, eventually};
use super::pod::{Pod, Running};
use super::presets::{layouts, pod, with};
use super::tools::{command, items, object, output, success};

/// The registries that the chart names.
const REGISTRIES: usize = 2;
/// A login of kubelet's, whose password is a JWT that ends on 1 January 2100.
const LOGIN: &str =
    r#"{"auths": {"docker.io": {"auth": "YW5uOmV5SmhiR2NpT2lKdWIyNWxJbjAuZXlKbGVIQWlPalF4TURJME5EUTRNREI5LmMybG4="}}}"#;
const OF_KUBELET: &str =
    r#"pullprobe_credential_expiry_timestamp_seconds{source="kubelet-config-json",registry="docker.io"} 4102444800"#;

/// `1.7` of 1.7.28.
fn series(layout: &Layout) -> String {
    layout.expect.containerd.rsplit_once('.').unwrap().0.to_owned()
}

/// A root with this program and what it loads.
fn container_root(directory: &Path) -> PathBuf {
    let root = directory.join("container");
    let binary = env!("CARGO_BIN_EXE_pullprobe");
    let listed = success(&mut command("ldd", [binary]));
    let put = |from: &str, to: &str| {
        let to = root.join(to.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    };
    listed.split_whitespace().filter(|word| word.starts_with('/')).for_each(|library| put(library, library));
    put(binary, "/pullprobe");
    root
}

/// The containerd of a node: it answers as CRI, and is asked for nothing else.
struct NodeContainerd {
    _process: Daemon,
    directory: TempDir,
}

impl NodeContainerd {
    fn start(series: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().display();
        let cri = "[plugins.'io.containerd.grpc.v1.cri'.containerd]\nsnapshotter = 'native'\n";
        let config = format!(
            "version = 2\nroot = '{at}/root'\nstate = '{at}/state'\n[grpc]\naddress = '{at}/sock'\n[ttrpc]\naddress = '{at}/ttrpc'\n{cri}"
        );
        let file = directory.path().join("config.toml");
        std::fs::write(&file, config).unwrap();
        let log = directory.path().join("log");
        let process = Daemon::start(command(executable(series), ["--config"]).arg(&file), log);
        let booted = eventually(|| process.log().contains("containerd successfully booted").then_some(()));
        assert!(booted.is_some(), "{}", process.log());
        Self { _process: process, directory }
    }

    /// Where this distribution's containerd listens.
    fn listens_at(&self, socket: &Path) {
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        if !socket.exists() {
            std::fs::hard_link(self.directory.path().join("sock"), socket).unwrap();
        }
    }
}

/// A fleet would spread its first probes over half a minute.
const AT_ONCE: &str = "config: {probe: {spread_start: false}}";

struct Runtime {
    containerd: Containerd,
    scratch: TempDir,
    root: PathBuf,
}

impl Runtime {
    fn start() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let root = container_root(scratch.path());
        Self { containerd: Containerd::start_in_own_network(), scratch, root }
    }

    /// The pod of these values, and what is mounted into it of node and cluster.
    fn pod(&self, layout: &Layout, values: &str, name: &str) -> (Pod, Vec<String>) {
        let objects = with(values);
        let own = self.scratch.path().join(name);
        for directory in ["config", "hidden", "token"] {
            std::fs::create_dir_all(own.join(directory)).unwrap();
        }
        let config = object(&objects, "ConfigMap")["data"]["config.yaml"].as_str().unwrap();
        std::fs::write(own.join("config/config.yaml"), config).unwrap();
        std::fs::write(own.join("token/token"), "a token of nobody").unwrap();
        std::fs::write(own.join("token/ca.crt"), Authority::new("cluster").unwrap().root_pem()).unwrap();
        let pod = Pod::new(&objects);
        let mounts = pod.mounts(layout.node.root(), &own);
        (pod, mounts)
    }

    /// Report and metrics of the agent as the chart starts it: it becomes ready, looks at the registries, and ends when asked.
    fn run(&self, layout: &Layout, values: &str, name: &str) -> (Value, String) {
        let (pod, mounts) = self.pod(layout, values, name);
        let limits = pod.limits(&layout.name);
        let mut start = self.containerd.run_limited(&limits, &self.root, name, &mounts, &pod.command());
        let log = self.scratch.path().join(format!("{name}.log"));
        let running = Running::start(&self.containerd, &pod, &mut start, &log);
        let report = eventually(|| {
            let report: Value = serde_json::from_str(&running.get("/api/v1/report")).unwrap();
            (items(&report["endpoints"]).len() >= REGISTRIES).then_some(report)
        });
        let report = report.unwrap_or_else(|| panic!("{name}: it looks at nothing:\n{}", running.log()));
        let metrics = running.get("/metrics");
        running.end();
        (report, metrics)
    }

    /// The agent finds configuration, socket and kubelet's directory.
    fn finds_its_node(&self, layout: &Layout, values: &str, name: &str) {
        let expect = &layout.expect;
        let (report, metrics) = self.run(layout, values, name);
        let told = &report["containerd"];
        assert_eq!(report["node"], layout.name.as_str(), "{name}");
        assert_eq!(items(&told["config_files"])[0], expect.config.as_str(), "{name}: {told:#}");
        assert_eq!(told["config_path"], json!(expect.config_path), "{name}: {told:#}");
        // The socket's words: the node's files do not say a release that is this exact.
        assert_eq!(told["version_source"], "cri", "{name}: {told:#}");
        assert!(told["version"].as_str().unwrap().starts_with(&series(layout)), "{name}: {told:#}");
        for line in ["pullprobe_containerd_up 1", OF_KUBELET] {
            assert!(metrics.lines().any(|said| said == line), "{name}: {line}:\n{metrics}");
        }
        let findings: Vec<&Value> =
            items(&report["findings"]).iter().filter(|one| one["code"] != "pods_unknown").collect();
        assert!(findings.is_empty(), "{name}: {findings:#?}");
    }

    /// What the agent says of the node, with the chart's settings and mounts of these values.
    fn lint(&self, layout: &Layout, values: &str, name: &str) -> Value {
        let (_, mounts) = self.pod(layout, values, name);
        let lint = ["/pullprobe", "lint", "--config", "/etc/pullprobe/config.yaml", "--format", "json"];
        let lint = [&lint[..], &["--containerd-version", &layout.expect.containerd]].concat();
        // On a busy machine `ctr` loses the words of a container that ends before it listens.
        let said = eventually(|| {
            let said = output(&mut self.containerd.run_in(&self.root, name, &mounts, &lint));
            (!said.status.success() || !said.stdout.is_empty()).then_some(said)
        });
        let said = said.unwrap_or_else(|| panic!("{name}: lint says nothing"));
        serde_json::from_slice(&said.stdout).unwrap_or_else(|error| panic!("{name}: {error}: {said:?}"))
    }
}

#[test]
fn the_pod_starts_on_every_distribution_and_finds_its_files() {
    let runtime = Runtime::start();
    // Before the daemons start: a configuration that is newer than its containerd is a finding.
    let planted = layouts();
    let daemons: BTreeMap<&str, NodeContainerd> =
        ["1.7", "2.1"].map(|series| (series, NodeContainerd::start(series))).into();
    let mut started = 0;
    for (distribution, layout) in planted {
        // What every node of it has; nobody but the owner has any business with the pods.
        let pods = format!("{}/pods", layout.expect.kubelet_root);
        for directory in [pods.as_str(), "/usr", "/run/containerd"] {
            std::fs::create_dir_all(layout.node.path(directory)).unwrap();
        }
        let expect = &layout.expect;
        daemons[&*series(&layout)].listens_at(&layout.node.path(&expect.socket));
        layout.node.write(&format!("{}/config.json", expect.kubelet_root), LOGIN).unwrap();
        let found = |told: &Value| {
            let paths = &told["paths"];
            assert_eq!(paths["distribution"], expect.distribution, "{distribution}: {told:#}");
            assert_eq!(paths["containerd_config"], expect.config, "{distribution}: {told:#}");
            assert_eq!(paths["kubelet_root"], expect.kubelet_root, "{distribution}: {told:#}");
            assert_eq!(paths["socket"], expect.socket, "{distribution}: {told:#}");
            assert_eq!(told["findings"], json!([]), "{distribution}: {told:#}");
        };
        found(&runtime.lint(&layout, "{}", &format!("full-{}", layout.name)));
        runtime.finds_its_node(&layout, AT_ONCE, &format!("full-run-{}", layout.name));
        // The directories of a preset are there by definition.
        let narrow = format!("host: {{mode: narrow, distribution: {distribution}}}\n{AT_ONCE}");
        let needed = pod(&with(&narrow));
        let paths = items(&needed["volumes"]).iter().filter_map(|volume| volume["hostPath"]["path"].as_str());
        paths.for_each(|path| std::fs::create_dir_all(layout.node.path(path)).unwrap());
        for name in ["pods", "plugins"] {
            std::fs::create_dir_all(layout.node.path(&format!("{}/{name}", expect.kubelet_root))).unwrap();
        }
        runtime.finds_its_node(&layout, &narrow, &format!("narrow-run-{}", layout.name));
        started += 1;
    }
    assert!(started >= 15, "{started}");
    it_has_given_up_what_its_node_does_not_need(&runtime);
}

/// By an attempt, with the runtime's own seccomp profile, no capability and the chart's mounts.
fn it_has_given_up_what_its_node_does_not_need(runtime: &Runtime) {
    let (_, layout) = layouts().into_iter().find(|(name, _)| name == "gke").unwrap();
    let token = "/var/lib/kubelet/pods/1/volumes/kubernetes.io~projected/token/ca.crt";
    layout.node.write(token, "-----BEGIN NOTHING-----").unwrap();
    let hosts = format!("[host.\"https://r.example\"]\nca = '{token}'\n");
    layout.node.write("/etc/containerd/hosts.d/r.example/hosts.toml", hosts).unwrap();
    std::fs::create_dir_all(layout.node.path("/run/containerd")).unwrap();
    let (told, _) = runtime.run(&layout, AT_ONCE, "given-up");
    let findings = items(&told["findings"]);
    let given_up = findings.iter().find(|finding| finding["code"] == "outside_confinement");
    assert_eq!(given_up.unwrap_or_else(|| panic!("{told:#}"))["file"], token);
}
