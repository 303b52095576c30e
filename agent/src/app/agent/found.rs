//! Which images are probed, and how often: those of the settings, those that pods wait for, and those that are on the node.

use std::collections::BTreeSet;
use std::time::Duration;

use super::pods::NodePods;
use crate::app::node::Node;
use crate::pods::{Book, PullPolicy};
use crate::redact::clean::Clean;
use crate::settings::{ImageTarget, Settings};
use crate::state::waiting::full_name;

/// More images than this are counted and left out: each costs requests and series.
pub const IMAGE_LIMIT: usize = 100;
/// Of those that pods wait for.
const WAITING_LIMIT: usize = 50;
/// Somebody waits for the answer.
const WAITING: Duration = Duration::from_mins(1);
/// Nobody does.
const BACKGROUND: Duration = Duration::from_mins(30);

/// An image, and how it is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub image: String,
    pub interval: Duration,
    /// Spread over its interval, and never with a counted pull.
    pub is_background: bool,
}

/// In the order of their weight, each once, and how many are left out.
pub fn images(settings: &Settings, node: &Node, pods: &NodePods) -> (Vec<Found>, usize) {
    let mut list = List::default();
    for ImageTarget { image, interval } in &settings.targets.images {
        list.add_as_written(image.clone(), *interval);
    }
    if let (true, Some(image)) = (settings.targets.discover.sandbox_image, &node.containerd.sandbox_image) {
        list.add_as_written(Clean::line(image).into_string(), ImageTarget::INTERVAL);
    }
    let book = pods.book();
    if pods.probes_waiting() {
        list.add_waiting(&book);
    }
    if settings.targets.discover.node_pods {
        book.needs().for_each(|need| list.add(need.image.as_str(), BACKGROUND, true));
    }
    node.found_images.iter().for_each(|image| list.add(&Clean::line(image), BACKGROUND, true));
    list.finish()
}

#[derive(Default)]
struct List {
    found: Vec<Found>,
    left_out: usize,
}

impl List {
    /// What users write is probed as they write it, even if two of their texts mean the same.
    fn add_as_written(&mut self, image: String, interval: Duration) {
        if !self.found.iter().any(|known| known.image == image) {
            self.found.push(Found { image, interval, is_background: false });
        }
    }

    /// The same image is probed as often as the one asks who asks for it most often.
    fn add(&mut self, image: &str, interval: Duration, is_background: bool) {
        let name = full_name(image);
        match self.found.iter_mut().find(|known| known.image == image || full_name(&known.image) == name) {
            Some(known) => {
                known.interval = known.interval.min(interval);
                known.is_background &= is_background;
            }
            None => self.found.push(Found { image: image.to_owned(), interval, is_background }),
        }
    }

    fn add_waiting(&mut self, book: &Book) {
        let mut images = BTreeSet::new();
        for need in book.waiting() {
            if images.len() >= WAITING_LIMIT && !images.contains(&need.image) {
                self.left_out += 1;
                continue;
            }
            images.insert(&need.image);
            // It is not pulled at all: whether it could be is good to know, and not urgent.
            let is_urgent = need.policy != PullPolicy::Never;
            self.add(need.image.as_str(), if is_urgent { WAITING } else { ImageTarget::INTERVAL }, false);
        }
    }

    fn finish(mut self) -> (Vec<Found>, usize) {
        self.left_out += self.found.len().saturating_sub(IMAGE_LIMIT);
        self.found.truncate(IMAGE_LIMIT);
        (self.found, self.left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;

    #[test]
    fn what_pods_wait_for_is_probed_every_minute_and_what_is_there_seldom() {
        let mut list = List::default();
        list.add_as_written("busybox:1.36".to_owned(), Duration::from_mins(15));
        list.add_waiting(&sample::rich().pods);
        list.add("docker.io/library/busybox:1.36", BACKGROUND, true);
        list.add("registry.k8s.io/pause:3.10", BACKGROUND, true);
        let (found, left_out) = list.finish();
        let told: Vec<(&str, u64, bool)> =
            found.iter().map(|one| (one.image.as_str(), one.interval.as_secs(), one.is_background)).collect();
        assert_eq!(
            told,
            [
                ("busybox:1.36", 60, false),
                ("ghcr.io/example/private:1", 60, false),
                ("registry.k8s.io/pause:3.10", 1_800, true)
            ]
        );
        assert_eq!(left_out, 0);
    }

    #[test]
    fn the_number_of_images_is_bounded_and_the_others_are_counted() {
        let mut list = List::default();
        (0..IMAGE_LIMIT + 5).for_each(|n| list.add(&format!("r.example/a:{n}"), BACKGROUND, true));
        let (found, left_out) = list.finish();
        assert_eq!((found.len(), left_out), (IMAGE_LIMIT, 5));
    }
}
