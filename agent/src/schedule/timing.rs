//! When each target is due: its phase within the interval.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use super::Job;

/// Nodes that are started together (a rollout) begin within this time of each other.
const FIRST_SPREAD: Duration = Duration::from_secs(3);
/// The first look at background targets is spread over this time: all of them at once would be felt.
const FIRST_BACKGROUND: Duration = Duration::from_mins(5);
/// A multiple of every usual interval. So targets with 1m and with 5m are due at the same time and share the
/// results of a round.
const DAY: Duration = Duration::from_hours(24);

pub struct Timing<T> {
    /// Evenly spread over the nodes and the same on every start of one.
    hash: u64,
    start: Instant,
    epoch: Duration,
    /// When each is due, and the interval that this was calculated with.
    due: BTreeMap<T, (Instant, Duration)>,
}

impl<T: Clone + Ord + std::fmt::Display> Timing<T> {
    pub fn new(node: &str, epoch: Duration) -> Self {
        Self { hash: hash(node), start: Instant::now(), epoch, due: BTreeMap::new() }
    }

    /// Forgets targets that are gone.
    pub fn retain(&mut self, jobs: &[Job<T>]) {
        let targets: BTreeSet<&T> = jobs.iter().map(|job| &job.target).collect();
        self.due.retain(|target, _| targets.contains(target));
    }

    /// How long a node waits before its first round.
    pub fn first_delay(&self) -> Duration {
        share(self.hash, FIRST_SPREAD)
    }

    /// A target that was never probed is due at once, and so is one that is to be probed more often from now on. A
    /// background target is due at its own time.
    pub fn due(&mut self, job: &Job<T>) -> Instant {
        // Not `now`: the caller's own reading of the clock is older.
        let first = if job.is_background { Instant::now() + self.own_time(job, FIRST_BACKGROUND) } else { self.start };
        let (due, interval) = *self.due.entry(job.target.clone()).or_insert((first, job.interval));
        let due = if job.interval < interval && !job.is_background { self.start } else { due };
        job.not_before.map_or(due, |not_before| due.max(not_before))
    }

    /// The same part of `whole` at each start of this node.
    fn own_time(&self, job: &Job<T>, whole: Duration) -> Duration {
        let mut hasher = DefaultHasher::new();
        (self.hash, job.target.to_string()).hash(&mut hasher);
        share(hasher.finish(), whole)
    }

    pub fn earliest(&mut self, jobs: &[Job<T>], busy: &BTreeSet<T>) -> Option<Instant> {
        jobs.iter().filter(|job| !busy.contains(&job.target)).map(|job| self.due(job)).min()
    }

    pub fn ended(&mut self, job: &Job<T>) {
        let next = self.next(job);
        self.due.insert(job.target.clone(), (next, job.interval));
    }

    /// The next time with this node's phase in the interval. It is at least half an interval away, so that a probe that
    /// ends late is not followed by the next one at once.
    fn next(&self, job: &Job<T>) -> Instant {
        let now = Instant::now();
        let interval = job.interval.max(Duration::from_millis(1));
        let soonest = self.epoch + now.duration_since(self.start) + interval / 2;
        let phase = if job.is_background { self.own_time(job, interval) } else { share(self.hash, DAY) };
        let phase = remainder(phase, interval);
        let into = remainder(soonest, interval);
        let wait = if phase >= into { phase.checked_sub(into) } else { (interval + phase).checked_sub(into) };
        now + interval / 2 + wait.unwrap_or_default()
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
