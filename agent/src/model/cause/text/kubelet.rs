//! Words for what kubelet shows: the limits on pulls, which look alike there and are three different things.

use super::{Text, registry};
use crate::model::cause::Cause;

/// What a message from a pod's events comes to.
#[derive(Clone, Copy, Debug)]
pub enum Told {
    Cause(Cause),
    /// kubelet's own limit, which is no cause of a probe: no registry was asked.
    OwnLimit,
}

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

/// Reads a message of kubelet about a limit. `None`: it is about something else.
pub fn told(message: &str) -> Option<Told> {
    let message = message.to_ascii_lowercase();
    if message.contains("pull qps exceeded") {
        return Some(Told::OwnLimit);
    }
    let is_limit = message.contains("429 too many requests") || message.contains("toomanyrequests");
    let names_quota = ["pull rate limit", "pull quota", "pull limit"].iter().any(|words| message.contains(words));
    is_limit.then_some(Told::Cause(if names_quota { Cause::RateLimited } else { Cause::Throttled }))
}

impl Told {
    pub const fn text(self) -> Text {
        match self {
            Self::OwnLimit => OWN_LIMIT,
            Self::Cause(Cause::RateLimited) => registry::RATE_LIMITED,
            Self::Cause(_) => registry::THROTTLED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_limits_are_told_apart_by_kubelets_words() {
        let cause = |message| match told(message) {
            Some(Told::Cause(cause)) => cause.as_str(),
            Some(Told::OwnLimit) => OWN_LIMIT_NAME,
            None => "",
        };
        let quota = "failed to pull and unpack image \"docker.io/library/nginx:1\": failed to copy: httpReadSeeker: failed open: \
                     unexpected status code https://registry-1.docker.io/v2/library/nginx/manifests/sha256:ab: 429 Too Many \
                     Requests - Server message: toomanyrequests: You have reached your pull rate limit.";
        assert_eq!(cause(quota), "rate_limited");
        assert_eq!(
            cause("unexpected status from HEAD request to https://r.example/v2/a/manifests/1: 429 Too Many Requests"),
            "throttled"
        );
        assert_eq!(cause("toomanyrequests: Rate exceeded"), "throttled");
        assert_eq!(cause("Failed to pull image \"nginx\": pull QPS exceeded"), OWN_LIMIT_NAME);
        assert_eq!(cause("Error: ErrImagePull"), "");
        assert_eq!(cause("dns_timeouts"), "");
    }
}
