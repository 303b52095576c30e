//! The nodes of the cluster: their labels, and what kubelet tells of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::TOO_LONG;
use super::logins::decoded;
use crate::access::{Cluster, Refusal, query};
use crate::pods::{PAGE_LIMIT, TextList, or_default};
use crate::redact::clean::Clean;

/// Of one page of the list.
const PAGE: &str = "250";
/// A node's object has up to 50 images and a few dozen kilobytes.
const PAGE_BYTES: usize = 32 << 20;
/// Kubernetes is made for 5,000 nodes.
const PAGES: usize = 80;
/// Labels that tell kinds of nodes apart.
const KINDS: &[&str] = &[
    "topology.kubernetes.io/zone",
    "node.kubernetes.io/instance-type",
    "cloud.google.com/gke-nodepool",
    "eks.amazonaws.com/nodegroup",
    "kubernetes.azure.com/agentpool",
    "karpenter.sh/nodepool",
    "kubernetes.io/arch",
    "OS image",
    "container runtime",
];

#[derive(Default, Deserialize)]
#[serde(default)]
struct List {
    metadata: ListMetadata,
    items: TextList<Item, PAGE_LIMIT>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ListMetadata {
    #[serde(rename = "continue")]
    more: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Item {
    metadata: Metadata,
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: Clean,
    #[serde(deserialize_with = "or_default")]
    labels: BTreeMap<Clean, Clean>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    #[serde(rename = "nodeInfo")]
    info: Info,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Info {
    os_image: Clean,
    kernel_version: Clean,
    container_runtime_version: Clean,
}

/// One node, as the API server knows it.
#[derive(Clone, Debug)]
pub struct Node {
    pub name: Clean,
    traits: BTreeMap<String, String>,
}

impl Node {
    pub fn traits(&self) -> BTreeMap<String, String> {
        self.traits.clone()
    }
}

impl From<Item> for Node {
    fn from(item: Item) -> Self {
        let labels = item.metadata.labels.into_iter().map(|(name, value)| (name.into(), value.into()));
        let mut traits: BTreeMap<String, String> = labels.collect();
        let info = item.status.info;
        let facts = [
            ("OS image", info.os_image),
            ("kernel", info.kernel_version),
            ("container runtime", info.container_runtime_version),
        ];
        traits.extend(facts.map(|(name, value)| (name.to_owned(), value.into())));
        Self { name: item.metadata.name, traits }
    }
}

/// All of them, or those with these labels.
pub async fn list(cluster: &Cluster, selector: Option<&str>) -> Result<Vec<Node>, String> {
    let mut nodes = Vec::new();
    let mut more = String::new();
    for _ in 0..PAGES {
        let mut pairs = vec![("limit", PAGE)];
        pairs.extend(selector.map(|selector| ("labelSelector", selector)));
        if !more.is_empty() {
            pairs.push(("continue", more.as_str()));
        }
        let page = cluster.get(&format!("/api/v1/nodes?{}", query(&pairs)), PAGE_BYTES).await.map_err(|refusal| {
            let hint = match refusal {
                Refusal::Forbidden(_) => "; the chart's value `userRole.create` makes a role that may",
                _ => "",
            };
            format!("the nodes cannot be listed: {refusal}{hint}")
        })?;
        let page: List =
            decoded(&page).ok_or("the nodes cannot be listed: the API server's answer is no list of nodes")?;
        if page.items.left_out > 0 {
            return Err(format!("the nodes cannot be listed: {TOO_LONG}"));
        }
        nodes.extend(page.items.into_entries().into_iter().map(Node::from));
        more = page.metadata.more;
        if more.is_empty() {
            return Ok(nodes);
        }
    }
    Err(format!("there are more than {} nodes: choose some with --selector", nodes.len()))
}

/// The first `count` nodes of each kind.
pub fn sample(nodes: Vec<Node>, count: usize) -> Vec<Node> {
    let mut taken: BTreeMap<Vec<String>, BTreeSet<Clean>> = BTreeMap::new();
    let kind = |node: &Node| -> Vec<String> {
        KINDS.iter().map(|name| node.traits.get(*name).cloned().unwrap_or_default()).collect()
    };
    nodes
        .into_iter()
        .filter(|node| {
            let taken = taken.entry(kind(node)).or_default();
            taken.len() < count && taken.insert(node.name.clone())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, zone: &str) -> Node {
        Node { name: name.into(), traits: [("topology.kubernetes.io/zone".to_owned(), zone.to_owned())].into() }
    }

    #[test]
    fn a_sample_has_some_of_each_kind() {
        let all = vec![node("a1", "a"), node("a2", "a"), node("a3", "a"), node("b1", "b")];
        let names: Vec<String> = sample(all, 2).into_iter().map(|node| node.name.into()).collect();
        assert_eq!(names, ["a1", "a2", "b1"]);
    }
}
