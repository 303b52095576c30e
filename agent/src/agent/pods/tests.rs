//! The agent beside a stand-in of an API server and a registry: what pods wait for is probed at once, and told.

use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use pullprobe_lab::Lab;
use pullprobe_lab::kubernetes::{Fault, Kubernetes};
use pullprobe_lab::node::{ConfigVersion, Node};
use pullprobe_lab::registry::{Auth, Basic, Config, Content, Fault as Refusal, Kind, Registry};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::super::serving::report;
use super::super::*;
use super::NodePods;
use crate::cli::{Cli, Verb};
use crate::cluster::{Access, NoAccess};
use crate::page;
use crate::render::metrics;
use crate::settings::Discovery;

const PATIENCE: Duration = Duration::from_secs(60);

struct World {
    server: Kubernetes,
    open: Registry,
    _private: Registry,
    _node: Node,
    agent: Arc<Agent>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl World {
    /// An agent that runs, with these pods in the cluster.
    async fn start(discover: &str, pods: &[Value]) -> Self {
        let lab = Lab::new().unwrap();
        let open = lab.registry(Config::default()).unwrap();
        open.push("team/app", "1", &Content::platforms(&["linux/amd64"]));
        let auth = Auth::Basic(Basic { users: [("user".into(), "password".into())].into(), ..Basic::default() });
        let private = lab.registry(Config { auth, ..Config::default() }).unwrap();
        private.push("team/app", "1", &Content::platforms(&["linux/amd64"]));
        let node = Node::temporary().unwrap();
        node.use_certs_d(ConfigVersion::V3).unwrap();
        for (name, registry) in [("open.example", &open), ("private.example", &private)] {
            node.hosts_toml(name, &format!("server = \"{}\"\n", registry.endpoint())).unwrap();
        }
        let text = format!(
            "node: {{name: worker-3, containerd_version: '2.1', platform: linux/amd64}}\n\
             probe: {{spread_start: false}}\n\
             targets: {{discover: {{certs_d: false, sandbox_image: false{discover}}}}}\n"
        );
        node.write("/pullprobe.yaml", text).unwrap();
        let server = Kubernetes::start(&lab).unwrap();
        let mounted = node.path("/mounted");
        server.mount(&mounted).unwrap();
        pods.iter().for_each(|pod| server.apply(pod.clone()));
        let (config, root) = (node.path("/pullprobe.yaml"), node.root());
        let (config, root) = (config.to_str().unwrap(), root.to_str().unwrap());
        let cli = Cli::parse_from(["pullprobe", "run", "--config", config, "--host-root", root]);
        let Verb::Run { node: arguments, .. } = cli.verb else { panic!("it was told to run") };
        let (read, options) = crate::reading::prepare(&arguments).await.unwrap();
        let mut agent = Agent::new(options, Arc::new(read), Timestamp::now, None);
        let access = Access::new(server.url(), mounted);
        let discover = &agent.options.settings.targets.discover;
        agent.pods = Arc::new(NodePods::with(Ok(access), discover, Timestamp::now()));
        let agent = Arc::new(agent);
        let probing = schedule::run(agent.schedule(), Arc::clone(&agent), CancellationToken::new());
        let tasks = vec![tokio::spawn(probing), tokio::spawn(agent.follow_pods())];
        Self { server, open, _private: private, _node: node, agent, tasks }
    }

    async fn until(&self, wanted: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let mut snapshots = self.agent.store.subscribe();
        if let Ok(snapshot) = timeout(PATIENCE, snapshots.wait_for(|snapshot| wanted(snapshot))).await {
            return Arc::clone(&snapshot.unwrap());
        }
        panic!("{:#?}", document(&self.agent.store.snapshot()));
    }
}

fn document(snapshot: &Snapshot) -> Value {
    serde_json::from_str(&report(snapshot, Timestamp::now())).unwrap()
}

fn pod(name: &str, image: &str, policy: &str, secrets: &[&str], state: &Value) -> Value {
    let secrets: Vec<Value> = secrets.iter().map(|secret| json!({"name": secret})).collect();
    json!({
        "metadata": {"namespace": "shop", "name": name, "uid": name},
        "spec": {"nodeName": "worker-3", "imagePullSecrets": secrets,
                 "containers": [{"name": "web", "image": image, "imagePullPolicy": policy}]},
        "status": {"phase": "Pending", "startTime": "2026-11-29T10:00:00Z",
                   "containerStatuses": [{"name": "web", "imageID": "", "state": state}]},
    })
}

fn waits(name: &str, image: &str, secrets: &[&str]) -> Value {
    pod(name, image, "Always", secrets, &json!({"waiting": {"reason": "ErrImagePull", "message": "kubelet's words"}}))
}

/// What the report says of an image.
fn image<'a>(document: &'a Value, requested: &str) -> &'a Value {
    let images = document["images"].as_array().unwrap();
    images.iter().find(|image| image["requested"] == requested).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn what_a_pod_waits_for_is_probed_at_once_and_told_with_who_needs_it() {
    let missing = "open.example/team/app:missing";
    let world = World::start("", &[waits("first", missing, &[])]).await;
    let snapshot = world.until(|snapshot| snapshot.images.contains_key(missing)).await;
    let report = document(&snapshot);
    let told = image(&report, missing);
    assert_eq!((&told["pullable"], &told["cause"]), (&json!(false), &json!("manifest_unknown")), "{told:#}");
    let needed = &told["needed_by"][0];
    assert_eq!((&needed["pod"], &needed["cause"]), (&json!("first"), &json!("manifest_unknown")), "{needed:#}");
    assert_eq!((&needed["message"], &needed["pull_policy"]), (&json!("kubelet's words"), &json!("Always")));
    assert_eq!((&report["pods"]["known"], &report["pods"]["waiting"]), (&json!(true), &json!(1)));

    let second = "open.example/team/app:also-missing";
    world.server.apply(waits("second", second, &[]));
    let began = std::time::Instant::now();
    world.until(|snapshot| snapshot.images.contains_key(second)).await;
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "not only when the targets are read anyway: {:?}",
        began.elapsed()
    );
    world.server.delete("shop", "first");
    world.server.delete("shop", "second");
    let snapshot = world.until(|snapshot| snapshot.images.is_empty()).await;
    assert_eq!(snapshot.pods.waiting().count(), 0);
}

