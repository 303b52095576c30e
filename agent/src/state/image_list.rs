//! The images that are probed and how often, in the order of their weight, each once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::targets::{IMAGE_LIMIT, LeftOut, NAMED_LIMIT, WAITING_LIMIT};
use super::waiting::full_name;
use crate::model::urgency::Urgency;
use crate::pods::{Book, PullPolicy};

/// Somebody waits for the answer.
const WAITING: Duration = Duration::from_mins(1);
/// Nobody does.
const BACKGROUND: Duration = Duration::from_mins(30);

/// An image, and how it is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub image: String,
    pub interval: Duration,
    pub urgency: Urgency,
}

#[derive(Debug, Default)]
pub struct ImageList {
    found: Vec<Found>,
    /// Where each stands, by its full reference.
    places: BTreeMap<String, usize>,
    /// Those of `found` that pods wait for.
    waiting: BTreeSet<usize>,
    left_out: BTreeSet<String>,
}

impl ImageList {
    /// What users write is probed as they write it, even if two of their texts mean the same.
    pub fn add_as_written(&mut self, image: String, interval: Duration) {
        if !self.found.iter().any(|known| known.image == image) {
            self.push(full_name(&image), Found { image, interval, urgency: Urgency::Usual });
        }
    }

    /// Nobody waits for it: what is probed anyway stays as it is.
    pub fn add_background(&mut self, image: &str) {
        let name = full_name(image);
        if !self.places.contains_key(&name) {
            self.push(name, Found { image: image.to_owned(), interval: BACKGROUND, urgency: Urgency::Background });
        }
    }

    /// Somebody waits for it: it is probed at least this often.
    fn add_wanted(&mut self, image: &str, interval: Duration, urgency: Urgency) {
        let name = full_name(image);
        let place = self.places.get(&name).copied().unwrap_or(self.found.len());
        match self.found.get_mut(place) {
            Some(known) => {
                known.interval = known.interval.min(interval);
                if urgency == Urgency::Awaited {
                    known.urgency = urgency;
                }
            }
            None => self.push(name, Found { image: image.to_owned(), interval, urgency }),
        }
        self.waiting.insert(place);
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
                self.left_out.insert(need.image.to_string());
                continue;
            }
            images.insert(&need.image);
            // It is not pulled at all: whether it could be is good to know, and not urgent.
            let is_urgent = need.policy != PullPolicy::Never;
            let (interval, urgency) = if is_urgent { (WAITING, Urgency::Awaited) } else { (otherwise, Urgency::Usual) };
            self.add_wanted(&need.image, interval, urgency);
        }
    }

    /// And what is left out. Whatever else is asked for, what pods wait for is looked at.
    pub fn finish(self) -> (Vec<Found>, LeftOut) {
        let mut room = IMAGE_LIMIT.saturating_sub(self.waiting.len());
        let known: BTreeSet<String> = self.found.iter().map(|one| full_name(&one.image)).collect();
        // An image that is probed anyway is not left out.
        let mut wanted: BTreeSet<String> =
            self.left_out.iter().filter(|image| !known.contains(&full_name(image))).cloned().collect();
        let (mut kept, mut background, mut others) = (Vec::new(), BTreeSet::new(), 0);
        for (place, one) in self.found.iter().enumerate() {
            let is_waited_for = self.waiting.contains(&place);
            if is_waited_for || room > 0 {
                room -= usize::from(!is_waited_for);
                kept.push(one.clone());
            } else if one.urgency == Urgency::Background {
                others += 1;
                if background.len() < NAMED_LIMIT {
                    background.insert(one.image.clone());
                }
            } else {
                wanted.insert(one.image.clone());
            }
        }
        let count = wanted.len() + others;
        (kept, LeftOut { wanted, background, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;
    use crate::pods::{Listed, Pod};

    #[test]
    fn what_pods_wait_for_is_probed_every_minute_and_what_is_there_seldom() {
        let mut list = ImageList::default();
        list.add_as_written("busybox:1.36".to_owned(), Duration::from_mins(15));
        list.add_waiting(&sample::rich().pods, Duration::from_mins(5));
        list.add_background("docker.io/library/busybox:1.36");
        list.add_background("registry.k8s.io/pause:3.10");
        let (found, left_out) = list.finish();
        let told: Vec<(&str, u64, Urgency)> =
            found.iter().map(|one| (one.image.as_str(), one.interval.as_secs(), one.urgency)).collect();
        assert_eq!(
            told,
            [
                ("busybox:1.36", 60, Urgency::Awaited),
                ("ghcr.io/example/private:1", 60, Urgency::Awaited),
                ("registry.k8s.io/pause:3.10", 1_800, Urgency::Background)
            ]
        );
        assert_eq!(left_out, LeftOut::default());
    }

    #[test]
    fn the_number_of_images_is_bounded_and_the_others_are_counted() {
        let mut list = ImageList::default();
        let more = NAMED_LIMIT + 5;
        (0..IMAGE_LIMIT + more).for_each(|n| list.add_background(&format!("r.example/a:{n:04}")));
        let (found, left_out) = list.finish();
        assert_eq!((found.len(), left_out.count, left_out.wanted.len()), (IMAGE_LIMIT, more, 0));
        let named: Vec<&String> = left_out.named().collect();
        assert_eq!((named.len(), named[0].as_str()), (NAMED_LIMIT, "r.example/a:0500"));
    }

    /// Pods that wait for one image each.
    fn waiting(images: impl Iterator<Item = String>) -> Book {
        let mut book = Book::default();
        for (number, image) in images.enumerate() {
            let pod = serde_json::json!({
                "metadata": {"namespace": "shop", "name": format!("p{number:03}"), "uid": number.to_string()},
                "spec": {"containers": [{"name": "web", "image": image}]},
                "status": {"containerStatuses": [
                    {"name": "web", "state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}]},
            });
            let pod: Pod = serde_json::from_value(pod).unwrap();
            book.put(Listed::from(&pod), jiff::Timestamp::UNIX_EPOCH);
        }
        book
    }

    #[test]
    fn what_pods_wait_for_is_looked_at_however_many_images_are_configured() {
        let mut list = ImageList::default();
        (0..IMAGE_LIMIT + 5).for_each(|n| list.add_as_written(format!("r.example/a:{n}"), WAITING));
        list.add_waiting(&waiting((0..WAITING_LIMIT + 2).map(|n| format!("r.example/waits:{n:03}"))), WAITING);
        list.add_background("r.example/there:1");
        let (found, left_out) = list.finish();
        let waited_for = found.iter().filter(|one| one.image.contains("waits")).count();
        assert_eq!((found.len(), waited_for), (IMAGE_LIMIT, WAITING_LIMIT));
        assert!(found.iter().any(|one| one.image == "r.example/a:0"));
        let wanted = &left_out.wanted;
        assert!(wanted.contains("r.example/waits:101") && wanted.contains("r.example/a:504"), "{left_out:?}");
        assert_eq!((wanted.len(), left_out.count), (WAITING_LIMIT + 5 + 2, WAITING_LIMIT + 5 + 2 + 1));
    }
}
