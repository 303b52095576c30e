//! The agent's build, and what the node's files, disk and credentials say.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Family, Kind, Sample, Standard, number, truth, unix_seconds};
use crate::model::credential::ProviderOutcome;
use crate::model::expiry::CredentialExpiry;
use crate::model::finding::Severity;
use crate::state::snapshot::{FilesystemSpace, Snapshot};
use crate::version::own;

pub const BUILD: &[Family] = &[Family {
    name: "pullprobe_build_info",
    help: "Always 1; which build of pullprobe this is.",
    kind: Kind::Gauge,
    labels: &["version", "revision"],
    series: 1,
    standard: Standard::Whole,
    samples: |_| vec![Sample::new([own::VERSION, own::REVISION.unwrap_or("unknown")], 1.0)],
}];

pub const FAMILIES: &[Family] = &[
    Family {
        name: "pullprobe_containerd_up",
        help: "1 when containerd answered on its socket when it was last asked, 0 when it did not; absent where it never had a socket that the agent sees.",
        kind: Kind::Gauge,
        labels: &[],
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| {
            snapshot.state.containerd.answers.into_iter().map(|answers| Sample::new([], truth(answers))).collect()
        },
    },
    Family {
        name: "pullprobe_memory_limit_bytes",
        help: "Memory that the agent's control group may take, as it was at the agent's start; absent without a limit. process_resident_memory_bytes is what it takes.",
        kind: Kind::Gauge,
        labels: &[],
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| snapshot.memory_limit.into_iter().map(|limit| Sample::new([], number(limit))).collect(),
    },
    Family {
        name: "pullprobe_faults_total",
        help: "Faults of pullprobe itself (panics) since its start. Each ended one probe or request, whose answer is unknown; the log names the place.",
        kind: Kind::Counter,
        labels: &[],
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| vec![Sample::new([], number(snapshot.faults))],
    },
    Family {
        name: "pullprobe_credential_expiry_timestamp_seconds",
        help: "When a credential that the node would offer expires, in Unix seconds; only of those whose end can be known.",
        kind: Kind::Gauge,
        labels: &["source", "registry"],
        series: 1,
        standard: Standard::Whole,
        samples: |view| credential_expiry(view),
    },
    Family {
        name: "pullprobe_credential_issued_timestamp_seconds",
        help: "When that credential was issued, in Unix seconds; only of those that say so.",
        kind: Kind::Gauge,
        labels: &["source", "registry"],
        series: 1,
        standard: Standard::Whole,
        samples: |view| credential_issue(view),
    },
    Family {
        name: "pullprobe_credential_provider_up",
        help: "1 if kubelet's credential provider answered when it was last asked, 0 if it failed for an image; absent if it could not be asked.",
        kind: Kind::Gauge,
        labels: &["provider"],
        series: 1,
        standard: Standard::Whole,
        samples: |view| providers(view),
    },
    Family {
        name: "pullprobe_config_findings",
        help: "Findings about the node's pull configuration, as pullprobe lint lists them.",
        kind: Kind::Gauge,
        labels: &["severity"],
        series: 3,
        standard: Standard::Whole,
        samples: |view| findings(view),
    },
    Family {
        name: "pullprobe_config_info",
        help: "Always 1; the hash differs between nodes whose pull configuration differs.",
        kind: Kind::Gauge,
        labels: &["hash"],
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| snapshot.config.hash.iter().map(|hash| Sample::new([hash], 1.0)).collect(),
    },
    Family {
        name: "pullprobe_config_last_change_timestamp_seconds",
        help: "When the pull configuration last changed, in Unix seconds: before the agent's start by its files' dates.",
        kind: Kind::Gauge,
        labels: &[],
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| snapshot.config.changed_at.iter().map(|at| Sample::new([], unix_seconds(*at))).collect(),
    },
    Family {
        name: "pullprobe_image_filesystem_size_bytes",
        help: "Size of the file system that containerd unpacks images on.",
        kind: Kind::Gauge,
        labels: &[],
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| space(snapshot, |disk| disk.size_bytes),
    },
    Family {
        name: "pullprobe_image_filesystem_available_bytes",
        help: "Bytes of that file system that are free to users other than root.",
        kind: Kind::Gauge,
        labels: &[],
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| space(snapshot, |disk| disk.available_bytes),
    },
    Family {
        name: "pullprobe_image_filesystem_inodes",
        help: "Inodes of that file system; 0 where it makes them as needed.",
        kind: Kind::Gauge,
        labels: &[],
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| space(snapshot, |disk| disk.inodes),
    },
    Family {
        name: "pullprobe_image_filesystem_inodes_free",
        help: "Free inodes of that file system.",
        kind: Kind::Gauge,
        labels: &[],
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| space(snapshot, |disk| disk.inodes_free),
    },
];

fn credential_expiry(snapshot: &Snapshot) -> Vec<Sample> {
    let expiries = snapshot.credential_expiries().into_iter();
    expiries.map(|one| of_credential(one, one.lifetime.ends)).collect()
}

fn credential_issue(snapshot: &Snapshot) -> Vec<Sample> {
    let expiries = snapshot.credential_expiries().into_iter();
    expiries.filter_map(|one| Some(of_credential(one, one.lifetime.begins?))).collect()
}

fn of_credential(one: &CredentialExpiry, at: Timestamp) -> Sample {
    Sample::new([&one.source.to_string(), &one.registry], unix_seconds(at))
}

fn providers(snapshot: &Snapshot) -> Vec<Sample> {
    let mut up: BTreeMap<&str, bool> = BTreeMap::new();
    for provider in snapshot.images.values().flat_map(|image| &image.providers) {
        let answered = match provider.outcome {
            ProviderOutcome::Answered | ProviderOutcome::NoneFits(_) => true,
            ProviderOutcome::Failed(_) => false,
            ProviderOutcome::Unknown(_) => continue,
        };
        *up.entry(&provider.name).or_insert(true) &= answered;
    }
    up.into_iter().map(|(name, up)| Sample::new([name], truth(up))).collect()
}

fn findings(snapshot: &Snapshot) -> Vec<Sample> {
    let count = |severity| snapshot.state.findings.iter().filter(|finding| finding.severity == severity).count();
    Severity::ALL.map(|severity| Sample::new([severity.as_str()], number(count(severity) as u64))).into()
}

fn space(snapshot: &Snapshot, of: impl Fn(&FilesystemSpace) -> u64) -> Vec<Sample> {
    snapshot.state.image_filesystem.iter().map(|disk| Sample::new([], number(of(disk)))).collect()
}
