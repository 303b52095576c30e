//! Which stage took most of the time of a slow probe.

use std::fmt;
use std::time::Duration;

use crate::model::report::{Attempt, ImageReport, StageResult, Stages};
use crate::model::stage::Stage;

/// A probe that takes longer is slow. A registry on another continent takes about 2 s, DNS and TLS included.
pub const SLOW: Duration = Duration::from_secs(3);

/// The part that took most of the time, and the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub took: Duration,
    pub total: Duration,
}

impl Share {
    /// `None`: the whole is not slow, or this is not most of it.
    fn of(took: Duration, total: Duration) -> Option<Self> {
        (total > SLOW && took * 2 >= total).then_some(Self { took, total })
    }
}

/// `took 4.1 s of 4.6 s (89 %)`.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (took, total) = (self.took.as_secs_f64(), self.total.as_secs_f64());
        write!(f, "took {took:.1} s of {total:.1} s ({:.0} %)", took / total * 100.0)
    }
}

impl Stages {
    /// The slow stage. A stage that failed is left out, because its cause already explains it.
    pub fn slow(&self) -> Option<(Stage, Share)> {
        let lines = self.lines();
        let total = lines.iter().filter_map(|line| line.duration).sum();
        let passed = lines.iter().filter(|line| matches!(line.result, StageResult::Passed));
        let (stage, took) = passed.filter_map(|line| Some((line.stage, line.duration?))).max_by_key(|line| line.1)?;
        Some((stage, Share::of(took, total)?))
    }
}

impl ImageReport {
    /// The slow host of an image that can be pulled. For other images the verdict names the host.
    pub fn slow(&self) -> Option<(&Attempt, Share)> {
        let longest = self.attempts.iter().max_by_key(|attempt| attempt.duration)?;
        let share = Share::of(longest.duration, self.duration)?;
        (self.verdict.pullable == Some(true)).then_some((longest, share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Cause;
    use crate::model::facts::{DnsFacts, NameSource};
    use crate::model::outcome::{Failure, Outcome, Step};

    fn stages(dns: u64, tls: u64) -> Stages {
        let facts = DnsFacts {
            source: NameSource::Dns,
            answered: String::new().into(),
            addresses: vec![],
            reckoned: false,
            nameservers: vec![],
        };
        let failure = Failure::new(Stage::Tls, Cause::TlsTimeout, "");
        Stages {
            dns: Step::new(Outcome::Passed(facts), Duration::from_millis(dns)),
            tls: Step::new(Outcome::Failed(failure, None), Duration::from_millis(tls)),
            ..Stages::default()
        }
    }

    #[test]
    fn the_stage_that_most_of_the_time_went_to_is_named_with_its_share() {
        let (stage, share) = stages(4_100, 500).slow().unwrap();
        assert_eq!((stage, share.to_string().as_str()), (Stage::Dns, "took 4.1 s of 4.6 s (89 %)"));
    }

    #[test]
    fn neither_a_quick_walk_nor_one_that_failed_slowly_nor_an_even_one_is_blamed_on_a_stage() {
        assert_eq!(stages(2_900, 50).slow(), None);
        assert_eq!(stages(100, 10_000).slow(), None);
        assert_eq!(stages(1_500, 1_600).slow(), None);
        assert_eq!(Stages::default().slow(), None);
    }
}
