//! `fleet`: every node's answer, and what those that cannot pull have in common, against a stand-in for the API server.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::process::Command;
use std::sync::Arc;

use pullprobe_lab::api_server::{ApiServer, Config};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::binary::{Finished, document, finish, pullprobe, repository};
use super::why::objects::{agent, login, secret};

struct Cluster {
    runtime: tokio::runtime::Runtime,
    api: ApiServer,
    directory: TempDir,
}

impl Cluster {
    fn new(config: Config) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let api = {
            let _inside = runtime.enter();
            ApiServer::start(config).unwrap()
        };
        let directory = TempDir::new().unwrap();
        std::fs::write(directory.path().join("kubeconfig"), api.kubeconfig("shop", "bearer-planted")).unwrap();
        Self { runtime, api, directory }
    }

    fn ask(&self, arguments: &[&str]) -> Finished {
        let mut command = pullprobe(["fleet", "--log-level", "trace"]);
        command.arg("--kubeconfig").arg(self.directory.path().join("kubeconfig")).args(arguments);
        let finished = finish(&mut command);
        assert!(!format!("{finished:?}").contains("planted"), "{finished:?}");
        finished
    }

    fn json(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let told = self.ask(&[&["-o", "json"], arguments].concat());
        let answer = document(&told);
        let schema: Value =
            serde_json::from_str(&std::fs::read_to_string(repository("docs/schema/fleet.v1.json")).unwrap()).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let wrong: Vec<String> = validator.iter_errors(&answer).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{wrong:?}: {answer:#}");
        (told.code, answer)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
    }
}

fn node(name: &str, zone: &str) -> Value {
    json!({
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone}},
        "status": {"nodeInfo": {"osImage": "Debian 12", "kernelVersion": "6.1", "containerRuntimeVersion": "containerd://2.1.9"}}
    })
}

/// What the agent of this node serves; `cause`: of a registry that it cannot pull from.
fn summary(node: &str, hash: &str, cause: Option<&str>) -> String {
    let failing: Vec<Value> = cause
        .iter()
        .map(|cause| json!({"endpoint": "https://registry-1.docker.io", "role": "upstream", "stage": "dns", "cause": cause}))
        .collect();
    let document = json!({
        "schema_version": 1, "node": node, "pullprobe": "0.2.0", "platform": "linux/amd64", "containerd": "2.1.9",
        "config_hash": hash, "config_changed_at": null, "nameservers": ["10.0.0.10"], "proxies": [],
        "started_at": "2026-11-29T10:00:00Z", "complete": true,
        "registries": [{"registry": "docker.io", "pullable": cause.is_none(), "degraded": false, "cause": cause,
            "owner": cause.map(|_| "network"), "failing": failing}],
        "images": [], "findings": {"errors": 0, "warnings": 0}
    });
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(repository("docs/schema/summary.v1.json")).unwrap()).unwrap();
    assert!(jsonschema::is_valid(&schema, &document));
    document.to_string()
}

fn proxied(node: &str) -> String {
    format!("pullprobe/agent-{node}:10048/api/v1/summary")
}

/// So many nodes in each of five zones, of which the third fails.
fn zones(of_each: usize) -> Config {
    let mut config = Config::default();
    for number in 0..5 * of_each {
        let (name, zone) = (format!("node-{number:04}"), format!("zone-{}", number % 5));
        config.objects.push(node(&name, &zone));
        config.objects.push(agent(&name));
        let cause = (number % 5 == 2).then_some("dns_timeout");
        config.proxied.insert(proxied(&name), (200, summary(&name, "a", cause)));
    }
    config
}

#[test]
fn a_fault_in_one_zone_of_fifty_nodes_names_the_zone() {
    let cluster = Cluster::new(zones(10));
    let (code, told) = cluster.json(&[]);
    assert_eq!((code, &told["nodes"]), (Some(1), &50.into()));
    let target = &told["targets"][0];
    assert_eq!((&target["target"], &target["can"], &target["cannot"]), (&"docker.io".into(), &40.into(), &10.into()));
    let failure = &target["failures"][0];
    assert_eq!((&failure["cause"], &failure["owner"]), (&"dns_timeout".into(), &"network".into()));
    assert_eq!(
        failure["common"],
        json!([{"name": "topology.kubernetes.io/zone", "values": ["zone-2"], "missed": 0, "spared": 0}])
    );
    let text = cluster.ask(&["docker.io"]);
    assert!(text.stdout.contains("in common: topology.kubernetes.io/zone = zone-2"), "{text:?}");
    let of_zone = cluster.json(&["-l", "topology.kubernetes.io/zone=zone-1"]);
    assert_eq!((of_zone.0, &of_zone.1["nodes"]), (Some(0), &10.into()));
    let sample = cluster.json(&["--sample", "2"]);
    assert_eq!((sample.0, &sample.1["nodes"]), (Some(1), &10.into()));
}

