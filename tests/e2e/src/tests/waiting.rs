//! The agent knows the pods of its node: what waits, for what, and why.

use std::collections::BTreeMap;

use serde_json::Value;

use super::eventually;
use crate::Result;
use crate::agent::Agent;
use crate::cases::{Cases, Pod};
use crate::cluster::Cluster;

const COUNT: &str = "pullprobe_waiting_containers{cause=\"";

/// Metrics, JSON and page agree with the pods.
pub async fn told_with_their_cause(cluster: &Cluster) -> Result {
    let cases = Cases::load()?;
    let agent = Agent::install(cluster).await?;
    cases.create(cluster).await?;
    let mut expected = BTreeMap::<String, usize>::new();
    for pod in &cases.pod {
        *expected.entry(pod.waiting_cause().to_owned()).or_default() += 1;
    }
    let told = eventually(async || {
        in_json(&agent, &cases).await?;
        let counted = in_metrics(&agent).await?;
        if counted == expected {
            Ok(counted)
        } else {
            Err(format!("expected {expected:?}\ncounted  {counted:?}").into())
        }
    })
    .await?;
    println!("e2e: waiting containers by cause: {told:?}");
    let page = agent.local("/").await?;
    if let Some(pod) = cases.pod.iter().find(|pod| !page.contains(&pod.name)) {
        return Err(format!("{} is not on the page", pod.name).into());
    }
    cases.remove(cluster).await?;
    eventually(async || match in_metrics(&agent).await? {
        none if none.is_empty() => Ok(()),
        left => Err(format!("nothing waits any more, and the metrics say {left:?}").into()),
    })
    .await?;
    agent.uninstall().await
}

/// How many containers wait, by cause; causes by which none waits are left out.
pub async fn in_metrics(agent: &Agent<'_>) -> Result<BTreeMap<String, usize>> {
    let metrics = agent.http("/metrics").await?;
    let mut counts = BTreeMap::new();
    for line in metrics.lines().filter_map(|line| line.strip_prefix(COUNT)) {
        let (cause, count) = line.split_once("\"} ").ok_or("a metric without a value")?;
        let count: usize = count.parse()?;
        if count > 0 {
            counts.insert(cause.to_owned(), count);
        }
    }
    Ok(counts)
}

/// Each pod is needed by its image, with its cause.
async fn in_json(agent: &Agent<'_>, cases: &Cases) -> Result {
    let report = report(agent).await?;
    for pod in &cases.pod {
        let (image, need) = need_of(&report, pod)?;
        let cause = need["cause"].as_str().unwrap_or("unknown");
        if cause != pod.waiting_cause() {
            return Err(format!(
                "{}: {} is the cause, the report has {need} for {image}",
                pod.name,
                pod.waiting_cause()
            )
            .into());
        }
    }
    Ok(())
}

async fn report(agent: &Agent<'_>) -> Result<Value> {
    Ok(serde_json::from_str(&agent.local("/api/v1/report").await?)?)
}

/// The image of a pod that waits, and what the report says of the pod.
fn need_of<'a>(report: &'a Value, pod: &Pod) -> Result<(&'a Value, &'a Value)> {
    let images = report["images"].as_array().into_iter().flatten();
    let needs = images.filter_map(|image| Some((image, image["needed_by"].as_array()?)));
    let mut needs = needs.flat_map(|(image, needs)| needs.iter().map(move |need| (image, need)));
    let found = needs.find(|(_, need)| need["pod"] == *pod.name && !need["waiting_reason"].is_null());
    found.ok_or_else(|| format!("{} does not wait in the report", pod.name).into())
}
