//! What protects the agent's port, as the chart mounts it, probes by it and scrapes it.

use serde_json::{Value, json};

use super::tools::{helm, items, object, objects, path, success};

fn pod(objects: &[Value]) -> &Value {
    &object(objects, "DaemonSet")["spec"]["template"]["spec"]
}

#[test]
fn a_secret_protects_the_port_and_kubelet_probes_without_it() {
    let objects = objects(Some(&path("deploy/helm/examples/web-security.yaml")));
    let settings = object(&objects, "ConfigMap")["data"]["config.yaml"].as_str().unwrap();
    assert!(settings.contains("config_file: /etc/pullprobe-web/web.yaml"), "{settings}");
    let container = &pod(&objects)["containers"][0];
    let mount = items(&container["volumeMounts"]).iter().find(|mount| mount["name"] == "web-config").unwrap();
    assert_eq!(*mount, json!({"name": "web-config", "mountPath": "/etc/pullprobe-web", "readOnly": true}));
    let volume = items(&pod(&objects)["volumes"]).iter().find(|volume| volume["name"] == "web-config").unwrap();
    let sources = json!([{"secret": {"name": "pullprobe-web"}}, {"secret": {"name": "pullprobe-tls"}}]);
    assert_eq!(volume["projected"], json!({"defaultMode": 0o400, "sources": sources}));
    assert_eq!(container["livenessProbe"]["exec"]["command"], json!(["/pullprobe", "healthcheck", "--live"]));
    assert_eq!(container["readinessProbe"]["exec"]["command"], json!(["/pullprobe", "healthcheck"]));
    for probe in ["livenessProbe", "readinessProbe"] {
        assert!(container[probe].get("httpGet").is_none() && container[probe]["timeoutSeconds"] == 5, "{container:#}");
    }
    let endpoint = &object(&objects, "PodMonitor")["spec"]["podMetricsEndpoints"][0];
    assert_eq!(endpoint["scheme"], "https");
    assert!(endpoint["tlsConfig"]["ca"].is_object() && endpoint["basicAuth"]["password"].is_object(), "{endpoint:#}");
}

#[test]
fn kubelet_asks_over_http_only_where_it_finds_the_port_and_may_ask() {
    let scratch = tempfile::tempdir().unwrap();
    let by_exec = |values: &str| {
        let file = scratch.path().join("values.yaml");
        std::fs::write(&file, values).unwrap();
        let objects = objects(Some(&file));
        let probe = pod(&objects)["containers"][0]["readinessProbe"].clone();
        assert!(probe["exec"].is_object() != probe["httpGet"].is_object(), "{probe:#}");
        probe["exec"].is_object()
    };
    for wide in [
        "{}",
        "config: {web: {listen: [':10048']}}",
        "config: {web: {listen: ['0.0.0.0:10048']}}",
        "config: {web: {listen: ['[::]:10048']}}",
        "port: 9",
    ] {
        assert!(!by_exec(wide), "{wide}");
    }
    for narrow in [
        "config: {web: {listen: ['127.0.0.1:10048']}}",
        "config: {web: {listen: ['[::1]:10048']}}",
        "config: {web: {listen: ['192.0.2.7:10048']}}",
        "config: {web: {config_file: /certs/web.yaml}}",
        "webConfig: {secretName: web}",
    ] {
        assert!(by_exec(narrow), "{narrow}");
    }
    let own = "webConfig: {secretName: web}\nreadinessProbe: {httpGet: null, exec: {command: [/pullprobe, healthcheck, --timeout, 1s]}}";
    assert!(by_exec(own));
}

/// Not a refusal: a web configuration file may have headers only, or the scrape its scheme from elsewhere.
#[test]
fn the_notes_say_which_scrape_a_protected_port_may_not_answer() {
    const SCRAPES: [&str; 2] = ["podMonitoring cannot scrape", "prometheusAnnotations name neither"];
    for (values, expected) in [
        ("{webConfig: {secretName: web}, podMonitoring: {enabled: true}}", [true, false]),
        ("{webConfig: {secretName: web}, prometheusAnnotations: true}", [false, true]),
        (
            "{config: {web: {config_file: /certs/web.yaml}}, podMonitoring: {enabled: true}, prometheusAnnotations: true}",
            [true, true],
        ),
        ("{webConfig: {secretName: web}, podMonitor: {enabled: true}}", [false, false]),
        ("{podMonitoring: {enabled: true}, prometheusAnnotations: true}", [false, false]),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), values).unwrap();
        let notes = success(&mut helm("notes", Some(file.path())));
        assert_eq!(SCRAPES.map(|words| notes.contains(words)), expected, "{values}: {notes}");
        assert_eq!(notes.contains("If web.yaml asks for"), expected.contains(&true), "{values}: {notes}");
    }
}
