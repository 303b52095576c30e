//! The API server goes and comes, the agent's token is another, pods come and go: the agent keeps up, in the same memory.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use futures::{StreamExt as _, TryStreamExt as _};
use http::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::eventually;
use super::waiting::in_metrics;
use crate::Result;
use crate::agent::{Agent, NAMESPACE};
use crate::cases::{self, Cases};
use crate::cluster::Cluster;
use crate::node::NODE_NAME;

/// Pods that are there at the same time, and how often they are replaced by others.
const PODS: usize = 100;
const ROUNDS: usize = 10;
/// What the agent may hold more after the last round than after the first, in KiB.
const MAY_GROW: u64 = 2048;
/// Requests to the API server at the same time.
const AT_ONCE: usize = 8;

/// While it is away the agent serves, and says so. When it is back the list is right again.
pub async fn api_server(cluster: &Cluster) -> Result {
    let cases = Cases::load()?;
    let agent = Agent::install(cluster).await?;
    eventually(async || up(&agent, true).await).await?;
    cluster.stop_api_server().await?;
    eventually(async || up(&agent, false).await).await?;
    agent.http("/livez").await?;
    agent.http("/readyz").await?;
    cluster.start_api_server("tokens").await?;
    cases.create(cluster).await?;
    eventually(async || {
        up(&agent, true).await?;
        counted(&agent, cases.pod.len()).await
    })
    .await?;
    cases.remove(cluster).await?;
    agent.uninstall().await
}

/// What the agent has seen last is no more in etcd when it asks again: it lists the pods again, and has them right.
pub async fn compaction(cluster: &Cluster) -> Result {
    let cases = Cases::load()?;
    let agent = Agent::install(cluster).await?;
    cases.create(cluster).await?;
    eventually(async || counted(&agent, cases.pod.len()).await).await?;
    let lists = lists_of_pods(cluster)?;
    let process = process()?;
    signal(&process, Signal::STOP)?;
    let asleep = async {
        cases.remove(cluster).await?;
        cluster.compact().await?;
        // Of what was before, the API server's own memory has nothing either.
        cluster.stop_api_server().await?;
        cluster.start_api_server("tokens").await
    };
    let slept = asleep.await;
    signal(&process, Signal::CONT)?;
    slept?;
    eventually(async || {
        // What was on its way when the agent fell asleep may make the count right before it asks again.
        if lists_of_pods(cluster)? == lists {
            return Err("the agent goes on without a new list: nothing was compacted under it".into());
        }
        up(&agent, true).await?;
        counted(&agent, 0).await
    })
    .await?;
    agent.uninstall().await
}

/// How often the agent's account listed pods.
fn lists_of_pods(cluster: &Cluster) -> Result<usize> {
    let own = format!("system:serviceaccount:{NAMESPACE}:");
    let is_list = |event: &&Value| {
        let user = event["user"]["username"].as_str().unwrap_or_default();
        user.starts_with(&own) && event["verb"] == "list" && event["objectRef"]["resource"] == "pods"
    };
    Ok(cluster.audit()?.iter().filter(is_list).count())
}

fn signal(process: &Path, signal: Signal) -> Result {
    let pid = process.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
    let pid = pid.and_then(Pid::from_raw).ok_or_else(|| format!("{} is no process", process.display()))?;
    Ok(kill_process(pid, signal)?)
}

/// The API server takes the old token no more. kubelet replaces the file, and the agent goes on with what it has then.
pub async fn token(cluster: &Cluster) -> Result {
    let agent = Agent::install(cluster).await?;
    eventually(async || up(&agent, true).await).await?;
    cluster.new_token_key("rotated")?;
    cluster.stop_api_server().await?;
    cluster.start_api_server("rotated").await?;
    eventually(async || up(&agent, false).await).await?;
    rotate(cluster, &agent.pod().await?).await?;
    eventually(async || up(&agent, true).await).await?;
    // The controllers' tokens are good again.
    cluster.stop_api_server().await?;
    cluster.start_api_server("tokens").await?;
    agent.uninstall().await
}

