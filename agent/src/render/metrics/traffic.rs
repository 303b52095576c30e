//! Counters: probes and their failures, and what they cost each registry.

use std::collections::BTreeMap;

use super::{Family, Kind, Sample, Standard, Value, number};
use crate::cause::Cause;
use crate::model::host::{Endpoint, EndpointKey};
use crate::model::report::Stages;
use crate::model::tally::{Histogram, RequestKind};
use crate::state::snapshot::Snapshot;

pub const FAMILIES: &[Family] = &[
    Family {
        name: "pullprobe_probes_total",
        help: "Probes of this endpoint that came to an end.",
        kind: Kind::Counter,
        labels: &["namespace", "endpoint"],
        series: 1,
        standard: Standard::Nothing,
        samples: |view| probes(view),
    },
    Family {
        name: "pullprobe_probe_failures_total",
        help: "Probes of this endpoint that failed, by stage and cause. Each stage has a series from the start, with the cause unclassified.",
        kind: Kind::Counter,
        labels: &["namespace", "endpoint", "stage", "cause"],
        series: 6,
        standard: Standard::Nothing,
        samples: |view| failures(view),
    },
    Family {
        name: "pullprobe_probe_duration_seconds",
        help: "How long the probes of this registry name's endpoints took.",
        kind: Kind::Histogram,
        labels: &["namespace"],
        series: 11,
        standard: Standard::Nothing,
        samples: |view| durations(view),
    },
    Family {
        name: "pullprobe_registry_requests_total",
        help: "Requests that probing sent to this endpoint.",
        kind: Kind::Counter,
        labels: &["endpoint", "kind"],
        series: 5,
        standard: Standard::Nothing,
        samples: |view| requests(view),
    },
    Family {
        name: "pullprobe_registry_counted_pulls_total",
        help: "Requests among them that the registry counts as a pull.",
        kind: Kind::Counter,
        labels: &["endpoint"],
        series: 1,
        standard: Standard::Part { at_most: 1, which: "once there was one", samples: |view| spent_pulls(view) },
        samples: |view| counted_pulls(view),
    },
];

fn probes(snapshot: &Snapshot) -> Vec<Sample> {
    let of_host = |key: EndpointKey| {
        let count = snapshot.tally.probes.get(&key).copied().unwrap_or(0);
        Sample::new([&key.0, &key.1.to_string()], number(count))
    };
    snapshot.targets.keys().map(of_host).collect()
}

/// Every stage of a known target starts at 0, so that `increase()` by stage sees the first failure.
/// All pairs of stage and cause would be some sixty series an endpoint: one cause stands for them.
fn failures(snapshot: &Snapshot) -> Vec<Sample> {
    let stages = Stages::default().lines().map(|line| line.stage);
    let known =
        snapshot.targets.keys().flat_map(|key| stages.map(|stage| ((key.clone(), stage, Cause::Unclassified), 0)));
    let mut counts: BTreeMap<_, u64> = known.collect();
    counts.extend(snapshot.tally.failures.iter().map(|(key, count)| (key.clone(), *count)));
    let sample = |((key, stage, cause), count): ((EndpointKey, _, Cause), u64)| {
        let stage: crate::model::stage::Stage = stage;
        Sample::new([&key.0, &key.1.to_string(), stage.as_str(), cause.as_str()], number(count))
    };
    counts.into_iter().map(sample).collect()
}

fn durations(snapshot: &Snapshot) -> Vec<Sample> {
    let of_namespace = |name: &String| {
        let seen: Histogram = snapshot.tally.durations.get(name).cloned().unwrap_or_default();
        Sample { labels: vec![super::label_value(name)], value: Value::Distribution(seen) }
    };
    snapshot.targets.namespaces.keys().map(of_namespace).collect()
}

fn requests(snapshot: &Snapshot) -> Vec<Sample> {
    let of_host = |endpoint: &Endpoint| {
        let name = endpoint.to_string();
        RequestKind::ALL.map(|kind| {
            let count = snapshot.tally.cost.requests.get(&(endpoint.clone(), kind)).copied().unwrap_or(0);
            Sample::new([&name, kind.as_str()], number(count))
        })
    };
    snapshot.targets.keys().flat_map(|(_, endpoint)| of_host(&endpoint)).collect()
}

fn counted_pulls(snapshot: &Snapshot) -> Vec<Sample> {
    let of_host = |endpoint: &Endpoint| {
        let count = snapshot.tally.cost.counted_pulls.get(endpoint).copied().unwrap_or(0);
        Sample::new([&endpoint.to_string()], number(count))
    };
    snapshot.targets.keys().map(|(_, endpoint)| of_host(&endpoint)).collect()
}

/// Only of hosts that counted one.
fn spent_pulls(snapshot: &Snapshot) -> Vec<Sample> {
    let spent = snapshot.tally.cost.counted_pulls.iter().filter(|(_, count)| **count > 0);
    spent.map(|(endpoint, count)| Sample::new([&endpoint.to_string()], number(*count))).collect()
}
