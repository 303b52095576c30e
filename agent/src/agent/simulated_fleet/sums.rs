//! What a fleet asked of each registry, by second.

use std::iter::Sum;

use super::registries::REGISTRIES;
use super::{END, SETTLED};
use crate::agent::cost::Cost;

pub struct Sums(Vec<OfRegistry>);

struct OfRegistry {
    /// Requests to the registry and its token service in each second.
    by_second: Vec<u64>,
    hour: Cost,
    counted_pulls: u64,
    /// Probes that began in the hour.
    probes: u64,
}

impl Default for Sums {
    fn default() -> Self {
        let empty = || OfRegistry {
            by_second: vec![0; usize::try_from(END).unwrap()],
            hour: Cost::default(),
            counted_pulls: 0,
            probes: 0,
        };
        Self(REGISTRIES.iter().map(|_| empty()).collect())
    }
}

impl Sum for Sums {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sums, more| {
            for (one, other) in sums.0.iter_mut().zip(more.0) {
                one.by_second.iter_mut().zip(other.by_second).for_each(|(one, other)| *one += other);
                one.hour += other.hour;
                one.counted_pulls += other.counted_pulls;
                one.probes += other.probes;
            }
            sums
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests")]
fn ratio(count: u64, by: u64) -> f64 {
    count as f64 / by as f64
}

impl Sums {
    pub fn add(&mut self, registry: usize, second: u64, cost: Cost, is_counted: bool) {
        let of = &mut self.0[registry];
        if let Some(sum) = of.by_second.get_mut(usize::try_from(second).unwrap()) {
            *sum += cost.requests + cost.tokens;
            of.counted_pulls += u64::from(is_counted);
            if second >= SETTLED {
                of.hour += cost;
                of.probes += 1;
            }
        }
    }

    fn between(&self, registry: usize, from: u64, until: u64) -> &[u64] {
        &self.0[registry].by_second[usize::try_from(from).unwrap()..usize::try_from(until).unwrap()]
    }

    /// Requests in a second.
    pub fn mean(&self, registry: usize, from: u64, until: u64) -> f64 {
        ratio(self.between(registry, from, until).iter().sum(), until - from)
    }

    /// Requests in a second of the busiest window, wherever it begins.
    pub fn peak(&self, registry: usize, from: u64, until: u64, window: u64) -> f64 {
        let windows = self.between(registry, from, until).windows(usize::try_from(window).unwrap());
        ratio(windows.map(|window| window.iter().sum()).max().unwrap_or_default(), window)
    }

    pub fn of_hour(&self, registry: usize) -> Cost {
        self.0[registry].hour
    }

    pub fn counted_pulls(&self, registry: usize) -> u64 {
        self.0[registry].counted_pulls
    }

    pub fn probes(&self, registry: usize) -> u64 {
        self.0[registry].probes
    }
}
