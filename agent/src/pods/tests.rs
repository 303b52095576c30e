//! Pods as an API server writes them, and every status that two kubelets gave of the recorded ones.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;

/// As a cluster keeps it: with managed fields, environments and probes, which are not decoded.
fn pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "web-5d5f8c7b9-x2x9v", "namespace": "shop", "uid": "5f0c", "resourceVersion": "4711",
            "creationTimestamp": "2026-11-29T10:00:00Z", "deletionTimestamp": null,
            "labels": {"app": "web"}, "annotations": {"secret": "S3CRET"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d5f8c7b9", "uid": "1", "controller": true}],
            "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {}}}],
        },
        "spec": {
            "nodeName": "worker-3", "serviceAccountName": "web", "restartPolicy": "Always",
            "imagePullSecrets": [{"name": "shop-pull"}, {"name": "old"}],
            "initContainers": [{"name": "migrate", "image": "r.example/shop/migrate:2", "imagePullPolicy": "IfNotPresent",
                                "env": [{"name": "PASSWORD", "value": "S3CRET"}]}],
            "containers": [
                {"name": "web", "image": "r.example/shop/web:2", "imagePullPolicy": "Always", "args": ["--token=S3CRET"],
                 "volumeMounts": [{"name": "model", "mountPath": "/model"}]},
                {"name": "side", "image": "nginx", "resources": {}},
            ],
            "ephemeralContainers": [{"name": "debug", "image": "busybox:1.36", "imagePullPolicy": "IfNotPresent"}],
            "volumes": [
                {"name": "model", "image": {"reference": "r.example/models/small:1", "pullPolicy": "Never"}},
                {"name": "kube-api-access", "projected": {"sources": []}},
            ],
        },
        "status": {
            "phase": "Pending", "startTime": "2026-11-29T10:00:02Z",
            "conditions": [
                {"type": "Initialized", "status": "True", "lastProbeTime": null, "lastTransitionTime": "2026-11-29T10:00:30Z"},
                {"type": "Ready", "status": "False", "lastTransitionTime": "2026-11-29T10:00:02Z"},
            ],
            "initContainerStatuses": [{"name": "migrate", "image": "r.example/shop/migrate:2", "imageID": "r.example/shop/migrate@sha256:1",
                                       "state": {"terminated": {"exitCode": 0, "finishedAt": "2026-11-29T10:00:29Z"}}, "lastState": {}}],
            "containerStatuses": [
                {"name": "web", "image": "r.example/shop/web:2", "imageID": "", "lastState": {}, "ready": false, "restartCount": 0,
                 "state": {"waiting": {"reason": "ErrImagePull", "message": "failed to pull and unpack image \"r.example/shop/web:2\": x"}}},
                {"name": "side", "image": "nginx", "imageID": "", "state": {"waiting": {"reason": "ContainerCreating"}}},
            ],
            "ephemeralContainerStatuses": null,
        },
    })
}

fn needs(pod: &Value) -> Vec<Need> {
    serde_json::from_str::<Pod>(&pod.to_string()).unwrap().needs()
}

fn waiting(reason: &str, message: Option<&str>) -> Value {
    let mut pod = pod();
    let mut state = json!({"reason": reason});
    if let Some(message) = message {
        state["message"] = message.into();
    }
    pod["status"]["containerStatuses"][0]["state"]["waiting"] = state;
    pod
}

