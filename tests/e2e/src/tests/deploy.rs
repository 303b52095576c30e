//! The chart in the cluster: the agent becomes ready, uses no other rights than it has, and leaves nothing.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::eventually;
use crate::agent::{Agent, NAMESPACE};
use crate::cluster::Cluster;
use crate::process::run;
use crate::{Result, repository};

/// Of the chart's service account, as the API server knows it.
const ACCOUNT: &str = "system:serviceaccount:pullprobe:pullprobe";
/// Until `kubectl port-forward` says where it listens.
const FORWARDED: Duration = Duration::from_secs(30);
const CONTROLLER: &str = "system:serviceaccount:kube-system:daemon-set-controller";
/// What a registry that is all right, and one that is not, must have in the metrics.
const METRICS: [&str; 3] = ["pullprobe_build_info{", "namespace=\"open.example\"", "namespace=\"closed.example\""];

pub async fn ready_and_scraped(cluster: &Cluster) -> Result {
    let agent = Agent::install(cluster).await?;
    let pod = agent.pod().await?;
    let restarts = &pod["status"]["containerStatuses"][0]["restartCount"];
    if *restarts != 0 {
        return Err(format!("the agent was restarted {restarts} times").into());
    }
    eventually(async || {
        let metrics = agent.http("/metrics").await?;
        match METRICS.iter().find(|series| !metrics.contains(**series)) {
            Some(missing) => Err(format!("no {missing} in the metrics:\n{metrics}").into()),
            None => Ok(()),
        }
    })
    .await?;
    agent.http("/readyz").await?;
    agent.uninstall().await
}

/// What somebody on call does: a check in the agent's pod is about the node, and the pod proxy reaches the agent.
pub async fn asked_through_the_api_server(cluster: &Cluster) -> Result {
    let agent = Agent::install(cluster).await?;
    let pod = agent.pod().await?;
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let check = ["exec", "--namespace", NAMESPACE, name, "--", "/pullprobe", "check", "--format", "json"];
    for (image, pullable) in [("open.example/team/app:1.0", true), ("open.example/team/mainframe:1.0", false)] {
        // The program ends with 1 where the node cannot pull, and kubectl with it.
        let (said, code) = cluster.kubectl_code(&[&check[..], &[image]].concat()).await?;
        let report: Value = serde_json::from_str(&said).map_err(|error| format!("{image}: {error}: {said}"))?;
        if report["images"][0]["pullable"] != pullable || code != i32::from(!pullable) {
            return Err(format!("{image}: exit code {code}, {said}").into());
        }
    }
    let proxy = format!("/api/v1/namespaces/{NAMESPACE}/pods/{name}:10048/proxy/metrics");
    let metrics = cluster.api.text(&proxy).await?;
    if !metrics.contains(METRICS[0]) {
        return Err(format!("through the pod proxy: {metrics}").into());
    }
    only_on_the_node(cluster, name).await?;
    agent.uninstall().await
}

/// Page and report are not read through the pod proxy, which has the summary; `kubectl port-forward` comes by loopback.
async fn only_on_the_node(cluster: &Cluster, pod: &str) -> Result {
    let behind = |path: &str| format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}:10048/proxy{path}");
    cluster.api.text(&behind("/api/v1/summary")).await?;
    for path in ["/", "/api/v1/report"] {
        let refused = cluster.api.text(&behind(path)).await.err().map(|error| error.to_string());
        if !refused.as_ref().is_some_and(|words| words.contains("kubectl port-forward")) {
            return Err(format!("{path} through the pod proxy: {refused:?}").into());
        }
    }
    let mut forward = cluster.kubectl_command(&["port-forward", "--namespace", NAMESPACE, pod, ":10048"]);
    let mut forward = forward.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    // Read until the end: kubectl says a line of each connection, and dies where nobody reads it.
    let mut said = BufReader::new(forward.stdout.take().ok_or("port-forward has no output")?).lines();
    let line = tokio::time::timeout(FORWARDED, said.next_line()).await??.ok_or("port-forward ended")?;
    // `Forwarding from 127.0.0.1:41234 -> 10048`.
    let address = line.split_whitespace().nth(2).ok_or_else(|| format!("port-forward says {line}"))?;
    for path in ["/", "/api/v1/report"] {
        let url = format!("http://{address}{path}");
        run("curl", ["--silent", "--show-error", "--fail", "--noproxy", "*", &url]).await?;
    }
    forward.kill().await?;
    drop(said);
    Ok(())
}

/// A system without systemd may have a private root. kubelet says so, and one value mends it.
pub async fn private_root(cluster: &Cluster) -> Result {
    run("mount", ["--make-private", "/"]).await?;
    let result = on_a_private_root(cluster).await;
    run("mount", ["--make-shared", "/"]).await?;
    result
}

async fn on_a_private_root(cluster: &Cluster) -> Result {
    let agent = Agent::apply(cluster).await?;
    let said = eventually(async || {
        let events = cluster.api.list(&format!("/api/v1/namespaces/{NAMESPACE}/events")).await?;
        let messages = events.iter().filter_map(|event| event["message"].as_str());
        let found =
            messages.filter(|message| message.contains("not a shared or slave mount")).map(str::to_owned).next();
        found.ok_or_else(|| format!("{events:?}").into())
    })
    .await?;
    println!("e2e: with HostToContainer on a private root: {said}");
    agent.uninstall().await?;
    let agent = Agent::install_with(cluster, "kubeVersionOverride: v1.29.0\nhost: {mountPropagation: None}\n").await?;
    agent.http("/readyz").await?;
    agent.uninstall().await
}

