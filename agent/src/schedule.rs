//! When each target is probed: intervals, phases, places, back-off, and the hourly allowance of pulls.
//!
//! The [`Prober`] makes the probes and keeps their reports. [`Backoff`] knows which targets are probed less often.
//! The [`Ledger`] limits the requests that a registry counts as a pull.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::fault::{self, Fault};
use crate::model::urgency::Urgency;

mod backoff;
mod first_cycle;
pub mod forecast;
mod ledger;
pub mod places;
pub mod slow;
mod timing;

pub use backoff::{BackOffState, Backoff, RepeatedFailure};
use first_cycle::FirstCycle;
pub use ledger::Ledger;
use places::{Pace, Places};
use timing::Timing;

/// Makes the probes. `app` provides it.
pub trait Prober: Send + Sync + 'static {
    type Target: Clone + Ord + std::fmt::Display + Send + Sync + 'static;

    /// Reads the node again and returns the targets. Called before each round.
    fn targets(&self) -> BoxFuture<'_, Vec<Job<Self::Target>>>;

    /// Probes one target and keeps what was seen.
    fn probe(&self, job: Job<Self::Target>) -> BoxFuture<'static, ()>;

    /// The registry that the target belongs to. Targets of one registry take turns with those of others.
    fn owner(&self, target: &Self::Target) -> String;

    /// Ends when the targets are to be asked for again before their time.
    fn changed(&self) -> BoxFuture<'_, ()> {
        std::future::pending().boxed()
    }

    /// Called when a probe did not finish within its deadline.
    fn out_of_time(&self, target: Self::Target);

    /// Called when a probe ended by a fault of pullprobe.
    fn at_fault(&self, target: Self::Target, _fault: &Fault) {
        self.out_of_time(target);
    }

    /// Every target that was due when the round began has come to its end. The first time: the first cycle is over.
    fn round_over(&self, took: Duration);
}

/// A target and how often it is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job<T> {
    pub target: T,
    pub interval: Duration,
    /// It is not to be probed before, even if it is due.
    pub not_before: Option<Instant>,
    pub urgency: Urgency,
}

#[derive(Clone, Debug)]
pub struct Schedule {
    /// The node's name: nodes probe at different times.
    pub node: String,
    /// Wall clock at the start, since 1970: an agent that restarts keeps its phase.
    pub epoch: Duration,
    /// How many targets are started at the same time.
    pub concurrency: usize,
    /// Time limit for one target, from when it has a place.
    pub deadline: Duration,
    /// The first probes are spread over half an interval. Otherwise what is not in the background is due at once.
    pub spread_start: bool,
    /// How often the targets are read anew at least.
    pub reread: Duration,
}

/// Probes until `stop`. Probes that are under way then are dropped.
pub async fn run<P: Prober>(schedule: Schedule, prober: Arc<P>, stop: CancellationToken) {
    stop.run_until_cancelled(Run::new(schedule, prober).go()).await;
}

struct Run<P: Prober> {
    schedule: Schedule,
    prober: Arc<P>,
    timing: Timing<P::Target>,
    places: Places,
    under_way: JoinSet<End<P::Target>>,
    busy: BTreeSet<P::Target>,
    paces: BTreeMap<P::Target, Pace>,
    first_cycle: FirstCycle<P::Target>,
    /// How many of each round are still under way, and when it began.
    rounds: BTreeMap<u64, (usize, Instant)>,
    next_round: u64,
}

/// A probe that came to its end.
struct End<T> {
    round: u64,
    job: Job<T>,
    took: Duration,
}

impl<P: Prober> Run<P> {
    fn new(schedule: Schedule, prober: Arc<P>) -> Self {
        Self {
            timing: Timing::new(&schedule, Instant::now()),
            places: Places::new(schedule.concurrency),
            schedule,
            prober,
            under_way: JoinSet::new(),
            busy: BTreeSet::new(),
            paces: BTreeMap::new(),
            first_cycle: FirstCycle::begins(Instant::now()),
            rounds: BTreeMap::new(),
            next_round: 0,
        }
    }