/// Agents with a web configuration file: one speaks TLS, one asks for a password.
#[test]
fn an_agent_that_speaks_tls_is_asked_again_and_one_that_asks_for_a_password_is_named() {
    let mut config = zones(1);
    let tls = config.proxied.insert(proxied("node-0000"), (400, "this port speaks TLS: ask with https\n".into()));
    config.proxied.insert(proxied("node-0000").replace("/agent", "/https:agent"), tls.unwrap());
    config.proxied.insert(proxied("node-0001"), (401, "this needs a user and a password\n".into()));
    let (code, told) = Cluster::new(config).json(&[]);
    let target = &told["targets"][0];
    assert_eq!((code, &target["can"], &target["cannot"]), (Some(1), &3.into(), &1.into()), "{told:#}");
    let text = told.to_string();
    assert!(text.contains("asks for a password or a client certificate") && text.contains("node-0001"), "{told:#}");
    assert!(!text.contains("node-0000\""), "{told:#}");
}

/// Two nodes fail, and a third has an agent that does not say since when.
#[test]
fn a_failure_is_as_old_as_on_the_first_node_and_an_older_agent_says_nothing_of_it() {
    let mut config = Config::default();
    for (name, since) in [("a", Some("2026-11-30T10:42:17.25Z")), ("b", Some("2026-11-30T09:01:00Z")), ("c", None)] {
        config.objects.extend([node(name, "zone-1"), agent(name)]);
        let mut document: Value = serde_json::from_str(&summary(name, "a", Some("dns_timeout"))).unwrap();
        if let Some(since) = since {
            document["registries"][0]["failing_since"] = since.into();
        }
        config.proxied.insert(proxied(name), (200, document.to_string()));
    }
    let cluster = Cluster::new(config);
    let failure = &cluster.json(&[]).1["targets"][0]["failures"][0];
    assert_eq!(
        (&failure["failing_since"], failure["nodes"].as_array().unwrap().len()),
        (&"2026-11-30T09:01:00Z".into(), 3)
    );
    for arguments in [&[][..], &["-o", "wide"]] {
        let text = cluster.ask(arguments).stdout;
        assert!(text.contains("on 3 nodes (a, b, c) since 2026-11-30 09:01 UTC, at fault"), "{text}");
    }
}

#[test]
fn who_cannot_be_asked_is_named_with_the_reason_and_drift_with_its_groups() {
    let mut config = zones(1);
    config.objects.push(node("bare", "zone-1"));
    config.proxied.insert(proxied("node-0000"), (404, "nothing here".into()));
    config.proxied.insert(proxied("node-0001"), (200, "<html>".into()));
    config.proxied.remove(&proxied("node-0003"));
    config.proxied.insert(proxied("node-0004"), (200, summary("node-9999", "a", None)));
    config.proxied.insert(proxied("node-0002"), (200, summary("node-0002", "b", None)));
    config.objects.extend([node("node-0005", "zone-0"), agent("node-0005")]);
    config.proxied.insert(proxied("node-0005"), (200, summary("node-0005", "a", None)));
    let (code, told) = Cluster::new(config).json(&[]);
    assert_eq!(code, Some(3), "{told:#}");
    let reasons: Vec<(String, Value)> = told["not_asked"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["reason"].as_str().unwrap().to_owned(), one["nodes"].clone()))
        .collect();
    let expected = [
        (
            "its agent calls itself by another name than the node: either the agent of another node answers at its address, or \
             `node.name` (NODE_NAME) of the agent is to be set to the node's name",
            "node-0004",
        ),
        (
            "no agent of pullprobe runs there: no pod with app.kubernetes.io/name=pullprobe in namespace pullprobe",
            "bare",
        ),
        ("the agent does not answer (the API server says 503)", "node-0003"),
        ("the agent has no summary: it is too old", "node-0000"),
        ("the agent's answer is no summary: it is too old or too new", "node-0001"),
    ];
    assert_eq!(reasons, expected.map(|(reason, node)| (reason.to_owned(), json!([node]))));
    assert_eq!(told["drift"][0]["name"], "configuration");
    assert_eq!(told["drift"][0]["groups"].as_array().unwrap().len(), 2);
}

