//! Words for the node itself, and for what has no word yet.

use super::Text;

pub const CLOCK_SKEW: Text = Text {
    summary: "The node's clock is so far off that certificates and tokens are taken for expired or not yet valid.",
    evidence: "The `Date` of the registry's answers differs from the node's time by more than they bear; the offset is in the \
               report.",
    confirm: "`timedatectl` shows `System clock synchronized: no`; `chronyc tracking` shows the offset.",
    fix: "Let the clock be set and kept: `chronyc makestep`, or `timedatectl set-ntp true`, with servers in `/etc/chrony.conf` \
          that the node can reach on UDP port 123.",
};

pub const DISK_FULL: Text = Text {
    summary: "The file system that holds containerd's images has no room for this one.",
    evidence: "The space left below containerd's root is less than the image needs, or none.",
    confirm: "`df -h /var/lib/containerd` shows what is left.",
    fix: "Remove what is not used, `crictl rmi --prune`, and enlarge the file system; lower `imageGCHighThresholdPercent` in \
          `/var/lib/kubelet/config.yaml` so that kubelet cleans up in time.",
};

pub const INODES_EXHAUSTED: Text = Text {
    summary: "The file system that holds containerd's images has bytes left but no inodes, so no file can be created.",
    evidence: "The count of free inodes below containerd's root is zero or nearly so.",
    confirm: "`df -i /var/lib/containerd` shows `IUse%` at 100.",
    fix: "Remove what is not used, `crictl rmi --prune`, and look for what made the files; an ext4 file system gets more inodes \
          only by being made anew (`mkfs.ext4 -i 8192`) or with xfs instead. `/var/lib/kubelet/config.yaml` has the threshold \
          `imagefs.inodesFree`.",
};

pub const CONTAINERD_UNREACHABLE: Text = Text {
    summary: "containerd does not answer on its socket, so the node can neither pull nor start anything.",
    evidence: "The socket is missing, refuses the connection, or a call for the version does not return.",
    confirm: "`crictl --runtime-endpoint unix:///run/containerd/containerd.sock version` fails; `systemctl status containerd` \
              says why.",
    fix: "`systemctl restart containerd`, and look at `journalctl -u containerd -b` for what ended it: a faulty \
          `/etc/containerd/config.toml`, a full disk, or the kernel's out-of-memory killer.",
};

pub const LIMIT_REACHED: Text = Text {
    summary: "What containerd would do is not known: pullprobe stopped at a limit of its own, which containerd does not have.",
    evidence: "The detail names the limit and its number: bytes or entries of a document, requests for one image, open files, and \
               the like.",
    confirm: "`crictl pull IMAGE` on the node shows what containerd makes of it.",
    fix: "Pull it once with `crictl pull IMAGE`: containerd has no such limit. If others had the memory, ask again later with \
          `pullprobe check IMAGE`. If the process was out of open files or memory, give it more: `kubectl edit daemonset \
          pullprobe`. Every other limit is far above what real registries send: look at what is named.",
};

pub const OWN_FAULT: Text = Text {
    summary: "What containerd would do is not known: pullprobe has a fault of its own, and its probe of this came to no end.",
    evidence: "The probe panicked. The log of the agent has a line `pullprobe has a fault here` with the place in its source.",
    confirm: "`kubectl logs POD` of the agent, or `journalctl -u pullprobe`, has that line; `crictl pull IMAGE` on the node shows what \
              containerd makes of it.",
    fix: "Nothing is known to be wrong with the image or its registry. Please report the line from `journalctl -u pullprobe`. The next \
          probe tries again, and `pullprobe check IMAGE` does so at once.",
};

pub const UNCLASSIFIED: Text = Text {
    summary: "The pull fails in a way that pullprobe has no word for yet, which is a defect of pullprobe.",
    evidence: "The step that failed and the error as it was seen are in the detail.",
    confirm: "`crictl pull IMAGE` on the node shows containerd's own words.",
    fix: "Go by the stage and the detail; please report it with the output of `pullprobe check IMAGE --format json`, so that the \
          next version knows it.",
};
