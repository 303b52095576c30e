//! How long to wait before the API is asked again: longer each time, and not all nodes at once.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// A server may ask for more; a mistake must not stop the agent for hours.
const LONGEST_ASKED: Duration = Duration::from_secs(600);

pub struct Pace {
    next: Duration,
}

impl Pace {
    pub fn new() -> Self {
        Self { next: FIRST }
    }

    pub fn restart(&mut self) {
        self.next = FIRST;
    }

    /// Between half of the wait and the whole of it, and as long as the server asked for.
    pub fn next(&mut self, asked: Option<Duration>) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST);
        let spread = wait.mul_f64(0.5 + 0.5 * chance());
        asked.map_or(spread, |asked| spread.max(asked.min(LONGEST_ASKED)))
    }
}

/// Evenly between 0 and 1. Not for secrets.
pub fn chance() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    f64::from((random >> 32) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_begin_anew() {
        let mut pace = Pace::new();
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            let expected = Duration::from_secs(expected);
            let wait = pace.next(None);
            assert!(wait >= expected / 2 && wait <= expected, "{wait:?} of {expected:?}");
        }
        pace.restart();
        assert!(pace.next(None) <= FIRST);
        assert_eq!(pace.next(Some(Duration::from_secs(30))), Duration::from_secs(30));
        assert_eq!(pace.next(Some(Duration::from_secs(86_400))), LONGEST_ASKED);
    }
}
