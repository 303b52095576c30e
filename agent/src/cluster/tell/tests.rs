//! Condition and events against a stand-in of an API server, which refuses, forgets, is busy and goes away.

use std::cell::Cell;

use jiff::SignedDuration;
use pullprobe_lab::Lab;
use pullprobe_lab::kubernetes::{Fault, Kubernetes};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::*;
use crate::signals::{Event, Object, Recorder, Reporting, Severity, Status};

const NODE: &str = "worker-3";
const PATIENCE: Duration = Duration::from_secs(30);

thread_local! {
    /// Seconds that the clock of this test is ahead: a test and its tasks have a thread of their own.
    static AHEAD: Cell<i64> = const { Cell::new(0) };
}

fn clock() -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(AHEAD.get())
}

struct World {
    lab: Lab,
    server: Kubernetes,
    directory: tempfile::TempDir,
    desk: Arc<Desk>,
    telling: Option<JoinHandle<()>>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.telling.iter().for_each(JoinHandle::abort);
    }
}

impl World {
    fn new() -> Self {
        let lab = Lab::new().unwrap();
        let server = Kubernetes::start(&lab).unwrap();
        server.add_node(NODE);
        let directory = tempfile::tempdir().unwrap();
        server.mount(directory.path()).unwrap();
        let mut world = Self { lab, server, directory, desk: Arc::new(desk()), telling: None };
        world.start();
        world
    }

    /// Starts an agent, in the place of one that ran.
    fn start(&mut self) {
        self.telling.iter().for_each(JoinHandle::abort);
        self.desk = Arc::new(desk());
        let access = Access::new(self.server.url(), self.directory.path());
        self.telling = Some(tokio::spawn(tell(access, NODE.to_owned(), Arc::clone(&self.desk), clock)));
    }

    fn decide(&self, status: Status) {
        self.desk.send_modify(|signals| {
            signals.condition.as_mut().unwrap().decide(status, "Reason", "message", clock());
        });
    }

    fn raise(&self, object: Object, what: &str) {
        let event = Event::new(object, Severity::Warning, "ImageNotPullable", what, what);
        self.desk.send_modify(|signals| signals.events.as_mut().unwrap().raise(event, clock()));
    }

    async fn until(&self, wanted: impl Fn(&Signals) -> bool) {
        let mut news = self.desk.subscribe();
        let reached = timeout(PATIENCE, news.wait_for(|signals| wanted(signals))).await.is_ok();
        assert!(reached, "{:#?} {:#?}", self.desk.borrow(), self.server.writes());
    }

    /// Until nothing is left to be told.
    async fn told(&self) {
        self.until(|signals| {
            let reporting = signals.condition.as_ref().unwrap();
            reporting.has_begun() && reporting.due(clock()).is_none() && !signals.events.as_ref().unwrap().is_waiting()
        })
        .await;
    }

    fn condition(&self) -> Value {
        let conditions = self.server.conditions(NODE);
        assert_eq!(conditions[0]["type"], "Ready", "kubelet's own conditions stay: {conditions:?}");
        conditions.into_iter().find(|condition| condition["type"] == "RegistryReachable").unwrap_or_default()
    }
}

fn desk() -> Desk {
    let delivery = crate::signals::Delivery { condition: Some(Channel::default()), events: Some(Channel::default()) };
    Desk::new(Signals { condition: Some(Reporting::default()), events: Some(Recorder::new(clock())), delivery })
}

fn pod(uid: &str) -> Object {
    Object::Pod {
        namespace: "shop".into(),
        name: "web-0".into(),
        uid: uid.into(),
        field_path: Some("spec.containers{web}".to_owned()),
    }
}

fn trouble(signals: &Signals) -> [Option<String>; 2] {
    let why = |channel: &Option<Channel>| Some(channel.as_ref()?.trouble.as_ref()?.why.to_string());
    [why(&signals.delivery.condition), why(&signals.delivery.events)]
}

