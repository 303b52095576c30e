//! A limit for what is kept open to many hosts at a time: what was used last stays.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Holds one thing while it is kept.
pub type Slot<T> = Mutex<Option<T>>;

/// The slots that were used last, the longest unused first. Who has a slot owns it: this only empties it.
#[derive(Debug)]
pub struct LruSlots<T> {
    used: Arc<Mutex<VecDeque<Weak<Slot<T>>>>>,
    limit: usize,
}

impl<T> LruSlots<T> {
    pub fn at_most(limit: usize) -> Self {
        Self { used: Arc::default(), limit }
    }

    /// Empties what has been unused for the longest time, beyond the limit.
    pub fn used(&self, slot: &Arc<Slot<T>>) {
        let mut used = lock(&self.used);
        used.retain(|known| known.strong_count() > 0 && known.as_ptr() != Arc::as_ptr(slot));
        used.push_back(Arc::downgrade(slot));
        if used.len() > self.limit
            && let Some(oldest) = used.pop_front().and_then(|oldest| oldest.upgrade())
        {
            drop(lock(&oldest).take());
        }
    }
}

impl<T> Clone for LruSlots<T> {
    fn clone(&self) -> Self {
        Self { used: Arc::clone(&self.used), limit: self.limit }
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_unused_for_the_longest_time_is_let_go() {
        let lru = LruSlots::at_most(2);
        let slots = [1, 2, 3].map(|number| Arc::new(Mutex::new(Some(number))));
        for index in [0, 1, 0, 2] {
            lru.used(&slots[index]);
        }
        assert_eq!(slots.map(|slot| *lock(&slot)), [Some(1), None, Some(3)]);
    }
}
