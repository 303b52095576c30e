//! Every object that the chart renders is one that Kubernetes would accept.

use std::io::Write;

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::chart::value_sets;
use super::presets::with;
use super::tools::{command, object, objects, path, python, refusal, success, yaml};

/// The oldest release that Chart.yaml admits, and the five newest whose schemas are installed.
const RELEASES: [&str; 6] = ["1.29", "1.33", "1.34", "1.35", "1.36", "1.37"];

#[test]
fn every_object_of_every_example_meets_the_schemas_strictly() {
    for values in value_sets() {
        let (custom, core): (Vec<_>, Vec<_>) = objects(values.as_deref()).into_iter().partition(is_custom_resource);
        for release in RELEASES {
            let known: Vec<Value> =
                core.iter().filter(|it| release != RELEASES[0] || !is_policy(it)).cloned().collect();
            let said = success(&mut validate(release, &stream(&known)));
            assert_eq!(said.matches(" passed ").count(), known.len(), "{values:?}: {said}");
        }
        for object in custom {
            let known = ["PodMonitor", "PodMonitoring", "PrometheusRule", "ServiceMonitor"];
            assert!(known.contains(&object["kind"].as_str().unwrap()), "{object:#}");
        }
    }
}

/// All presets in both modes, with and without what newer releases have.
#[test]
fn the_pods_of_every_preset_meet_the_schemas_strictly() {
    let distributions = yaml(&path("deploy/helm/pullprobe/files/distributions.yaml"));
    let names = distributions.as_object().unwrap().keys();
    let hosts = names.flat_map(|name| {
        let narrow = format!("host: {{mode: narrow, distribution: {name}, mountPropagation: None}}");
        [
            format!("host: {{distribution: {name}}}"),
            format!("kubeVersionOverride: v1.29.0\n{narrow}"),
            format!("kubeVersionOverride: v1.31.0\n{narrow}"),
        ]
    });
    let of_newer = |daemon_set: &Value| daemon_set.to_string().contains("recursiveReadOnly");
    let pods = hosts.map(|values| object(&with(&values), "DaemonSet").clone());
    let (newer, older): (Vec<_>, Vec<_>) = pods.partition(of_newer);
    assert_eq!(older.len(), 2 * newer.len());
    for release in RELEASES {
        let said = success(&mut validate(release, &stream(&older)));
        assert_eq!(said.matches(" passed ").count(), older.len(), "{said}");
    }
    for release in &RELEASES[1..] {
        let said = success(&mut validate(release, &stream(&newer)));
        assert_eq!(said.matches(" passed ").count(), newer.len(), "{said}");
    }
    refusal(&mut validate(RELEASES[0], &stream(&newer)));
}

/// The control: a validator that lets everything pass would prove nothing.
#[test]
fn the_schemas_refuse_a_field_that_kubernetes_does_not_have() {
    let mut objects = objects(None);
    let daemon_set = objects.iter_mut().find(|object| object["kind"] == "DaemonSet").unwrap();
    daemon_set["spec"]["template"]["spec"]["hostPidd"] = json!(true);
    let stream = stream(&[object(&objects, "DaemonSet").clone()]);
    for release in RELEASES {
        let said = refusal(&mut validate(release, &stream));
        assert!(said.contains("hostPidd"), "{said}");
    }
}

/// Kubernetes has them since 1.30, and the chart makes them since then.
fn is_policy(object: &Value) -> bool {
    object["kind"].as_str().is_some_and(|kind| kind.starts_with("ValidatingAdmissionPolicy"))
}

/// Objects of the Prometheus operator and of GKE: their schemas are not Kubernetes' own.
fn is_custom_resource(object: &Value) -> bool {
    ["monitoring.coreos.com/v1", "monitoring.googleapis.com/v1"].iter().any(|group| object["apiVersion"] == *group)
}

fn stream(objects: &[Value]) -> NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    for object in objects {
        writeln!(file, "---\n{object}").unwrap();
    }
    file
}

fn validate(release: &str, stream: &NamedTempFile) -> std::process::Command {
    let program = python("kubernetes-validate");
    let mut validate = command(program, ["--strict", "-k", release]);
    validate.arg(stream.path());
    validate
}
