//! Since when a container waits: the API keeps no time of that, but of what came last before it.

use jiff::Timestamp;

use super::kind::ContainerKind;
use super::object::{ContainerStatus, Pod};

/// When kubelet could first have tried to pull: not before it took the pod, had its sandbox, had run the init containers,
/// and had seen the end of the container's last run. `None`: none of these times is known.
pub fn of(pod: &Pod, kind: ContainerKind, status: &ContainerStatus) -> Option<Timestamp> {
    let since = |condition: &str| {
        let found = pod.status.conditions.iter().find(|found| &*found.kind == condition && &*found.status == "True");
        found.and_then(|found| found.last_transition_time)
    };
    let begun = pod.status.start_time.or(pod.metadata.creation_timestamp);
    let initialized = since("Initialized").filter(|_| kind == ContainerKind::Container);
    let ended = status.last_state.terminated.as_ref().and_then(|ran| ran.finished_at);
    [begun, since("PodReadyToStartContainers"), initialized, ended].into_iter().flatten().max()
}
