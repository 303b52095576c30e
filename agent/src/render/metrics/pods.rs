//! The pods of the node, as the Kubernetes API tells of them. No label has a pod's name.

use super::{Family, Kind, Sample, Standard, number, truth, unix_seconds};
use crate::pods::Api;
use crate::state::snapshot::Snapshot;

pub const FAMILIES: &[Family] = &[
    Family {
        name: "pullprobe_kubernetes_api_up",
        help: "1 while the pods of this node are known, 0 while the Kubernetes API does not tell of them; absent where it is not asked.",
        kind: Kind::Gauge,
        labels: &[],
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| match snapshot.pods.api {
            Api::Unused => Vec::new(),
            Api::Down { .. } | Api::Up { .. } => vec![Sample::new([], truth(snapshot.pods.is_up()))],
        },
    },
    Family {
        name: "pullprobe_waiting_containers",
        help: "Containers of this node that wait for an image, by what is in their way: a cause; kubelet_back_off where the image can be pulled and kubelet has only to try again; kubelet_pull_limit where kubelet's own limit turned the pull away; unknown. Absent while the pods are not known.",
        kind: Kind::Gauge,
        labels: &["cause"],
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| {
            let waiting = known(snapshot).map(Snapshot::waiting_by_cause).unwrap_or_default();
            waiting.into_iter().map(|(cause, count)| Sample::new([cause], number(count))).collect()
        },
    },
    Family {
        name: "pullprobe_waiting_containers_oldest_timestamp_seconds",
        help: "Since when the container waits that has waited for its image longest, in Unix seconds; absent when none waits.",
        kind: Kind::Gauge,
        labels: &[],
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| {
            let oldest = known(snapshot).and_then(|snapshot| snapshot.pods.oldest_wait());
            oldest.into_iter().map(|since| Sample::new([], unix_seconds(since))).collect()
        },
    },
    Family {
        name: "pullprobe_images_not_restartable",
        help: "Images that containers of this node run with and that could not be pulled again, as far as they are probed; absent while the pods are not known.",
        kind: Kind::Gauge,
        labels: &[],
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| {
            let count = known(snapshot).map(|snapshot| snapshot.not_restartable().len() as u64);
            count.into_iter().map(|count| Sample::new([], number(count))).collect()
        },
    },
];

fn known(snapshot: &Snapshot) -> Option<&Snapshot> {
    Some(snapshot).filter(|snapshot| snapshot.pods.is_up())
}
