//! Each distribution's node under a real container runtime, as the chart's pod has it: nothing keeps it from starting, it finds
//! the node's files, and it has given up the others.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::lint::layouts::Layout;
use super::containerd::Containerd;
use super::presets::{layouts, pod, with};
use super::tools::{command, items, object, output, success};

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

/// The mounts of the pod, with the node's directory for `/`. A source that is not there is a mistake, as it is for kubelet.
fn mounts(pod: &Value, node: &Path, settings: &Path) -> Vec<String> {
    let mounts = items(&pod["containers"][0]["volumeMounts"]).iter();
    let mounts = mounts.filter(|mount| mount["name"] != "token");
    let mount = |mount: &Value| {
        let volume = items(&pod["volumes"]).iter().find(|volume| volume["name"] == mount["name"]).unwrap();
        let source = match volume["hostPath"]["path"].as_str() {
            Some(path) => node.join(path.trim_start_matches('/')),
            None => settings.join(mount["name"].as_str().unwrap()),
        };
        assert!(source.is_dir(), "{}: kubelet does not start this pod", source.display());
        let slave = if mount["mountPropagation"] == "HostToContainer" { ":rslave" } else { "" };
        format!(
            "type=bind,src={},dst={},options=rbind:ro{slave}",
            source.display(),
            mount["mountPath"].as_str().unwrap()
        )
    };
    mounts.map(mount).collect()
}

struct Runtime {
    containerd: Containerd,
    scratch: tempfile::TempDir,
    root: PathBuf,
}

impl Runtime {
    fn start() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let root = container_root(scratch.path());
        Self { containerd: Containerd::start(), scratch, root }
    }

    /// What the agent says of the node, with the chart's settings and mounts of these values.
    fn lint(&self, layout: &Layout, values: &str, name: &str) -> Value {
        let objects = with(values);
        let settings = self.scratch.path().join(name);
        for directory in ["config", "hidden"] {
            std::fs::create_dir_all(settings.join(directory)).unwrap();
        }
        let config = object(&objects, "ConfigMap")["data"]["config.yaml"].as_str().unwrap();
        std::fs::write(settings.join("config/config.yaml"), config).unwrap();
        let mounts = mounts(&pod(&objects), layout.node.root(), &settings);
        let lint = ["/pullprobe", "lint", "--config", "/etc/pullprobe/config.yaml", "--format", "json"];
        let lint = [&lint[..], &["--containerd-version", &layout.expect.containerd]].concat();
        let said = output(&mut self.containerd.run_in(&self.root, name, &mounts, &lint));
        serde_json::from_slice(&said.stdout).unwrap_or_else(|error| panic!("{name}: {error}: {said:?}"))
    }
}

#[test]
fn the_pod_starts_on_every_distribution_and_finds_its_files() {
    let runtime = Runtime::start();
    let mut started = 0;
    for (distribution, layout) in layouts() {
        // What every node of it has; nobody but the owner has any business with the pods.
        let pods = format!("{}/pods", layout.expect.kubelet_root);
        for directory in [pods.as_str(), "/usr", "/run/containerd"] {
            std::fs::create_dir_all(layout.node.path(directory)).unwrap();
        }
        let expect = &layout.expect;
        let found = |told: &Value| {
            let paths = &told["paths"];
            assert_eq!(paths["distribution"], expect.distribution, "{distribution}: {told:#}");
            assert_eq!(paths["containerd_config"], expect.config, "{distribution}: {told:#}");
            assert_eq!(paths["kubelet_root"], expect.kubelet_root, "{distribution}: {told:#}");
            assert_eq!(paths["socket"], expect.socket, "{distribution}: {told:#}");
            assert_eq!(told["findings"], json!([]), "{distribution}: {told:#}");
        };
        found(&runtime.lint(&layout, "{}", &format!("full-{}", layout.name)));
        // The directories of a preset are there by definition.
        let narrow = format!("host: {{mode: narrow, distribution: {distribution}}}");
        let needed = pod(&with(&narrow));
        let paths = items(&needed["volumes"]).iter().filter_map(|volume| volume["hostPath"]["path"].as_str());
        paths.for_each(|path| std::fs::create_dir_all(layout.node.path(path)).unwrap());
        for name in ["pods", "plugins"] {
            std::fs::create_dir_all(layout.node.path(&format!("{}/{name}", expect.kubelet_root))).unwrap();
        }
        found(&runtime.lint(&layout, &narrow, &format!("narrow-{}", layout.name)));
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
    let told = runtime.lint(&layout, "{}", "given-up");
    let findings = items(&told["findings"]);
    let given_up = findings.iter().find(|finding| finding["code"] == "outside_confinement");
    assert_eq!(given_up.unwrap_or_else(|| panic!("{told:#}"))["file"], token);
}
