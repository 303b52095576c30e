//! What the last probe of each endpoint saw.

use std::net::SocketAddr;

use super::{Family, Kind, Sample, Standard, truth, unix_seconds};
use crate::model::ratelimit::{LimitState, RateLimit};
use crate::model::report::{EndpointReport, StageResult};
use crate::state::back_off::{BackOff, Subject};
use crate::state::snapshot::Snapshot;

const HOST: &[&str] = &["namespace", "endpoint", "role"];
const KEY: &[&str] = &["namespace", "endpoint"];

pub const FAMILIES: &[Family] = &[
    Family {
        name: "pullprobe_endpoint_up",
        help: "1 when every stage of the last probe passed: up to an authorised request, or up to TLS where role is token or redirect.",
        kind: Kind::Gauge,
        labels: HOST,
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| {
            each(snapshot, |host| host.up().map(|up| Sample::new(host_labels(&host.into()), truth(up))))
        },
    },
    Family {
        name: "pullprobe_endpoint_stage_up",
        help: "Whether this stage passed in the last probe; absent when it was not tried.",
        kind: Kind::Gauge,
        labels: &["namespace", "endpoint", "role", "stage"],
        series: 6,
        standard: Standard::Nothing,
        samples: |view| stage_up(view),
    },
    Family {
        name: "pullprobe_endpoint_stage_duration_seconds",
        help: "How long this stage took in the last probe.",
        kind: Kind::Gauge,
        labels: &["namespace", "endpoint", "role", "stage"],
        series: 6,
        standard: Standard::Whole,
        samples: |view| stage_duration(view),
    },
    Family {
        name: "pullprobe_endpoint_failure_info",
        help: "1 for the stage and cause at which the last probe failed; absent when it did not.",
        kind: Kind::Gauge,
        labels: &["namespace", "endpoint", "role", "stage", "cause"],
        series: 1,
        standard: Standard::Whole,
        samples: |view| failure_info(view),
    },
    Family {
        name: "pullprobe_endpoint_addresses",
        help: "Resolved addresses that accepted a connection (up) or did not (down) in the last probe.",
        kind: Kind::Gauge,
        labels: &["namespace", "endpoint", "role", "family", "state"],
        series: 4,
        standard: Standard::Nothing,
        samples: |view| addresses(view),
    },
    Family {
        name: "pullprobe_endpoint_last_probe_timestamp_seconds",
        help: "When the last probe of this endpoint began, in Unix seconds. Probes run on a schedule of their own, not at the scrape.",
        kind: Kind::Gauge,
        labels: HOST,
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| {
            each(snapshot, |host| Some(Sample::new(host_labels(&host.into()), unix_seconds(host.started_at))))
        },
    },
    Family {
        name: "pullprobe_endpoint_last_success_timestamp_seconds",
        help: "When the last successful probe of this endpoint began, in Unix seconds; absent when there was none since the start.",
        kind: Kind::Gauge,
        labels: HOST,
        series: 1,
        standard: Standard::Nothing,
        samples: |view| last_success(view),
    },
    Family {
        name: "pullprobe_probe_backoff_seconds",
        help: "Seconds between probes of this endpoint while pullprobe backs off, because it fails, sent Retry-After or refuses a login; 0 when it is probed at its usual interval.",
        kind: Kind::Gauge,
        labels: KEY,
        series: 1,
        standard: Standard::Part { at_most: 1, which: "while it is above 0", samples: |view| backing_off(view) },
        samples: |snapshot| {
            each(snapshot, |host| {
                let back_off = snapshot.endpoint_back_off(&(host.namespace.clone(), host.endpoint.clone()));
                Some(Sample::new(key_labels(&host.into()), back_off.map_or(0.0, |held| held.wait.as_secs_f64())))
            })
        },
    },
    Family {
        name: "pullprobe_tls_certificate_not_after_timestamp_seconds",
        help: "When the first certificate of the chain that the endpoint presents expires, in Unix seconds.",
        kind: Kind::Gauge,
        labels: KEY,
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| each(snapshot, not_after),
    },
    Family {
        name: "pullprobe_clock_skew_seconds",
        help: "The endpoint's clock minus the node's, from the Date header of its last answer.",
        kind: Kind::Gauge,
        labels: KEY,
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| each(snapshot, |host| Some(Sample::new(key_labels(&host.into()), host.clock_skew?))),
    },
    Family {
        name: "pullprobe_rate_limit_state",
        help: "1 for what is known of the endpoint's pull limit, 0 for the other states.",
        kind: Kind::Gauge,
        labels: &["namespace", "endpoint", "state"],
        series: 4,
        standard: Standard::Part {
            at_most: 1,
            which: "the state that is 1",
            samples: |view| current_limit_state(view),
        },
        samples: |view| limit_state(view),
    },
    Family {
        name: "pullprobe_rate_limit_limit",
        help: "Pulls per window, as the registry last announced.",
        kind: Kind::Gauge,
        labels: KEY,
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| limits(snapshot, |limit| limit.limit.map(super::number)),
    },
    Family {
        name: "pullprobe_rate_limit_remaining",
        help: "Pulls left in the window, as the registry last announced.",
        kind: Kind::Gauge,
        labels: KEY,
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| limits(snapshot, |limit| limit.remaining.map(super::number)),
    },
    Family {
        name: "pullprobe_rate_limit_window_seconds",
        help: "Length of the window that the limit is counted over, as the registry last announced.",
        kind: Kind::Gauge,
        labels: KEY,
        series: 1,
        standard: Standard::Nothing,
        samples: |snapshot| limits(snapshot, |limit| limit.window.map(|window| window.as_secs_f64())),
    },
    Family {
        name: "pullprobe_rate_limit_retry_after_timestamp_seconds",
        help: "When the registry asked to be asked again, in Unix seconds; absent when it never did.",
        kind: Kind::Gauge,
        labels: KEY,
        series: 1,
        standard: Standard::Nothing,
        samples: |view| retry_after(view),
    },
    Family {
        name: "pullprobe_rate_limit_bucket_info",
        help: "Always 1; nodes with the same bucket share one pull limit. A keyed hash of the address or account that the registry counts by; absent without metrics.bucket_key_file, or when the registry does not say.",
        kind: Kind::Gauge,
        labels: &["namespace", "endpoint", "bucket"],
        series: 1,
        standard: Standard::Whole,
        samples: |view| buckets(view),
    },
];

