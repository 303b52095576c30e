//! The changes of one target, oldest first and within bounds.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;

use super::subject::WINDOW;
use crate::history::answer::State;
use crate::redact::clean::Clean;

/// The most changes that are kept of one target: 16 outages. A power of two, as the memory that they take grows.
pub const ENTRIES: usize = 32;

/// One answer, from its first look on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When the probe began that first saw it.
    pub since: Timestamp,
    pub state: State,
    /// It was so at the first look, and may have been so for longer.
    pub from_start: bool,
}

/// A time of failing, whatever its causes. What is unknown meanwhile ends nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failing {
    pub since: Timestamp,
    /// It failed at the first look already, and may have failed for longer.
    pub from_start: bool,
}

impl Failing {
    const fn of(entry: &Entry) -> Self {
        Self { since: entry.since, from_start: entry.from_start }
    }
}

/// Never empty once it is in [`super::Histories`].
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    pub entries: VecDeque<Entry>,
    /// How many older changes are not kept, and when the last of those was.
    pub left_out: u32,
    pub left_out_at: Option<Timestamp>,
    /// The time of failing that was not ended by a good answer. Its first entry may not be kept any more.
    pub not_ended: Option<Failing>,
    /// Whether this agent has looked. What only the state file says is not shown as an answer.
    pub looked: bool,
}

impl Record {
    pub fn is_last(&self, state: &State) -> bool {
        self.entries.back().is_some_and(|last| last.state == *state)
    }

    /// Takes in another answer.
    pub fn add(&mut self, state: State, now: Timestamp) {
        self.not_after(now);
        self.forget(now);
        self.push(Entry { since: now, state, from_start: self.entries.is_empty() });
    }

    /// What was seen of it since the start, after what the state file knows.
    pub fn go_on_with(&mut self, seen: &Self) {
        self.looked = seen.looked;
        seen.entries.front().into_iter().for_each(|first| self.not_after(first.since));
        for entry in &seen.entries {
            if !self.is_last(&entry.state) {
                let from_start = entry.from_start && self.entries.is_empty();
                self.push(Entry { from_start, ..entry.clone() });
            }
        }
        self.left_out = self.left_out.saturating_add(seen.left_out);
        self.left_out_at = seen.left_out_at.or(self.left_out_at);
    }

    fn push(&mut self, entry: Entry) {
        if self.entries.len() >= ENTRIES {
            self.drop_oldest();
        }
        self.restore(entry);
    }

    /// Takes in an entry as it is.
    pub fn restore(&mut self, mut entry: Entry) {
        entry.state.host = entry.state.host.map(|host| self.known_host(&host).unwrap_or(host));
        match entry.state.ok {
            Some(true) => self.not_ended = None,
            Some(false) => _ = self.not_ended.get_or_insert(Failing::of(&entry)),
            None => {}
        }
        self.entries.push_back(entry);
    }

    /// One memory for a name that comes again.
    fn known_host(&self, host: &Clean) -> Option<Arc<Clean>> {
        self.entries.iter().rev().find_map(|entry| entry.state.host.as_ref().filter(|known| ***known == *host).cloned())
    }

    pub fn drop_oldest(&mut self) {
        self.entries.pop_front();
        self.left_out = self.left_out.saturating_add(1);
        self.left_out_at = self.entries.front().map(|entry| entry.since);
    }

    /// What was over before the last 24 hours began. What was so at their beginning stays.
    pub fn forget(&mut self, now: Timestamp) {
        let is_over = |entry: &Entry| now.duration_since(entry.since) > WINDOW;
        while self.entries.get(1).is_some_and(is_over) {
            self.entries.pop_front();
        }
        if self.left_out_at.is_some_and(|at| now.duration_since(at) > WINDOW) {
            (self.left_out, self.left_out_at) = (0, None);
        }
    }

    /// Of what was noted, only what is so now counts, and when that began is not known.
    pub fn begin_anew(&mut self, now: Timestamp) {
        let Some(last) = self.entries.pop_back() else { return };
        self.not_ended = self.not_ended.map(|_| Failing { since: now, from_start: true });
        self.entries.clear();
        self.entries.push_back(Entry { since: now, from_start: true, ..last });
        (self.left_out, self.left_out_at) = (0, None);
    }

    /// What lies in the future was noted before the clock was set back: it would stay until the clock gets there.
    pub fn not_after(&mut self, now: Timestamp) {
        self.entries.iter_mut().for_each(|entry| entry.since = entry.since.min(now));
        self.left_out_at = self.left_out_at.map(|at| at.min(now));
        self.not_ended.iter_mut().for_each(|failing| failing.since = failing.since.min(now));
    }

    /// What the state file says of a time of failing, of which it may not have the first entry.
    pub fn restore_failing(&mut self, failing: Failing) {
        // Where an entry is good, the entries know better.
        if self.entries.iter().all(|entry| entry.state.ok != Some(true)) {
            let known = self.not_ended.filter(|known| known.since < failing.since);
            self.not_ended = Some(known.unwrap_or(failing));
        }
    }

    /// The time of failing that goes on. `None`: it does not fail, as far as is known.
    pub fn failing(&self) -> Option<Failing> {
        self.not_ended.filter(|_| self.entries.back().is_some_and(|last| last.state.is_failing()))
    }

    /// How many times of failing there were in the last 24 hours.
    pub fn failures(&self, now: Timestamp) -> usize {
        let mut fails = false;
        let mut count = 0;
        for (place, entry) in self.entries.iter().enumerate() {
            let begins = entry.state.is_failing() && !fails;
            fails = entry.state.ok.map_or(fails, |ok| !ok);
            // One that goes on since the day before counts as one.
            count += usize::from(begins && self.goes_on(place, now));
        }
        count
    }

    /// Whether the time of failing that begins here reaches into the last 24 hours.
    fn goes_on(&self, place: usize, now: Timestamp) -> bool {
        let over = self.entries.iter().skip(place).find(|entry| entry.state.ok == Some(true));
        over.is_none_or(|over| now.duration_since(over.since) <= WINDOW)
    }
}
