//! kubelet's own words about a container, where its status has lost them: the events of the pod.

use serde::Deserialize;

use super::logins::decoded;
use crate::access::{Cluster, path, query};
use crate::explain;
use crate::pods::{PAGE_LIMIT, TextList};
use crate::redact::clean::Clean;

const LIMIT: usize = 8 << 20;
const NUMBER: &str = "200";
/// What kubelet puts before the error of a pull.
const FAILED: &str = "Failed to pull image \"";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Events {
    items: TextList<Event, PAGE_LIMIT>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Event {
    reason: Clean,
    message: Clean,
    #[serde(rename = "lastTimestamp")]
    last: Option<Clean>,
    #[serde(rename = "eventTime")]
    time: Option<Clean>,
}

/// The newest event that says why the pull of this image failed. `None`: there is none, or the user may not see it.
pub async fn last_failure(cluster: &Cluster, namespace: &str, pod: &str, image: &str) -> Option<Clean> {
    let about = format!("{FAILED}{image}\": ");
    let message = newest(cluster, namespace, pod, |event| event.message.starts_with(&about)).await?;
    message.strip_prefix(&about).map(|error| Clean::line(&explain::redacted(error)))
}

/// Why the scheduler finds no node.
pub async fn unscheduled(cluster: &Cluster, namespace: &str, pod: &str) -> Option<Clean> {
    newest(cluster, namespace, pod, |event| event.reason == "FailedScheduling").await
}

async fn newest(cluster: &Cluster, namespace: &str, pod: &str, fits: impl Fn(&Event) -> bool) -> Option<Clean> {
    let wanted = query(&[("fieldSelector", &format!("involvedObject.name={pod}")), ("limit", NUMBER)]);
    let place = path(&["api", "v1", "namespaces", namespace, "events"]);
    let events: Events = decoded(&cluster.get(&format!("{place}?{wanted}"), LIMIT).await.ok()?)?;
    let told = events.items.into_entries().into_iter().filter(fits);
    // Times of the API compare as text.
    let newest = told.max_by(|a, b| a.last.as_ref().or(a.time.as_ref()).cmp(&b.last.as_ref().or(b.time.as_ref())))?;
    Some(newest.message)
}