/// The labels that name a host.
struct Labels<'a> {
    namespace: &'a str,
    endpoint: String,
    role: &'static str,
}

impl<'a> From<&'a EndpointReport> for Labels<'a> {
    fn from(host: &'a EndpointReport) -> Self {
        Self { namespace: &host.namespace, endpoint: host.endpoint.to_string(), role: host.role.as_str() }
    }
}

fn host_labels<'a>(host: &'a Labels<'_>) -> [&'a str; 3] {
    [host.namespace, &host.endpoint, host.role]
}

fn key_labels<'a>(host: &'a Labels<'_>) -> [&'a str; 2] {
    [host.namespace, &host.endpoint]
}

fn each(snapshot: &Snapshot, sample: impl Fn(&EndpointReport) -> Option<Sample>) -> Vec<Sample> {
    snapshot.endpoints.values().filter_map(|host| sample(host)).collect()
}

fn stage_up(snapshot: &Snapshot) -> Vec<Sample> {
    each_stage(snapshot, |line| match line.result {
        StageResult::Passed => Some(1.0),
        StageResult::Failed(_) => Some(0.0),
        StageResult::Skipped(_) => None,
    })
}

fn stage_duration(snapshot: &Snapshot) -> Vec<Sample> {
    each_stage(snapshot, |line| line.duration.map(|duration| duration.as_secs_f64()))
}

