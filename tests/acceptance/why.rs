//! `why`: from a stuck pod to its cause, against a stand-in for the API server. What it runs in the agent's pod is the
//! program itself, on a node whose registry is real.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

pub mod objects;

use std::process::Command;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use pullprobe_lab::api_server::{ApiServer, Config};
use serde_json::{Value, json};

use super::binary::{Finished, document, finish, pullprobe};
use super::world::{Given, World};
use objects::{OPAQUE, Pod, agent, auths, login, secret, token};

const PASSWORD: &str = "right-planted";
const BEARER: &str = "bearer-planted";
const REFUSED: &str = "failed to pull and unpack image \"registry.example/demo/app:1.0\": failed to resolve reference \
                       \"registry.example/demo/app:1.0\": pull access denied, repository does not exist or may require \
                       authorization: authorization failed: no basic auth credentials";

/// A node with a private registry, and a cluster that it is in.
struct Cluster {
    runtime: tokio::runtime::Runtime,
    api: ApiServer,
    /// Last: what is run in pods reads its files.
    world: Arc<World>,
}

impl Cluster {
    fn new(objects: Vec<Value>) -> Self {
        Self::with(objects, |_| {})
    }

    fn with(mut objects: Vec<Value>, change: impl FnOnce(&mut Config)) -> Self {
        let given = format!(
            "[[registries]]
            host = 'registry.example'
            tls = {{}}
            auth = {{basic = {{users = {{puller = '{PASSWORD}'}}}}}}
            push = [{{repository = 'demo/app', tag = '1.0', content = {{image = {{}}}}}}]"
        );
        let world = Arc::new(World::start(toml::from_str::<Given>(&given).unwrap()));
        objects.push(agent("worker-1"));
        let node = world.command("check");
        let options: Vec<String> = node.get_args().skip(1).map(|one| one.to_string_lossy().into_owned()).collect();
        let runs = move |_: &str, _: &str, asked: &[String]| -> Command {
            assert!(asked[..2] == ["/pullprobe", "check"] && !format!("{asked:?}").contains("planted"), "{asked:?}");
            pullprobe([&asked[1..2], &options, &asked[2..]].concat())
        };
        let mut config = Config { objects, runs: Some(Arc::new(runs)), ..Config::default() };
        change(&mut config);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let api = {
            let _inside = runtime.enter();
            ApiServer::start(config).unwrap()
        };
        world.node.write("/kubeconfig", api.kubeconfig("shop", BEARER)).unwrap();
        Self { runtime, api, world }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = pullprobe(["why"]);
        command.arg("--kubeconfig").arg(self.world.node.path("/kubeconfig")).args(["--log-level", "trace"]);
        command.args(arguments);
        command
    }

    /// Nothing of a secret or of the user's token is in what is said, whatever is logged.
    fn ask(&self, arguments: &[&str]) -> Finished {
        let finished = finish(&mut self.command(arguments));
        assert!(!format!("{finished:?}").contains("planted"), "{finished:?}");
        assert!(!self.api.requests().iter().any(|request| request.contains("planted")));
        finished
    }

