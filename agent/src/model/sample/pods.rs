//! Pods of the sample node: one container for each thing that can be in the way of its image.

use serde_json::{Value, json};

use super::now;
use crate::pods::{Book, Listed, Pod};

const PRIVATE: &str = "ghcr.io/example/private:1";
const BACK_OFF: &str = "ImagePullBackOff";

/// Seven containers wait, two run.
pub fn book() -> Book {
    let denied = "failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized";
    let pods = [
        pod("own-refused", "busybox:1.36", &["private"], &waiting("ErrImagePull", denied)),
        pod("never", "busybox:1.36", &[], &waiting("ErrImageNeverPull", "not present with pull policy of Never")),
        pod("malformed", PRIVATE, &["bad"], &waiting("illegal base64 data at input byte 0", "")),
        pod("refused", PRIVATE, &[], &waiting("ErrImagePull", "unexpected status from HEAD request: 401 Unauthorized")),
        pod("own-login", PRIVATE, &["private"], &waiting(BACK_OFF, &format!("Back-off pulling image \"{PRIVATE}\""))),
        pod(
            "retried",
            "busybox:1.36",
            &[],
            &waiting(BACK_OFF, "Back-off pulling image \"busybox:1.36\": ErrImagePull: EOF"),
        ),
        pod("throttled", "busybox:1.36", &[], &waiting("ErrImagePull", "pull QPS exceeded")),
        pod(
            "running",
            "docker.io/library/busybox:1.36",
            &[],
            &json!({"running": {"startedAt": "2026-11-20T10:00:00Z"}}),
        ),
        pod("cached", PRIVATE, &[], &json!({"running": {}})),
    ];
    let listed = pods.map(|pod| Listed::from(&serde_json::from_value::<Pod>(pod).unwrap())).to_vec();
    let mut book = Book::asking(now());
    book.replace(listed, 0, now());
    book
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"waiting": {"reason": reason, "message": message}})
}

fn pod(name: &str, image: &str, secrets: &[&str], state: &Value) -> Value {
    let policy = if name == "never" { "Never" } else { "IfNotPresent" };
    let secrets: Vec<Value> = secrets.iter().map(|secret| json!({"name": secret})).collect();
    json!({
        "metadata": {"namespace": "shop", "name": format!("{name}-0"), "uid": name},
        "spec": {"nodeName": "worker-3", "imagePullSecrets": secrets,
                 "containers": [{"name": name, "image": image, "imagePullPolicy": policy}]},
        "status": {"phase": "Pending", "startTime": "2026-11-20T09:50:00Z",
                   "containerStatuses": [{"name": name, "image": image, "imageID": "", "state": state}]},
    })
}
