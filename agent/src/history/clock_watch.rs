//! Notices when the node's clock jumps: it is compared with one that nobody can set.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::journal::{Happening, What};
use crate::model::expiry::span;

/// Time services move a clock by less than this without a word.
const TOLERATED: SignedDuration = SignedDuration::from_secs(5);

#[derive(Default)]
pub struct ClockWatch(Mutex<Option<(Timestamp, Instant)>>);

/// The clock is not where it would be by itself.
pub struct Jump {
    pub happening: Happening,
    /// Negative: it was set back.
    pub ahead: SignedDuration,
}

impl ClockWatch {
    /// Compares both clocks with those of the last look.
    pub fn look(&self, now: Timestamp, steady: Instant) -> Option<Jump> {
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace((now, steady));
        let (then, steady_then) = before?;
        let passed = SignedDuration::try_from(steady.saturating_duration_since(steady_then)).ok()?;
        let ahead = now.duration_since(then).saturating_sub(passed);
        if ahead.abs() <= TOLERATED {
            return None;
        }
        let by = span(ahead.abs());
        let detail = if ahead.is_positive() {
            format!("the node's clock went forward by {by}, or the node slept")
        } else {
            format!("the node's clock was set back by {by}")
        };
        Some(Jump { happening: Happening::of_node(now, What::Clock, &detail), ahead })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_that_jumps_is_noticed_and_one_that_drifts_is_not() {
        let watch = ClockWatch::default();
        let (start, steady) = (Timestamp::from_second(1_795_255_200).unwrap(), Instant::now());
        let look = |wall: i64, passed: u64| {
            let seen = watch.look(start + SignedDuration::from_secs(wall), steady + Duration::from_secs(passed));
            seen.map(|jump| jump.happening.detail.to_string())
        };
        assert_eq!(look(0, 0), None, "there is nothing to compare with");
        assert_eq!(look(14, 10), None, "4 s are no jump");
        assert_eq!(look(684, 20).unwrap(), "the node's clock went forward by 11 min, or the node slept");
        assert_eq!(look(694, 30), None, "it is told once");
        assert_eq!(look(-6_506, 30).unwrap(), "the node's clock was set back by 2 h");
    }
}
