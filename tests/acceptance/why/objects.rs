//! Objects of a cluster, as the API has them.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

pub const IMAGE: &str = "registry.example/demo/app:1.0";

/// A pod that is being made.
pub struct Pod(Value);

impl Pod {
    pub fn new(name: &str) -> Self {
        Self(json!({
            "kind": "Pod", "metadata": {"name": name, "namespace": "shop", "creationTimestamp": "2026-11-29T10:00:00Z"},
            "spec": {"nodeName": "worker-1", "serviceAccountName": "default",
                "containers": [{"name": "app", "image": IMAGE, "imagePullPolicy": "IfNotPresent"}]},
            "status": {"phase": "Pending", "startTime": "2026-11-29T10:00:01Z"}
        }))
    }

    pub fn secrets(mut self, names: &[&str]) -> Self {
        self.0["spec"]["imagePullSecrets"] = names.iter().map(|name| json!({"name": name})).collect();
        self
    }

    pub fn in_namespace(mut self, namespace: &str) -> Self {
        self.0["metadata"]["namespace"] = namespace.into();
        self
    }

    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.0["metadata"]["labels"][name] = value.into();
        self
    }

    pub fn owner(mut self, kind: &str, name: &str) -> Self {
        self.0["metadata"]["ownerReferences"] = json!([{"kind": kind, "name": name, "controller": true}]);
        self
    }

    pub fn reason(mut self, reason: &str) -> Self {
        self.0["status"]["containerStatuses"] = json!([{"name": "app", "state": {"waiting": {"reason": reason}}}]);
        self
    }

    /// It waits, and kubelet says this.
    pub fn waiting(self, message: &str) -> Value {
        let known = self.0["status"]["containerStatuses"].is_array();
        let Self(mut pod) = if known { self } else { self.reason("ErrImagePull") };
        pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"] = message.into();
        pod
    }

    pub fn running(mut self) -> Value {
        self.0["status"] = json!({"phase": "Running", "containerStatuses": [
            {"name": "app", "imageID": "sha256:0", "state": {"running": {}}}]});
        self.0
    }
}

/// A type of secret.
pub struct Type(&'static str);

pub const OPAQUE: Type = Type("Opaque");

impl Type {
    pub fn of(&self, namespace: &str, name: &str, inner: &Value) -> Value {
        json!({"kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "type": self.0,
            "data": {".dockerconfigjson": BASE64_STANDARD.encode(inner.to_string())}})
    }
}

pub fn secret(namespace: &str, name: &str, inner: &Value) -> Value {
    Type("kubernetes.io/dockerconfigjson").of(namespace, name, inner)
}

pub fn login(key: &str, password: &str) -> Value {
    auths(key, password)
}

pub fn auths(key: &str, password: &str) -> Value {
    json!({"auths": {key: {"username": "puller", "password": password}}})
}

/// A JWT that ends then.
pub fn token(ends: i64) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(&json!({"alg": "none"})), part(&json!({"exp": ends})), part(&json!("planted")))
}

/// The agent's pod of a node, as the chart makes it.
pub fn agent(node: &str) -> Value {
    json!({
        "kind": "Pod", "metadata": {"name": format!("agent-{node}"), "namespace": "pullprobe",
            "labels": {"app.kubernetes.io/name": "pullprobe"}},
        "spec": {"nodeName": node, "containers": [{"name": "pullprobe", "ports": [{"name": "metrics", "containerPort": 10048}]}]},
        "status": {"phase": "Running"}
    })
}
