//! Who needs an image, and what is known of the node's pods.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::pods::{Api, Need};
use crate::state::snapshot::Snapshot;
use crate::state::waiting::Outlook;

/// A container, or an image volume, that needs the image.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NeededBy {
    pub namespace: String,
    pub pod: String,
    /// Its name in the pod.
    pub container: String,
    /// `container`, `init`, `ephemeral` or `image-volume`.
    pub kind: String,
    /// `Always`, `IfNotPresent` or `Never`.
    pub pull_policy: String,
    /// kubelet's word, or the error that it gives in its place. Null: it does not wait for the image.
    pub waiting_reason: Option<String>,
    /// Since when it waits. RFC 3339, UTC. Null: it does not, or it is not known.
    pub since: Option<String>,
    /// The last error that kubelet told of. Null: it told of none.
    pub message: Option<String>,
    /// The pull secrets that the pod names.
    pub pull_secrets: Vec<String>,
    /// Would it get the image? Null: unknown.
    pub pullable: Option<bool>,
    /// A cause; `kubelet_back_off`: kubelet has only to try again; `kubelet_pull_limit`: kubelet's own limit turned the pull
    /// away. Null: nothing is in its way, or it is unknown.
    pub cause: Option<String>,
    /// Why `pullable` is null. Null: it is not.
    pub unknown_because: Option<String>,
    /// How many tries of kubelet have failed: an estimate. Null: it does not try, or does not wait.
    pub tries_estimate: Option<u32>,
    /// When kubelet tries again: an estimate from its known waits. RFC 3339, UTC.
    pub next_try_estimate: Option<String>,
}

/// What is known of the pods of this node.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Pods {
    /// Whether the Kubernetes API tells of them now.
    pub known: bool,
    /// Since when that is so. RFC 3339, UTC.
    pub since: String,
    /// Why they are not known, or no longer. Null: they are.
    pub unknown_because: Option<String>,
    /// How many pods there are, and how many more are left out.
    pub pods: usize,
    pub left_out: usize,
    /// Containers that wait for an image.
    pub waiting: usize,
    /// Images that containers run with and that could not be pulled again, as far as they are probed.
    pub not_restartable: Vec<String>,
}

impl NeededBy {
    pub fn of(need: &Need, outlook: Outlook<'_>, now: Timestamp) -> Self {
        let waiting = need.waiting.as_ref();
        let next = waiting.and_then(|waiting| waiting.next_try(now));
        Self {
            namespace: need.namespace.clone().into(),
            pod: need.pod.clone().into(),
            container: need.container.clone().into(),
            kind: need.kind.as_str().to_owned(),
            pull_policy: need.policy.as_str().to_owned(),
            waiting_reason: waiting.map(|waiting| waiting.reason.clone().into()),
            since: waiting.and_then(|waiting| waiting.since).map(|since| since.to_string()),
            message: waiting.and_then(|waiting| waiting.message.clone()).map(Into::into),
            pull_secrets: need.pull_secrets.iter().map(|secret| secret.clone().into()).collect(),
            pullable: outlook.pullable,
            cause: outlook.cause.map(str::to_owned),
            unknown_because: (!outlook.because.is_empty()).then(|| outlook.because.to_owned()),
            tries_estimate: next.map(|next| next.tries),
            next_try_estimate: next.map(|next| next.estimated_at.to_string()),
        }
    }
}

impl Pods {
    /// `None`: the Kubernetes API is not asked.
    pub fn of(snapshot: &Snapshot) -> Option<Self> {
        let (since, why) = match &snapshot.pods.api {
            Api::Unused => return None,
            Api::Up { since } => (since, None),
            Api::Down { since, why } => (since, Some(why)),
        };
        Some(Self {
            known: why.is_none(),
            since: since.to_string(),
            unknown_because: why.map(|why| why.clone().into()),
            pods: snapshot.pods.pods(),
            left_out: snapshot.pods.left_out,
            waiting: snapshot.pods.waiting().count(),
            not_restartable: snapshot.not_restartable().into_keys().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;

    #[test]
    fn who_needs_an_image_is_told_with_its_answer_and_the_next_try_as_an_estimate() {
        let snapshot = sample::rich();
        let needs = snapshot.needs_by_image();
        let told: Vec<NeededBy> = (needs["ghcr.io/example/private:1"].iter())
            .map(|need| NeededBy::of(need, snapshot.outlook(need, snapshot.report_for(need)), sample::now()))
            .collect();
        let own = told.iter().find(|one| one.container == "own-login").unwrap();
        assert_eq!((own.namespace.as_str(), own.pod.as_str(), own.kind.as_str()), ("shop", "own-login-0", "container"));
        assert_eq!((own.pullable, own.waiting_reason.as_deref()), (None, Some("ImagePullBackOff")));
        assert_eq!((own.pull_secrets.as_slice(), own.unknown_because.is_some()), (&["private".to_owned()][..], true));
        assert!(own.tries_estimate.unwrap() > 1 && own.next_try_estimate.is_some());
        let running = told.iter().find(|one| one.container == "cached").unwrap();
        assert_eq!((&running.waiting_reason, &running.since, &running.next_try_estimate), (&None, &None, &None));
        let pods = Pods::of(&snapshot).unwrap();
        assert_eq!((pods.known, pods.pods, pods.waiting), (true, 9, 7));
        assert_eq!(pods.not_restartable, ["ghcr.io/example/private:1"]);
        assert!(Pods::of(&sample::empty()).is_none());
    }
}
