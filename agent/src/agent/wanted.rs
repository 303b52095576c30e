//! What an agent probes and how often, from its settings, the node and its pods.

use std::collections::{BTreeMap, BTreeSet};

use super::found;
use crate::image::target::Target;
use crate::model::namespace::Namespace;
use crate::model::urgency::Urgency;
use crate::pods::Book;
use crate::reading::Node;
use crate::schedule::Job;
use crate::settings::Settings;
use crate::state::image_list::Found;
use crate::state::targets::Targets;

/// A registry or an image, as the settings and the node's files name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Probed {
    Registry(String),
    Image(String),
}

impl Probed {
    /// The registry that it is about. Empty: the text is no reference.
    pub fn registry(&self) -> String {
        match self {
            Self::Registry(name) => name.clone(),
            Self::Image(image) => domain_of(image).unwrap_or_default(),
        }
    }
}

impl std::fmt::Display for Probed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Registry(name) | Self::Image(name)) = self;
        f.write_str(name)
    }
}

/// `waiting`: the pods, if what they wait for is probed at once.
pub fn of(settings: &Settings, node: &Node, book: &Book, waiting: Option<&Book>) -> (Targets, Vec<Job<Probed>>) {
    let (images, left_out) = found::images(settings, node, book, waiting);
    let namespaces = namespaces(settings, node, &images);
    let jobs = jobs(settings, namespaces.keys(), &images);
    let images = images.into_iter().map(|found| found.image).collect();
    let configured = settings.targets.images.iter().map(|target| target.image.clone()).collect();
    (Targets { namespaces, images, configured, left_out }, jobs)
}

/// The registries first: with the same interval, a host that fails is known before its images are asked for.
pub fn jobs<'a>(
    settings: &Settings,
    registries: impl Iterator<Item = &'a String>,
    images: &[Found],
) -> Vec<Job<Probed>> {
    let of_registry = |name: &String| Job {
        target: Probed::Registry(name.clone()),
        interval: settings.probe.interval,
        not_before: None,
        urgency: Urgency::Usual,
    };
    let of_image = |found: &Found| Job {
        target: Probed::Image(found.image.clone()),
        interval: found.interval,
        not_before: None,
        urgency: found.urgency,
    };
    registries.map(of_registry).chain(images.iter().map(of_image)).collect()
}

fn namespaces(settings: &Settings, node: &Node, images: &[Found]) -> BTreeMap<String, Namespace> {
    let targets = &settings.targets;
    let mut names: BTreeSet<String> = targets.registries.iter().cloned().collect();
    if settings.signals.node_condition || settings.signals.events {
        names.extend(settings.signals.registries.iter().cloned());
    }
    names.extend(images.iter().filter_map(|target| domain_of(&target.image)));
    if targets.discover.certs_d {
        names.extend(node.containerd.registry.namespaces());
    }
    let planned = |name: String| {
        let plan = crate::plan::plan(&node.containerd, &name);
        let hosts = plan.hosts.iter().map(Into::into).collect();
        (name, Namespace { hosts, broken: plan.fatal, ..Namespace::default() })
    };
    names.into_iter().map(planned).collect()
}

/// The registry that an image comes from. `None`: the text is no reference.
pub fn domain_of(image: &str) -> Option<String> {
    Target::parse(image).ok().map(|target| target.domain().to_owned())
}
