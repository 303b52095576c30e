//! Every object that the chart renders is one that Kubernetes would accept.

use std::io::Write;

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::chart::value_sets;
use super::tools::{command, object, objects, python, refusal, success};

/// The oldest release that Chart.yaml admits, and the newest whose schemas are installed.
const RELEASES: [&str; 2] = ["1.29", "1.37"];

#[test]
fn every_object_of_every_example_meets_the_schemas_strictly() {
    for values in value_sets() {
        let (custom, core): (Vec<_>, Vec<_>) = objects(values.as_deref()).into_iter().partition(is_custom_resource);
        let stream = stream(&core);
        for release in RELEASES {
            let said = success(&mut validate(release, &stream));
            assert_eq!(said.matches(" passed ").count(), core.len(), "{values:?}: {said}");
        }
        for object in custom {
            let known = ["PodMonitor", "PodMonitoring", "PrometheusRule", "ServiceMonitor"];
            assert!(known.contains(&object["kind"].as_str().unwrap()), "{object:#}");
        }
    }
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
