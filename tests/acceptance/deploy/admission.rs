//! What the chart's admission policy lets an agent do: its expressions, evaluated over requests as an API server would put them.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Map, Value, json};

use super::presets::with;
use super::tools::{command, object, path, python, success};

const AGENT: &str = "system:serviceaccount:pullprobe:pullprobe";
const OWN_NODE: &str = "the status of its own node only";
const METADATA: &str = "the metadata of its node";
const CONDITION: &str = "the condition RegistryReachable only";
const OWN_NAME: &str = "in its own name and of its own node only";
const OWN_EVENTS: &str = "its own events only";
const ABOUT: &str = "about pods and about its own node only";

/// One request, and the end of what refuses it. `None`: nothing does.
struct Case {
    what: String,
    request: Value,
    refused: Option<&'static str>,
}

fn case(what: impl Into<String>, request: Value, refused: Option<&'static str>) -> Case {
    Case { what: what.into(), request, refused }
}

/// What the policy says of each. `None`: it is not about that one.
fn asked(requests: &[&Value]) -> Vec<Option<Vec<String>>> {
    let objects = with("kubeVersionOverride: v1.33.0\nrbac: {nodeCondition: true, events: true}\n");
    let policy = &object(&objects, "ValidatingAdmissionPolicy")["spec"];
    assert_eq!(policy["failurePolicy"], "Fail", "the tool takes what fails for refused");
    let mut program = command(python("python"), [path("tests/tools/admission.py")]);
    let mut program = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let input = json!({"policy": policy, "requests": requests}).to_string();
    program.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = program.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn judge(cases: &[Case]) {
    let requests: Vec<&Value> = cases.iter().map(|case| &case.request).collect();
    let answers = asked(&requests);
    assert_eq!(answers.len(), cases.len());
    let mut wrong = Vec::new();
    for (Case { what, refused, .. }, answer) in cases.iter().zip(answers) {
        let answer = answer.unwrap_or_else(|| panic!("the policy is about {what}"));
        let is_right = match refused {
            None => answer.is_empty(),
            Some(end) => answer.len() == 1 && answer[0].ends_with(end),
        };
        if !is_right {
            wrong.push(format!("{what}: {answer:?}, not {refused:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn request(resource: &str, operation: &str, user: &str, node: Option<&str>) -> Value {
    let pod = json!({"authentication.kubernetes.io/pod-name": ["pullprobe-x7k2p"]});
    let mut extra = pod;
    if let Some(node) = node {
        extra["authentication.kubernetes.io/node-name"] = json!([node]);
    }
    json!({
        "resource": {"group": "", "version": "v1", "resource": resource},
        "operation": operation,
        "userInfo": {"username": user, "groups": ["system:serviceaccounts", "system:authenticated"], "extra": extra},
    })
}

/// A node as kubelet reports it, with the condition of the agent if that is there.
fn node(heartbeat: Option<&str>) -> Value {
    let mut conditions = vec![
        json!({"type": "MemoryPressure", "status": "False", "reason": "KubeletHasSufficientMemory",
               "lastHeartbeatTime": "2026-11-29T10:00:00Z", "lastTransitionTime": "2026-11-01T10:00:00Z"}),
        json!({"type": "Ready", "status": "True", "reason": "KubeletReady",
               "lastHeartbeatTime": "2026-11-29T10:00:00Z", "lastTransitionTime": "2026-11-01T10:00:00Z"}),
    ];
    conditions.extend(heartbeat.map(|at| {
        json!({"type": "RegistryReachable", "status": "True", "reason": "RegistryReachable", "message": "2 of 2",
               "lastHeartbeatTime": at, "lastTransitionTime": "2026-11-29T10:00:00Z"})
    }));
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": "worker-3", "uid": "5d0c", "resourceVersion": "41", "creationTimestamp": "2026-11-01T10:00:00Z",
            "labels": {"kubernetes.io/hostname": "worker-3", "kubernetes.io/os": "linux"},
            "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
            "managedFields": [{"manager": "kubelet", "operation": "Update", "subresource": "status"}],
        },
        "spec": {"podCIDR": "10.0.3.0/24", "providerID": "x:///worker-3"},
        "status": {
            "capacity": {"cpu": "4", "memory": "16Gi"}, "allocatable": {"cpu": "4", "memory": "15Gi"},
            "conditions": conditions,
            "addresses": [{"type": "InternalIP", "address": "10.0.0.3"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {"kubeletVersion": "v1.33.0", "containerRuntimeVersion": "containerd://2.1.9"},
            "images": [{"names": ["registry.k8s.io/pause:3.10"], "sizeBytes": 320_000}],
        },
    })
}

const BEFORE: Option<&str> = Some("2026-11-29T10:00:00Z");
const NEXT: Option<&str> = Some("2026-11-29T10:05:00Z");

/// The agent of worker-3 patches that node's status from what it was to this.
fn patch(old: &Value, new: &Value) -> Value {
    let request = request("nodes", "UPDATE", AGENT, Some("worker-3"));
    json!({"request": request, "object": new, "oldObject": old})
}

/// The usual heartbeat, with this done to the node as well.
fn heartbeat_and(change: impl FnOnce(&mut Value)) -> Value {
    let mut new = node(NEXT);
    change(&mut new);
    patch(&node(BEFORE), &new)
}

fn entries<'a>(object: &'a mut Value, part: &str) -> &'a mut Map<String, Value> {
    object[part].as_object_mut().unwrap()
}

fn list(value: &mut Value) -> &mut Vec<Value> {
    value.as_array_mut().unwrap()
}

/// The fields of this type in any Kubernetes that there are schemas of.
fn fields(schema: &str) -> BTreeSet<String> {
    let script = "import json, pathlib, sys, kubernetes_validate as package
files = pathlib.Path(package.__file__).parent.glob(f'kubernetes-json-schema/*-local/{sys.argv[1]}')
print(json.dumps(sorted({field for file in files for field in json.loads(file.read_text())['properties']})))";
    let names = success(&mut command(python("python"), ["-c", script, schema]));
    serde_json::from_str(&names).unwrap()
}

#[test]
fn an_agent_writes_its_condition_and_its_heartbeat() {
    judge(&[
        case("a patch of nothing", patch(&node(BEFORE), &node(BEFORE)), None),
        case("only the heartbeat changes", patch(&node(BEFORE), &node(NEXT)), None),
        case("the condition is there for the first time", patch(&node(None), &node(NEXT)), None),
        case(
            "what the API server notes of a patch",
            heartbeat_and(|node| {
                node["metadata"]["resourceVersion"] = json!("42");
                list(&mut node["metadata"]["managedFields"])
                    .push(json!({"manager": "pullprobe", "operation": "Update"}));
            }),
            None,
        ),
        case(
            "the condition becomes false",
            heartbeat_and(|it| it["status"]["conditions"][2]["status"] = json!("False")),
            None,
        ),
    ]);
}

#[test]
fn an_agent_changes_no_other_node_and_needs_a_token_that_names_its_own() {
    let of = |node_of_token| {
        let request = request("nodes", "UPDATE", AGENT, node_of_token);
        json!({"request": request, "object": node(NEXT), "oldObject": node(BEFORE)})
    };
    judge(&[case("the agent of another node", of(Some("worker-4")), Some(OWN_NODE))]);
    let nameless = asked(&[&of(None)]).remove(0).unwrap();
    assert!(nameless.iter().any(|message| message.ends_with("names no node")), "{nameless:?}");
}

#[test]
fn the_policy_is_about_the_agents_alone() {
    for user in ["system:node:worker-3", "system:serviceaccount:kube-system:node-problem-detector", "kubernetes-admin"]
    {
        let request = request("nodes", "UPDATE", user, None);
        let mut new = node(None);
        new["metadata"]["labels"]["x"] = json!("y");
        let answer = asked(&[&json!({"request": request, "object": new, "oldObject": node(None)})]).remove(0);
        assert_eq!(answer, None, "{user}");
    }
}

#[test]
fn an_agent_changes_no_other_condition_and_no_specification() {
    let ready = |it: &mut Value| it["status"]["conditions"][1]["status"] = json!("Unknown");
    let heartbeat = |it: &mut Value| it["status"]["conditions"][1]["lastHeartbeatTime"] = json!("2026-11-29T11:00:00Z");
    let gone = |it: &mut Value| drop(list(&mut it["status"]["conditions"]).remove(0));
    let network = json!({"type": "NetworkUnavailable", "status": "True"});
    let added = |it: &mut Value| list(&mut it["status"]["conditions"]).push(network);
    judge(&[
        case("Ready changes", heartbeat_and(ready), Some(CONDITION)),
        case("the heartbeat of Ready changes", heartbeat_and(heartbeat), Some(CONDITION)),
        case("a condition goes", heartbeat_and(gone), Some(CONDITION)),
        case("another one comes", heartbeat_and(added), Some(CONDITION)),
        case(
            "all conditions go",
            heartbeat_and(|it| drop(entries(it, "status").remove("conditions"))),
            Some(CONDITION),
        ),
        case(
            "a taint",
            heartbeat_and(|it| it["spec"]["taints"] = json!([{"key": "x", "effect": "NoExecute"}])),
            Some(CONDITION),
        ),
    ]);
}

/// The API server resets only the specification of a node whose status is patched.
#[test]
fn an_agent_changes_no_label_and_nothing_else_of_its_nodes_metadata() {
    let label = |it: &mut Value| it["metadata"]["labels"]["node-restriction.kubernetes.io/pci"] = json!("true");
    let unlabelled = |it: &mut Value| drop(entries(&mut it["metadata"], "labels").remove("kubernetes.io/os"));
    let mut cases = vec![
        case("a label comes", heartbeat_and(label), Some(METADATA)),
        case("a label goes", heartbeat_and(unlabelled), Some(METADATA)),
    ];
    let mut known = fields("objectmeta-meta-v1.json");
    assert!(known.contains("finalizers") && known.contains("ownerReferences"), "{known:?}");
    known.insert("fieldOfTomorrow".to_owned());
    for field in ["generation", "managedFields", "resourceVersion", "name"] {
        known.remove(field);
    }
    cases.extend(known.iter().flat_map(|field| each_way("metadata", field, METADATA)));
    judge(&cases);
}

#[test]
fn an_agent_changes_nothing_else_of_its_nodes_status() {
    let mut known = fields("nodestatus-v1.json");
    assert!(known.remove("conditions") && known.contains("runtimeHandlers") && known.contains("phase"), "{known:?}");
    known.insert("fieldOfTomorrow".to_owned());
    let cases: Vec<Case> = known.iter().flat_map(|field| each_way("status", field, CONDITION)).collect();
    judge(&cases);
}

/// The field comes, goes, and becomes another; and where it stays as it was, nothing is said against it.
fn each_way(part: &str, field: &str, refused: &'static str) -> [Case; 4] {
    let having = |at, value: Option<&str>| {
        let mut node = node(at);
        match value {
            Some(value) => entries(&mut node, part).insert(field.to_owned(), json!(value)),
            None => entries(&mut node, part).remove(field),
        };
        node
    };
    let patched = |old, new| patch(&having(BEFORE, old), &having(NEXT, new));
    [
        case(format!("{part}.{field} comes"), patched(None, Some("a")), Some(refused)),
        case(format!("{part}.{field} goes"), patched(Some("a"), None), Some(refused)),
        case(format!("{part}.{field} changes"), patched(Some("a"), Some("b")), Some(refused)),
        case(format!("{part}.{field} stays"), patched(Some("a"), Some("a")), None),
    ]
}

/// As the agent of worker-3 writes it.
fn event(involved: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"namespace": "default", "name": "worker-3.0123456789abcdef"},
        "involvedObject": involved, "type": "Warning", "reason": "RegistryUnreachable", "message": "…",
        "source": {"component": "pullprobe", "host": "worker-3"}, "reportingComponent": "", "reportingInstance": "",
        "firstTimestamp": "2026-11-29T10:00:00Z", "lastTimestamp": "2026-11-29T10:00:00Z", "count": 1,
    })
}