#[test]
fn a_right_that_is_missing_is_named() {
    let forbidden = |right: &str| Config { forbidden: vec![right.to_owned()], ..zones(1) };
    let nodes = Cluster::new(forbidden("list nodes")).ask(&[]);
    assert!(nodes.code == Some(2) && nodes.stderr.contains("cannot list resource \"nodes\""), "{nodes:?}");
    let (code, told) = Cluster::new(forbidden("get pods/proxy")).json(&[]);
    assert_eq!(
        (code, &told["not_asked"][0]["reason"]),
        (Some(3), &"you lack the right to get pods/proxy in the agents' namespace".into())
    );
    assert_eq!(told["not_asked"][0]["nodes"].as_array().unwrap().len(), 5);
}

/// What `check` prints on a node, with what it was given in place of a real registry.
fn checking(config: Config) -> Config {
    let runs = |_: &str, pod: &str, asked: &[String]| -> Command {
        let spends_nothing = asked.windows(2).any(|two| two == ["--counted-pulls", "0"]);
        assert!(spends_nothing, "{asked:?}");
        assert!(!format!("{asked:?}").contains("planted"), "{asked:?}");
        let pullable = pod != "agent-node-0002";
        let cause = (!pullable).then_some("credentials_missing");
        let image = json!({"image": asked.last(), "pullable": pullable, "runnable": pod != "agent-node-0001", "cause": cause, "owner": cause.map(|_| "credentials")});
        let mut command = Command::new("python3");
        // It reads the one document that it is given, and gives no answer without the secret in it.
        let script = "import os, sys\nsecrets = b''\nwhile not secrets.endswith(b']}'): secrets += os.read(0, 65536)\n\
                      sys.stdout.write(sys.argv[1] if b'right-login' in secrets else '')";
        command.args(["-c", script, &json!({"images": [image]}).to_string()]);
        command
    };
    Config { runs: Some(Arc::new(runs)), ..config }
}

#[test]
fn an_image_is_checked_on_every_node_with_the_secrets_of_a_service_account() {
    let mut config = checking(zones(1));
    config.objects.push(secret("shop", "right-login", &login("registry.example", "planted")));
    config.objects.push(json!({"kind": "ServiceAccount", "metadata": {"name": "web", "namespace": "shop"},
        "imagePullSecrets": [{"name": "right-login"}]}));
    let cluster = Cluster::new(config);
    let (code, told) = cluster.json(&["--service-account", "web", "registry.example/demo/app:1.0"]);
    let target = &told["targets"][0];
    assert_eq!((code, &target["can"], &target["cannot"]), (Some(1), &3.into(), &2.into()), "{told:#}");
    let failing: Vec<&Value> = target["failures"].as_array().unwrap().iter().map(|one| &one["nodes"]).collect();
    assert_eq!(failing.len(), 2, "one is not pulled, one would not start: {target:#}");
    assert!(failing.contains(&&json!(["node-0002"])) && failing.contains(&&json!(["node-0001"])), "{target:#}");
    assert!(!cluster.api.requests().iter().any(|request| request.contains("planted")));
    let missing = cluster.ask(&["--service-account", "nobody", "registry.example/demo/app:1.0"]);
    assert!(missing.code == Some(2) && missing.stderr.contains("service account nobody"), "{missing:?}");
}

/// Without a summary of the registry and without a check nothing is known, and that is said.
#[test]
fn an_image_that_no_node_can_check_is_unknown() {
    let (code, told) = Cluster::new(zones(1)).json(&["registry.example/demo/app:1.0"]);
    assert_eq!(code, Some(3), "{told:#}");
    assert_eq!(
        told["not_asked"].as_array().unwrap().iter().map(|one| one["nodes"].as_array().unwrap().len()).sum::<usize>(),
        5
    );
}

#[test]
fn a_check_that_fails_hides_nothing_of_a_registry() {
    let (code, told) = Cluster::new(zones(1)).json(&["docker.io", "registry.example/demo/app:1.0"]);
    let target = |name: &str| told["targets"].as_array().unwrap().iter().find(|one| one["target"] == name).unwrap();
    assert_eq!((code, &target("docker.io")["cannot"]), (Some(1), &1.into()), "{told:#}");
    assert_eq!(target("registry.example/demo/app:1.0")["unknown"], 5, "{told:#}");
}

#[test]
fn where_no_node_is_asked_the_answer_is_unknown_and_says_why() {
    let cluster = Cluster::new(zones(1));
    for words in [&["-l", "pool=typo"][..], &["-l", "pool=typo", "registry.example"]] {
        let told = cluster.ask(words);
        assert_eq!(told.code, Some(3), "{told:?}");
        assert!(told.stderr.contains("no node has the labels `pool=typo`"), "{told:?}");
    }
}
