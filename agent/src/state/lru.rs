//! A bounded map in which what was not seen for a day makes room.
//!
//! A registry may name another host each time, for as long as the agent runs.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

/// What was seen since then stays. It is longer than any back-off, so that nothing comes and goes.
const STAYS: SignedDuration = SignedDuration::from_hours(24);

/// Each value with the time at which it was seen last. At its limit, what was not seen for the longest time goes, if it was not
/// seen for a day. If there is nothing like that, nothing more is taken in.
#[derive(Clone, Debug)]
pub struct LruMap<K, V> {
    held: BTreeMap<K, (V, Timestamp)>,
    limit: usize,
}

impl<K: Ord + Clone, V> LruMap<K, V> {
    pub const fn at_most(limit: usize) -> Self {
        Self { held: BTreeMap::new(), limit }
    }

    /// Notes that it is seen now. Returns whether it was not known and is now.
    pub fn see(&mut self, key: K, now: Timestamp, first: impl FnOnce() -> V) -> bool {
        if let Some((_, last)) = self.held.get_mut(&key) {
            *last = now;
            return false;
        }
        self.insert(key, now, first())
    }

    /// Takes the place of what was known under this key. Returns whether there was room.
    pub fn insert(&mut self, key: K, now: Timestamp, value: V) -> bool {
        if self.held.len() >= self.limit && !self.held.contains_key(&key) {
            let oldest = self.held.iter().min_by_key(|(_, (_, last))| *last);
            let gone = oldest.filter(|(_, (_, last))| now.duration_since(*last) >= STAYS).map(|(key, _)| key.clone());
            let Some(gone) = gone else { return false };
            self.held.remove(&gone);
        }
        self.held.insert(key, (value, now));
        true
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
    fn what_was_not_seen_for_a_day_makes_room_and_nothing_else() {
        let at = |hour| sample::now() + SignedDuration::from_hours(hour);
        let mut map = LruMap::at_most(2);
        assert!(map.see("a", at(0), || 1) && map.see("b", at(1), || 2));
        assert!(!map.see("a", at(2), || 3));
        assert!(!map.see("c", at(24), || 4), "all were seen within a day");
        assert!(map.see("c", at(25), || 4));
        assert_eq!(map.iter().collect::<Vec<_>>(), [(&"a", &1, at(2)), (&"c", &4, at(25))]);
        assert!(map.insert("a", at(26), 5) && !map.insert("d", at(27), 6));
        assert_eq!(map.iter().collect::<Vec<_>>(), [(&"a", &5, at(26)), (&"c", &4, at(25))]);
    }
}