/// The audit log against the roles that are bound to the agent's account: no more is used, and no right is idle.
pub async fn rights(cluster: &Cluster) -> Result {
    let agent = Agent::install(cluster).await?;
    let granted = uses_what_it_has(cluster).await?;
    agent.uninstall().await?;
    let after = used(cluster)?;
    if after != granted {
        return Err(format!("granted {granted:?}, used until its end {after:?}").into());
    }
    Ok(())
}

/// Until every right of the account was used; an error if it used another.
pub async fn uses_what_it_has(cluster: &Cluster) -> Result<BTreeSet<String>> {
    let granted = granted(cluster).await?;
    let used = eventually(async || {
        let used = used(cluster)?;
        if used == granted { Ok(used) } else { Err(format!("granted {granted:?}, used {used:?}").into()) }
    })
    .await?;
    println!("e2e: rights granted and used: {used:?}");
    Ok(granted)
}

/// `VERB RESOURCE` of every rule of every role that is bound to the account.
async fn granted(cluster: &Cluster) -> Result<BTreeSet<String>> {
    let mut granted = BTreeSet::new();
    for kind in ["clusterrole", "role"] {
        for binding in cluster.api.list(&format!("/apis/rbac.authorization.k8s.io/v1/{kind}bindings")).await? {
            let subjects = binding["subjects"].as_array().map(Vec::as_slice).unwrap_or_default();
            if !subjects.iter().any(|it| it["kind"] == "ServiceAccount" && it["namespace"] == NAMESPACE) {
                continue;
            }
            let role = binding["roleRef"]["name"].as_str().unwrap_or_default();
            let place = match binding["roleRef"]["kind"].as_str() {
                Some("Role") => format!("namespaces/{NAMESPACE}/roles"),
                _ => "clusterroles".to_owned(),
            };
            let role = cluster.api.get(&format!("/apis/rbac.authorization.k8s.io/v1/{place}/{role}")).await?;
            for rule in role["rules"].as_array().map(Vec::as_slice).unwrap_or_default() {
                for verb in texts(&rule["verbs"]) {
                    granted.extend(texts(&rule["resources"]).map(|resource| format!("{verb} {resource}")));
                }
            }
        }
    }
    Ok(granted)
}

/// `VERB RESOURCE` of every request of the account, also of those that were refused.
fn used(cluster: &Cluster) -> Result<BTreeSet<String>> {
    let events = cluster.audit()?;
    // Where its controller did nothing there is no daemon set, and nothing was written down.
    if !events.iter().any(|event| event["user"]["username"] == CONTROLLER) {
        return Err(format!("{CONTROLLER} is not in the audit log").into());
    }
    let own = events.iter().filter(|event| event["user"]["username"] == ACCOUNT);
    let right = |event: &Value| {
        let object = &event["objectRef"];
        let resource = object["resource"].as_str().or(event["requestURI"].as_str()).unwrap_or_default();
        let part = object["subresource"].as_str().map(|part| format!("/{part}")).unwrap_or_default();
        format!("{} {resource}{part}", event["verb"].as_str().unwrap_or_default())
    };
    Ok(own.map(right).collect())
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The pod is replaced by one of the new chart, with its settings, and the objects that the old one had are gone.
pub async fn upgrade(cluster: &Cluster) -> Result {
    let before = everything(cluster).await?;
    let mut agent =
        Agent::install_objects(cluster, std::fs::read_to_string(repository("tests/e2e/first-chart.yaml"))?).await?;
    let old = agent.pod().await?;
    agent.upgrade().await?;
    let new = eventually(async || agent.pod().await).await?;
    if old["metadata"]["uid"] == new["metadata"]["uid"] {
        return Err("the pod is still the old chart's".into());
    }
    eventually(async || {
        let metrics = agent.http("/metrics").await?;
        if metrics.contains(METRICS[1]) { Ok(()) } else { Err(format!("no {} in the metrics", METRICS[1]).into()) }
    })
    .await?;
    agent.uninstall().await?;
    nothing_but(cluster, &before).await
}

pub async fn nothing_is_left(cluster: &Cluster) -> Result {
    let before = everything(cluster).await?;
    let agent = Agent::install(cluster).await?;
    let during = everything(cluster).await?;
    if during.is_subset(&before) {
        return Err("what the chart installs is not in the list of everything".into());
    }
    agent.uninstall().await?;
    nothing_but(cluster, &before).await?;
    for path in ["/var/lib/pullprobe", "/etc/pullprobe"] {
        if Path::new(path).exists() {
            return Err(format!("left on the node: {path}").into());
        }
    }
    Ok(())
}

/// Until the cluster has no other objects than these.
async fn nothing_but(cluster: &Cluster, before: &BTreeSet<String>) -> Result {
    eventually(async || {
        let after = everything(cluster).await?;
        let left: Vec<_> = after.difference(before).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("left in the cluster: {left:?}").into()) }
    })
    .await
}

/// `KIND NAMESPACE/NAME` of every object of every kind that can be listed, but for events, which end by themselves.
async fn everything(cluster: &Cluster) -> Result<BTreeSet<String>> {
    let kinds = cluster.kubectl(&["api-resources", "--verbs=list", "--output=name"], "").await?;
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !kind.starts_with("events")).collect();
    let list = ["get", &kinds.join(","), "--all-namespaces", "--ignore-not-found", "--output=json"];
    let list: Value = serde_json::from_str(&cluster.kubectl(&list, "").await?)?;
    let items = list["items"].as_array().ok_or("no list of everything")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(items
        .iter()
        .map(|item| {
            let metadata = &item["metadata"];
            format!("{} {}/{}", text(&item["kind"]), text(&metadata["namespace"]), text(&metadata["name"]))
        })
        .collect())
}
