//! What the hosts of a registry name come to together, and the nameservers they share.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::{Family, Kind, Sample, Standard, View, truth};
use crate::cause::Cause;
use crate::model::facts::{NameSource, NameserverFacts};
use crate::model::namespace::Health;
use crate::state::snapshot::Snapshot;

const NAMESPACE: &[&str] = &["namespace"];
const NAMESERVER: &[&str] = &["nameserver"];

pub const FAMILIES: &[Family] = &[
    Family {
        name: "pullprobe_namespace_pullable",
        help: "Whether some host, in containerd's order, would serve a pull from this registry name; absent when the answer is unknown.",
        kind: Kind::Gauge,
        labels: NAMESPACE,
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| each(snapshot, |health| health.pullable.map(truth)),
    },
    Family {
        name: "pullprobe_namespace_degraded",
        help: "1 when it is pullable but not as configured: a host that containerd would ask fails, and another takes its place.",
        kind: Kind::Gauge,
        labels: NAMESPACE,
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| each(snapshot, |health| health.degraded.map(truth)),
    },
    Family {
        name: "pullprobe_namespace_fallback_delay_seconds",
        help: "What failing hosts ahead of the first good one cost each request of containerd; absent when no host is good.",
        kind: Kind::Gauge,
        labels: NAMESPACE,
        series: 1,
        standard: Standard::Part {
            at_most: 1,
            which: "while it is above 0",
            samples: |view| {
                each(view, |health| health.fallback_delay.map(|delay| delay.as_secs_f64()).filter(|it| *it > 0.0))
            },
        },
        samples: |snapshot| each(snapshot, |health| health.fallback_delay.map(|delay| delay.as_secs_f64())),
    },
    Family {
        name: "pullprobe_nameserver_up",
        help: "Whether this nameserver of the node, asked by itself, answered at least one of the names that were last looked up within 3 seconds; an error such as SERVFAIL is no answer, that a name does not exist is one.",
        kind: Kind::Gauge,
        labels: NAMESERVER,
        series: 1,
        standard: Standard::Whole,
        samples: |view| {
            let up =
                |(server, asked): (&SocketAddr, &Asked<'_>)| Sample::new([&server.to_string()], truth(asked.answered));
            view.nameservers.iter().map(up).collect()
        },
    },
    Family {
        name: "pullprobe_nameserver_duration_seconds",
        help: "How long this nameserver, asked by itself, took for the last name; what took 3 seconds was not waited for any longer.",
        kind: Kind::Gauge,
        labels: NAMESERVER,
        series: 1,
        standard: Standard::Whole,
        samples: |view| {
            let took = |(server, asked): (&SocketAddr, &Asked<'_>)| {
                Sample::new([&server.to_string()], asked.last.duration.as_secs_f64())
            };
            view.nameservers.iter().map(took).collect()
        },
    },
];

fn each(view: &View<'_>, value: impl Fn(&Health) -> Option<f64>) -> Vec<Sample> {
    view.health.iter().filter_map(|(name, health)| Some(Sample::new([name], value(health)?))).collect()
}

/// A nameserver over the last probes of all endpoints.
pub struct Asked<'a> {
    answered: bool,
    last: &'a NameserverFacts,
}

pub fn nameservers(snapshot: &Snapshot) -> BTreeMap<SocketAddr, Asked<'_>> {
    let mut reports: Vec<_> = snapshot.endpoints.values().collect();
    reports.sort_by_key(|report| report.started_at);
    let mut servers = BTreeMap::new();
    for (dns, seen) in reports
        .iter()
        .filter_map(|report| report.stages.dns.facts())
        .flat_map(|dns| dns.nameservers.iter().map(move |seen| (dns, seen)))
    {
        // No lookup waits for a name of the hosts file: it is asked for in passing, too shortly to say that a server is dead.
        if dns.source == NameSource::HostsFile && !answers(seen) {
            continue;
        }
        let entry = servers.entry(seen.server).or_insert(Asked { answered: false, last: seen });
        entry.answered |= answers(seen);
        entry.last = seen;
    }
    servers
}

/// That a name does not exist or has no address is the name's fault and an answer all the same.
const fn answers(seen: &NameserverFacts) -> bool {
    matches!(seen.cause, None | Some(Cause::DnsNxdomain | Cause::DnsNoAddress))
}
