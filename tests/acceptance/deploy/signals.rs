//! The chart's rights for condition and events: only where they are switched on, and no more than those.

use serde_json::{Value, json};

use super::presets::with;
use super::tools::{helm, items, object, objects, refusal, yaml};

/// Rendered for this version of Kubernetes.
fn rendered(rbac: &str, version: &str) -> Vec<Value> {
    with(&format!("kubeVersionOverride: {version}\nrbac: {{{rbac}}}\n"))
}

fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> Option<&'a Value> {
    objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == *name)
}

fn settings(objects: &[Value]) -> Value {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text(&object(objects, "ConfigMap")["data"]["config.yaml"])).unwrap();
    yaml(file.path())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn nothing_of_it_is_there_unless_it_is_switched_on() {
    for objects in [objects(None), rendered("pods: true, admissionPolicy: Enabled", "v1.33.0")] {
        let names: Vec<&str> = objects.iter().filter_map(|object| object["metadata"]["name"].as_str()).collect();
        assert!(!names.iter().any(|name| name.contains("signals") || name.contains("own-node")), "{names:?}");
        assert_eq!(settings(&objects)["signals"], Value::Null);
    }
}

#[test]
fn each_switch_gives_its_right_and_no_other_and_turns_the_agent_on() {
    let condition = json!({"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"]});
    let events = json!({"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]});
    for (rbac, rules, signals) in [
        ("nodeCondition: true", json!([condition]), json!({"node_condition": true})),
        ("events: true", json!([events]), json!({"events": true})),
        (
            "nodeCondition: true, events: true",
            json!([condition, events]),
            json!({"node_condition": true, "events": true}),
        ),
    ] {
        let objects = rendered(rbac, "v1.29.9");
        let role = find(&objects, "ClusterRole", "pullprobe-signals").unwrap();
        assert_eq!(role["rules"], rules, "{rbac}");
        let binding = find(&objects, "ClusterRoleBinding", "pullprobe-signals").unwrap();
        assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
        assert_eq!(binding["subjects"][0]["name"], object(&objects, "ServiceAccount")["metadata"]["name"]);
        assert_eq!(settings(&objects)["signals"], signals, "{rbac}");
        assert!(!objects.iter().any(|object| object["kind"] == "ValidatingAdmissionPolicy"), "before 1.30: {rbac}");
    }
}

/// The agent asks for pods where it has a token, unless it is told not to.
#[test]
fn without_the_right_to_pods_there_is_a_token_and_no_question_about_pods() {
    let objects = rendered("pods: false, nodeCondition: true", "v1.29.9");
    assert!(find(&objects, "ClusterRole", "pullprobe-pods").is_none());
    assert_eq!(settings(&objects)["targets"]["discover"]["waiting_pods"], false);
    let pod = &object(&objects, "DaemonSet")["spec"]["template"]["spec"];
    assert!(items(&pod["volumes"]).iter().any(|volume| volume["name"] == "token"), "{pod:#}");
    let shared = "serviceAccount: {create: false}\nrbac: {pods: false, events: true}\n";
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("values.yaml");
    std::fs::write(&file, shared).unwrap();
    assert!(refusal(&mut helm("render", Some(&file))).contains("rbac.events"));
}

#[test]
fn the_admission_policy_is_about_this_account_its_node_and_what_it_may_change() {
    let objects = rendered("nodeCondition: true, events: true", "v1.30.0");
    let policy = &find(&objects, "ValidatingAdmissionPolicy", "pullprobe-own-node").unwrap()["spec"];
    assert_eq!(policy["failurePolicy"], "Fail");
    let account = &object(&objects, "ServiceAccount")["metadata"];
    let user = format!("system:serviceaccount:{}:{}", text(&account["namespace"]), text(&account["name"]));
    assert!(text(&policy["matchConditions"][0]["expression"]).contains(&format!("'{user}'")), "{policy:#}");
    let resources: Vec<&Value> =
        items(&policy["matchConstraints"]["resourceRules"]).iter().map(|rule| &rule["resources"]).collect();
    assert_eq!(resources, [&json!(["nodes/status"]), &json!(["events"])]);
    let all = policy.to_string();
    for words in [
        "authentication.kubernetes.io/node-name",
        pullprobe::signals::CONDITION,
        "object.metadata.name == variables.node",
    ] {
        assert!(all.contains(words), "{words}");
    }
    let binding = &find(&objects, "ValidatingAdmissionPolicyBinding", "pullprobe-own-node").unwrap()["spec"];
    assert_eq!(*binding, json!({"policyName": "pullprobe-own-node", "validationActions": ["Deny"]}));
    for (rbac, version, is_there) in [
        ("events: true, admissionPolicy: Disabled", "v1.33.0", false),
        ("events: true, admissionPolicy: Enabled", "v1.29.14", true),
        ("events: true", "v1.31.0+k3s1", true),
        ("events: true", "v1.29.14", false),
    ] {
        let found = find(&rendered(rbac, version), "ValidatingAdmissionPolicy", "pullprobe-own-node").is_some();
        assert_eq!(found, is_there, "{rbac} {version}");
    }
}
