//! Counts over time: probes, their failures and durations, and what they cost each registry.
//!
//! It forgets a target that is gone, so that its series end with it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::host::Endpoint;
use super::report::EndpointReport;
use super::stage::Stage;
use crate::cause::Cause;
use crate::model::host::EndpointKey;

/// What a request to a registry was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestKind {
    Ping,
    Token,
    Head,
    Get,
    Blob,
}

impl RequestKind {
    pub const ALL: [Self; 5] = [Self::Ping, Self::Token, Self::Head, Self::Get, Self::Blob];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Token => "token",
            Self::Head => "head",
            Self::Get => "get",
            Self::Blob => "blob",
        }
    }

    /// The stage that such a request belongs to.
    pub const fn stage(self) -> Stage {
        match self {
            Self::Ping => Stage::Ping,
            Self::Token => Stage::Token,
            Self::Head | Self::Get => Stage::Manifest,
            Self::Blob => Stage::Blob,
        }
    }
}

/// What a check took of the limits of registries, for people. `None`: nothing.
pub fn spent(counted_pulls: u32) -> Option<String> {
    let plural = if counted_pulls == 1 { "" } else { "s" };
    (counted_pulls > 0).then(|| format!("this check spent {counted_pulls} counted pull{plural}"))
}

/// Requests sent and counted pulls spent, by endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub requests: BTreeMap<(Endpoint, RequestKind), u64>,
    pub counted_pulls: BTreeMap<Endpoint, u64>,
}

impl Counts {
    pub fn add(&mut self, more: &Self) {
        for (key, count) in &more.requests {
            *self.requests.entry(key.clone()).or_default() += count;
        }
        for (endpoint, count) in &more.counted_pulls {
            *self.counted_pulls.entry(endpoint.clone()).or_default() += count;
        }
    }

    fn retain(&mut self, keep: impl Fn(&Endpoint) -> bool) {
        self.requests.retain(|(endpoint, _), _| keep(endpoint));
        self.counted_pulls.retain(|endpoint, _| keep(endpoint));
    }
}

/// Everything that is counted since the start.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub probes: BTreeMap<EndpointKey, u64>,
    pub failures: BTreeMap<(EndpointKey, Stage, Cause), u64>,
    /// By namespace.
    pub durations: BTreeMap<String, Histogram>,
    pub cost: Counts,
}

impl Tally {
    /// Counts a probe that came to an end; one that ran out of time measured nothing.
    pub fn count(&mut self, report: &EndpointReport) {
        let key = (report.namespace.clone(), report.endpoint.clone());
        if let Some(failure) = report.failure() {
            *self.failures.entry((key.clone(), failure.stage, failure.cause)).or_default() += 1;
        } else if !report.ok() {
            return;
        }
        *self.probes.entry(key).or_default() += 1;
        self.durations.entry(report.namespace.clone()).or_default().observe(report.duration);
    }

    pub fn retain(&mut self, keep: impl Fn(&EndpointKey) -> bool, keep_endpoint: impl Fn(&Endpoint) -> bool) {
        self.probes.retain(|key, _| keep(key));
        self.failures.retain(|(key, _, _), _| keep(key));
        let probes = &self.probes;
        self.durations.retain(|namespace, _| probes.keys().any(|(kept, _)| kept == namespace));
        self.cost.retain(keep_endpoint);
    }
}

/// Durations in few buckets: from a registry next door to a black hole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// How many fell in each bucket alone; what is longer than all is only in `count`.
    buckets: [u64; Self::BOUNDS.len()],
    pub count: u64,
    pub sum: Duration,
}

impl Histogram {
    /// Upper bounds, in seconds.
    pub const BOUNDS: [f64; 8] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

    pub fn observe(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        if let Some(bucket) = Self::BOUNDS.iter().position(|bound| seconds <= *bound) {
            self.buckets[bucket] += 1;
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(duration);
    }

    /// Each upper bound with how many were at most that long.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let at_most = self.buckets.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        Self::BOUNDS.into_iter().zip(at_most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_every_bucket_from_its_own_on_and_the_longest_only_in_the_count() {
        let mut histogram = Histogram::default();
        for millis in [50, 51, 31_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let counts: Vec<u64> = histogram.cumulative().map(|(_, count)| count).collect();
        assert_eq!(counts, [1, 2, 2, 2, 2, 2, 2, 2]);
        assert_eq!((histogram.count, histogram.sum), (3, Duration::from_millis(31_101)));
    }
}
