//! `PodMonitor` and `ServiceMonitor` in a real Prometheus, with the labels that the Prometheus operator gives every target of its own accord.

use serde_json::{Map, Value, json};

use super::prometheus::{Prometheus, serve};
use super::tools::{items, object, objects, text};

/// `sourceLabels` of the operator is `source_labels` of Prometheus.
fn snake(name: &str) -> String {
    name.chars().fold(String::new(), |text, c| {
        if c.is_ascii_uppercase() { format!("{text}_{}", c.to_ascii_lowercase()) } else { format!("{text}{c}") }
    })
}

/// The operator names a target's namespace and port `namespace` and `endpoint`, as the agent names registries and their hosts. A
/// label of the target would win, and no query of ours would find a series.
#[test]
fn the_labels_of_the_agent_are_not_renamed() {
    for (key, kind, endpoints) in
        [("podMonitor", "PodMonitor", "podMetricsEndpoints"), ("serviceMonitor", "ServiceMonitor", "endpoints")]
    {
        let values = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(values.path(), format!("{key}: {{enabled: true}}\n")).unwrap();
        let objects = objects(Some(values.path()));
        keeps_the_labels(&object(&objects, kind)["spec"][endpoints][0]);
    }
}

fn keeps_the_labels(endpoint: &Value) {
    let relabelings: Vec<Value> = items(&endpoint["relabelings"])
        .iter()
        .map(|one| {
            one.as_object()
                .unwrap()
                .iter()
                .map(|(key, value)| (snake(key), value.clone()))
                .collect::<Map<_, _>>()
                .into()
        })
        .collect();
    let target = serve(text("tests/fixtures/deploy/exposition.txt"));
    let labels = json!({
        "namespace": "monitoring", "endpoint": "metrics", "container": "pullprobe", "pod": "pullprobe-x7x7x",
        "job": "monitoring/pullprobe", "__meta_kubernetes_pod_node_name": "worker-a",
    });
    let configuration = json!({
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{
            "job_name": "podMonitor/monitoring/pullprobe/0",
            "honor_labels": endpoint["honorLabels"].as_bool().unwrap_or_default(),
            "static_configs": [{"targets": [target.to_string()], "labels": labels}],
            "relabel_configs": relabelings,
        }],
    });
    let prometheus = Prometheus::start(&configuration.to_string(), "pullprobe_build_info");
    let found = |query: &str| prometheus.query(query).len();
    assert_eq!(
        found(r#"pullprobe_namespace_pullable{namespace="docker.io", job="monitoring/pullprobe", node="worker-a"}"#),
        1
    );
    assert_eq!(found(r#"pullprobe_endpoint_up{endpoint="https://registry-1.docker.io", role="upstream"}"#), 1);
    assert_eq!(found(r#"{exported_namespace!=""}"#) + found(r#"{exported_endpoint!=""}"#), 0);
}

#[test]
fn the_key_of_the_buckets_comes_from_a_secret_and_from_nowhere_else() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "metrics: {bucketKeySecret: {name: fleet}}\nconfig: {metrics: {detail: full}}\n")
        .unwrap();
    let with = objects(Some(file.path()));
    let pod = &object(&with, "DaemonSet")["spec"]["template"]["spec"];
    let volume = items(&pod["volumes"]).iter().find(|volume| volume["name"] == "buckets").unwrap();
    assert_eq!(volume["secret"]["secretName"], "fleet");
    let mount = items(&pod["containers"][0]["volumeMounts"]).iter().find(|mount| mount["name"] == "buckets").unwrap();
    assert_eq!(*mount, json!({"name": "buckets", "mountPath": "/etc/pullprobe-buckets", "readOnly": true}));
    let settings = object(&with, "ConfigMap")["data"]["config.yaml"].as_str().unwrap();
    assert!(
        settings.contains("bucket_key_file: /etc/pullprobe-buckets/key") && settings.contains("detail: full"),
        "{settings}"
    );
    let without = objects(None);
    assert!(!without.iter().any(|object| object.to_string().contains("buckets")), "{without:?}");
}
