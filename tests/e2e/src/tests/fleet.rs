//! `pullprobe fleet`: the agents' summaries through the real pod proxy, and a check in each agent's pod.

use serde_json::Value;
use tokio::process::Command;

use super::eventually;
use crate::Result;
use crate::agent::Agent;
use crate::cluster::Cluster;

/// A registry that is all right and one that is not, as the agent watches them; then images, as every node checks them.
pub async fn of_one_node(cluster: &Cluster) -> Result {
    let agent = Agent::install(cluster).await?;
    let registries = [("open.example", true), ("closed.example", false)];
    eventually(async || expect(ask(cluster, &[]).await?, &registries, 1)).await?;
    let (good, bad) = ("open.example/team/app:1.0", "open.example/team/mainframe:1.0");
    expect(ask(cluster, &[good]).await?, &[(good, true)], 0)?;
    let answer = ask(cluster, &[good, bad]).await?;
    let failure = &answer.0["targets"].as_array().into_iter().flatten().find(|it| it["target"] == bad);
    let cause = failure.map(|target| &target["failures"][0]["cause"]);
    if cause.is_none_or(|cause| cause != "platform_mismatch") {
        return Err(format!("{bad} is for no platform that the node has: {}", answer.0).into());
    }
    expect(answer, &[(good, true), (bad, false)], 1)?;
    agent.uninstall().await
}

async fn ask(cluster: &Cluster, targets: &[&str]) -> Result<(Value, Option<i32>)> {
    let mut fleet = Command::new(&cluster.pullprobe);
    fleet.env_clear().args(["fleet", "-o", "json", "--timeout", "20s"]).args(targets);
    let output = fleet.arg("--kubeconfig").arg(cluster.kubeconfig()).output().await?;
    let said = String::from_utf8_lossy(&output.stdout);
    let document = serde_json::from_str(&said)
        .map_err(|error| format!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr)))?;
    Ok((document, output.status.code()))
}

/// Each target with the one node that can, or cannot, pull it; no other node, and the exit code.
fn expect((document, code): (Value, Option<i32>), expected: &[(&str, bool)], exit: i32) -> Result {
    let complain = |what: &str| Err(format!("{what}: exit code {code:?}, {document}").into());
    if document["nodes"] != 1 || document["not_asked"].as_array().is_none_or(|nodes| !nodes.is_empty()) {
        return complain("there is one node, and it was to be asked");
    }
    for (name, can) in expected {
        let target = document["targets"].as_array().into_iter().flatten().find(|it| it["target"] == *name);
        let Some(target) = target else { return complain(name) };
        if target["can"] != i32::from(*can) || target["cannot"] != i32::from(!can) || target["unknown"] != 0 {
            return complain(name);
        }
    }
    if code == Some(exit) { Ok(()) } else { complain(&format!("{exit} was to be the exit code")) }
}
