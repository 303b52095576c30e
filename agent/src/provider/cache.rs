//! What a plugin said, for as long as it holds.

use std::time::Duration;

use tokio::time::Instant;

use super::Said;
use super::answer::CacheKey;

/// kubelet remembers no failure and asks again at its next pull. Here images are asked about all the
/// time: a plugin that came to nothing is not asked about the same image again before.
const PAUSE: Duration = Duration::from_mins(1);
/// So many answers are held, and no more.
const LIMIT: usize = 256;

#[derive(Debug, Default)]
pub struct Cache(Vec<CachedAnswer>);

#[derive(Debug)]
struct CachedAnswer {
    place: String,
    expires: Instant,
    said: Said,
}

impl Cache {
    /// Looked for in kubelet's order.
    pub fn get(&mut self, image: &str) -> Option<Said> {
        let now = Instant::now();
        self.0.retain(|held| held.expires > now);
        let answers = [CacheKey::Image, CacheKey::Registry, CacheKey::Global].map(|kind| place(kind, image));
        let places = answers.into_iter().chain([failure(image)]);
        places
            .into_iter()
            .find_map(|place| self.0.iter().find(|held| held.place == place).map(|held| held.said.clone()))
    }

    pub fn keep(&mut self, image: &str, key: CacheKey, length: Duration, said: &Said) {
        if !length.is_zero() {
            self.hold(place(key, image), length, said.clone());
        }
    }

    pub fn leave_alone(&mut self, image: &str, said: &Said) {
        self.hold(failure(image), PAUSE, said.clone());
    }

    fn hold(&mut self, place: String, length: Duration, said: Said) {
        // Beyond the clock's end: as good as not kept.
        let Some(expires) = Instant::now().checked_add(length) else { return };
        if self.0.len() >= LIMIT {
            self.0.remove(0);
        }
        self.0.push(CachedAnswer { place, expires, said });
    }
}

/// No image or registry is named `global`.
fn place(key: CacheKey, image: &str) -> String {
    match key {
        CacheKey::Image => format!("image {image}"),
        CacheKey::Registry => format!("registry {}", image.split('/').next().unwrap_or_default()),
        CacheKey::Global => "global".into(),
    }
}

fn failure(image: &str) -> String {
    format!("failed {image}")
}
