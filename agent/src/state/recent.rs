//! A bounded map that keeps what was seen last.
//!
//! A registry may name another host each time, for as long as the agent runs. What is seen now matters more than what
//! was seen first.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use jiff::Timestamp;

/// Each value with the time at which it was seen last. At its limit, what was not seen for the longest time goes.
#[derive(Clone, Debug)]
pub struct Recent<K, V> {
    held: BTreeMap<K, (V, Timestamp)>,
    limit: usize,
}

impl<K: Ord + Clone, V> Recent<K, V> {
    pub const fn at_most(limit: usize) -> Self {
        Self { held: BTreeMap::new(), limit }
    }

    /// Notes that it is seen now. Returns whether it was not known.
    pub fn see(&mut self, key: K, now: Timestamp, first: impl FnOnce() -> V) -> bool {
        if let Some((_, last)) = self.held.get_mut(&key) {
            *last = now;
            return false;
        }
        self.insert(key, now, first());
        true
    }

    /// Takes the place of what was known under this key.
    pub fn insert(&mut self, key: K, now: Timestamp, value: V) {
        if self.held.len() >= self.limit && !self.held.contains_key(&key) {
            let oldest = self.held.iter().min_by_key(|(_, (_, last))| *last).map(|(key, _)| key.clone());
            oldest.map(|oldest| self.held.remove(&oldest));
        }
        self.held.insert(key, (value, now));
    }

    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.held.remove(key);
    }

    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.held.retain(|key, (value, _)| keep(key, value));
    }

    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.held.keys()
    }

    /// Each with the time at which it was seen last.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V, Timestamp)> {
        self.held.iter().map(|(key, (value, last))| (key, value, *last))
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::model::sample;

    #[test]
    fn what_was_not_seen_for_the_longest_time_makes_room() {
        let at = |second| sample::now() + SignedDuration::from_secs(second);
        let mut recent = Recent::at_most(2);
        assert!(recent.see("a", at(0), || 1) && recent.see("b", at(1), || 2));
        assert!(!recent.see("a", at(2), || 3));
        assert!(recent.see("c", at(3), || 4));
        assert_eq!(recent.iter().collect::<Vec<_>>(), [(&"a", &1, at(2)), (&"c", &4, at(3))]);
        recent.insert("a", at(4), 5);
        recent.insert("d", at(5), 6);
        assert_eq!(recent.iter().collect::<Vec<_>>(), [(&"a", &5, at(4)), (&"d", &6, at(5))]);
    }
}