#[tokio::test]
async fn a_condition_is_one_of_several_and_a_new_agent_keeps_its_transition() {
    let mut world = World::new();
    world.decide(Status::True);
    world.told().await;
    let first = world.condition();
    assert_eq!(
        (&first["status"], &first["reason"], &first["message"]),
        (&"True".into(), &"Reason".into(), &"message".into())
    );
    AHEAD.set(7_200);
    world.start();
    world.decide(Status::True);
    world.told().await;
    let second = world.condition();
    assert_eq!(second["lastTransitionTime"], first["lastTransitionTime"]);
    assert!(second["lastHeartbeatTime"].as_str() > first["lastHeartbeatTime"].as_str(), "{second}");
    world.decide(Status::False);
    world.told().await;
    let third = world.condition();
    assert_eq!((&third["status"], &third["lastTransitionTime"]), (&"False".into(), &third["lastHeartbeatTime"]));
    let paths: std::collections::BTreeSet<String> =
        world.server.writes().into_iter().map(|write| format!("{} {}", write.method, write.path)).collect();
    assert_eq!(paths.into_iter().collect::<Vec<_>>(), ["PATCH /api/v1/nodes/worker-3/status"], "nothing else is asked");
    assert_eq!(world.server.requests().len(), world.server.writes().len());
}

#[tokio::test]
async fn an_event_that_happens_again_is_counted_over_a_restart_too_and_begins_anew_when_it_was_forgotten() {
    let mut world = World::new();
    let count = |world: &World| -> Vec<u64> {
        world.server.events().iter().map(|event| event["count"].as_u64().unwrap()).collect()
    };
    world.raise(pod("1"), "a");
    world.raise(pod("1"), "a");
    world.told_events().await;
    assert_eq!(count(&world), [1]);
    let event = &world.server.events()[0];
    let involved = &event["involvedObject"];
    assert_eq!((&involved["uid"], &involved["fieldPath"]), (&"1".into(), &"spec.containers{web}".into()));
    assert_eq!((&event["source"]["host"], &event["type"]), (&NODE.into(), &"Warning".into()));
    world.start();
    world.raise(pod("1"), "a");
    world.told_events().await;
    assert_eq!(count(&world), [2], "the same event after a restart");
    world.server.forget_events();
    AHEAD.set(1_200);
    world.raise(pod("1"), "a");
    world.told_events().await;
    assert_eq!(count(&world), [1]);
    world.raise(Object::Node, "a");
    world.told_events().await;
    let of_node = world.server.events().into_iter().find(|event| event["involvedObject"]["kind"] == "Node").unwrap();
    assert_eq!(of_node["metadata"]["namespace"], "default");
    // As of an image volume.
    world.raise(Object::Pod { namespace: "shop".into(), name: "web-1".into(), uid: "2".into(), field_path: None }, "a");
    world.told_events().await;
    let as_a_whole =
        world.server.events().into_iter().find(|event| event["involvedObject"]["name"] == "web-1").unwrap();
    assert_eq!(as_a_whole["involvedObject"].get("fieldPath"), None, "{as_a_whole}");
}

impl World {
    async fn told_events(&self) {
        self.until(|signals| !signals.events.as_ref().unwrap().is_waiting()).await;
    }
}

#[tokio::test]
async fn a_missing_right_is_told_by_its_name_and_stops_nothing_else() {
    let world = World::new();
    world.server.allow("nodes/status", false);
    world.decide(Status::True);
    world.raise(pod("1"), "a");
    world.until(|signals| signals.delivery.condition.as_ref().unwrap().trouble.is_some()).await;
    world.told_events().await;
    assert_eq!(world.server.events().len(), 1);
    let findings = world.desk.borrow().delivery.findings(clock());
    assert!(findings.len() == 1 && findings[0].fix.contains("rbac.nodeCondition: true"), "{findings:?}");
    assert!(findings[0].message.contains("(403)") && findings[0].message.contains("nodes/status"), "{findings:?}");
    world.server.allow("events", false);
    world.raise(pod("2"), "b");
    world.until(|signals| trouble(signals)[1].is_some()).await;
    let findings = world.desk.borrow().delivery.findings(clock());
    assert!(findings[1].fix.contains("rbac.events: true"), "{findings:?}");
    world.server.allow("nodes/status", true);
    world.server.allow("events", true);
    world.told().await;
    assert_eq!((world.server.events().len(), &world.condition()["status"]), (2, &"True".into()));
    assert_eq!(world.desk.borrow().delivery.findings(clock()), []);
}