    /// The one container that waits, with the exit code.
    fn container(&self, target: &str) -> (Option<i32>, Value) {
        let told = self.ask(&[target, "-o", "json"]);
        let answer = document(&told);
        let validator = jsonschema::validator_for(&schema()).unwrap();
        let wrong: Vec<String> = validator.iter_errors(&answer).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{wrong:?}: {answer:#}");
        let containers = answer["containers"].as_array().unwrap();
        assert_eq!(containers.len(), 1, "{told:?}");
        (told.code, containers[0].clone())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
    }
}

fn schema() -> Value {
    serde_json::from_str(&std::fs::read_to_string(super::binary::repository("docs/schema/why.v1.json")).unwrap())
        .unwrap()
}

#[track_caller]
fn says(answer: &Value, field: &str, part: &str) {
    let text = answer[field].as_str().unwrap_or_default();
    assert!(text.contains(part), "{field} lacks `{part}`: {answer:#}");
}

/// A pod that names this secret, and what else there is.
fn naming(name: &str, others: &[Value]) -> Vec<Value> {
    let mut objects = others.to_vec();
    objects.push(Pod::new("web").secrets(&[name]).waiting(REFUSED));
    objects
}

#[test]
fn a_secret_that_is_in_another_namespace_is_found_there() {
    let cluster = Cluster::new(naming("pull", &[secret("ops", "pull", &login("registry.example", PASSWORD))]));
    let (code, told) = cluster.container("web");
    assert_eq!(
        (code, &told["pullable"], &told["cause"]),
        (Some(1), &false.into(), &"credentials_missing".into()),
        "{told:#}"
    );
    says(&told, "summary", "namespace ops has one");
    says(&told, "fix", "kubectl get secret pull -n ops -o json | jq");
    says(&told, "fix", "kubectl create -n shop -f -");
    assert_eq!(told["pull_secrets"][0]["state"], "missing");
    assert_eq!(
        (&told["asked"]["way"], &told["message_agrees"], &told["owner"]),
        (&"exec".into(), &true.into(), &"credentials".into())
    );
    assert_eq!(told["kubelet_message"], REFUSED);
}

#[test]
fn each_thing_that_can_be_wrong_with_a_secret_is_named() {
    let right = login("registry.example", PASSWORD);
    let expired = auths("registry.example", &token(1_600_000_000));
    for (made, cause, state, part) in [
        (
            secret("shop", "pull", &login("registry.example:5000", PASSWORD)),
            "credentials_missing",
            "no_key_matches",
            "it names port 5000",
        ),
        (
            secret("shop", "pull", &login("other.test", PASSWORD)),
            "credentials_missing",
            "no_key_matches",
            "is for registry.example",
        ),
        (OPAQUE.of("shop", "pull", &right), "credentials_missing", "type_ignored", "its type is `Opaque`"),
        (
            secret("shop", "pull", &json!({"auths": {"registry.example": {}}})),
            "credentials_missing",
            "fits",
            "without user or password",
        ),
        (
            secret("shop", "pull", &json!({"auths": {"a": {"auth": "!"}}})),
            "credentials_malformed",
            "malformed",
            "cannot read the pull secret",
        ),
        (secret("shop", "pull", &expired), "credentials_expired", "fits", "expired"),
    ] {
        let (code, told) = Cluster::new(naming("pull", &[made])).container("web");
        assert_eq!((code, &told["cause"]), (Some(1), &cause.into()), "{told:#}");
        assert_eq!(told["pull_secrets"][0]["state"], state, "{told:#}");
        says(&told, "summary", part);
        says(&told, "fix", "kubectl create secret docker-registry pull -n shop --docker-server=registry.example ");
    }
}

#[test]
fn with_a_login_that_is_right_the_next_try_succeeds_over_either_protocol() {
    for protocol in ["v4.channel.k8s.io", "v5.channel.k8s.io"] {
        let objects = naming("pull", &[secret("shop", "pull", &login("registry.example", PASSWORD))]);
        let cluster = Cluster::with(objects, |config| config.protocol = protocol.into());
        let (code, told) = cluster.container("web");
        assert_eq!((code, &told["pullable"]), (Some(0), &true.into()), "{protocol}: {told:#}");
        says(&told, "summary", "kubelet's next try should succeed");
    }
}

/// kubectl repeats a secret whole in its annotations, also as it was before.
#[test]
fn an_agent_is_sent_only_what_kubelet_reads_of_a_secret() {
    let right = login("registry.example", PASSWORD);
    let mut made = secret("shop", "pull", &right);
    made["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": "an annotation"});
    made["metadata"]["labels"] = json!({"team": "a label"});
    let key = made["data"][".dockerconfigjson"].clone();
    made["data"]["tls.key"] = BASE64_STANDARD.encode("another key").into();
    let opaque = OPAQUE.of("shop", "opaque", &right);
    let objects = vec![Pod::new("web").secrets(&["pull", "opaque"]).waiting(REFUSED), made, opaque];
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("input");
    let kept = file.clone();
    let cluster = Cluster::with(objects, move |config| {
        config.runs = Some(Arc::new(move |_: &str, _: &str, _: &[String]| {
            let mut command = Command::new("python3");
            let script = "import os, sys\ngiven = b''\nwhile not given.endswith(b']}'): given += os.read(0, 65536)\n\
                          open(sys.argv[1], 'wb').write(given)\nprint('{\"images\": []}')";
            command.args(["-c", script]).arg(&kept);
            command
        }));
    });
    cluster.container("web");
    let sent: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let named = |name: &str| json!({"name": name, "namespace": "shop"});
    let expected = json!({"kind": "List", "items": [
        {"kind": "Secret", "metadata": named("pull"), "type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": key}},
        {"kind": "Secret", "metadata": named("opaque"), "type": "Opaque", "data": {}},
    ]});
    assert_eq!(sent, expected);
}

