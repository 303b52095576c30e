//! What the node tells Kubernetes: the condition and the events, as the API server has them, with the chart's rights.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::{deploy, eventually};
use crate::Result;
use crate::agent::Agent;
use crate::cluster::Cluster;
use crate::lab::NETWORK;
use crate::node::NODE_NAME;
use crate::process::run;

/// A look every five seconds, and three of them decide.
const VALUES: &str = "
kubeVersionOverride: v1.29.0
rbac: {nodeCondition: true, events: true}
";
/// Longer than a look that finds nothing changed.
const PAUSE: Duration = Duration::from_secs(12);
const WAITING: &str = "nothing-of-this-name";

/// Condition and events are there, and the account used what it has and no more.
pub async fn told(cluster: &Cluster) -> Result {
    let agent = Agent::install_with(cluster, VALUES).await?;
    let first = eventually(async || has(cluster, "True").await).await?;
    println!("e2e: the node says {first}");
    pod_is_told_once(cluster, &agent).await?;
    heartbeat(cluster, &agent, &first).await?;
    deploy::uses_what_it_has(cluster).await?;
    let lost = lost_and_found(cluster).await;
    // Whatever came of it: other tests need the network.
    let mended = reach(true).await;
    lost.and(mended)?;
    agent.uninstall().await?;
    let left = cluster.kubectl(&["get", "clusterrole,clusterrolebinding", "--output=name"], "").await?;
    if left.contains("pullprobe") {
        return Err(format!("rights are left: {left}").into());
    }
    forget(cluster).await
}

/// All registries are lost, and are there again.
async fn lost_and_found(cluster: &Cluster) -> Result {
    reach(false).await?;
    let lost = eventually(async || has(cluster, "False").await).await?;
    println!("e2e: without a registry the node says {lost}");
    reach(true).await?;
    let found = eventually(async || has(cluster, "True").await).await?;
    let times = [&lost, &found].map(|it| it["lastTransitionTime"].as_str().unwrap_or_default().to_owned());
    if times[0] >= times[1] {
        return Err(format!("no transition: {lost}, then {found}").into());
    }
    kubelet_is_ready(cluster).await
}

/// What others say of the node stays.
async fn kubelet_is_ready(cluster: &Cluster) -> Result {
    match condition(cluster, "Ready").await? {
        ready if ready["status"] == "True" => Ok(()),
        other => Err(format!("kubelet's own condition: {other}").into()),
    }
}

/// A pod that waits has one event of the agent, however often the agent looks; after a restart it is the same one, counted.
async fn pod_is_told_once(cluster: &Cluster, agent: &Agent<'_>) -> Result {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": WAITING}, "spec": {
        "nodeName": NODE_NAME, "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "web", "image": "open.example/team/app:nothing-of-this-name"}],
    }});
    cluster.api.send(Method::POST, "/api/v1/namespaces/default/pods", &pod).await?;
    let event = eventually(async || of_pod(cluster, 1).await).await?;
    println!("e2e: the pod is told {}", event["message"]);
    if !event["message"].as_str().is_some_and(|message| message.contains("manifest_unknown")) {
        return Err(format!("the event names no cause: {event}").into());
    }
    tokio::time::sleep(PAUSE).await;
    of_pod(cluster, 1).await?;
    restart(cluster, agent).await?;
    eventually(async || of_pod(cluster, 2).await).await?;
    let described = cluster.kubectl(&["describe", "pod", WAITING], "").await?;
    if !described.contains("ImageNotPullable") {
        return Err(format!("kubectl describe does not show it: {described}").into());
    }
    cluster.kubectl(&["delete", "pod", WAITING, "--wait=false"], "").await.map(drop)
}

/// The one event of the agent about the pod.
async fn of_pod(cluster: &Cluster, count: u64) -> Result<Value> {
    let path = format!("/api/v1/namespaces/default/events?fieldSelector=involvedObject.name={WAITING}");
    let mut events = cluster.api.list(&path).await?;
    events.retain(|event| event["source"]["component"] == "pullprobe");
    match &events[..] {
        [event] if event["count"] == count => Ok(event.clone()),
        other => Err(format!("not one event that happened {count} times: {other:?}").into()),
    }
}

/// A new agent reports at once what did not change: the heartbeat moves, the transition does not.
async fn heartbeat(cluster: &Cluster, agent: &Agent<'_>, first: &Value) -> Result {
    restart(cluster, agent).await?;
    let later = eventually(async || {
        let now = has(cluster, "True").await?;
        let is_later = now["lastHeartbeatTime"].as_str() > first["lastHeartbeatTime"].as_str();
        if is_later { Ok(now) } else { Err(format!("the heartbeat does not move: {now}").into()) }
    })
    .await?;
    if later["lastTransitionTime"] != first["lastTransitionTime"] {
        return Err(format!("a transition without a change: {first}, then {later}").into());
    }
    Ok(())
}

async fn restart(cluster: &Cluster, agent: &Agent<'_>) -> Result {
    let old = agent.pod().await?["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    cluster.kubectl(&["delete", "pod", &old, "--namespace", "pullprobe", "--wait=false"], "").await?;
    eventually(async || {
        let new = agent.pod().await?;
        if new["metadata"]["name"] == *old { Err("the old pod is there".into()) } else { Ok(()) }
    })
    .await?;
    agent.ready().await
}

async fn has(cluster: &Cluster, status: &str) -> Result<Value> {
    match condition(cluster, "RegistryReachable").await? {
        found if found["status"] == status => Ok(found),
        other => Err(format!("RegistryReachable is not {status}: {other}").into()),
    }
}

async fn condition(cluster: &Cluster, kind: &str) -> Result<Value> {
    let node = cluster.api.get(&format!("/api/v1/nodes/{NODE_NAME}")).await?;
    let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
    Ok(conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default())
}

/// Registries refuse every connection, as behind a firewall; names are still found.
async fn reach(is_open: bool) -> Result {
    if is_open {
        // Also where there is none.
        return run("nft", ["add table inet pullprobe_e2e; delete table inet pullprobe_e2e"]).await.map(drop);
    }
    let rule = format!("ip daddr {NETWORK} tcp dport {{ 80, 443 }} reject with tcp reset");
    let table = format!("table inet pullprobe_e2e {{ chain out {{ type filter hook output priority 0; {rule}; }}; }}");
    run("nft", [table.as_str()]).await.map(drop)
}

/// The condition outlives the agent: the tests after this one want a node as it was.
async fn forget(cluster: &Cluster) -> Result {
    let mut node = cluster.api.get(&format!("/api/v1/nodes/{NODE_NAME}")).await?;
    let conditions: Vec<Value> = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let kept: Vec<&Value> = conditions.iter().filter(|condition| condition["type"] != "RegistryReachable").collect();
    node["status"]["conditions"] = json!(kept);
    cluster.api.send(Method::PUT, &format!("/api/v1/nodes/{NODE_NAME}/status"), &node).await.map(drop)
}