fn web(pod: &Value) -> Need {
    needs(pod).into_iter().find(|need| need.container == "web").unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn every_container_and_image_volume_is_named_with_its_image_policy_and_secrets() {
    let told: Vec<String> = (needs(&pod()).iter())
        .map(|need| format!("{} {} {} {}", need.kind.as_str(), need.container, need.image, need.policy))
        .collect();
    assert_eq!(
        told,
        [
            "init migrate r.example/shop/migrate:2 IfNotPresent",
            "container web r.example/shop/web:2 Always",
            "container side nginx Always",
            "ephemeral debug busybox:1.36 IfNotPresent",
            "image-volume model r.example/models/small:1 Never",
        ]
    );
    let fields: Vec<Option<String>> = needs(&pod()).iter().map(Need::field_path).collect();
    let field = |path: &str| Some(path.to_owned());
    assert_eq!(
        fields,
        [
            field("spec.initContainers{migrate}"),
            field("spec.containers{web}"),
            field("spec.containers{side}"),
            field("spec.ephemeralContainers{debug}"),
            None,
        ]
    );
    let web = web(&pod());
    assert_eq!((&*web.namespace, &*web.pod), ("shop", "web-5d5f8c7b9-x2x9v"));
    assert_eq!(web.pull_secrets, ["shop-pull", "old"]);
}

#[test]
fn nothing_else_of_a_pod_is_kept() {
    let decoded: Pod = serde_json::from_str(&pod().to_string()).unwrap();
    assert!(!format!("{decoded:?}").contains("S3CRET"));
    assert_eq!((&*decoded.spec.node_name, &*decoded.spec.service_account_name), ("worker-3", "web"));
    let owner = &decoded.metadata.owner_references[0];
    assert_eq!((&*owner.kind, &*owner.name, owner.controller), ("ReplicaSet", "web-5d5f8c7b9", true));
}

#[test]
fn who_waits_is_told_by_reasons_that_are_about_images() {
    for reason in [
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
        "illegal base64 data at input byte 0",
    ] {
        assert!(web(&waiting(reason, None)).waiting.is_some(), "{reason}");
    }
    for reason in [
        "ContainerCreating",
        "PodInitializing",
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "PostStartHookError",
        "",
    ] {
        assert_eq!(web(&waiting(reason, Some("words"))).waiting, None, "{reason}");
    }
    let others: Vec<bool> = needs(&pod()).iter().map(|need| need.waiting.is_some()).collect();
    assert_eq!(others, [false, true, false, false, false]);
    assert!(needs(&pod())[0].has_had_image && !web(&pod()).has_had_image);
}

#[test]
fn it_waits_since_its_last_known_step() {
    assert_eq!(web(&pod()).waiting.unwrap().since, Some(at("2026-11-29T10:00:30Z")), "init containers were first");
    let mut restarted = pod();
    restarted["status"]["containerStatuses"][0]["lastState"] =
        json!({"terminated": {"finishedAt": "2026-11-29T12:00:00Z", "reason": "Error"}});
    assert_eq!(web(&restarted).waiting.unwrap().since, Some(at("2026-11-29T12:00:00Z")));
    let mut bare = pod();
    bare["status"]["startTime"] = Value::Null;
    bare["status"]["conditions"] = Value::Null;
    assert_eq!(web(&bare).waiting.unwrap().since, Some(at("2026-11-29T10:00:00Z")));
}

#[test]
fn the_message_is_the_error_and_not_the_back_off() {
    for (said, error) in [
        ("Back-off pulling image \"r.example/shop/web:2\"", None),
        ("Back-off pulling image \"r.example/a:1\": ErrImagePull: pull QPS exceeded", Some("pull QPS exceeded")),
        ("Back-off pulling image \"r.example/a:1\": words: of an error", Some("words: of an error")),
        ("rpc error: code = NotFound desc = x", Some("rpc error: code = NotFound desc = x")),
    ] {
        assert_eq!(web(&waiting("ImagePullBackOff", Some(said))).waiting.unwrap().message.as_deref(), error, "{said}");
    }
    let with_login = "Head \"https://u:S3CRET@r.example/v2/?sig=S3CRET\": EOF";
    let shown = web(&waiting("ErrImagePull", Some(with_login))).waiting.unwrap().message.unwrap();
    assert!(!shown.contains("S3CRET") && shown.contains("r.example"), "{shown}");
}

#[test]
fn kubelets_own_limits_are_told_from_the_registrys() {
    let limit = |reason, message| web(&waiting(reason, Some(message))).waiting.unwrap().limit();
    assert_eq!(limit("ErrImagePull", "pull QPS exceeded"), Some(KubeletLimit::PullQps));
    assert_eq!(
        limit("ImagePullBackOff", "Back-off pulling image \"a\": ErrImagePull: pull QPS exceeded"),
        Some(KubeletLimit::PullQps)
    );
    assert_eq!(limit("ImagePullBackOff", "Back-off pulling image \"a\""), Some(KubeletLimit::BackOff));
    assert_eq!(limit("ErrImagePull", "429 Too Many Requests"), None);
}

#[test]
fn who_waits_for_an_image_volume_has_its_own_image() {
    let said = "Back-off pulling image \"r.example/models/small:1\": ErrImagePull: not found";
    let needs = needs(&waiting("ImagePullBackOff", Some(said)));
    let states: Vec<(bool, bool)> = needs.iter().map(|need| (need.waiting.is_some(), need.has_had_image)).collect();
    assert_eq!(states, [(false, true), (false, true), (false, false), (false, false), (true, false)]);
}

#[test]
fn what_was_seen_before_stays_while_kubelet_only_backs_off() {
    let now = at("2026-11-29T10:01:00Z");
    let look = |reason, message, before: Option<&Waiting>, now| {
        web(&waiting(reason, Some(message))).waiting.unwrap().after(before, now)
    };
    let first = look("ErrImagePull", "not found", None, now);
    assert_eq!((first.tries_seen, first.tried_at), (Some(1), Some(now)));
    let later = now + SignedDuration::from_secs(5);
    let second = look("ImagePullBackOff", "Back-off pulling image \"r.example/shop/web:2\"", Some(&first), later);
    assert_eq!(second.message.as_deref(), Some("not found"));
    assert_eq!((second.tries_seen, second.tried_at), (Some(1), Some(now)));
    let third = look("ErrImagePull", "EOF", Some(&second), later);
    assert_eq!((third.message.as_deref(), third.tries_seen, third.tried_at), (Some("EOF"), Some(2), Some(later)));
    let same = look("ErrImagePull", "EOF", Some(&third), later + SignedDuration::from_secs(9));
    assert_eq!((same.tries_seen, same.tried_at), (Some(2), Some(later)), "the same status again is no other try");
}

#[test]
fn the_next_try_is_calculated_from_kubelets_waits() {
    let since = at("2026-11-29T10:00:30Z");
    let after = |seconds| since + SignedDuration::from_secs(seconds);
    let waiting = web(&pod()).waiting.unwrap();
    let next = |waiting: &Waiting, seconds| {
        let next = waiting.next_try(after(seconds)).unwrap();
        (next.tries, next.estimated_at.duration_since(since).as_secs())
    };
    for (seconds, tries, at) in
        [(0, 1, 10), (9, 1, 10), (10, 2, 30), (69, 3, 70), (309, 5, 310), (310, 6, 610), (86_400, 292, 86_410)]
    {
        assert_eq!(next(&waiting, seconds), (tries, at), "after {seconds} s");
    }
    assert_eq!(next(&waiting, -86_400), (1, 10), "the node's clock is behind");
    let seen = Waiting { tries_seen: Some(4), tried_at: Some(after(100)), ..waiting.clone() };
    assert_eq!(next(&seen, 110), (4, 180), "the tries took time themselves");
    assert_eq!(next(&seen, 500), (4, 500), "it is due");
    let never = Waiting { reason: "ErrImageNeverPull".into(), ..waiting.clone() };
    assert_eq!((never.next_try(since), Waiting { since: None, ..waiting }.next_try(since)), (None, None));
}

#[test]
fn a_pod_that_is_over_needs_nothing() {
    for phase in ["Succeeded", "Failed"] {
        let mut over = pod();
        over["status"]["phase"] = phase.into();
        assert_eq!(needs(&over), []);
    }
    let mut deleted = pod();
    deleted["metadata"]["deletionTimestamp"] = "2026-11-29T10:05:00Z".into();
    assert_eq!(needs(&deleted), []);
}

#[test]
fn a_hostile_pod_neither_floods_nor_steers_anything() {
    let many: Vec<Value> =
        (0..10_000).map(|n| json!({"name": format!("c{n}"), "image": "a\u{1b}[2J".repeat(10_000)})).take(200).collect();
    let mut flood = pod();
    flood["spec"]["containers"] = many.into();
    let decoded: Pod = serde_json::from_str(&flood.to_string()).unwrap();
    assert_eq!((decoded.spec.containers.len(), decoded.spec.containers.left_out), (LIST_LIMIT, 200 - LIST_LIMIT));
    let image = &decoded.needs()[1].image;
    assert!(image.len() <= 1024 && !image.chars().any(char::is_control), "{}", image.len());
    let long = web(&waiting("ErrImagePull", Some(&"long ".repeat(100_000)))).waiting.unwrap();
    assert!(long.message.unwrap().len() <= 4096);
}

#[test]
fn what_is_not_there_or_null_is_empty() {
    for text in [
        "{}",
        r#"{"metadata":null,"spec":null,"status":null}"#,
        r#"{"metadata":{"name":null,"ownerReferences":null},"spec":{"containers":null,"volumes":null},
            "status":{"startTime":"yesterday","containerStatuses":null}}"#,
    ] {
        assert_eq!(serde_json::from_str::<Pod>(text).unwrap().needs(), [], "{text}");
    }
    let page: Page =
        serde_json::from_str(r#"{"kind":"PodList","metadata":{"resourceVersion":"7"},"items":null}"#).unwrap();
    assert!(page.items.is_empty() && page.metadata.next.is_empty() && &*page.metadata.resource_version == "7");
}

/// What two kubelets wrote into the status of pods that did not start, word for word.
fn recorded() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/kubelet/waiting.jsonl");
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_recorded_status_is_a_wait_for_an_image() {
    let recorded = recorded();
    assert!(recorded.len() > 100, "{}", recorded.len());
    for one in recorded {
        let mut pod = waiting(one["reason"].as_str().unwrap(), one["message"].as_str());
        pod["spec"]["containers"][0]["image"] = one["image"].clone();
        let waiting = web(&pod).waiting.unwrap_or_else(|| panic!("{one}"));
        let name = one["name"].as_str().unwrap();
        assert_eq!(waiting.is_never_pulled(), name == "never", "{one}");
        let is_malformed = ["b-malformed-one", "b-malformed-type", "b-malformed-no-colon", "b-duplicate-key-bad-first"];
        let is_told = waiting.message.is_some();
        assert_eq!(waiting.is_malformed_secret(), is_told && is_malformed.contains(&name), "{one}");
        assert!(!waiting.message.is_some_and(|message| message.contains("Back-off")), "{one}");
        let has_new_words = one["kubelet"].as_str().unwrap() == "1.36.2";
        assert!(is_told || !has_new_words, "{one}");
    }
}

#[test]
fn an_empty_name_of_a_secret_is_none_and_a_login_in_an_image_is_not_shown() {
    let mut pod = pod();
    pod["spec"]["imagePullSecrets"] = json!([{"name": ""}, {}]);
    pod["spec"]["containers"][0]["image"] = "https://user:S3CRET@r.example/shop/web:2".into();
    let needs = needs(&pod);
    assert!(needs.iter().all(|need| need.pull_secrets.is_empty()), "{needs:?}");
    assert!(!format!("{needs:?}").contains("S3CRET"), "{needs:?}");
}
