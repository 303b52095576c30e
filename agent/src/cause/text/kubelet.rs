//! Words for what kubelet shows and no probe sees: its own limit on pulls, its waiting, and the pod's own word.

use super::Text;
use crate::cause::Owner;

/// As `pullprobe explain` names it.
pub const OWN_LIMIT_NAME: &str = "pull QPS exceeded";

pub const OWN_LIMIT: Text = Text {
    summary: "The pull was turned away by kubelet itself: the node began more pulls in a second than it may.",
    evidence: "The event says `pull QPS exceeded` and no host, status or URL; no registry was asked, so that no quota was spent \
               and `pullprobe check` finds the image pullable. It counts as a failure for kubelet's back-off.",
    confirm: "`kubectl get --raw /api/v1/nodes/NODE/proxy/configz | jq '.kubeletconfig | {registryPullQPS, registryBurst, \
              serializeImagePulls}'` shows the limits in force; by default 5 a second and 10 at once.",
    fix: "Raise `registryPullQPS` and `registryBurst` in `/var/lib/kubelet/config.yaml`, then `systemctl restart kubelet`; or \
          start fewer pods at once. Nothing at the registry, no login and no mirror changes it.",
};

/// As `pullprobe explain` names it.
pub const BACK_OFF_NAME: &str = "ImagePullBackOff";

pub const BACK_OFF: Text = Text {
    summary: "The pull failed before, and kubelet waits until it tries again; this message does not say why the pull failed.",
    evidence: "The event says `Back-off pulling image` and nothing of the failure. The waits double from 10 seconds to 5 minutes.",
    confirm: "`kubectl describe pod POD` has an older event, `Failed to pull image`, with the reason. Give that one to \
              `pullprobe explain`.",
    fix: "Find the reason first: `pullprobe check IMAGE` on the pod's node. Once it is gone, kubelet tries again by itself; \
          `kubectl delete pod POD` of a pod with an owner tries at once.",
};

/// As metrics, `needed_by` and the `waiting_cause` of `why` name it.
pub const PULL_LIMIT_NAME: &str = "kubelet_pull_limit";
pub const RETRY_NAME: &str = "kubelet_back_off";
pub const UNKNOWN_NAME: &str = "unknown";

/// What is in a container's way where that is no cause: its name there, who is at fault, and its words.
pub const STATES: [(&str, Option<Owner>, Text); 3] =
    [(RETRY_NAME, None, RETRY), (PULL_LIMIT_NAME, Some(Owner::Node), OWN_LIMIT), (UNKNOWN_NAME, None, UNKNOWN)];

pub const RETRY: Text = Text {
    summary: "The image can be pulled now, and the container waits only for kubelet's next try.",
    evidence: "A pull failed before, the node's last probe of the image succeeded, and kubelet still waits: from 10 seconds up to 5 \
               minutes. A pull that fails for this pod alone, as with a login of its own, leads here too.",
    confirm: "`kubectl pullprobe why POD` checks the image with the pod's own logins; `kubectl describe pod POD` shows kubelet's tries.",
    fix: "Wait for kubelet's next try, or delete the pod if it has an owner: `kubectl delete pod POD`. If kubelet goes on failing, ask \
          `kubectl pullprobe why POD`.",
};

pub const UNKNOWN: Text = Text {
    summary: "Whether the container would get its image is not known.",
    evidence: "Its image was not probed yet, or is left out because the agent probes 500 images at most, or its probe came to no certain \
               answer, or the pod brings a login that the agent may not read. `unknown_because` of `needed_by` in the report, and the page, say which.",
    confirm: "`kubectl pullprobe why POD` asks with the pod's own logins, as far as you may read them.",
    fix: "Ask with `kubectl pullprobe why POD`. To let the agent try pull secrets itself, mount them: \
          `credentials.pull_secrets_dir`. What takes a counted pull is found out by `pullprobe check IMAGE` on the node.",
};

pub const IMAGE_NEVER_PULLED: Text = Text {
    summary: "The pod forbids the pull (`imagePullPolicy: Never`), and the image is not on the node.",
    evidence: "The event says `not present with pull policy of Never`; no registry was asked. kubelet says the same of an image \
               that is on the node for a pod without the login it was pulled with (`KubeletEnsureSecretPulledImages`).",
    confirm: "`crictl images` on the node does not list the image; `kubectl get pod POD -o \
              jsonpath='{.spec.containers[*].imagePullPolicy}'` says `Never`.",
    fix: "Set `imagePullPolicy: IfNotPresent` in the pod's template, or load the image on every node that may run the pod: `ctr -n \
          k8s.io images import FILE`.",
};