fn each_stage(snapshot: &Snapshot, value: impl Fn(&crate::model::report::StageLine<'_>) -> Option<f64>) -> Vec<Sample> {
    let of_host = |host: &EndpointReport| -> Vec<Sample> {
        let labels = Labels::from(host);
        let [namespace, endpoint, role] = host_labels(&labels);
        host.stages
            .lines()
            .iter()
            .filter_map(|line| Some(Sample::new([namespace, endpoint, role, line.stage.as_str()], value(line)?)))
            .collect()
    };
    snapshot.endpoints.values().flat_map(|host| of_host(host)).collect()
}

fn failure_info(snapshot: &Snapshot) -> Vec<Sample> {
    each(snapshot, |host| {
        let failure = host.failure()?;
        let labels = Labels::from(host);
        let [namespace, endpoint, role] = host_labels(&labels);
        Some(Sample::new([namespace, endpoint, role, failure.stage.as_str(), failure.cause.as_str()], 1.0))
    })
}

fn addresses(snapshot: &Snapshot) -> Vec<Sample> {
    let mut samples = Vec::new();
    for host in snapshot.endpoints.values() {
        let Some(tcp) = host.stages.tcp.facts() else { continue };
        let labels = Labels::from(host.as_ref());
        let [namespace, endpoint, role] = host_labels(&labels);
        for (family, is_of_family) in
            [("ipv4", SocketAddr::is_ipv4 as fn(&SocketAddr) -> bool), ("ipv6", SocketAddr::is_ipv6)]
        {
            for (state, up) in [("up", true), ("down", false)] {
                let alike =
                    tcp.addresses.iter().filter(|seen| is_of_family(&seen.address) && seen.cause.is_none() == up);
                let count = super::number(alike.count() as u64);
                samples.push(Sample::new([namespace, endpoint, role, family, state], count));
            }
        }
    }
    samples
}

fn last_success(snapshot: &Snapshot) -> Vec<Sample> {
    each(snapshot, |host| {
        let at = snapshot.last_success.get(&(host.namespace.clone(), host.endpoint.clone()))?;
        Some(Sample::new(host_labels(&host.into()), unix_seconds(*at)))
    })
}

fn not_after(host: &EndpointReport) -> Option<Sample> {
    let chain = &host.stages.tls.facts()?.chain;
    let first = chain.iter().map(|certificate| certificate.not_after).min()?;
    #[expect(clippy::cast_precision_loss, reason = "exact for any date of a certificate")]
    Some(Sample::new(key_labels(&host.into()), first as f64))
}

fn limit_state(snapshot: &Snapshot) -> Vec<Sample> {
    let of_host = |(key, _): (crate::model::host::EndpointKey, _)| {
        let current = snapshot.limit_state(&key);
        let endpoint = key.1.to_string();
        LimitState::ALL.map(|state| Sample::new([&key.0, &endpoint, state.as_str()], truth(state == current)))
    };
    snapshot.targets.endpoints().flat_map(of_host).collect()
}

/// Only the state that holds.
fn current_limit_state(snapshot: &Snapshot) -> Vec<Sample> {
    let of_host = |(key, _): (crate::model::host::EndpointKey, _)| {
        Sample::new([&key.0, &key.1.to_string(), snapshot.limit_state(&key).as_str()], 1.0)
    };
    snapshot.targets.endpoints().map(of_host).collect()
}

/// Only of hosts that are left alone.
fn backing_off(snapshot: &Snapshot) -> Vec<Sample> {
    let of_subject = |(subject, held): (&Subject, &BackOff)| match subject {
        Subject::Host(key) if snapshot.endpoints.contains_key(key) && !held.wait.is_zero() => {
            Some(Sample::new([&key.0, &key.1.to_string()], held.wait.as_secs_f64()))
        }
        _ => None,
    };
    snapshot.back_offs.iter().filter_map(of_subject).collect()
}

fn limits(snapshot: &Snapshot, value: impl Fn(&RateLimit) -> Option<f64>) -> Vec<Sample> {
    let seen = snapshot.rate_limits.iter();
    seen.filter_map(|(key, seen)| Some(Sample::new([&key.0, &key.1.to_string()], value(&seen.limit)?))).collect()
}

fn buckets(snapshot: &Snapshot) -> Vec<Sample> {
    let seen = snapshot.rate_limits.iter();
    seen.filter_map(|(key, seen)| Some(Sample::new([&key.0, &key.1.to_string(), seen.bucket.as_deref()?], 1.0)))
        .collect()
}

fn retry_after(snapshot: &Snapshot) -> Vec<Sample> {
    let seen = snapshot.rate_limits.iter();
    seen.filter_map(|(key, seen)| Some(Sample::new([&key.0, &key.1.to_string()], unix_seconds(seen.retry_at()?))))
        .collect()
}
