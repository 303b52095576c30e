//! How many requests one probe of an image may send: to registry, token service and redirect targets, all together.
//!
//! The registry decides how much its documents list and how often it redirects. containerd asks only when somebody
//! pulls, but pullprobe asks again and again, so it needs a limit.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::model::limit::LimitReached;
use crate::model::stage::Stage;

/// Real images need fewer than twelve, their layers aside.
pub const LIMIT: u32 = 64;
/// For each layer: one request to the registry, and one to the storage that it redirects to.
const OF_A_LAYER: u32 = 2;
/// The most layers that add to the limit, whatever the manifests list.
const LAYERS: u32 = 256;

/// The count for one question. Its probes run one after the other, and each starts from zero.
#[derive(Debug)]
pub struct Requests {
    left: AtomicU32,
    /// What layers may still add in this walk.
    grantable: AtomicU32,
    sent: AtomicU32,
}

impl Default for Requests {
    fn default() -> Self {
        let (left, grantable) = (LIMIT.into(), (OF_A_LAYER * LAYERS).into());
        Self { left, grantable, sent: AtomicU32::new(0) }
    }
}

impl Requests {
    /// Starts the count again for the next probe.
    pub fn begin(&self) {
        self.left.store(LIMIT, Ordering::Relaxed);
        self.grantable.store(OF_A_LAYER * LAYERS, Ordering::Relaxed);
    }

    /// A manifest has so many layers, each of which is asked for.
    pub fn grant_layers(&self, count: usize) {
        let wanted = u32::try_from(count).unwrap_or(u32::MAX).saturating_mul(OF_A_LAYER);
        let take = |grantable: u32| Some(grantable.saturating_sub(wanted));
        let before = self.grantable.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).unwrap_or_default();
        self.left.fetch_add(wanted.min(before), Ordering::Relaxed);
    }

    /// Before each request.
    pub fn take(&self, stage: Stage) -> Result<(), LimitReached> {
        let one_less = |left: u32| left.checked_sub(1);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_err() {
            let words = format!("pullprobe sends at most {LIMIT} requests for one image, its layers aside");
            return Err(LimitReached::new(stage, words));
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// By all walks.
    pub fn sent(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(requests: &Requests) -> u32 {
        let before = requests.sent();
        while requests.take(Stage::Manifest).is_ok() {}
        requests.sent() - before
    }

    #[test]
    fn each_walk_has_its_requests_and_more_for_its_layers() {
        let requests = Requests::default();
        assert_eq!(taken(&requests), LIMIT);
        requests.begin();
        requests.grant_layers(3);
        assert_eq!(taken(&requests), LIMIT + 6);
        assert_eq!(requests.sent(), 2 * LIMIT + 6);
    }

    #[test]
    fn layers_without_end_add_no_requests_without_end() {
        let requests = Requests::default();
        (0..1_000).for_each(|_| requests.grant_layers(100));
        requests.grant_layers(usize::MAX);
        assert_eq!(taken(&requests), LIMIT + OF_A_LAYER * LAYERS);
    }
}
