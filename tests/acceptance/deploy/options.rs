//! What the chart makes only where it is asked for, and what it refuses.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::presets::{pod, with};
use super::tools::{files, helm, items, object, objects, path, success, text, yaml};

/// What Kubernetes and its operators define, and the chart passes on as it is.
const OPEN: [&str; 14] = [
    "/affinity/nodeAffinity",
    "/affinity/podAffinity",
    "/affinity/podAntiAffinity",
    "/extraEnv/valueFrom",
    "/extraObjects",
    "/extraVolumes",
    "/global",
    "/networkPolicy/from",
    "/podMonitor/tlsConfig/ca",
    "/podMonitor/tlsConfig/cert",
    "/podMonitor/tlsConfig/keySecret",
    "/serviceMonitor/tlsConfig/ca",
    "/serviceMonitor/tlsConfig/cert",
    "/serviceMonitor/tlsConfig/keySecret",
];

/// Each object in the schema that takes any key, by its place among the values.
fn open(schema: &Value, at: &str, found: &mut BTreeSet<String>) {
    let is_object = schema["type"] == "object" || schema.get("properties").is_some();
    let map_of_values = schema["additionalProperties"].is_object();
    if is_object && schema["additionalProperties"] != false && !map_of_values {
        found.insert(at.to_owned());
    }
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        open(inner, &format!("{at}/{key}"), found);
    }
    open_alternatives(schema, at, found);
}

fn open_alternatives(schema: &Value, at: &str, found: &mut BTreeSet<String>) {
    if schema["items"].is_object() {
        open(&schema["items"], at, found);
    }
    for inner in schema["anyOf"].as_array().into_iter().flatten() {
        open(inner, at, found);
    }
}

#[test]
fn no_value_takes_a_key_that_nobody_knows() {
    let schema: Value = serde_json::from_str(&text("deploy/helm/pullprobe/values.schema.json")).unwrap();
    let mut found = BTreeSet::new();
    open(&schema, "", &mut found);
    let known: BTreeSet<String> = OPEN.iter().map(|&one| one.to_owned()).collect();
    assert_eq!(found, known);
    assert!(files("tests/fixtures/deploy/refused").len() >= 40);
}

#[test]
fn the_pod_of_helm_test_is_an_agent_that_checks_once_and_that_nothing_takes_for_one() {
    let all = objects(None);
    let test = object(&all, "Pod");
    assert_eq!(test["metadata"]["annotations"]["helm.sh/hook"], "test");
    let daemon_set = object(&all, "DaemonSet");
    let (agent, container) = (pod(&all), &test["spec"]["containers"][0]);
    let of_agent = &agent["containers"][0];
    for same in ["image", "env", "securityContext", "volumeMounts"] {
        assert_eq!(container[same], of_agent[same], "{same}");
    }
    for same in ["hostNetwork", "dnsPolicy", "volumes", "securityContext", "serviceAccountName", "tolerations"] {
        assert_eq!(test["spec"][same], agent[same], "{same}");
    }
    assert_eq!(container["args"], json!(["check", "--config", "/etc/pullprobe/config.yaml"]));
    // It is on the node's network beside the agent, whose port it must not ask for.
    assert!(container.get("ports").is_none());
    let selector = daemon_set["spec"]["selector"]["matchLabels"].as_object().unwrap();
    let selected = selector.iter().all(|(key, value)| test["metadata"]["labels"][key] == *value);
    assert!(!selected, "a DaemonSet adopts what it selects: {test:#}");
    let targets = with("tests: {targets: [nginx, quay.io]}");
    assert_eq!(items(&object(&targets, "Pod")["spec"]["containers"][0]["args"])[3..], ["nginx", "quay.io"]);
    assert!(with("tests: {enabled: false}").iter().all(|object| object["kind"] != "Pod"));
}

#[test]
fn the_notes_say_the_next_three_commands() {
    let notes = success(&mut helm("notes", None));
    let commands: Vec<&str> = notes.lines().filter_map(|line| line.strip_prefix("  kubectl ")).collect();
    assert_eq!(commands.len(), 4, "{notes}");
    for (command, words) in
        commands.iter().zip(["rollout status", "check nginx:no-such-tag", "port-forward", "pod-security"])
    {
        assert!(command.contains(words), "{command}");
    }
    assert!(!notes.contains("{{"), "{notes}");
}