/// Puts a new token into the pod's volume as kubelet does: a new directory, and one link that is renamed over the old.
/// kubelet itself would do so after 48 minutes.
async fn rotate(cluster: &Cluster, pod: &Value) -> Result {
    let metadata = &pod["metadata"];
    let account = pod["spec"]["serviceAccountName"].as_str().unwrap_or_default();
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {
        "audiences": ["https://kubernetes.default.svc"], "expirationSeconds": 3600,
        "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]},
    }});
    let path = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token");
    let answer = cluster.api.send(Method::POST, &path, &request).await?;
    let token = answer["status"]["token"].as_str().ok_or("no token in the answer")?;
    let volumes = Path::new("/var/lib/kubelet/pods").join(metadata["uid"].as_str().unwrap_or_default());
    let volume = projected(&volumes.join("volumes/kubernetes.io~projected"))?;
    let new = volume.join("..rotated");
    fs::create_dir(&new)?;
    for entry in fs::read_dir(volume.join("..data"))? {
        let entry = entry?;
        fs::copy(entry.path(), new.join(entry.file_name()))?;
    }
    fs::write(new.join("token"), token)?;
    symlink("..rotated", volume.join("..data_tmp"))?;
    fs::rename(volume.join("..data_tmp"), volume.join("..data"))?;
    Ok(())
}

/// The one volume with a token.
fn projected(volumes: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(volumes)? {
        let path = entry?.path();
        if path.join("..data/token").exists() {
            return Ok(path);
        }
    }
    Err(format!("no token below {}", volumes.display()).into())
}

/// kubelet is away meanwhile, so that the pods cost it nothing: the API server has them, and the agent watches that.
pub async fn churn(cluster: &Cluster) -> Result {
    let agent = Agent::install(cluster).await?;
    eventually(async || up(&agent, true).await).await?;
    let process = process()?;
    cluster.stop_kubelet().await?;
    round(cluster, &agent, 0).await?;
    let first = resident(&process)?;
    for number in 1..=ROUNDS {
        round(cluster, &agent, number).await?;
    }
    let last = resident(&process)?;
    println!(
        "e2e: {} pods came and went: {first} KiB resident after the first {PODS}, {last} KiB at the end",
        PODS * ROUNDS
    );
    cluster.start_kubelet_again().await?;
    agent.stop().await?;
    agent.uninstall().await?;
    if last > first + MAY_GROW {
        return Err(format!("resident memory grew from {first} to {last} KiB").into());
    }
    Ok(())
}

/// So many pods are made, wait for their images, and are gone; the agent counts each of them, and then none.
async fn round(cluster: &Cluster, agent: &Agent<'_>, number: usize) -> Result {
    let pods = format!("/api/v1/namespaces/{}/pods", cases::NAMESPACE);
    let made =
        futures::stream::iter(0..PODS).map(|index| waiting_pod(cluster, &pods, format!("churn-{number}-{index}")));
    made.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    eventually(async || counted(agent, PODS).await).await?;
    // kubelet, which would confirm a graceful end, is away.
    let at_once = json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0});
    cluster.api.send(Method::DELETE, &format!("{pods}?labelSelector=e2e=churn"), &at_once).await?;
    eventually(async || counted(agent, 0).await).await
}

async fn waiting_pod(cluster: &Cluster, pods: &str, name: String) -> Result {
    let image = "open.example/team/none:1.0";
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"e2e": "churn"}}, "spec": {
        "nodeName": NODE_NAME, "automountServiceAccountToken": false, "containers": [{"name": "app", "image": image}],
    }});
    let mut pod = cluster.api.send(Method::POST, pods, &pod).await?;
    let waiting = json!({"reason": "ImagePullBackOff", "message": format!("Back-off pulling image \"{image}\"")});
    pod["status"] = json!({"phase": "Pending", "containerStatuses": [{
        "name": "app", "image": image, "imageID": "", "ready": false, "restartCount": 0, "state": {"waiting": waiting},
    }]});
    // The whole object: built by this Go, the API server of 1.20 has crashed on patches of a status.
    cluster.api.send(Method::PUT, &format!("{pods}/{name}/status"), &pod).await?;
    Ok(())
}

async fn counted(agent: &Agent<'_>, expected: usize) -> Result {
    let counted: usize = in_metrics(agent).await?.values().sum();
    if counted == expected {
        Ok(())
    } else {
        Err(format!("{expected} containers wait, the metrics have {counted}").into())
    }
}

async fn up(agent: &Agent<'_>, expected: bool) -> Result {
    let metrics = agent.http("/metrics").await?;
    let line = format!("pullprobe_kubernetes_api_up {}", u8::from(expected));
    if metrics.lines().any(|it| it == line) { Ok(()) } else { Err(format!("no `{line}` in the metrics").into()) }
}

/// The agent's directory in /proc: its container shares no process namespace, but this one has it in view.
fn process() -> Result<PathBuf> {
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        if fs::read(path.join("cmdline")).is_ok_and(|line| line.starts_with(b"/pullprobe\0run\0")) {
            return Ok(path);
        }
    }
    Err("the agent's process is not in /proc".into())
}

/// In KiB.
fn resident(process: &Path) -> Result<u64> {
    let status = fs::read_to_string(process.join("status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
