//! Counts the requests and counted pulls that probing costs each registry. It makes no decisions.

use std::sync::{Mutex, PoisonError};

use crate::model::host::Endpoint;
pub use crate::model::tally::{Counts, RequestKind};

/// Requests sent and counted pulls spent, by endpoint, since this was made.
#[derive(Debug, Default)]
pub struct Usage {
    counts: Mutex<Counts>,
}

impl Usage {
    pub fn request(&self, endpoint: &Endpoint, kind: RequestKind) {
        *self.lock().requests.entry((endpoint.clone(), kind)).or_default() += 1;
    }

    pub fn counted_pull(&self, endpoint: &Endpoint) {
        *self.lock().counted_pulls.entry(endpoint.clone()).or_default() += 1;
    }

    pub fn counts(&self) -> Counts {
        self.lock().clone()
    }

    /// What was counted since the last call.
    pub fn take(&self) -> Counts {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        // A count is whole at any time, whatever else panicked.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
