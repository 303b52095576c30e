//! Back-off: which hosts and images are probed less often than usual, since when, until when and why.
//!
//! The caller chooses the keys (a host, an image) and the reasons.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// Each failure in a row doubles the interval, up to eight times of it.
const DOUBLINGS: u32 = 3;
/// The longest back-off, so that a recovery is seen soon. A longer interval stays as it is.
const LONGEST_GUESS: Duration = Duration::from_mins(30);
/// The longest `Retry-After` that is obeyed: a mistake of the registry must not stop the agent for days.
const LONGEST_WAIT: Duration = Duration::from_hours(6);

#[derive(Clone, Debug)]
pub struct Backoff<K, W> {
    held: BTreeMap<K, BackOffState<W>>,
}

/// A host or image that is probed less often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackOffState<W> {
    pub reason: W,
    pub since: Instant,
    /// How far apart its probes are at present.
    pub wait: Duration,
    pub until: Instant,
    /// It may be probed from this time on. This is no later than `until`, so that the scheduled probe at `until`
    /// happens.
    pub not_before: Instant,
    /// The registry named the time itself (`Retry-After`).
    pub asked: bool,
    pub factor: u32,
    strikes: u32,
}

/// One more failure that needs a back-off.
#[derive(Clone, Copy, Debug)]
pub struct RepeatedFailure<W> {
    pub reason: W,
    pub began: Instant,
    pub interval: Duration,
    /// How long the registry asked for no requests (`Retry-After`).
    pub asked: Option<Duration>,
    /// How long before its time it may be probed: the schedule has fixed times, and the one that falls due is not to be
    /// missed.
    pub slack: Duration,
}

impl<K, W> Default for Backoff<K, W> {
    fn default() -> Self {
        Self { held: BTreeMap::new() }
    }
}

impl<K: Clone + Ord, W: Copy + PartialEq> Backoff<K, W> {
    /// Whether anything changed that is worth a line in the log.
    pub fn add_failure(&mut self, key: &K, add_failure: RepeatedFailure<W>) -> bool {
        let now = Instant::now();
        let before = self.held.get(key);
        let strikes = before.map_or(0, |held| held.strikes).saturating_add(1).min(DOUBLINGS);
        let guess = add_failure.interval.saturating_mul(1 << strikes).min(LONGEST_GUESS).max(add_failure.interval);
        let asked = add_failure.asked.map(|asked| asked.min(LONGEST_WAIT)).filter(|asked| *asked > guess);
        // What it asked for begins with its answer, and is not cut short.
        let (wait, until, not_before) = match asked {
            Some(asked) => (asked, now + asked, now + asked),
            None => (guess, add_failure.began + guess, add_failure.began + guess.saturating_sub(add_failure.slack)),
        };
        let factor = wait.as_nanos().div_ceil(add_failure.interval.as_nanos().max(1));
        let held = BackOffState {
            reason: add_failure.reason,
            since: before.map_or(add_failure.began, |held| held.since),
            wait,
            until,
            not_before,
            asked: asked.is_some(),
            factor: u32::try_from(factor).unwrap_or(u32::MAX),
            strikes,
        };
        let alike = |known: &BackOffState<W>| {
            (known.reason, known.factor, known.asked) == (held.reason, held.factor, held.asked)
        };
        let is_news = !before.is_some_and(alike);
        self.held.insert(key.clone(), held);
        is_news
    }

    /// Another key waits until the same time. Its own failures are not counted.
    pub fn hold_along(&mut self, key: &K, with: &K) {
        let Some(leader) = self.held.get(with).cloned() else { return };
        let known = self.held.get(key);
        if known.is_none_or(|known| known.not_before < leader.not_before) {
            let since = known.map_or(leader.since, |known| known.since);
            self.held.insert(key.clone(), BackOffState { since, ..leader });
        }
    }

    /// It answered, so the back-off ends. Returns the back-off that was there.
    pub fn clear(&mut self, key: &K) -> Option<BackOffState<W>> {
        self.held.remove(key)
    }

