//! Ready when the last latch is dropped: it cannot be forgotten half-way, and never goes back.

use std::sync::{Arc, Weak};

/// Held by whoever still has something to do before the agent is ready.
#[derive(Clone, Debug)]
pub struct Latch(#[expect(dead_code, reason = "it is held, not read")] Arc<()>);

#[derive(Clone, Debug)]
pub struct Readiness(Weak<()>);

pub fn readiness() -> (Latch, Readiness) {
    let held = Arc::new(());
    let readiness = Readiness(Arc::downgrade(&held));
    (Latch(held), readiness)
}

impl Readiness {
    pub fn is_ready(&self) -> bool {
        self.0.strong_count() == 0
    }
}