/// The registry wants to be left alone before the second image was ever asked for.
#[tokio::test]
async fn what_is_held_back_before_its_first_probe_is_told_with_who_needs_it() {
    let world = World::start("", &[]).await;
    world.open.add_fault(Refusal::on(Kind::Manifest).status(429).header("retry-after", "3600"));
    world.server.apply(waits("first", "open.example/team/app:1", &[]));
    world.until(|snapshot| !snapshot.back_offs.is_empty()).await;
    let second = "open.example/team/other:1";
    world.server.apply(waits("second", second, &[]));
    let snapshot = world.until(|snapshot| snapshot.images.contains_key(second)).await;
    let report = document(&snapshot);
    let told = image(&report, second);
    assert_eq!((&told["pullable"], &told["needed_by"][0]["pod"]), (&Value::Null, &json!("second")), "{told:#}");
    assert!(told["summary"].as_str().unwrap().contains("left alone"), "{told:#}");
    assert!(told["next_probe_at"].is_string() && told["backing_off"]["reason"].is_string(), "{told:#}");
    assert!(page::html(&snapshot, Timestamp::now(), &page::Query::default()).contains("Not asked yet"));
    assert!(!world.open.requests().iter().any(|request| request.path.contains("other")), "it is left alone");
}

#[tokio::test]
async fn each_waiting_container_is_counted_by_cause_and_no_pod_is_named_in_a_metric() {
    let never = json!({"waiting": {"reason": "ErrImageNeverPull", "message": "not present with pull policy of Never"}});
    let world = World::start(
        "",
        &[
            waits("own", "private.example/team/app:1", &["mine"]),
            waits("none", "private.example/team/other:1", &[]),
            pod("never", "open.example/team/app:1", "Never", &[], &never),
        ],
    )
    .await;
    let snapshot = world.until(|snapshot| snapshot.images.len() == 3).await;
    let report = document(&snapshot);
    let own = image(&report, "private.example/team/app:1");
    assert_eq!((&own["pullable"], &own["cause"]), (&Value::Null, &Value::Null), "{own:#}");
    assert!(own["summary"].as_str().unwrap().contains("brings its own"), "{own:#}");
    assert_eq!(own["needed_by"][0]["pullable"], Value::Null);
    let none = image(&report, "private.example/team/other:1");
    assert_eq!(none["pullable"], false, "{none:#}");
    let told = image(&report, "open.example/team/app:1");
    assert_eq!((&told["pullable"], &told["needed_by"][0]["cause"]), (&json!(true), &json!("image_never_pulled")));

    let metrics = metrics::exposition(&snapshot, metrics::Shape::default()).unwrap();
    for line in [
        "pullprobe_kubernetes_api_up 1",
        "pullprobe_waiting_containers{cause=\"image_never_pulled\"} 1",
        "pullprobe_waiting_containers{cause=\"unknown\"} 1",
        "pullprobe_waiting_containers_oldest_timestamp_seconds 1795946400",
        "pullprobe_images_not_restartable 0",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert!(!metrics.contains("shop") && !metrics.contains("mine"), "{metrics}");
    let page = page::html(&snapshot, Timestamp::now(), &page::Query::default());
    for text in ["shop/own · web, brings mine", "the pod brings its own login", "image_never_pulled"] {
        assert!(page.contains(text), "{text}");
    }
}

#[tokio::test]
async fn without_the_api_the_agent_says_what_it_does_not_know_and_since_when() {
    let world = World::start("", &[waits("first", "open.example/team/app:missing", &[])]).await;
    world.until(|snapshot| snapshot.pods.is_up() && !snapshot.images.is_empty()).await;
    world.server.set_fault(Some(Fault::Status(403)));
    world.server.drop_watches();
    let snapshot = world.until(|snapshot| !snapshot.pods.is_up()).await;
    let report = document(&snapshot);
    assert_eq!(report["pods"]["known"], false);
    assert!(report["pods"]["unknown_because"].as_str().unwrap().contains("403"), "{}", report["pods"]);
    assert_eq!(image(&report, "open.example/team/app:missing")["needed_by"][0]["pod"], "first", "what was known stays");
    let metrics = metrics::exposition(&snapshot, metrics::Shape::default()).unwrap();
    assert!(metrics.contains("pullprobe_kubernetes_api_up 0") && !metrics.contains("waiting_containers"), "{metrics}");
    assert!(
        page::html(&snapshot, Timestamp::now(), &page::Query::default())
            .contains("The pods of this node are not known since")
    );
    world.server.set_fault(None);
    world.until(|snapshot| snapshot.pods.is_up()).await;
}

#[tokio::test]
async fn switched_off_or_without_a_token_nothing_is_asked() {
    let mut world = World::start(", waiting_pods: false", &[waits("first", "open.example/team/app:1", &[])]).await;
    assert_eq!(document(&world.agent.store.snapshot())["pods"], Value::Null);
    assert!(world.server.requests().is_empty() && world.open.requests().is_empty());
    world.tasks.drain(..).for_each(|task| task.abort());
    let discover = |waiting_pods| Discovery { waiting_pods, ..Discovery::default() };
    for no_access in [NoAccess::NoPod("KUBERNETES_SERVICE_HOST"), NoAccess::NoPort, NoAccess::NoToken] {
        let book = |waiting_pods| NodePods::with(Err(no_access), &discover(waiting_pods), Timestamp::now()).book();
        assert_eq!(book(None).api, crate::pods::Api::Unused);
        let told = book(Some(true));
        let crate::pods::Api::Down { why, .. } = &told.api else { panic!("{:?}", told.api) };
        assert_eq!(**why, no_access.to_string());
    }
}
