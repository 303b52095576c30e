//! When each target is due: its phase within the interval.
//!
//! Every node has phases of its own, by its name. So the probes of a fleet are spread evenly over each interval, and stay
//! spread: what is late (after a start, or because a back-off held it) is due at the next half of its interval, also by
//! phase. Then even a fleet whose nodes are all late at once makes about twice its usual number of requests: at most 2.3 times
//! in the simulation of 5,000 nodes, and more among few nodes, where chance does not even out.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use super::{Job, Schedule};
use crate::model::urgency::Urgency;

/// Nobody waits longer for a late target, however seldom it is probed.
const LATE: Duration = Duration::from_mins(15);
/// A multiple of every usual interval. So targets with 1m and with 5m are due at the same time and share the
/// results of a round.
const DAY: Duration = Duration::from_hours(24);

pub struct Timing<T> {
    /// Evenly spread over the nodes and the same on every start of one.
    hash: u64,
    start: Instant,
    epoch: Duration,
    spread_start: bool,
    known: BTreeMap<T, Known>,
}

struct Known {
    due: Instant,
    /// How its time was calculated.
    interval: Duration,
    urgency: Urgency,
    /// A back-off holds it beyond its time.
    is_held: bool,
}

impl<T: Clone + Ord + std::fmt::Display> Timing<T> {
    pub fn new(schedule: &Schedule, start: Instant) -> Self {
        let Schedule { node, epoch, spread_start, .. } = schedule;
        Self { hash: hash(node), start, epoch: *epoch, spread_start: *spread_start, known: BTreeMap::new() }
    }

    /// Forgets targets that are gone.
    pub fn retain(&mut self, jobs: &[Job<T>]) {
        let targets: BTreeSet<&T> = jobs.iter().map(|job| &job.target).collect();
        self.known.retain(|target, _| targets.contains(target));
    }

    /// What a pod has come to wait for is due at once. Anything else that was never probed, or was held back, is due at the
    /// next half of its interval.
    pub fn due(&mut self, job: &Job<T>, now: Instant) -> Instant {
        // Not `now`: the caller's own reading of the clock may be older.
        let at_once = self.start;
        let is_awaited = job.urgency == Urgency::Awaited;
        let Some(known) = self.known.get(&job.target) else {
            let is_spread = self.spread_start && !is_awaited || job.urgency == Urgency::Background;
            let due = if is_spread { self.late(job, now) } else { at_once };
            return self.note(job, due);
        };
        let is_sooner = job.interval < known.interval && job.urgency != Urgency::Background;
        if is_sooner || is_awaited && known.urgency != Urgency::Awaited {
            return self.note(job, at_once);
        }
        let is_held = job.not_before.is_some_and(|until| until > known.due);
        if known.is_held && !is_held && known.due < now && !is_awaited {
            // Its back-off ended before its time.
            let due = self.late(job, now);
            return self.note(job, due);
        }
        let due = known.due;
        self.note(job, due)
    }

    fn note(&mut self, job: &Job<T>, due: Instant) -> Instant {
        let until = job.not_before.filter(|until| *until > due);
        let known = Known { due, interval: job.interval, urgency: job.urgency, is_held: until.is_some() };
        match self.known.get_mut(&job.target) {
            Some(before) => *before = known,
            None => drop(self.known.insert(job.target.clone(), known)),
        }
        // Every node may have been told the same time.
        until.map_or(due, |until| self.late(job, until))
    }

    pub fn earliest(&mut self, jobs: &[Job<T>], busy: &BTreeSet<T>, now: Instant) -> Option<Instant> {
        jobs.iter().filter(|job| !busy.contains(&job.target)).map(|job| self.due(job, now)).min()
    }

    pub fn ended(&mut self, job: &Job<T>, now: Instant) {
        let known = Known { due: self.next(job, now), interval: job.interval, urgency: job.urgency, is_held: false };
        self.known.insert(job.target.clone(), known);
    }

    /// The next time with this node's phase in the interval. It is about half an interval away at least, so that a probe
    /// that ends late is not followed by the next one at once. A little less than half: a first probe at half the interval is
    /// followed by the next half. What was probed at another time than its own waits for the next half, too, where it would
    /// wait longer than its interval.
    pub fn next(&self, job: &Job<T>, now: Instant) -> Instant {
        let from = now + job.interval / 16 * 7;
        let whole = self.slot(from, job, job.interval);
        if whole > now + job.interval { self.slot(from, job, job.interval / 2) } else { whole }
    }

    fn late(&self, job: &Job<T>, from: Instant) -> Instant {
        self.slot(from, job, (job.interval / 2).min(LATE))
    }

    /// The first time not before `from` with the phase of this node, or of this target, in `every`.
    fn slot(&self, from: Instant, job: &Job<T>, every: Duration) -> Instant {
        let every = every.max(Duration::from_millis(1));
        let phase =
            if job.urgency == Urgency::Background { self.own_time(job, job.interval) } else { share(self.hash, DAY) };
        let phase = remainder(phase, every);
        let into = remainder(self.epoch + from.saturating_duration_since(self.start), every);
        let wait = if phase >= into { phase.checked_sub(into) } else { (every + phase).checked_sub(into) };
        from + wait.unwrap_or_default()
    }

    /// The same part of `whole` at each start of this node.
    fn own_time(&self, job: &Job<T>, whole: Duration) -> Duration {
        let mut hasher = DefaultHasher::new();
        (self.hash, job.target.to_string()).hash(&mut hasher);
        share(hasher.finish(), whole)
    }
}

/// The same on every start: the hasher has fixed keys.
fn hash(node: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    node.hash(&mut hasher);
    hasher.finish()
}

/// A part of `whole` that is spread evenly over all hashes.
fn share(hash: u64, whole: Duration) -> Duration {
    whole.mul_f64(f64::from((hash >> 32) as u32) / f64::from(u32::MAX))
}

fn remainder(of: Duration, by: Duration) -> Duration {
    let nanos = of.as_nanos() % by.as_nanos().max(1);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or_default())
}
