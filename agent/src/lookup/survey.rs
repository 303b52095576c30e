//! One node after the other: what its agent sees of the registries, and whether it could pull an image now.

use std::collections::BTreeMap;

use super::agents::{AgentPod, Agents};
use super::nodes::Node;
use crate::fleet::{FleetNode, NodeAnswer};
use crate::redact::clean::Clean;
use crate::render::json::summary::Summary;

/// What every node is asked.
pub struct Survey<'a> {
    pub agents: &'a Agents<'a>,
    /// By node.
    pub pods: &'a BTreeMap<Clean, AgentPod>,
    /// To be checked on each node, as containerd writes them.
    pub images: &'a [String],
    /// The document for `--pull-secrets -`.
    pub secrets: &'a [u8],
}

impl Survey<'_> {
    pub async fn of(&self, node: Node) -> FleetNode {
        let mut traits = node.traits();
        let answers = match self.pods.get(&node.name) {
            None => Err("no agent of pullprobe runs there".to_owned()),
            Some(pod) => match self.agents.summary(pod).await {
                Err(reason) => Err(reason),
                Ok(summary) => {
                    traits.extend(facts(&summary));
                    let mut answers = answers(&summary);
                    let checked = self.check(pod, &mut answers).await;
                    checked.map(|()| answers)
                }
            },
        };
        FleetNode { name: node.name.into(), traits, answers }
    }

    /// Each image is checked on the node itself. Where that is not possible and the agent watches the image, its answer counts.
    async fn check(&self, pod: &AgentPod, answers: &mut BTreeMap<String, NodeAnswer>) -> Result<(), String> {
        for image in self.images {
            match self.agents.check(pod, image, self.secrets).await {
                Ok(checked) => {
                    let answer = NodeAnswer {
                        pullable: checked.pullable,
                        degraded: false,
                        cause: checked.cause.map(Clean::into_string),
                        owner: checked.owner.map(Clean::into_string),
                    };
                    answers.insert(image.clone(), answer);
                }
                Err(_) if answers.contains_key(image) => {}
                Err(reason) => return Err(reason.into()),
            }
        }
        Ok(())
    }
}

/// What the agent knows of the node that may tell it from others.
fn facts(summary: &Summary) -> BTreeMap<String, String> {
    let facts = [
        ("configuration", summary.config_hash.clone().unwrap_or_default()),
        ("containerd", summary.containerd.clone()),
        ("name servers", summary.nameservers.join(", ")),
        ("proxies", summary.proxies.join(", ")),
        ("platform", summary.platform.clone()),
    ];
    facts.map(|(name, value)| (name.to_owned(), Clean::line(&value).into_string())).into()
}

fn answers(summary: &Summary) -> BTreeMap<String, NodeAnswer> {
    let clean = |text: &Option<String>| text.as_ref().map(|text| Clean::line(text).into_string());
    let registries = summary.registries.iter().map(|one| {
        let answer = NodeAnswer {
            pullable: one.pullable,
            degraded: one.degraded == Some(true),
            cause: clean(&one.cause),
            owner: clean(&one.owner),
        };
        (Clean::line(&one.registry).into_string(), answer)
    });
    let images = summary.images.iter().map(|one| {
        let answer =
            NodeAnswer { pullable: one.pullable, degraded: false, cause: clean(&one.cause), owner: clean(&one.owner) };
        (Clean::line(&one.image).into_string(), answer)
    });
    registries.chain(images).collect()
}
