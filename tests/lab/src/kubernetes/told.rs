//! What nodes say of themselves: conditions by strategic merge patch, and events. With the refusals of a real API server.

use std::collections::{BTreeMap, BTreeSet};

use http::{Method, Request, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::Kubernetes;
use crate::socket::lock;

/// A request that changes something.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    pub method: String,
    pub path: String,
    pub content_type: String,
    pub body: Value,
}

#[derive(Debug, Default)]
pub(super) struct Told {
    nodes: BTreeMap<String, Value>,
    /// By namespace and name.
    events: BTreeMap<String, Value>,
    writes: Vec<Write>,
    /// Resources that the account may not change.
    denied: BTreeSet<String>,
    /// So many of the next patches are refused because somebody else was faster.
    conflicts: usize,
    /// Namespaces that come to their end.
    ending: BTreeSet<String>,
    /// What a webhook says of each event, by namespace.
    webhooks: BTreeMap<String, (u16, String)>,
}

pub(super) fn is_write<B>(request: &Request<B>) -> bool {
    matches!(*request.method(), Method::POST | Method::PATCH)
}

impl Write {
    pub(super) async fn read(request: Request<Incoming>) -> Result<Self, hyper::Error> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let body = request.into_body().collect().await?.to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Self { method, path, content_type, body })
    }
}

impl Kubernetes {
    /// Adds a node with kubelet's own condition.
    pub fn add_node(&self, name: &str) {
        let node = json!({"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        lock(&self.shared.state).told.nodes.insert(name.to_owned(), node);
    }

    /// The conditions of a node.
    pub fn conditions(&self, node: &str) -> Vec<Value> {
        let state = lock(&self.shared.state);
        let conditions = state.told.nodes.get(node).and_then(|node| node["status"]["conditions"].as_array().cloned());
        conditions.unwrap_or_default()
    }

    pub fn events(&self) -> Vec<Value> {
        lock(&self.shared.state).told.events.values().cloned().collect()
    }

    /// As after an hour.
    pub fn forget_events(&self) {
        lock(&self.shared.state).told.events.clear();
    }

    /// Every request that changes something and was not refused by a fault, in their order.
    pub fn writes(&self) -> Vec<Write> {
        lock(&self.shared.state).told.writes.clone()
    }

    /// The account may change this resource (`nodes/status`, `events`) or may not.
    pub fn allow(&self, resource: &str, is_allowed: bool) {
        let denied = &mut lock(&self.shared.state).told.denied;
        if is_allowed {
            denied.remove(resource)
        } else {
            denied.insert(resource.to_owned())
        };
    }

    /// The next patches fail with a conflict.
    pub fn conflict(&self, times: usize) {
        lock(&self.shared.state).told.conflicts = times;
    }

    /// Nothing new is taken into this namespace.
    pub fn end_namespace(&self, namespace: &str) {
        lock(&self.shared.state).told.ending.insert(namespace.to_owned());
    }

    /// A webhook looks at the events of this namespace, and each is answered like this; or there is none any more.
    pub fn set_webhook(&self, namespace: &str, answer: Option<(u16, &str)>) {
        let webhooks = &mut lock(&self.shared.state).told.webhooks;
        match answer {
            Some((status, message)) => webhooks.insert(namespace.to_owned(), (status, message.to_owned())),
            None => webhooks.remove(namespace),
        };
    }
}

impl Told {
    pub(super) fn take(&mut self, write: &Write) -> (u16, Value) {
        self.writes.push(write.clone());
        let parts: Vec<&str> = write.path.trim_start_matches('/').split('/').collect();
        match (write.method.as_str(), &parts[..]) {
            ("PATCH", ["api", "v1", "nodes", name, "status"]) => self.guarded("nodes/status", write, |told, write| {
                let Some(node) = told.nodes.get_mut(*name) else { return status(404, "NotFound", "node not found") };
                merge_conditions(node, &write.body);
                (200, node.clone())
            }),
            ("POST", ["api", "v1", "namespaces", namespace, "events"]) => {
                self.guarded("events", write, |told, write| told.create(namespace, &write.body))
            }
            ("PATCH", ["api", "v1", "namespaces", namespace, "events", name]) => {
                self.guarded("events", write, |told, write| {
                    let Some(event) = told.events.get_mut(&format!("{namespace}/{name}")) else {
                        return status(404, "NotFound", "event not found");
                    };
                    merge(event, &write.body);
                    (200, event.clone())
                })
            }
            _ => status(404, "NotFound", "the server could not find the requested resource"),
        }
    }

    fn guarded(
        &mut self,
        resource: &str,
        write: &Write,
        then: impl FnOnce(&mut Self, &Write) -> (u16, Value),
    ) -> (u16, Value) {
        let verb = if write.method == "POST" { "create" } else { "patch" };
        if self.denied.contains(resource) {
            let who = "User \"system:serviceaccount:pullprobe:pullprobe\"";
            let what = resource.split('/').next().unwrap_or(resource);
            let why = format!("{what} is forbidden: {who} cannot {verb} resource \"{resource}\" in API group \"\"");
            return status(403, "Forbidden", &why);
        }
        if verb == "patch" && write.content_type != "application/strategic-merge-patch+json" {
            return status(415, "UnsupportedMediaType", "the lab takes strategic merge patches");
        }
        if verb == "patch" && self.conflicts > 0 {
            self.conflicts -= 1;
            return status(409, "Conflict", "the object has been modified");
        }
        then(self, write)
    }

    fn create(&mut self, namespace: &str, event: &Value) -> (u16, Value) {
        if self.ending.contains(namespace) {
            let why = "unable to create new content in namespace because it is being terminated";
            return status(403, "Forbidden", why);
        }
        if let Some((code, why)) = self.webhooks.get(namespace) {
            return status(*code, if *code == 403 { "Forbidden" } else { "InternalError" }, why);
        }
        let involved = &event["involvedObject"];
        let expected = involved["namespace"].as_str().unwrap_or("default");
        if expected != namespace || event["message"].as_str().is_none_or(|message| message.len() > 1024) {
            return status(422, "Invalid", "involvedObject.namespace or message");
        }
        let key = format!("{namespace}/{}", event["metadata"]["name"].as_str().unwrap_or_default());
        if self.events.contains_key(&key) {
            return status(409, "AlreadyExists", "the event exists already");
        }
        self.events.insert(key, event.clone());
        (201, event.clone())
    }
}

/// A list of conditions is a map by their type.
fn merge_conditions(node: &mut Value, patch: &Value) {
    let Some(conditions) = node["status"]["conditions"].as_array_mut() else { return };
    for change in patch["status"]["conditions"].as_array().into_iter().flatten() {
        match conditions.iter_mut().find(|condition| condition["type"] == change["type"]) {
            Some(condition) => merge(condition, change),
            None => conditions.push(change.clone()),
        }
    }
}

fn merge(object: &mut Value, patch: &Value) {
    for (key, value) in patch.as_object().into_iter().flatten() {
        object[key] = value.clone();
    }
}

fn status(code: u16, reason: &str, message: &str) -> (u16, Value) {
    (
        code,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message, "code": code}),
    )
}
