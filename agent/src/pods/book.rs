//! What is known of the pods of one node, kept while they change: few fields, and no more pods than a node can have.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::need::Need;
use super::object::Pod;
use crate::redact::clean::Clean;

/// kubelet allows 110 pods unless it is told otherwise, and large nodes have 250.
pub const POD_LIMIT: usize = 500;

/// Whether the pods of the node are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Api {
    /// Nobody asks the Kubernetes API.
    #[default]
    Unused,
    /// They are not known, or no longer.
    Down { since: Timestamp, why: Clean },
    /// They are known and followed.
    Up { since: Timestamp },
}

/// A pod as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Another pod may have the same name later.
    uid: Clean,
    needs: Arc<[Need]>,
}

/// The pods of this node.
#[derive(Clone, Debug, Default)]
pub struct Book {
    pub api: Api,
    pods: BTreeMap<String, Kept>,
    /// Pods beyond the limit.
    pub left_out: usize,
}

impl Book {
    /// Before the first answer of the API.
    pub fn asking(now: Timestamp) -> Self {
        let why = Clean::from("the Kubernetes API has not answered yet");
        Self { api: Api::Down { since: now, why }, ..Self::default() }
    }

    pub fn is_up(&self) -> bool {
        matches!(self.api, Api::Up { .. })
    }

    /// The pods are known from now on.
    pub fn up(&mut self, now: Timestamp) {
        if !self.is_up() {
            self.api = Api::Up { since: now };
        }
    }

    /// They may have changed from now on. What was known stays, with the reason why it may be out of date.
    pub fn down(&mut self, now: Timestamp, why: &str) {
        let since = if let Api::Down { since, .. } = self.api { since } else { now };
        self.api = Api::Down { since, why: Clean::clipped(why, 512) };
    }

    /// All pods of the node, as a list gave them.
    pub fn replace(&mut self, listed: Vec<Listed>, left_out: usize, now: Timestamp) {
        let before = std::mem::take(&mut self.pods);
        self.left_out = left_out;
        for Listed { key, uid, needs } in listed {
            let kept = keep(before.get(&key), uid, needs, now);
            self.pods.insert(key, kept);
        }
        self.up(now);
    }

    /// A pod that came or changed.
    pub fn put(&mut self, listed: Listed, now: Timestamp) {
        let Listed { key, uid, needs } = listed;
        if !self.pods.contains_key(&key) && self.pods.len() >= POD_LIMIT {
            self.left_out += 1;
            return;
        }
        let kept = keep(self.pods.get(&key), uid, needs, now);
        self.pods.insert(key, kept);
    }

    pub fn remove(&mut self, key: &str) {
        if self.pods.remove(key).is_none() {
            self.left_out = self.left_out.saturating_sub(1);
        }
    }

    pub fn pods(&self) -> usize {
        self.pods.len()
    }

    /// Every container with an image, by the pod's namespace and name.
    pub fn needs(&self) -> impl Iterator<Item = &Need> {
        self.pods.values().flat_map(|kept| kept.needs.iter())
    }

    /// Those that wait for their image.
    pub fn waiting(&self) -> impl Iterator<Item = &Need> {
        self.needs().filter(|need| need.waiting.is_some())
    }

    /// The same, each with the UID of its pod.
    pub fn waiting_by_pod(&self) -> impl Iterator<Item = (&Clean, &Need)> {
        let all = self.pods.values().flat_map(|kept| kept.needs.iter().map(|need| (&kept.uid, need)));
        all.filter(|(_, need)| need.waiting.is_some())
    }

    /// Since when the container waits that has waited longest.
    pub fn oldest_wait(&self) -> Option<Timestamp> {
        self.waiting().filter_map(|need| need.waiting.as_ref()?.since).min()
    }
}

/// A pod cut down to what is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub key: String,
    uid: Clean,
    needs: Vec<Need>,
}

impl From<&Pod> for Listed {
    fn from(pod: &Pod) -> Self {
        Self { key: pod.key(), uid: pod.metadata.uid.clean(), needs: pod.needs() }
    }
}

/// With what earlier looks at the same pod saw.
fn keep(before: Option<&Kept>, uid: Clean, mut needs: Vec<Need>, now: Timestamp) -> Kept {
    let known = before.filter(|before| before.uid == uid).map(|before| &before.needs);
    for need in &mut needs {
        let same =
            |other: &&Need| (other.kind, &other.container, &other.image) == (need.kind, &need.container, &need.image);
        let earlier = known.and_then(|needs| needs.iter().find(same)).and_then(|need| need.waiting.as_ref());
        need.waiting = need.waiting.take().map(|waiting| waiting.after(earlier, now));
    }
    Kept { uid, needs: needs.into() }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn pod(name: &str, uid: &str, reason: &str, message: &str) -> Listed {
        let text = serde_json::json!({
            "metadata": {"namespace": "shop", "name": name, "uid": uid},
            "spec": {"containers": [{"name": "web", "image": "r.example/web:1"}]},
            "status": {"startTime": "2026-11-29T10:00:00Z", "containerStatuses": [
                {"name": "web", "state": {"waiting": {"reason": reason, "message": message}}}]},
        });
        Listed::from(&serde_json::from_value::<Pod>(text).unwrap())
    }

    fn now() -> Timestamp {
        "2026-11-29T10:01:00Z".parse().unwrap()
    }

    const BACK_OFF: &str = "Back-off pulling image \"r.example/web:1\"";

    #[test]
    fn a_pod_keeps_its_last_error_through_changes_and_new_lists_and_another_of_its_name_does_not() {
        let mut book = Book::asking(now());
        assert!(!book.is_up());
        book.replace(vec![pod("a", "1", "ErrImagePull", "not found")], 0, now());
        assert!(book.is_up());
        book.put(pod("a", "1", "ImagePullBackOff", BACK_OFF), now());
        let message = |book: &Book| book.waiting().next().unwrap().waiting.clone().unwrap().message;
        assert_eq!(message(&book).as_deref(), Some("not found"));
        book.replace(vec![pod("a", "1", "ImagePullBackOff", BACK_OFF)], 0, now());
        assert_eq!(message(&book).as_deref(), Some("not found"));
        book.put(pod("a", "2", "ImagePullBackOff", BACK_OFF), now());
        assert_eq!(message(&book), None);
        assert_eq!(book.oldest_wait(), Some("2026-11-29T10:00:00Z".parse().unwrap()));
        book.remove("shop/a");
        assert_eq!((book.pods(), book.oldest_wait()), (0, None));
    }

    #[test]
    fn the_number_of_pods_is_bounded_and_the_others_are_counted() {
        let mut book = Book::default();
        for n in 0..POD_LIMIT + 7 {
            book.put(pod(&format!("p{n}"), "1", "ErrImagePull", "x"), now());
        }
        assert_eq!((book.pods(), book.left_out), (POD_LIMIT, 7));
        book.put(pod("p0", "1", "ErrImagePull", "y"), now());
        book.remove("shop/beyond");
        assert_eq!((book.pods(), book.left_out), (POD_LIMIT, 6));
    }

    #[test]
    fn an_api_that_stays_away_does_so_since_the_first_time() {
        let mut book = Book::asking(now());
        let later = now() + SignedDuration::from_secs(60);
        book.down(later, "refused");
        assert_eq!(book.api, Api::Down { since: now(), why: "refused".into() });
        book.up(later);
        book.up(later + SignedDuration::from_secs(60));
        assert_eq!(book.api, Api::Up { since: later });
        book.down(later, "again");
        assert_eq!(book.api, Api::Down { since: later, why: "again".into() });
    }
}