    /// Forgets keys that are no longer needed.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &BackOffState<W>) -> bool) {
        self.held.retain(|key, held| keep(key, held));
    }

    /// Whether the registry named the time itself (`Retry-After`).
    pub fn is_asked_for(&self, key: &K) -> bool {
        self.held.get(key).is_some_and(|held| held.asked)
    }

    /// When it may be probed again. `None`: at any time.
    pub fn not_before(&self, key: &K) -> Option<Instant> {
        self.held.get(key).map(|held| held.not_before)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&K, &BackOffState<W>)> {
        self.held.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn add_failure(interval: Duration, asked: Option<Duration>) -> RepeatedFailure<&'static str> {
        RepeatedFailure { reason: "busy", began: Instant::now(), interval, asked, slack: Duration::ZERO }
    }

    /// The waits after so many failures in a row.
    fn waits(interval: Duration, asked: Option<Duration>) -> Vec<Duration> {
        let mut record = Backoff::default();
        let mut wait = || {
            record.add_failure(&"a", add_failure(interval, asked));
            record.not_before(&"a").unwrap() - Instant::now()
        };
        (0..6).map(|_| wait()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn failures_double_the_interval_up_to_eight_times_or_half_an_hour() {
        assert_eq!(waits(MINUTE, None), [2, 4, 8, 8, 8, 8].map(|count| MINUTE * count));
        assert_eq!(waits(5 * MINUTE, None), [10, 20, 30, 30, 30, 30].map(|count| MINUTE * count));
        assert_eq!(waits(60 * MINUTE, None), [60; 6].map(|count| MINUTE * count), "an interval is never shortened");
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_far_side_asks_for_wins_when_longer_and_counts_up_to_six_hours() {
        assert_eq!(waits(MINUTE, Some(5 * MINUTE)), [5, 5, 8, 8, 8, 8].map(|count| MINUTE * count));
        assert_eq!(waits(MINUTE, Some(Duration::ZERO))[0], 2 * MINUTE);
        assert_eq!(waits(MINUTE, Some(Duration::from_hours(24)))[0], Duration::from_hours(6));
        assert_eq!(waits(MINUTE, Some(Duration::MAX))[0], Duration::from_hours(6));
    }

    #[tokio::test(start_paused = true)]
    async fn each_step_is_news_once_and_an_answer_ends_it() {
        let mut record = Backoff::default();
        let mut news = |reason| record.add_failure(&"a", RepeatedFailure { reason, ..add_failure(MINUTE, None) });
        assert_eq!([news("busy"), news("busy"), news("busy"), news("busy")], [true, true, true, false]);
        assert!(news("slow"), "another reason is news");
        assert_eq!(record.clear(&"a").unwrap().factor, 8);
        assert!(record.clear(&"a").is_none() && record.not_before(&"a").is_none());
        assert!(record.add_failure(&"a", add_failure(MINUTE, None)));
        assert_eq!(record.clear(&"a").unwrap().factor, 2, "it begins anew");
    }

    #[tokio::test(start_paused = true)]
    async fn it_lasts_since_the_first_failure_and_may_be_asked_a_little_before_its_time() {
        let mut record = Backoff::default();
        let first = Instant::now();
        record.add_failure(&"a", add_failure(MINUTE, None));
        tokio::time::advance(2 * MINUTE).await;
        record.add_failure(&"a", RepeatedFailure { slack: MINUTE / 2, ..add_failure(MINUTE, None) });
        let held = record.clear(&"a").unwrap();
        assert_eq!(
            (held.since, held.until - Instant::now(), held.not_before - Instant::now()),
            (first, 4 * MINUTE, MINUTE * 7 / 2)
        );
        record.add_failure(&"a", RepeatedFailure { slack: MINUTE / 2, ..add_failure(MINUTE, Some(60 * MINUTE)) });
        assert_eq!(
            record.not_before(&"a").unwrap() - Instant::now(),
            60 * MINUTE,
            "what was asked for is not cut short"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn others_wait_along_for_the_longest_and_on_their_own_account_no_longer() {
        let mut record = Backoff::default();
        record.add_failure(&"a", add_failure(MINUTE, Some(20 * MINUTE)));
        record.add_failure(&"b", add_failure(MINUTE, Some(10 * MINUTE)));
        record.hold_along(&"all", &"a");
        record.hold_along(&"all", &"b");
        record.hold_along(&"all", &"nobody");
        assert_eq!(record.not_before(&"all"), record.not_before(&"a"));
    }
}
