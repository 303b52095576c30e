//! What the chart mounts of each distribution, and how it knows the distribution.

use std::path::Path;

use serde_json::{Value, json};

use super::super::lint::layouts::Layout;
use super::tools::{helm, items, object, objects, path, refusal, yaml};

/// The layouts that are a variant of another one, and what `containerd config default` prints.
fn distribution_of(layout: &str) -> Option<&str> {
    match layout {
        "eks-with-certs-d" => Some("eks"),
        "k0s-2" => Some("k0s"),
        "k3s-with-registries" => Some("k3s"),
        "nvidia-container-toolkit" => None,
        name => (!name.starts_with("default-")).then_some(name),
    }
}

/// Each layout of a distribution, with that one's name.
pub fn layouts() -> Vec<(String, Layout)> {
    let named = |layout: Layout| Some((distribution_of(&layout.name)?.to_owned(), layout));
    Layout::all().into_iter().filter_map(named).collect()
}

pub fn with(values: &str) -> Vec<Value> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), values).unwrap();
    objects(Some(file.path()))
}

pub fn pod(objects: &[Value]) -> Value {
    object(objects, "DaemonSet")["spec"]["template"]["spec"].clone()
}

/// Where the node's directories are in the pod, those that are covered apart.
fn seen(pod: &Value) -> (Vec<String>, Vec<String>) {
    let mounts = items(&pod["containers"][0]["volumeMounts"]).iter();
    let of_host = mounts.filter(|mount| mount["mountPath"].as_str().unwrap().starts_with("/host"));
    let (hidden, open): (Vec<_>, Vec<_>) = of_host.partition(|mount| mount["name"] == "hidden");
    let paths = |mounts: Vec<&Value>| {
        mounts.iter().map(|mount| mount["mountPath"].as_str().unwrap()["/host".len()..].to_owned()).collect()
    };
    (paths(open), paths(hidden))
}

fn presets() -> Value {
    yaml(&path("deploy/helm/pullprobe/files/distributions.yaml"))
}

fn strings(list: &Value) -> Vec<String> {
    items(list).iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_preset_has_what_the_agent_looks_for_on_that_distribution() {
    let presets = presets();
    let mut looked = 0;
    for (name, Layout { expect, .. }) in layouts() {
        let directories = strings(&presets[&name]["directories"]);
        for wanted in [&expect.config, &expect.socket, &expect.kubelet_root] {
            let is_in = |directory: &String| Path::new(wanted).starts_with(directory);
            assert!(directories.iter().any(is_in), "{name}: {wanted} is in none of {directories:?}");
        }
        let pods = format!("{}/pods", expect.kubelet_root);
        assert!(strings(&presets[&name]["hidden"]).contains(&pods), "{name}: {pods} is open");
        looked += 1;
    }
    assert!(looked >= 15, "{looked}");
}

#[test]
fn each_distribution_is_a_value_and_mounts_what_its_preset_says() {
    let presets = presets();
    for (name, preset) in presets.as_object().unwrap() {
        let narrow = pod(&with(&format!("host: {{mode: narrow, distribution: {name}}}")));
        assert_eq!(seen(&narrow), (strings(&preset["directories"]), strings(&preset["hidden"])), "{name}");
        let full = pod(&with(&format!("host: {{distribution: {name}}}")));
        assert_eq!(seen(&full), (vec![String::new()], strings(&preset["hidden"])), "{name}");
    }
}

/// What is not there keeps a pod from starting, so the default relies on nothing but the root.
#[test]
fn the_default_mounts_the_root_once_and_needs_no_directory_of_it() {
    let pod = pod(&objects(None));
    assert_eq!(seen(&pod), (vec![String::new()], vec![]));
    let host_paths: Vec<_> = items(&pod["volumes"]).iter().filter_map(|volume| volume.get("hostPath")).collect();
    assert_eq!(host_paths, [&json!({"path": "/", "type": "Directory"})]);
    let mounts = items(&pod["containers"][0]["volumeMounts"]);
    let host = mounts.iter().find(|mount| mount["mountPath"] == "/host").unwrap();
    assert_eq!((&host["readOnly"], &host["mountPropagation"]), (&json!(true), &json!("HostToContainer")));
}

#[test]
fn the_suffix_of_the_clusters_version_tells_the_distribution() {
    let presets = presets();
    for (version, name) in [
        ("v1.31.4+k3s1", "k3s"),
        ("v1.31.4+rke2r1", "rke2"),
        ("v1.31.4+k0s", "k0s"),
        ("v1.31.4-eks-2d5f260", "eks"),
        ("v1.31.4-gke.1256000", "gke"),
        ("v1.31.4", "kubeadm"),
        ("v1.31.4+unheard-of", "kubeadm"),
    ] {
        let narrow = pod(&with(&format!("kubeVersionOverride: {version}\nhost: {{mode: narrow}}")));
        assert_eq!(seen(&narrow).0, strings(&presets[name]["directories"]), "{version}");
        let full = pod(&with(&format!("kubeVersionOverride: {version}")));
        assert_eq!(seen(&full).1, Vec::<String>::new(), "{version}: kubelet's directory may have been moved");
    }
}

#[test]
fn mounts_below_a_directory_are_read_only_where_the_cluster_can_do_that() {
    let recursive = |values: &str| {
        let pod = pod(&with(values));
        let mounts = items(&pod["containers"][0]["volumeMounts"]).to_vec();
        let mount = mounts.into_iter().find(|mount| mount["mountPath"] == "/host").unwrap();
        (mount["mountPropagation"].clone(), mount["recursiveReadOnly"].clone())
    };
    let none = |version: &str| format!("kubeVersionOverride: {version}\nhost: {{mountPropagation: None}}");
    assert_eq!(recursive(&none("v1.30.0")), (json!("None"), json!("IfPossible")));
    assert_eq!(recursive(&none("v1.29.9")), (json!("None"), Value::Null));
    assert_eq!(recursive("kubeVersionOverride: v1.36.0"), (json!("HostToContainer"), Value::Null));
    let off = "kubeVersionOverride: v1.36.0\nhost: {mountPropagation: None, recursiveReadOnly: Disabled}";
    assert_eq!(recursive(off).1, "Disabled");
}

/// Who set them for 0.1, where `narrow` was the default, is told so.
#[test]
fn directories_of_ones_own_are_refused_where_they_would_not_count() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "host: {directories: [{path: /etc}]}").unwrap();
    let said = refusal(&mut helm("render", Some(file.path())));
    assert!(said.contains("host.directories is for host.mode: narrow"), "{said}");
}

#[test]
fn the_agent_is_told_what_it_may_do_without() {
    let settings = |values: &str| object(&with(values), "ConfigMap")["data"]["config.yaml"].clone();
    assert!(settings("host: {allowUnconfined: true}").as_str().unwrap().contains("allow_unconfined: true"));
    assert!(!settings("host: {}").as_str().unwrap().contains("allow_unconfined"));
}
