//! The words of condition and events: what is wrong, and what to do.

use std::collections::BTreeMap;

use super::look::{Look, Lost};
use crate::cause::Cause;
use crate::cause::text::text;
use crate::pods::{ContainerKind, Need};
use crate::redact::clean::Clean;
use crate::signals::{Event, Object, Severity, Status};
use crate::state::snapshot::Snapshot;

/// Registries that are named in one message.
const NAMED: usize = 5;

/// Reason and message.
pub fn condition(status: Status, look: &Look<'_>, is_few: bool) -> (&'static str, String) {
    let count = look.reached.len() + look.lost.len() + look.unknown.len();
    let lost = named(look.lost.iter().map(|lost| format!("{} ({})", lost.registry, lost.failure.cause.as_str())));
    let not = if look.lost.is_empty() { String::new() } else { format!(" These cannot: {lost}.") };
    let now = if look.reached.is_empty() { "None" } else { "Some" };
    match status {
        Status::True => {
            ("RegistryReachable", format!("{} of {count} registries can be reached.{not}", look.reached.len()))
        }
        Status::False if look.lost.is_empty() => (
            "NoRegistryReachable",
            format!("No registry could be reached. {now} can be at present; pullprobe waits for more looks."),
        ),
        Status::False => {
            let what = look.lost.first().map(explained).unwrap_or_default();
            ("NoRegistryReachable", format!("{now} of {count} registries can be reached. These cannot: {lost}. {what}"))
        }
        Status::Unknown if is_few => (
            "TooFewHosts",
            format!(
                "None of {count} registries can be reached: {lost}. They have too few hosts to tell an outage of theirs from a fault of \
                 this node (signals.min_hosts)."
            ),
        ),
        Status::Unknown => {
            let unknown = named(look.unknown.iter().map(|name| (*name).to_owned()));
            ("NotKnown", format!("pullprobe does not know whether a registry can be reached. Open: {unknown}.{not}"))
        }
    }
}

/// Registries that were lost for so many looks in a row.
pub fn registries(look: &Look<'_>, lost: &BTreeMap<String, usize>, alike: usize) -> Vec<Event> {
    let is_lost = |it: &&Lost<'_>| lost.get(it.registry).is_some_and(|looks| *looks >= alike);
    let event = |it: &Lost<'_>| {
        let message = format!("This node cannot reach the registry {}. {}", it.registry, explained(it));
        let what = format!("{} {}", it.registry, it.failure.cause.as_str());
        Event::new(Object::Node, Severity::Warning, "RegistryUnreachable", what, &message)
    };
    look.lost.iter().filter(is_lost).map(event).collect()
}

/// Containers that wait for an image that cannot be pulled, as far as pullprobe knows for certain. While the pods are not known, any of
/// them may be gone.
pub fn pods(snapshot: &Snapshot) -> Vec<Event> {
    if !snapshot.pods.is_up() {
        return Vec::new();
    }
    let event = |(uid, need): (&Clean, &Need)| {
        let report = snapshot.report_for(need);
        let outlook = snapshot.outlook(need, report);
        let cause = outlook.cause.filter(|_| outlook.pullable == Some(false))?;
        let own = report.map(|report| {
            snapshot.node_answers.get(report.requested.as_str()).map_or(&report.verdict, |answer| &answer.verdict)
        });
        let told = own.filter(|verdict| verdict.cause.is_some_and(|its| its.as_str() == cause));
        let known = Cause::ALL.iter().find(|known| known.as_str() == cause).map(|known| text(*known));
        let (summary, fix) = match (told, known) {
            (Some(verdict), _) => (verdict.summary.as_str(), verdict.fix.as_str()),
            (None, Some(text)) => (text.summary, text.fix),
            (None, None) => return None,
        };
        let message = format!(
            "{} {} cannot get its image {}. {} {} (cause: {cause})",
            if need.kind == ContainerKind::ImageVolume { "Volume" } else { "Container" },
            need.container,
            need.image,
            sentence(summary),
            sentence(fix)
        );
        let object = Object::Pod {
            namespace: need.namespace.clone(),
            name: need.pod.clone(),
            uid: uid.clone(),
            field_path: need.field_path(),
        };
        // kubelet's path names no volume.
        let what = format!("{} {} {cause}", need.container, need.image);
        Some(Event::new(object, Severity::Warning, "ImageNotPullable", what, &message))
    };
    snapshot.pods.waiting_by_pod().filter_map(event).collect()
}

fn explained(lost: &Lost<'_>) -> String {
    let failure = lost.failure;
    let host = failure.host.as_ref().map(|host| format!(" at {host}")).unwrap_or_default();
    let (summary, fix) = (sentence(failure.summary()), sentence(failure.fix()));
    format!("{summary} {fix} (cause: {}{host})", failure.cause.as_str())
}

/// With a full stop.
fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}

fn named(names: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = names.collect();
    let more = all.len().saturating_sub(NAMED);
    let shown = all[..all.len() - more].join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
