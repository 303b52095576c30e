//! Where pullprobe stops at a limit of its own: everything beyond it is unknown.

use super::outcome::Failure;
use super::stage::Stage;
use crate::cause::Cause;

/// A limit that pullprobe has and containerd has not. It always becomes an inconclusive failure, so it can make a
/// verdict unknown, but never "not pullable".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitReached {
    stage: Stage,
    words: String,
}

impl LimitReached {
    /// `words` name the limit with its number, and say that it is pullprobe's.
    pub fn new(stage: Stage, words: impl Into<String>) -> Self {
        Self { stage, words: words.into() }
    }
}

impl From<LimitReached> for Failure {
    fn from(reached: LimitReached) -> Self {
        Self { inconclusive: true, ..Self::new(reached.stage, Cause::LimitReached, reached.words) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stops_at_a_limit_is_never_certain() {
        let failure = Failure::from(LimitReached::new(Stage::Manifest, "pullprobe reads 5 bytes"));
        assert!(failure.inconclusive);
        assert_eq!((failure.cause, failure.detail.as_str()), (Cause::LimitReached, "pullprobe reads 5 bytes"));
    }
}
