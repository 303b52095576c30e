//! One node after the other: what its agent sees of the registries, and whether it could pull an image now.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::agents::{AgentPod, Agents, Spend};
use super::nodes::Node;
use crate::fleet::{FleetNode, NodeAnswer};
use crate::redact::clean::Clean;
use crate::render::json::summary::Summary;
use crate::why::Unusable;

/// A document of no secret.
const NO_SECRETS: &[u8] = br#"{"kind":"List","items":[]}"#;

/// What every node is asked.
pub struct Survey<'a> {
    pub agents: &'a Agents<'a>,
    /// By node.
    pub pods: &'a BTreeMap<Clean, AgentPod>,
    /// To be checked on each node, as containerd writes them.
    pub images: &'a [String],
    /// No registry is asked about.
    pub is_all_images: bool,
    /// The document for `--pull-secrets -`. `None`: only the node's own logins.
    pub secrets: Option<&'a [u8]>,
}

impl Survey<'_> {
    pub async fn of(&self, node: Node) -> FleetNode {
        let mut traits = node.traits();
        let answers = match self.pods.get(&node.name) {
            None => Err(self.agents.none()),
            Some(pod) => match self.agents.summary(pod).await {
                Err(reason) => Err(reason),
                Ok(summary) if *summary.node != *node.name => Err(Unusable::ANOTHER_NODE.to_owned()),
                // What it has answers for counts. Before the first one it is as good as not there.
                Ok(summary)
                    if !summary.complete
                        && summary.registries.is_empty()
                        && summary.images.is_empty()
                        && self.images.is_empty() =>
                {
                    Err("the agent's first cycle is not over".to_owned())
                }
                Ok(summary) => {
                    traits.extend(facts(&summary));
                    let mut answers = answers(&summary);
                    let unchecked = self.check(pod, &mut answers).await;
                    // With other targets, what is known of those counts.
                    match unchecked {
                        Some(reason) if self.is_all_images => Err(reason),
                        _ => Ok(answers),
                    }
                }
            },
        };
        FleetNode { name: node.name.into(), traits, answers }
    }

    /// Each image is checked on the node itself. Where that is not possible and the agent watches the image, its answer counts,
    /// unless it was to be asked with other logins. Why none of the images has an answer. `None`: one has.
    async fn check(&self, pod: &AgentPod, answers: &mut BTreeMap<String, NodeAnswer>) -> Option<String> {
        let (mut has_answer, mut why) = (false, None);
        for image in self.images {
            match self.agents.check(pod, image, self.secrets.unwrap_or(NO_SECRETS), Spend::Nothing).await {
                Ok(checked) => {
                    let (pullable, cause) = (checked.starts(), checked.cause.map(Clean::into_string));
                    // A check has no memory. The agent's own probes have, where they see the same.
                    let watched =
                        answers.get(image).filter(|watched| (watched.pullable, &watched.cause) == (pullable, &cause));
                    let answer = NodeAnswer {
                        pullable,
                        degraded: false,
                        failing_since: watched.and_then(|watched| watched.failing_since),
                        cause,
                        owner: checked.owner.map(Clean::into_string),
                    };
                    answers.insert(image.clone(), answer);
                    has_answer = true;
                }
                Err(_) if answers.contains_key(image) && self.secrets.is_none() => has_answer = true,
                Err(reason) => {
                    answers.insert(image.clone(), NodeAnswer::default());
                    why.get_or_insert(String::from(reason));
                }
            }
        }
        why.filter(|_| !has_answer)
    }
}

/// What the agent knows of the node that may tell it from others.
fn facts(summary: &Summary) -> BTreeMap<String, String> {
    let facts = [
        ("configuration", summary.config_hash.clone().unwrap_or_default()),
        ("containerd", summary.containerd.clone()),
        ("nameservers", summary.nameservers.join(", ")),
        ("proxies", summary.proxies.join(", ")),
        ("platform", summary.platform.clone()),
    ];
    facts.map(|(name, value)| (name.to_owned(), Clean::line(&value).into_string())).into()
}

/// An older agent does not say it, and what is no time is not shown.
fn time(text: Option<&String>) -> Option<Timestamp> {
    text?.parse().ok()
}

fn answers(summary: &Summary) -> BTreeMap<String, NodeAnswer> {
    let clean = |text: &Option<String>| text.as_ref().map(|text| Clean::line(text).into_string());
    let registries = summary.registries.iter().map(|one| {
        let answer = NodeAnswer {
            pullable: one.pullable,
            degraded: one.degraded == Some(true),
            cause: clean(&one.cause),
            owner: clean(&one.owner),
            failing_since: time(one.failing_since.as_ref()),
        };
        (Clean::line(&one.registry).into_string(), answer)
    });
    let images = summary.images.iter().map(|one| {
        let answer = NodeAnswer {
            pullable: starts(one.pullable, one.runnable),
            degraded: false,
            cause: clean(&one.cause),
            owner: clean(&one.owner),
            failing_since: time(one.failing_since.as_ref()),
        };
        (Clean::line(&one.image).into_string(), answer)
    });
    registries.chain(images).collect()
}

/// An image that is pulled and does not start is of no use to a pod.
fn starts(pullable: Option<bool>, runnable: Option<bool>) -> Option<bool> {
    if runnable == Some(false) { Some(false) } else { pullable }
}
