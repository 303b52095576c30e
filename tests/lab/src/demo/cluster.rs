//! A cluster with the demo's node: a stand-in for its API server, with a pod that does not get its image.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::api_server::{ApiServer, Config};

const IMAGE: &str = "private.demo/app:1.0";
/// As a kubelet said it of such a pod.
const SAID: &str = "failed to pull and unpack image \"private.demo/app:1.0\": failed to resolve image: pull access denied, \
                    repository does not exist or may require authorization: server message: insufficient_scope: \
                    authorization failed";

/// Starts it, and writes `DIR/kubeconfig`. What is run in the agent's pod is the program that lies beside this one.
pub(super) fn start(dir: &Path) -> io::Result<ApiServer> {
    let (node, settings) = (dir.join("node"), dir.join("pullprobe.yaml"));
    let program: PathBuf = std::env::current_exe()?.with_file_name("pullprobe");
    let runs = move |_: &str, _: &str, asked: &[String]| {
        let mut command = Command::new(&program);
        command.args(asked.iter().skip(1).take(1)).arg("--config").arg(&settings).arg("--host-root").arg(&node);
        command.args(asked.iter().skip(2));
        command
    };
    let server = ApiServer::start(Config { objects: objects(), runs: Some(Arc::new(runs)), ..Config::default() })?;
    std::fs::write(dir.join("kubeconfig"), server.kubeconfig("shop", "demo"))?;
    Ok(server)
}

/// A roll-out whose pods name a pull secret that is in another namespace.
fn objects() -> Vec<Value> {
    let labels = json!({"app": "web"});
    let login = json!({"auths": {"private.demo": {"username": "demo", "password": "demo"}}}).to_string();
    vec![
        json!({"kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": {"matchLabels": labels}}}),
        json!({
            "kind": "Pod",
            "metadata": {
                "name": "web-5d5f8c7b9-x2x9v", "namespace": "shop", "labels": labels, "creationTimestamp": "2026-11-29T10:00:00Z",
                "ownerReferences": [{"kind": "ReplicaSet", "name": "web-5d5f8c7b9", "controller": true}]
            },
            "spec": {
                "nodeName": "demo", "serviceAccountName": "default", "imagePullSecrets": [{"name": "pull"}],
                "containers": [{"name": "app", "image": IMAGE, "imagePullPolicy": "IfNotPresent"}]
            },
            "status": {
                "phase": "Pending", "startTime": "2026-11-29T10:00:01Z",
                "containerStatuses": [{"name": "app", "state": {"waiting": {"reason": "ErrImagePull", "message": SAID}}}]
            }
        }),
        json!({"kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "shop"}}),
        json!({"kind": "Secret", "metadata": {"name": "pull", "namespace": "ops"}, "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": STANDARD.encode(login)}}),
        json!({
            "kind": "Pod",
            "metadata": {"name": "pullprobe-7xk2p", "namespace": "pullprobe", "labels": {"app.kubernetes.io/name": "pullprobe"}},
            "spec": {"nodeName": "demo", "containers": [{"name": "pullprobe"}]},
            "status": {"phase": "Running"}
        }),
    ]
}