#[tokio::test]
async fn what_is_refused_for_good_holds_nothing_up() {
    let world = World::new();
    world.server.end_namespace("shop");
    world.raise(pod("1"), "a");
    world.raise(Object::Node, "b");
    world.told_events().await;
    assert_eq!(world.server.events().len(), 1);
    assert_eq!(trouble(&world.desk.borrow()), [None, None], "a namespace that ends is no trouble of the agent");
    // As by an admission policy.
    world.server.set_fault(Some(Fault::Status(422)));
    world.raise(pod("2"), "c");
    world.told_events().await;
    assert!(trouble(&world.desk.borrow())[1].as_ref().is_some_and(|why| why.contains("422")), "it is told");
    world.server.set_fault(None);
    world.raise(pod("2"), "d");
    world.raise(Object::Node, "e");
    world.told_events().await;
    assert_eq!((trouble(&world.desk.borrow())[1].clone(), world.server.events().len()), (None, 2));
}

#[tokio::test]
async fn a_webhook_that_fails_for_one_namespace_holds_up_no_event_of_another() {
    let world = World::new();
    let why = "Internal error occurred: failed calling webhook \"x.example\": connection refused";
    world.server.set_webhook("shop", Some((500, why)));
    world.raise(pod("1"), "a");
    world.raise(pod("2"), "b");
    world.raise(Object::Node, "c");
    let own = |world: &World| world.server.events().iter().filter(|it| it["involvedObject"]["kind"] == "Node").count();
    world.until(|_| own(&world) == 1).await;
    assert!(world.desk.borrow().events.as_ref().unwrap().is_waiting(), "the others are not given up");
    world.server.set_webhook("shop", None);
    world.told_events().await;
    assert_eq!(world.server.events().len(), 3);
}

#[tokio::test]
async fn what_a_webhook_denies_is_no_missing_right_whatever_its_words() {
    let world = World::new();
    let why = "admission webhook \"x.example\" denied the request: User \"a\" cannot write events here";
    world.server.set_webhook("shop", Some((403, why)));
    world.raise(pod("1"), "a");
    world.raise(Object::Node, "b");
    world.told_events().await;
    assert_eq!(world.server.events().len(), 1);
    assert_eq!(world.desk.borrow().delivery.findings(clock()), []);
}

#[tokio::test]
async fn a_conflict_and_a_token_that_was_rotated_are_tried_again() {
    let world = World::new();
    world.decide(Status::True);
    world.told().await;
    world.server.conflict(1);
    world.decide(Status::False);
    world.told().await;
    assert_eq!(world.condition()["status"], "False");
    world.server.set_token("second");
    world.decide(Status::True);
    world.until(|signals| trouble(signals)[0].as_ref().is_some_and(|why| why.contains("token (401)"))).await;
    world.server.mount(world.directory.path()).unwrap();
    world.told().await;
    assert_eq!(world.condition()["status"], "True");
}

#[tokio::test]
async fn a_busy_server_is_left_alone_for_as_long_as_it_asks() {
    let world = World::new();
    world.decide(Status::True);
    world.told().await;
    world.server.set_fault(Some(Fault::Busy { seconds: 3 }));
    let before = world.server.requests().len();
    world.decide(Status::False);
    world.until(|signals| trouble(signals)[0].as_ref().is_some_and(|why| why.contains("429"))).await;
    let refused = std::time::Instant::now();
    world.server.set_fault(None);
    world.told().await;
    assert!(refused.elapsed() >= Duration::from_millis(2_900), "{:?}", refused.elapsed());
    assert_eq!(world.server.requests().len(), before + 2);
}

#[tokio::test]
async fn a_server_that_is_away_gets_the_latest_when_it_is_back() {
    let mut world = World::new();
    world.decide(Status::True);
    world.told().await;
    let address = world.server.address();
    let elsewhere = Kubernetes::start(&world.lab).unwrap();
    drop(std::mem::replace(&mut world.server, elsewhere));
    world.decide(Status::False);
    world.raise(pod("1"), "a");
    world.until(|signals| trouble(signals).iter().all(Option::is_some)).await;
    world.decide(Status::Unknown);
    world.server = Kubernetes::start_at(&world.lab, address).unwrap();
    world.server.add_node(NODE);
    world.told().await;
    assert_eq!((&world.condition()["status"], world.server.events().len()), (&"Unknown".into(), 1));
}
