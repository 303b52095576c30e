//! The first cycle: until each target of the first list that somebody asked for has been looked at once.
//!
//! With a spread start, targets have their first turn at different times. What is due first is no cycle: who is told that
//! the first one is over takes it that no answer is missing.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::Job;
use crate::model::urgency::Urgency;

pub struct FirstCycle<T> {
    began: Instant,
    /// `None`: there was no list yet.
    missing: Option<BTreeSet<T>>,
    was_told: bool,
}

impl<T: Clone + Ord> FirstCycle<T> {
    pub const fn begins(now: Instant) -> Self {
        Self { began: now, missing: None, was_told: false }
    }

    /// Nobody waits for what has gone meanwhile, for what is asked for in the background, or for what is held back: its answer is
    /// when it will be asked for.
    pub fn look(&mut self, jobs: &[Job<T>], now: Instant) {
        if self.was_told {
            return;
        }
        let is_held = |job: &Job<T>| job.not_before.is_some_and(|until| until > now);
        let waits = jobs.iter().filter(|job| job.urgency != Urgency::Background && !is_held(job));
        match &mut self.missing {
            None => self.missing = Some(waits.map(|job| job.target.clone()).collect()),
            Some(missing) => {
                let waits: BTreeSet<&T> = waits.map(|job| &job.target).collect();
                missing.retain(|target| waits.contains(target));
            }
        }
    }

    pub fn ended(&mut self, target: &T) {
        if let Some(missing) = &mut self.missing {
            missing.remove(target);
        }
    }

    pub const fn was_told(&self) -> bool {
        self.was_told
    }

    /// Once, when it is over: how long it took.
    pub fn take_end(&mut self) -> Option<Duration> {
        let is_over = !self.was_told && self.missing.as_ref().is_some_and(BTreeSet::is_empty);
        self.was_told |= is_over;
        is_over.then(|| self.began.elapsed())
    }
}
