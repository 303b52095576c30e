//! The images that are probed and how often, in the order of their weight, each once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::waiting::full_name;
use crate::pods::{Book, PullPolicy};

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

#[derive(Debug, Default)]
pub struct ImageList {
    found: Vec<Found>,
    /// Where each stands, by its full reference.
    places: BTreeMap<String, usize>,
    left_out: usize,
}

impl ImageList {
    /// What users write is probed as they write it, even if two of their texts mean the same.
    pub fn add_as_written(&mut self, image: String, interval: Duration) {
        if !self.found.iter().any(|known| known.image == image) {
            self.push(full_name(&image), Found { image, interval, is_background: false });
        }
    }

    /// Nobody waits for it: what is probed anyway stays as it is.
    pub fn add_background(&mut self, image: &str) {
        let name = full_name(image);
        if !self.places.contains_key(&name) {
            self.push(name, Found { image: image.to_owned(), interval: BACKGROUND, is_background: true });
        }
    }

    /// Somebody waits for it: it is probed at least this often.
    fn add_wanted(&mut self, image: &str, interval: Duration) {
        let name = full_name(image);
        match self.places.get(&name).and_then(|place| self.found.get_mut(*place)) {
            Some(known) => known.interval = known.interval.min(interval),
            None => self.push(name, Found { image: image.to_owned(), interval, is_background: false }),
        }
    }

    fn push(&mut self, name: String, found: Found) {
        self.places.entry(name).or_insert(self.found.len());
        self.found.push(found);
    }

    /// `otherwise`: how often what is not pulled at all is probed.
    pub fn add_waiting(&mut self, book: &Book, otherwise: Duration) {
        let mut images = BTreeSet::new();
        for need in book.waiting() {
            if images.len() >= WAITING_LIMIT && !images.contains(&need.image) {
                self.left_out += 1;
                continue;
            }
            images.insert(&need.image);
            // It is not pulled at all: whether it could be is good to know, and not urgent.
            let is_urgent = need.policy != PullPolicy::Never;
            self.add_wanted(&need.image, if is_urgent { WAITING } else { otherwise });
        }
    }

    /// And how many are left out.
    pub fn finish(mut self) -> (Vec<Found>, usize) {
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
        let mut list = ImageList::default();
        list.add_as_written("busybox:1.36".to_owned(), Duration::from_mins(15));
        list.add_waiting(&sample::rich().pods, Duration::from_mins(5));
        list.add_background("docker.io/library/busybox:1.36");
        list.add_background("registry.k8s.io/pause:3.10");
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
        let mut list = ImageList::default();
        (0..IMAGE_LIMIT + 5).for_each(|n| list.add_background(&format!("r.example/a:{n}")));
        let (found, left_out) = list.finish();
        assert_eq!((found.len(), left_out), (IMAGE_LIMIT, 5));
    }
}