#[test]
fn who_names_no_secret_is_told_who_has_it() {
    let right = login("registry.example", PASSWORD);
    let pod = || Pod::new("web").owner("ReplicaSet", "web-1").waiting(REFUSED);
    let account = |secrets: Value| json!({"kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "shop"}, "imagePullSecrets": secrets});
    let (_, told) = Cluster::new(vec![pod(), account(json!([{"name": "pull"}]))]).container("web");
    says(&told, "summary", "Its service account `default` has `pull` now");
    says(&told, "fix", "kubectl delete pod web -n shop");
    assert_eq!(told["service_account"]["pull_secrets"], json!(["pull"]));
    let (_, told) = Cluster::new(vec![pod(), account(json!([])), secret("shop", "spare", &right)]).container("web");
    says(&told, "summary", "`spare` in shop has a login for the image");
    says(
        &told,
        "fix",
        "kubectl patch serviceaccount default -n shop -p '{\"imagePullSecrets\":[{\"name\":\"spare\"}]}'",
    );
    let (_, told) = Cluster::new(vec![pod()]).container("web");
    says(&told, "fix", "kubectl create secret docker-registry regcred -n shop");
}

#[test]
fn a_secret_that_one_may_not_read_leaves_the_answer_open() {
    let objects = naming("pull", &[secret("shop", "pull", &login("registry.example", PASSWORD))]);
    let cluster = Cluster::with(objects, |config| config.forbidden.push("get secrets".into()));
    let (code, told) = cluster.container("web");
    assert_eq!((code, &told["pullable"], &told["cause"]), (Some(3), &Value::Null, &Value::Null), "{told:#}");
    says(&told, "unknown_because", "the pod brings its own login, and you may not read it (pull secrets: pull)");
    assert_eq!(told["pull_secrets"][0]["state"], "forbidden");
}

#[test]
fn without_an_agent_or_the_right_to_ask_it_kubelets_words_are_read() {
    let objects = naming("pull", &[]);
    let cluster = Cluster::with(objects.clone(), |config| config.forbidden.push("get pods/exec".into()));
    let (code, told) = cluster.container("web");
    assert_eq!((code, &told["cause"]), (Some(1), &"credentials_missing".into()), "{told:#}");
    says(&told, "summary", "The pod names the pull secret `pull`");
    says(&told["asked"], "because", "you may not exec in its pod");
    let cluster =
        Cluster::with(objects, |config| config.objects.retain(|object| object["metadata"]["namespace"] != "pullprobe"));
    let (code, told) = cluster.container("web");
    assert_eq!((code, &told["asked"]["way"]), (Some(1), &"nobody".into()), "{told:#}");
    says(
        &told["asked"],
        "because",
        "no agent of pullprobe runs there: no pod with app.kubernetes.io/name=pullprobe in namespace pullprobe",
    );
}

#[test]
fn a_pod_elsewhere_with_the_agents_label_is_sent_nothing() {
    let mut objects = naming("pull", &[secret("shop", "pull", &login("registry.example", PASSWORD))]);
    let mut other = agent("worker-1");
    other["metadata"]["namespace"] = "elsewhere".into();
    objects.push(other);
    let cluster =
        Cluster::with(objects, |config| config.objects.retain(|object| object["metadata"]["namespace"] != "pullprobe"));
    let (_, told) = cluster.container("web");
    assert_eq!(told["asked"]["way"], "nobody");
    says(&told["asked"], "because", "if you trust that one, name it by --agent-namespace elsewhere");
    assert!(!cluster.api.requests().iter().any(|request| request.contains("/exec")), "{:?}", cluster.api.requests());
    let told = cluster.ask(&["web", "-o", "json", "--agent-namespace", "elsewhere"]);
    assert_eq!((told.code, &document(&told)["containers"][0]["asked"]["way"]), (Some(0), &"exec".into()), "{told:?}");
}

#[test]
fn where_exec_is_forbidden_the_agents_report_is_read_through_the_proxy() {
    let objects = naming("pull", &[]);
    let report = json!({"node": "worker-1", "images": [{"image": "registry.example/demo/app:1.0", "pullable": false, "cause": "tcp_refused", "owner": "network",
        "summary": "the registry refuses connections", "fix": "open the port"}]});
    let cluster = Cluster::with(objects, |config| {
        config.forbidden.push("get pods/exec".into());
        config.proxied.insert("pullprobe/agent-worker-1:10048/api/v1/report".into(), (200, report.to_string()));
    });
    let (code, told) = cluster.container("web");
    assert_eq!(
        (code, &told["cause"], &told["asked"]["way"]),
        (Some(1), &"tcp_refused".into(), &"summary".into()),
        "{told:#}"
    );
    assert_eq!(told["message_agrees"], false, "{told:#}");
}

#[test]
fn a_check_for_a_pod_spends_one_counted_pull_whatever_the_agents_variable_allows() {
    let given = "
        [[registries]]
        host = 'registry.example'
        tls = {}
        rate_limit = {limit = 100, remaining = 50}
        push = [{repository = 'demo/app', tag = '1.0', content = {index = {manifests = [{platform = 'linux/amd64'}]}}}]";
    let limited = Arc::new(World::start(toml::from_str::<Given>(given).unwrap()));
    let node = Arc::clone(&limited);
    let cluster = Cluster::with(vec![Pod::new("web").waiting(REFUSED)], move |config| {
        config.runs = Some(Arc::new(move |_: &str, _: &str, asked: &[String]| -> Command {
            let mut check = node.command("check");
            check.env("PULLPROBE_COUNTED_PULLS", "7").args(&asked[2..]);
            check
        }));
    });
    let (_, told) = cluster.container("web");
    assert_eq!((&told["asked"]["way"], limited.counted_pulls()), (&"exec".into(), 1), "{told:#}");
}

/// An agent that is gone may have left its address to the one of another node, which is well. Or an agent goes by another name.
#[test]
fn a_report_about_another_node_is_not_used_and_both_names_are_said() {
    let told = with_document(
        &json!({"node": "worker-7", "images": [{"image": "registry.example/demo/app:1.0", "pullable": true}]}),
    );
    says(&told["asked"], "because", "its agent calls itself `worker-7`, and the pod's node is `worker-1`");
    says(&told["asked"], "because", "`node.name` (NODE_NAME) of the agent is to be set to the node's name");
    let told = with_document(&json!({"images": [{"image": "registry.example/demo/app:1.0", "pullable": true}]}));
    says(&told["asked"], "because", "its agent does not say which node it is on");
    let told = with_document(&json!(["no report"]));
    says(&told["asked"], "because", "its answer is no report");
    let told = with_document(&json!({"node": "worker-1", "images": []}));
    says(&told["asked"], "because", "it probes neither this image nor its registry by itself");
}

/// The answer where the agent may not be asked by exec, and this is its report and summary. It is not used.
fn with_document(report: &Value) -> Value {
    let objects = naming("pull", &[]);
    let cluster = Cluster::with(objects, |config| {
        config.forbidden.push("get pods/exec".into());
        for document in ["report", "summary"] {
            let place = format!("pullprobe/agent-worker-1:10048/api/v1/{document}");
            config.proxied.insert(place, (200, report.to_string()));
        }
    });
    let (_, told) = cluster.container("web");
    assert_eq!((&told["pullable"], &told["asked"]["way"]), (&false.into(), &"nobody".into()), "{told:#}");
    assert_eq!(told["failing_since"], Value::Null, "{told:#}");
    told
}

/// The summary has no words; those of the cause stand in for them.
#[test]
fn the_summaries_of_all_nodes_tell_of_this_one_and_of_the_others() {
    let mut objects = naming("pull", &[]);
    objects.extend(["worker-2", "worker-3", "worker-4", "worker-5", "worker-6"].map(agent));
    let since = "2026-11-30T10:42:17Z";
    let image = |pullable: bool, cause: Value| json!({"images": [{"image": "registry.example/demo/app:1.0", "pullable": pullable, "cause": cause, "owner": "network", "failing_since": since, "failures_24h": 3}]});
    let registry =
        json!({"registries": [{"registry": "registry.example", "pullable": false, "cause": "dns_nxdomain"}]});
    let cluster = Cluster::with(objects, |config| {
        config.forbidden.push("get pods/exec".into());
        for (node, summary) in [
            ("worker-1", image(false, "tcp_timeout".into())),
            ("worker-2", image(true, Value::Null)),
            ("worker-3", registry),
            ("worker-4", json!({"registries": [{"registry": "registry.example", "pullable": true}]})),
            ("worker-6", image(true, Value::Null)),
        ] {
            let mut summary: Value = summary;
            // One answers at the address of another.
            summary["node"] = if node == "worker-6" { "worker-2" } else { node }.into();
            let place = format!("pullprobe/agent-{node}:10048/api/v1/summary");
            config.proxied.insert(place, (200, summary.to_string()));
        }
    });
    let (code, told) = cluster.container("web");
    assert_eq!((code, &told["cause"], &told["owner"]), (Some(1), &"tcp_timeout".into(), &"network".into()), "{told:#}");
    assert!(told["summary"].as_str().is_some_and(|words| words.len() > 20), "{told:#}");
    assert_eq!(
        told["other_nodes"],
        json!({"can": 1, "cannot": 1, "unknown": 3, "answered_for_another_node": 1, "not_asked": 0}),
        "{told:#}"
    );
    assert_eq!((&told["failing_since"], &told["failures_24h"]), (&since.into(), &3.into()), "{told:#}");
    let text = cluster.ask(&["web"]).stdout;
    assert!(text.contains("failing: since 2026-11-30 10:42 UTC (") && text.contains("3 times in 24 hours"), "{text}");
    assert!(text.contains("1 can, 1 cannot, 3 unknown (1 answered for another node)\n"), "{text}");
}

/// More pods than one page has, and than one list may have bytes.
#[test]
fn of_a_large_cluster_it_is_said_how_many_nodes_were_not_asked() {
    let mut objects = naming("pull", &[]);
    objects.extend((2..=1800).map(|number| {
        let mut pod = agent(&format!("worker-{number}"));
        pod["metadata"]["annotations"] = json!({"managed": "x".repeat(10_000)});
        pod
    }));
    let cluster = Cluster::with(objects, |config| config.forbidden.push("get pods/exec".into()));
    let (_, told) = cluster.container("web");
    // Those that are asked have no proxy.
    assert_eq!(
        told["other_nodes"],
        json!({"can": 0, "cannot": 0, "unknown": 64, "answered_for_another_node": 0, "not_asked": 1735}),
        "{told:#}"
    );
    let told = cluster.ask(&["web"]);
    assert!(told.stdout.contains("64 unknown, 1735 not asked"), "{told:?}");
}

#[test]
fn kubelets_own_doing_needs_nobodys_answer() {
    let never = Pod::new("web")
        .reason("ErrImageNeverPull")
        .waiting("Container image \"registry.example/demo/app:1.0\" is not present with pull policy of Never");
    let (code, told) = Cluster::new(vec![never]).container("web");
    assert_eq!((code, &told["cause"]), (Some(1), &"image_never_pulled".into()), "{told:#}");
    let limit = Pod::new("web").waiting("pull QPS exceeded");
    let (_, told) = Cluster::new(vec![limit]).container("web");
    assert_eq!((&told["cause"], &told["owner"]), (&"pull QPS exceeded".into(), &"node".into()), "{told:#}");
    assert_eq!(told["waiting_cause"], "kubelet_pull_limit", "{told:#}");
}

#[test]
fn an_event_tells_what_the_status_has_lost() {
    let event = |time: &str, message: &str| {
        json!({"kind": "Event", "metadata": {"name": time, "namespace": "shop"}, "involvedObject": {"name": "web"},
            "reason": "Failed", "lastTimestamp": time, "message": message})
    };
    let pod =
        Pod::new("web").reason("ImagePullBackOff").waiting("Back-off pulling image \"registry.example/demo/app:1.0\"");
    let words = |error: &str| format!("Failed to pull image \"registry.example/demo/app:1.0\": {error}");
    let objects = vec![
        pod,
        event("2026-11-29T10:00:00Z", &words("an older one")),
        event("2026-11-29T10:05:00Z", &words(REFUSED)),
        event("2026-11-29T10:06:00Z", "Error: ImagePullBackOff"),
    ];
    let (_, told) = Cluster::new(objects).container("web");
    assert_eq!(told["kubelet_message"], REFUSED);
}

#[test]
fn owners_namespaces_and_all_of_them_are_asked_as_with_kubectl() {
    let owned = |name: &str, namespace: &str, owner: &str| {
        Pod::new(name).in_namespace(namespace).owner("ReplicaSet", owner).label("app", "web").waiting(REFUSED)
    };
    let deployment = json!({"kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}}});
    let cluster = Cluster::new(vec![
        deployment,
        owned("web-1-a", "shop", "web-1"),
        owned("other-1-a", "shop", "other-1"),
        owned("web-1-b", "ops", "web-1"),
        Pod::new("fine").running(),
    ]);
    let names = |arguments: &[&str]| {
        let told = cluster.ask(&[arguments, &["-o", "json"]].concat());
        let answer = document(&told);
        let containers = answer["containers"].as_array().unwrap();
        let names: Vec<String> = containers.iter().map(|one| one["pod"].as_str().unwrap().to_owned()).collect();
        (told.code, names.join(" "), answer["left_out"].clone())
    };
    assert_eq!(names(&["deploy/web"]), (Some(1), "web-1-a".into(), 0.into()));
    assert_eq!(names(&["deployment", "web"]).1, "web-1-a");
    assert_eq!(names(&[]).1, "web-1-a other-1-a");
    assert_eq!(names(&["-n", "ops"]).1, "web-1-b");
    assert_eq!(names(&["-A"]).1, "web-1-a other-1-a web-1-b");
    assert_eq!(names(&["-A", "--limit", "1"]), (Some(1), "web-1-a".into(), 2.into()));
    assert_eq!(names(&["fine"]), (Some(0), String::new(), 0.into()));
    let asked = cluster.api.requests();
    assert!(asked.iter().any(|one| one.starts_with("get pods/") || one.contains("/exec?")), "{asked:#?}");
    assert_eq!(cluster.ask(&["deploy/none"]).code, Some(2));
}

#[test]
fn what_is_asked_is_asked_as_who_is_named() {
    let cluster = Cluster::new(vec![Pod::new("fine").running()]);
    assert_eq!(cluster.ask(&["fine", "--as", "oncall", "--as-group", "ops"]).code, Some(0));
    let asked = cluster.api.requests();
    assert!(!asked.is_empty() && asked.iter().all(|one| one.starts_with("as oncall: ")), "{asked:?}");
}

#[test]
fn what_cannot_be_asked_is_said_in_a_sentence() {
    let unscheduled = {
        let mut pod = Pod::new("floating").running();
        pod["spec"].as_object_mut().unwrap().remove("nodeName");
        pod["status"] = json!({"phase": "Pending"});
        pod
    };
    let event = json!({"kind": "Event", "metadata": {"name": "e", "namespace": "shop"}, "involvedObject": {"name": "floating"},
        "reason": "FailedScheduling", "message": "0/3 nodes are available"});
    let cluster = Cluster::with(vec![unscheduled, event], |config| config.forbidden.push("list pods of all".into()));
    let told = cluster.ask(&["floating"]);
    assert_eq!(told.code, Some(3), "{told:?}");
    assert!(
        told.stdout.contains("pod shop/floating is not scheduled") && told.stdout.contains("0/3 nodes are available"),
        "{told:?}"
    );
    for (arguments, part) in [
        (&["gone"][..], "there is no pod gone in namespace shop: it may have been deleted"),
        (&["-A"], "Name one namespace with -n"),
        (&["service/web"], "`service` is no kind of object that has pods"),
        (&["web", "--context", "other"], "the kubeconfig has no context `other`; it has lab"),
        (&["web", "--as-group", "a"], "--as-group needs --as"),
        (&["web", "-A"], "-A asks about all pods"),
        (&["web", "-l", "app=web"], "-l chooses among all pods"),
        (&["deploy/web", "-l", "app=web"], "-l chooses among all pods"),
    ] {
        let told = cluster.ask(arguments);
        assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""), "{told:?}");
        assert!(told.stderr.contains(part), "{told:?}");
    }
}

/// The API server writes an empty list of names as null.
#[test]
fn a_secret_that_is_nowhere_is_said_to_be_nowhere() {
    let (_, told) = Cluster::new(naming("pull", &[])).container("web");
    says(&told, "summary", "no namespace has a secret of that name");
}

#[test]
fn a_pod_that_is_being_deleted_is_said_to_be() {
    let mut going = Pod::new("web").waiting(REFUSED);
    going["metadata"]["deletionTimestamp"] = "2026-11-29T10:06:00Z".into();
    let told = Cluster::new(vec![going]).ask(&["web"]);
    assert!(told.stdout.contains("pod shop/web is being deleted"), "{told:?}");
}

/// An empty namespace would be all of them: whoever gave a pod the agents' label would be sent the secrets.
#[test]
fn an_empty_namespace_of_the_agents_is_refused() {
    let cluster = Cluster::new(naming("pull", &[secret("shop", "pull", &login("registry.example", PASSWORD))]));
    let told = cluster.ask(&["web", "--agent-namespace", ""]);
    assert!(told.code == Some(2) && told.stderr.contains("--agent-namespace"), "{told:?}");
    assert!(cluster.api.requests().is_empty(), "{:?}", cluster.api.requests());
}

/// The API server takes any text for an image.
#[test]
fn an_image_that_is_shell_is_quoted_in_the_fix() {
    let mut pod = Pod::new("web").reason("InvalidImageName").waiting("Failed to apply default image tag");
    pod["spec"]["containers"][0]["image"] = "a;touch /tmp/x".into();
    let (_, told) = Cluster::with(vec![pod], |config| config.runs = None).container("web");
    let fix = told["fix"].as_str().unwrap();
    assert!(!fix.contains("a;touch") || fix.contains("'a;touch /tmp/x'"), "{fix}");
    assert!(fix.contains("'a;touch /tmp/x'"), "{told:#}");
}