fn written(old: Option<&Value>, new: &Value) -> Value {
    let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
    json!({"request": request("events", operation, AGENT, Some("worker-3")), "object": new, "oldObject": old})
}

#[test]
fn an_agent_writes_events_in_its_own_name_and_changes_no_others() {
    let about_node = event(&json!({"kind": "Node", "apiVersion": "v1", "name": "worker-3", "uid": "worker-3"}));
    let about_pod =
        event(&json!({"kind": "Pod", "apiVersion": "v1", "namespace": "shop", "name": "web-0", "uid": "1"}));
    let about =
        |kind: &str, name: &str| written(None, &event(&json!({"kind": kind, "apiVersion": "v1", "name": name})));
    let but = |change: &dyn Fn(&mut Value)| {
        let mut event = about_node.clone();
        change(&mut event);
        event
    };
    let kubelets = but(&|event| event["source"]["component"] = json!("kubelet"));
    let of_worker_4 = but(&|event| event["source"]["host"] = json!("worker-4"));
    let again = but(&|event| event["count"] = json!(2));
    let spoken = but(&|event| event["reportingComponent"] = json!("kubelet"));
    let nameless = but(&|event| drop(entries(event, "source").remove("component")));
    let pointless = but(&|event| event["involvedObject"] = json!({}));
    judge(&[
        case("about its node", written(None, &about_node), None),
        case("about a pod", written(None, &about_pod), None),
        case("it happens again", written(Some(&about_node), &again), None),
        case("in kubelet's name", written(None, &kubelets), Some(OWN_NAME)),
        case("reported by kubelet", written(None, &spoken), Some(OWN_NAME)),
        case("in nobody's name", written(None, &nameless), Some(OWN_NAME)),
        case("of another node", written(None, &of_worker_4), Some(OWN_NAME)),
        case("kubelet's event becomes its own", written(Some(&kubelets), &about_node), Some(OWN_EVENTS)),
        case("another agent's event becomes its own", written(Some(&of_worker_4), &about_node), Some(OWN_EVENTS)),
        case("about another node", about("Node", "worker-4"), Some(ABOUT)),
        case("about something else", about("Deployment", "web"), Some(ABOUT)),
        case("about nothing", written(None, &pointless), Some(ABOUT)),
    ]);
}

/// What cannot be evaluated is refused, and not passed over.
#[test]
fn what_has_no_status_at_all_is_refused() {
    let strip = |mut node: Value| {
        node.as_object_mut().unwrap().remove("status");
        node
    };
    judge(&[case("a node without status", patch(&strip(node(None)), &strip(node(None))), Some(CONDITION))]);
}
