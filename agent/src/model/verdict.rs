//! The one answer about an image.

use super::stage::Stage;
use crate::cause::{Cause, Owner};
use crate::redact::clean::Clean;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Would containerd's pull succeed? `None`: unknown.
    pub pullable: Option<bool>,
    /// Would the pulled image start on this platform? `None`: unknown.
    pub runnable: Option<bool>,
    /// `None` when all is well, or nothing is known.
    pub cause: Option<Cause>,
    pub also_possible: Vec<Cause>,
    pub stage: Option<Stage>,
    /// `host:port` of the party that failed.
    pub host: Option<Clean>,
    pub owner: Option<Owner>,
    /// One or two sentences for a person.
    pub summary: Clean,
    /// Empty when there is nothing to fix.
    pub fix: Clean,
    /// What `kubectl describe pod` would show as the error of the pull. `None` when it succeeds.
    pub kubelet_message: Option<Clean>,
}

/// How most summaries of unknown answers begin.
const OPEN: &str = "The answer is unknown: ";

impl Verdict {
    /// Why the answer is unknown. `None`: it is known.
    pub fn unknown_because(&self) -> Option<&str> {
        let reason = self.summary.strip_prefix(OPEN).unwrap_or(&self.summary);
        self.pullable.is_none().then(|| reason.trim_end_matches('.'))
    }

    /// Whether a pod would have the image running. One that is pulled and does not start is of no use to it.
    pub const fn starts(&self) -> Option<bool> {
        if self.is_only_pulled() { Some(false) } else { self.pullable }
    }

    /// It can be pulled, and does not start here.
    pub const fn is_only_pulled(&self) -> bool {
        matches!((self.pullable, self.runnable), (Some(true), Some(false)))
    }

    /// An unknown answer: why it is unknown, and what to do about that.
    pub fn unknown(summary: &str, fix: &str) -> Self {
        Self { summary: summary.into(), fix: fix.into(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unknown_answer_has_a_reason_for_that() {
        let because = |pullable, summary: &str| {
            let verdict = Verdict { pullable, ..Verdict::unknown(summary, "") };
            verdict.unknown_because().map(str::to_owned)
        };
        assert_eq!(
            because(None, "The answer is unknown: it is late. Ask again."),
            Some("it is late. Ask again".into())
        );
        assert_eq!(because(None, "Not asked yet: it is early."), Some("Not asked yet: it is early".into()));
        assert_eq!(because(Some(true), "This node can pull it."), None);
        assert_eq!(because(Some(false), "The answer is unknown: no."), None);
    }
}