#[test]
fn each_way_to_be_scraped_leads_to_the_agents() {
    let all = with(
        "{serviceMonitor: {enabled: true}, podMonitoring: {enabled: true}, prometheusAnnotations: true, port: 10050}",
    );
    let labels = &object(&all, "DaemonSet")["spec"]["template"]["metadata"]["labels"];
    let selects = |selector: &Value| selector.as_object().unwrap().iter().all(|(key, value)| labels[key] == *value);
    let port = &pod(&all)["containers"][0]["ports"][0];
    let service = object(&all, "Service");
    assert!(selects(&service["spec"]["selector"]));
    let monitor = &object(&all, "ServiceMonitor")["spec"];
    let of_service = &service["metadata"]["labels"];
    let wanted = monitor["selector"]["matchLabels"].as_object().unwrap();
    assert!(wanted.iter().all(|(key, value)| of_service[key] == *value), "{monitor:#}");
    assert_eq!(monitor["endpoints"][0]["port"], service["spec"]["ports"][0]["name"]);
    assert_eq!(monitor["endpoints"][0]["relabelings"][0]["targetLabel"], "node");
    let google = &object(&all, "PodMonitoring")["spec"];
    assert!(selects(&google["selector"]["matchLabels"]));
    assert_eq!(google["endpoints"][0]["port"], port["name"]);
    let annotations = &object(&all, "DaemonSet")["spec"]["template"]["metadata"]["annotations"];
    let expected = [("scrape", "true"), ("port", "10050"), ("path", "/metrics")];
    for (name, value) in expected {
        assert_eq!(annotations[format!("prometheus.io/{name}")], value, "{annotations}");
    }
    assert_eq!(port["containerPort"], 10050);
}

#[test]
fn what_a_platform_wants_beside_the_agent_is_made_on_request() {
    let kinds =
        |objects: &[Value]| objects.iter().map(|one| one["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    for kind in ["ResourceQuota", "NetworkPolicy", "Namespace", "Service"] {
        assert!(!kinds(&objects(None)).contains(&kind.to_owned()), "{kind} is not asked for");
    }
    let all = objects(Some(&path("deploy/helm/examples/everything.yaml")));
    let quota = &object(&all, "ResourceQuota")["spec"];
    assert_eq!(quota["scopeSelector"]["matchExpressions"][0]["values"][0], pod(&all)["priorityClassName"]);
    let policy = &object(&all, "NetworkPolicy")["spec"];
    assert_eq!(policy["ingress"][0]["ports"][0]["port"], pod(&all)["containers"][0]["ports"][0]["containerPort"]);
    assert_eq!(policy["ingress"][0]["from"][0]["ipBlock"]["cidr"], "10.0.0.0/8");
    let labels = object(&all, "Namespace")["metadata"]["labels"].clone();
    for level in ["enforce", "audit", "warn"] {
        assert_eq!(labels[format!("pod-security.kubernetes.io/{level}")], "privileged");
    }
    assert!(all.iter().any(|one| one["metadata"]["name"] == "pullprobe-notes"), "{:?}", kinds(&all));
    assert!(all.iter().all(|one| !one.is_null()));
    let text = with("extraObjects: ['{apiVersion: v1, kind: Secret, metadata: {name: {{ .Release.Name }}-x}}']");
    assert_eq!(object(&text, "Secret")["metadata"]["name"], "pullprobe-x");
}

#[test]
fn a_rollout_never_has_two_agents_on_one_port() {
    let spec = object(&objects(None), "DaemonSet")["spec"].clone();
    assert!(spec["updateStrategy"]["rollingUpdate"].get("maxSurge").is_none(), "{spec}");
    let values = yaml(&path("deploy/helm/pullprobe/values.yaml"));
    assert_eq!(spec["revisionHistoryLimit"], values["revisionHistoryLimit"]);
}