    async fn go(mut self) {
        let mut jobs = self.prober.targets().await;
        loop {
            self.timing.retain(&jobs);
            let listed: BTreeSet<&P::Target> = jobs.iter().map(|job| &job.target).collect();
            self.paces.retain(|target, _| listed.contains(target));
            self.first_cycle.look(&jobs, Instant::now());
            self.start_due(&jobs);
            let reread = Instant::now() + self.schedule.reread;
            let mut wake = self.timing.earliest(&jobs, &self.busy, Instant::now()).unwrap_or(reread).min(reread);
            loop {
                tokio::select! {
                    () = sleep_until(wake) => break,
                    () = self.prober.changed() => break,
                    Some(end) = self.under_way.join_next() => match end {
                        Ok(end) => {
                            self.ended(&end);
                            // The times of all others are as they were. To go through them after each probe would cost more
                            // the more targets there are.
                            let again = jobs.iter().find(|job| job.target == end.job.target);
                            wake = again.map_or(wake, |job| wake.min(self.timing.due(job, Instant::now())));
                        }
                        Err(error) => tracing::error!(%error, "a probe ended without a result"),
                    },
                }
            }
            jobs = self.prober.targets().await;
        }
    }

    fn start_due(&mut self, jobs: &[Job<P::Target>]) {
        let now = Instant::now();
        let due: Vec<_> = jobs.iter().filter(|job| !self.busy.contains(&job.target)).collect();
        let due: Vec<_> = due.into_iter().filter(|job| self.timing.due(job, now) <= now).cloned().collect();
        let round = self.next_round;
        if !due.is_empty() {
            self.next_round += 1;
            self.rounds.insert(round, (due.len(), now));
        }
        let owner = |job: &Job<P::Target>| self.prober.owner(&job.target);
        for job in taking_turns(due, owner) {
            self.busy.insert(job.target.clone());
            let pace = self.pace(&job.target);
            let (prober, deadline) = (Arc::clone(&self.prober), self.schedule.deadline);
            self.under_way.spawn(attempt(prober, job, round, (self.places.clone(), pace), deadline));
        }
        self.close();
    }

    fn pace(&self, target: &P::Target) -> Pace {
        self.paces.get(target).copied().unwrap_or(Pace::UNKNOWN)
    }

    fn ended(&mut self, end: &End<P::Target>) {
        self.busy.remove(&end.job.target);
        self.paces.insert(end.job.target.clone(), self.pace(&end.job.target).after(end.took));
        self.timing.ended(&end.job, Instant::now());
        self.first_cycle.ended(&end.job.target);
        if let Some((left, _)) = self.rounds.get_mut(&end.round) {
            *left -= 1;
        }
        self.close();
    }

    /// A round is over only when all rounds before it are over. Those that end during the first cycle are parts of it.
    fn close(&mut self) {
        if !self.first_cycle.was_told() {
            self.rounds.retain(|_, (left, _)| *left > 0);
        }
        if let Some(took) = self.first_cycle.take_end() {
            self.prober.round_over(took);
        }
        while let Some(earliest) = self.rounds.first_entry() {
            let (left, began) = *earliest.get();
            if left > 0 {
                break;
            }
            earliest.remove();
            self.prober.round_over(began.elapsed());
        }
    }
}

/// The first target of each registry, then the second of each, and so on: a registry with many targets delays no other.
/// Of a registry, and of those with the same turn, the ones with short intervals come first: to wait is worst for them.
fn taking_turns<T>(mut jobs: Vec<Job<T>>, owner: impl Fn(&Job<T>) -> String) -> Vec<Job<T>> {
    let mut before: BTreeMap<String, usize> = BTreeMap::new();
    let mut ordered: Vec<(usize, Job<T>)> = Vec::with_capacity(jobs.len());
    jobs.sort_by_key(|job| job.interval);
    for job in jobs {
        let turn = before.entry(owner(&job)).or_default();
        ordered.push((*turn, job));
        *turn += 1;
    }
    ordered.sort_by_key(|(turn, _)| *turn);
    ordered.into_iter().map(|(_, job)| job).collect()
}

async fn attempt<P: Prober>(
    prober: Arc<P>,
    job: Job<P::Target>,
    round: u64,
    (places, pace): (Places, Pace),
    deadline: Duration,
) -> End<P::Target> {
    let probing = places.in_turn(pace, async {
        let began = Instant::now();
        // Within the block: what a probe does before it first waits may panic, too.
        let probing = fault::caught(async { prober.probe(job.clone()).await });
        let target = || job.target.clone();
        // A target is due again only if its probe came to an end here, whatever is wrong with what is made of it.
        let _ = match timeout(deadline, probing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(fault)) => fault::caught_now(|| prober.at_fault(target(), &fault)),
            Err(_) => fault::caught_now(|| prober.out_of_time(target())),
        };
        began.elapsed()
    });
    let took = probing.await;
    End { round, job, took }
}

#[cfg(test)]
mod tests;
