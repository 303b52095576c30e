//! Why a container of a pod waits for its image: one answer from pod, secrets, kubelet's words and the node's agent. Pure.

use jiff::Timestamp;

use crate::image::reference::Reference;
use crate::pods::{Need, Pod};
use crate::pull_secrets::PullSecret;
use crate::redact::clean::Clean;

mod agent;
mod document;
mod fault;
mod judged;
mod kubelet;
mod report;
mod secrets;
mod shell;
mod text;
mod verdict;

pub use agent::{AgentAnswer, CheckedImage};
pub use document::{Answer, Document, OtherNodes, SCHEMA_VERSION, schema};
pub use report::Unusable;
pub use text::text;

/// A container that waits, as the API has it.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub namespace: Clean,
    pub pod: Clean,
    /// `None`: the pod is not scheduled.
    pub node: Option<Clean>,
    pub container: Clean,
    /// As the pod has it.
    pub image: Clean,
    pub pull_policy: Clean,
    /// `ErrImagePull`, `ImagePullBackOff` and the like.
    pub reason: Clean,
    pub since: Option<Timestamp>,
    /// kubelet's last words that say why, without `Back-off …`.
    pub message: Option<Clean>,
    /// When kubelet tries again: an estimate.
    pub next_try: Option<Timestamp>,
    /// Whether somebody makes the pod anew when it is deleted.
    pub is_owned: bool,
}

impl Waiting {
    /// `None`: this container does not wait for an image.
    pub fn of(pod: &Pod, need: &Need, now: Timestamp) -> Option<Self> {
        let told = need.waiting.as_ref()?;
        Some(Self {
            namespace: need.namespace.clone(),
            pod: need.pod.clone(),
            node: Some(pod.spec.node_name.clean()).filter(|node| !node.is_empty()),
            container: need.container.clone(),
            image: need.image.clone(),
            pull_policy: need.policy.as_str().into(),
            reason: told.reason.clone(),
            since: told.since,
            message: told.message.clone(),
            next_try: told.next_try(now).map(|next| next.estimated_at),
            is_owned: pod.metadata.owner_references.iter().any(|owner| owner.controller),
        })
    }
}

/// What is known of one secret that the pod names.
#[derive(Clone, Debug)]
pub enum SecretState {
    Read(PullSecret),
    /// Other namespaces that have one of that name. `None`: the user may not look.
    Missing(Option<Vec<Clean>>),
    /// The user may not read it.
    Forbidden,
    /// It was not read for another reason.
    Unknown(Clean),
}

#[derive(Clone, Debug)]
pub struct NamedSecret {
    pub name: Clean,
    pub state: SecretState,
}

/// The pod's service account.
#[derive(Clone, Debug)]
pub struct Account {
    pub name: Clean,
    /// The secrets that it names. `None`: it was not read.
    pub secrets: Option<Vec<Clean>>,
}

/// All that is known about the pull of a pod's images besides the node.
#[derive(Clone, Debug)]
pub struct Logins {
    /// Those of the pod, in its order.
    pub named: Vec<NamedSecret>,
    pub account: Account,
    /// Further pull secrets of the namespace, which nobody names. `None`: the user may not list them.
    pub beside: Option<Vec<PullSecret>>,
}

impl Logins {
    /// Those that the user may not see.
    fn unseen(&self) -> impl Iterator<Item = &NamedSecret> {
        self.named.iter().filter(|one| matches!(one.state, SecretState::Forbidden | SecretState::Unknown(_)))
    }
}

/// The one answer about a container.
pub fn answer(waiting: &Waiting, logins: &Logins, agent: &AgentAnswer, now: Timestamp) -> Answer {
    let image = Reference::parse(&waiting.image).ok();
    let faults = image.as_ref().map(|image| fault::find(waiting, logins, image, now)).unwrap_or_default();
    let verdict = verdict::of(waiting, logins, agent, &faults);
    let said = waiting.message.clone();
    let agrees = verdict::agrees(&verdict, said.as_deref());
    let waiting_cause = verdict.waiting_cause().to_owned();
    Answer {
        namespace: waiting.namespace.to_string(),
        pod: waiting.pod.to_string(),
        container: waiting.container.to_string(),
        node: waiting.node.as_ref().map(ToString::to_string),
        image: waiting.image.to_string(),
        pull_policy: waiting.pull_policy.to_string(),
        waiting_reason: waiting.reason.to_string(),
        since: waiting.since.map(|since| since.to_string()),
        next_try_estimated_at: waiting.next_try.map(|next| next.to_string()),
        pullable: verdict.pullable,
        unknown_because: verdict.unknown_because.map(Clean::into_string),
        failing_since: None,
        failures_24h: None,
        waiting_cause,
        cause: verdict.cause.map(Clean::into_string),
        also_possible: verdict.also_possible.into_iter().map(Clean::into_string).collect(),
        owner: verdict.owner.map(Clean::into_string),
        summary: verdict.summary.into_string(),
        evidence: verdict.evidence.into_iter().map(Clean::into_string).collect(),
        fix: verdict.fix.into_string(),
        kubelet_message: said.map(Clean::into_string),
        predicted_message: verdict.predicted.map(Clean::into_string),
        message_agrees: agrees,
        pull_secrets: secrets::documents(logins, image.as_ref(), now),
        service_account: (&logins.account).into(),
        asked: agent.asked(),
        other_nodes: None,
    }
}

impl Answer {
    /// With what the node's agent remembers of its own probes. They go without the pod's logins: that counts only where they see the
    /// same cause.
    #[must_use]
    pub fn remembered(mut self, own: Option<&CheckedImage>) -> Self {
        let is_same = |own: &&CheckedImage| {
            self.pullable == Some(false) && own.starts() == Some(false) && own.cause.as_deref() == self.cause.as_deref()
        };
        let Some(own) = own.filter(is_same) else { return self };
        let since = own.failing_since.as_deref().and_then(|since| since.parse::<Timestamp>().ok());
        self.failures_24h = own.failures_24h.filter(|_| since.is_some());
        self.failing_since = since.map(|since| since.to_string());
        self
    }
}

#[cfg(test)]
mod tests;
