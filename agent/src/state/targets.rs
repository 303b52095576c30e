//! What the agent probes: registries with their planned hosts, and images.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::Subject;
use crate::model::host::{Endpoint, EndpointKey};
use crate::model::namespace::{Namespace, PlannedHost};

/// More images than this are counted and left out: each costs requests and series.
pub const IMAGE_LIMIT: usize = 500;
/// Of those that pods wait for: kubelet runs 110 pods at most, unless it is told otherwise. Each is asked for every minute.
pub const WAITING_LIMIT: usize = 100;
/// Of the images that are left out. The others are counted.
pub const NAMED_LIMIT: usize = 100;

/// What is beyond the limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Those that somebody asked for, or that pods wait for.
    pub wanted: BTreeSet<String>,
    /// The first of those that are only on the node, at most [`NAMED_LIMIT`].
    pub background: BTreeSet<String>,
    /// How many images, with those that are only on the node.
    pub count: usize,
}

impl LeftOut {
    /// Their names, those that somebody asked for first, at most [`NAMED_LIMIT`].
    pub fn named(&self) -> impl Iterator<Item = &String> {
        self.wanted.iter().chain(&self.background).take(NAMED_LIMIT)
    }
}

/// What is probed. A target that is not in here has no report either.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// By name.
    pub namespaces: BTreeMap<String, Namespace>,
    /// As the user wrote them.
    pub images: BTreeSet<String>,
    /// Those of them that users asked for: the answer is the node's, whatever pods bring.
    pub configured: BTreeSet<String>,
    /// The images beyond the limit.
    pub left_out: LeftOut,
}

impl Targets {
    /// Every planned host, each namespace's in containerd's order.
    pub fn endpoints(&self) -> impl Iterator<Item = (EndpointKey, &PlannedHost)> {
        self.namespaces.iter().flat_map(|(name, namespace)| {
            namespace.hosts.iter().map(move |host| ((name.clone(), host.endpoint.clone()), host))
        })
    }

    pub fn has(&self, (namespace, endpoint): &EndpointKey) -> bool {
        self.namespaces.get(namespace).is_some_and(|found| found.has(endpoint))
    }

    /// Every planned host, and every host that planned hosts send pulls to.
    pub fn keys(&self) -> impl Iterator<Item = EndpointKey> {
        let planned = self.endpoints().map(|(key, _)| key);
        let dependents = self.namespaces.iter().flat_map(|(name, namespace)| {
            namespace.dependents.keys().map(move |endpoint| (name.clone(), endpoint.clone()))
        });
        planned.chain(dependents)
    }

    /// What has a history.
    pub fn subjects(&self) -> impl Iterator<Item = Subject> {
        let hosts = self.keys().map(|key| Subject::host(&key));
        hosts.chain(self.images.iter().cloned().map(Subject::Image))
    }

    pub fn has_endpoint(&self, endpoint: &Endpoint) -> bool {
        self.namespaces.values().any(|namespace| namespace.has(endpoint))
    }
}
