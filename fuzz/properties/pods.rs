//! A pod as an API server sends it: whatever is in it, what is kept of it is bounded and fit to be shown.

use pullprobe::pods::{LIST_LIMIT, Need, Pod};
use pullprobe::redact::clean::is_hostile;

/// A name, an image and a message, in bytes.
const TEXTS: [usize; 3] = [256, 1024, 4096];

pub fn holds(data: &[u8]) {
    let Ok(pod) = serde_json::from_slice::<Pod>(data) else { return };
    let needs = pod.needs();
    assert!(needs.len() <= 4 * LIST_LIMIT && (needs.is_empty() || !pod.is_over()));
    needs.iter().for_each(check);
    let again: Vec<Need> = pod.needs();
    assert_eq!(needs, again, "the same pod says the same");
}

fn check(need: &Need) {
    let [name, image, message] = TEXTS;
    let mut texts = vec![(need.namespace.as_str(), name), (need.pod.as_str(), name), (need.container.as_str(), name)];
    texts.push((need.image.as_str(), image));
    texts.extend(need.pull_secrets.iter().map(|secret| (secret.as_str(), name)));
    if let Some(waiting) = &need.waiting {
        texts.push((waiting.reason.as_str(), message));
        // What is left out of a message is replaced by a mark that may be longer.
        texts.extend(waiting.message.iter().map(|said| (said.as_str(), 4 * message)));
        let now = "2026-11-29T10:00:00Z".parse().unwrap();
        if let Some(next) = waiting.next_try(now) {
            assert!(next.estimated_at >= now && next.tries > 0);
        }
        assert!(waiting.clone().after(Some(waiting), now).tries_seen.is_some());
    }
    for (text, limit) in texts {
        assert!(text.len() <= limit && !text.contains(is_hostile), "{text:?}");
    }
}
