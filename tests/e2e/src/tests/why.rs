//! `pullprobe why`: each of the pods that fail, from the pod to its cause.

use serde_json::Value;
use tokio::process::Command;

use super::eventually;
use crate::Result;
use crate::agent::Agent;
use crate::cases::{Cases, NAMESPACE, Pod};
use crate::cluster::Cluster;

/// With the secrets of the pod, which somebody who may read them has: the cause is that of the pull itself.
pub async fn names_the_cause(cluster: &Cluster) -> Result {
    let cases = Cases::load()?;
    let agent = Agent::install(cluster).await?;
    cases.create(cluster).await?;
    let mut differences = Vec::new();
    for pod in &cases.pod {
        if let Err(difference) = eventually(async || ask(cluster, pod).await).await {
            differences.push(format!("{}: {difference}", pod.name));
        }
    }
    println!("e2e: why was asked of {} pods, {} differences", cases.pod.len(), differences.len());
    cases.remove(cluster).await?;
    agent.uninstall().await?;
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n").into()) }
}

async fn ask(cluster: &Cluster, pod: &Pod) -> Result {
    let mut why = Command::new(&cluster.pullprobe);
    why.env_clear().args(["why", &pod.name, "--namespace", NAMESPACE, "-o", "json", "--timeout", "20s"]);
    let output = why.arg("--kubeconfig").arg(cluster.kubeconfig()).output().await?;
    let said = String::from_utf8_lossy(&output.stdout);
    let document: Value = serde_json::from_str(&said)
        .map_err(|error| format!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr)))?;
    let answer = &document["containers"][0];
    if answer["cause"] != *pod.why_cause() || answer["pullable"] != false || output.status.code() != Some(1) {
        return Err(format!("{} is the cause, why ends with {}: {answer}", pod.why_cause(), output.status).into());
    }
    Ok(())
}
