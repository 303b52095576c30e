//! A condition and an event as the API has them, and the requests that put them there.

use http::Response;
use jiff::Timestamp;
use kube::client::Body;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Access, Client, whole};
use super::trouble::Trouble;
use crate::pods::{Text, or_default};
use crate::signals::{CONDITION, Condition, Object, Outgoing, Status};

/// Who reports, in the words of events.
const COMPONENT: &str = "pullprobe";
/// Where the API keeps events about nodes, which are in no namespace.
const OF_NODES: &str = "default";

pub struct Reporter {
    access: Access,
    node: String,
    /// `None`: to be made anew, with the token and the authorities as they lie there then.
    client: Option<Client>,
}

impl Reporter {
    pub const fn new(access: Access, node: String) -> Self {
        Self { access, node, client: None }
    }

    /// The next request goes over a new connection, with the token as it is then.
    pub fn start_over(&mut self) {
        self.client = None;
    }

    fn client(&mut self) -> Result<Client, Trouble> {
        match &self.client {
            Some(client) => Ok(client.clone()),
            None => Ok(self.client.insert(Client::new(&self.access)?).clone()),
        }
    }

    /// The condition that the node has, and since when. A patch of nothing gets the node without the right to read nodes.
    pub async fn found(&mut self) -> Result<Option<(Status, Timestamp)>, Trouble> {
        let node: Node = read(self.client()?.patch(&self.status_path(), &json!({})).await?).await?;
        let own = node.status.conditions.iter().find(|condition| &*condition.kind == CONDITION);
        Ok(own.and_then(|own| Some((Status::parse(&own.status)?, own.last_transition_time.parse().ok()?))))
    }

    /// One condition by its type: the others are kubelet's and of others.
    pub async fn condition(&mut self, condition: &Condition) -> Result<(), Trouble> {
        let patch = json!({"status": {"conditions": [{
            "type": CONDITION,
            "status": condition.status.as_str(),
            "reason": condition.reason,
            "message": condition.message,
            "lastHeartbeatTime": seconds(condition.heartbeat),
            "lastTransitionTime": seconds(condition.since),
        }]}});
        whole(self.client()?.patch(&self.status_path(), &patch).await?).await.map(drop)
    }

    fn status_path(&self) -> String {
        format!("/api/v1/nodes/{}/status", self.node)
    }

    /// How often it has happened now, with what an earlier agent wrote.
    pub async fn event(&mut self, outgoing: &Outgoing) -> Result<u32, Trouble> {
        let client = self.client()?;
        let (namespace, name) = (namespace(&outgoing.event.object), outgoing.event.name(&self.node));
        let all = format!("/api/v1/namespaces/{namespace}/events");
        let own = format!("{all}/{name}");
        if outgoing.is_created {
            match client.patch(&own, &again(outgoing, outgoing.count)).await {
                // The API server forgets events after a while: this one begins anew.
                Err(Trouble::Refused { status: 404, .. }) => {}
                answer => return whole(answer?).await.map(|_| outgoing.count),
            }
        }
        let count = if outgoing.is_created { 1 } else { outgoing.count };
        match client.create(&all, &object(outgoing, &self.node, count)).await {
            Err(Trouble::Refused { status: 409, .. }) => {}
            answer => return whole(answer?).await.map(|_| count),
        }
        let known: Counted = read(client.patch(&own, &json!({})).await?).await?;
        let count = known.count.saturating_add(1);
        whole(client.patch(&own, &again(outgoing, count)).await?).await.map(|_| count)
    }
}

fn namespace(object: &Object) -> &str {
    match object {
        Object::Node => OF_NODES,
        Object::Pod { namespace, .. } => namespace,
    }
}

/// What changes when it happens again.
fn again(outgoing: &Outgoing, count: u32) -> Value {
    json!({"count": count, "lastTimestamp": seconds(outgoing.last), "message": outgoing.event.message})
}

fn object(outgoing: &Outgoing, node: &str, count: u32) -> Value {
    let event = &outgoing.event;
    let first = if count > 1 { outgoing.first } else { outgoing.last };
    let involved = match &event.object {
        // kubelet's own events name the node twice too: people find them by either.
        Object::Node => json!({"kind": "Node", "apiVersion": "v1", "name": node, "uid": node}),
        Object::Pod { namespace, name, uid, field_path } => {
            let mut pod = json!({
                "kind": "Pod", "apiVersion": "v1", "namespace": namespace.as_str(), "name": name.as_str(), "uid": uid.as_str(),
            });
            if let Some(path) = field_path {
                pod["fieldPath"] = path.as_str().into();
            }
            pod
        }
    };
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"namespace": namespace(&event.object), "name": event.name(node)},
        "involvedObject": involved,
        "type": event.severity.as_str(), "reason": event.reason, "message": event.message,
        "source": {"component": COMPONENT, "host": node},
        "firstTimestamp": seconds(first), "lastTimestamp": seconds(outgoing.last), "count": count,
    })
}

/// The API keeps whole seconds, and refuses more.
fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

async fn read<T: for<'a> Deserialize<'a>>(answer: Response<Body>) -> Result<T, Trouble> {
    let text = whole(answer).await?;
    serde_json::from_slice(&text).map_err(|error| Trouble::Unreadable(error.to_string()))
}

#[derive(Deserialize)]
struct Counted {
    #[serde(default)]
    count: u32,
}

#[derive(Deserialize)]
struct Node {
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Default, Deserialize)]
struct NodeStatus {
    #[serde(default, deserialize_with = "or_default")]
    conditions: Vec<Found>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    #[serde(default, rename = "type")]
    kind: Text<128>,
    #[serde(default)]
    status: Text<16>,
    #[serde(default, deserialize_with = "or_default")]
    last_transition_time: Text<64>,
}
