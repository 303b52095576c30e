//! What came of one step: passed, failed with a cause, or skipped for a reason; and how long it took.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use super::stage::Stage;
use crate::cause::text::text;
use crate::cause::{Cause, Owner};
use crate::redact::clean::Clean;
use crate::redact::clip::DETAIL_LIMIT;
use crate::redact::urls::without_users;

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub stage: Stage,
    pub cause: Cause,
    /// What else it may be, where the far side hides the difference. Empty otherwise.
    pub also_possible: Vec<Cause>,
    /// `host:port` of the party that failed. `None` when no other party is involved.
    pub host: Option<Clean>,
    /// What was seen, redacted and at most [`DETAIL_LIMIT`] bytes. Never a label.
    pub detail: Clean,
    /// pullprobe cannot do here what containerd can, so this failure makes the verdict unknown.
    pub inconclusive: bool,
    /// For how many seconds the party asked to be left alone; small, for failures are passed around a lot.
    pub retry_after_seconds: Option<NonZeroU32>,
    /// The words of Go's `net/http` and containerd for this very error, from the innermost request
    /// error on (`dial tcp 192.0.2.1:443: connect: connection refused`). Empty when not known.
    pub go_message: Clean,
    /// What the evidence says about this failure that differs from what is usual for its cause.
    /// `None`: the words of the cause hold.
    pub particulars: Option<Box<Particulars>>,
}

/// Owner and texts of one failure, where the evidence says more than the cause alone. A `None` means: use the text
/// of the cause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Particulars {
    pub owner: Option<Owner>,
    /// One sentence: what is wrong.
    pub summary: Option<Clean>,
    /// What to change, naming a command or a file.
    pub fix: Option<Clean>,
    pub mark: Option<Mark>,
}

/// What other code must do about a failure, if its cause alone does not say. It is never shown, so that no code has to
/// compare texts, which may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The agent does not go where it was sent.
    KeptBack,
    /// The far side sent more in a handshake than pullprobe reads, and Go may read it.
    Oversized,
    /// Go does not read the answer as HTTP.
    NoHttp,
    /// The connection was reset before an answer came, as one may be that was idle for too long.
    Reset,
    /// The connection was closed before an answer came: Go's `io.EOF` or `io.ErrUnexpectedEOF`.
    Eof,
    /// No header of an answer came in the time for one.
    NoHeader,
    /// The token service answered 403: some say so of wrong credentials, some of what good ones may not pull, and
    /// some of both.
    Forbidden,
    /// containerd's `ErrInvalidAuthorization`: the registry refuses what was sent, and nothing more is tried.
    AuthorizationFailed,
}

impl Failure {
    pub fn new(stage: Stage, cause: Cause, detail: impl Into<String>) -> Self {
        Self {
            stage,
            cause,
            also_possible: Vec::new(),
            host: None,
            detail: Clean::clipped(&without_users(&detail.into()), DETAIL_LIMIT),
            inconclusive: false,
            retry_after_seconds: None,
            go_message: Clean::default(),
            particulars: None,
        }
    }

    /// Who can fix it.
    pub fn owner(&self) -> Owner {
        self.particulars.as_ref().and_then(|known| known.owner).unwrap_or_else(|| self.cause.owner())
    }

    /// What is wrong, in one sentence.
    pub fn summary(&self) -> &str {
        self.particulars.as_ref().and_then(|known| known.summary.as_deref()).unwrap_or(text(self.cause).summary)
    }

    /// What to change, naming a command or a file.
    pub fn fix(&self) -> &str {
        self.particulars.as_ref().and_then(|known| known.fix.as_deref()).unwrap_or(text(self.cause).fix)
    }

    /// Somebody else than usual can fix it.
    #[must_use]
    pub fn owned_by(mut self, owner: Owner) -> Self {
        self.particulars.get_or_insert_default().owner = Some(owner);
        self
    }

    /// The sentence that says what is wrong, where that of the cause is not the whole truth.
    #[must_use]
    pub fn summarized(mut self, summary: impl Into<String>) -> Self {
        self.particulars.get_or_insert_default().summary =
            Some(Clean::clipped(&without_users(&summary.into()), DETAIL_LIMIT));
        self
    }

    /// What to change, where the fix of the cause would not help.
    #[must_use]
    pub fn fixed_by(mut self, fix: impl Into<String>) -> Self {
        self.particulars.get_or_insert_default().fix = Some(without_users(&fix.into()).into());
        self
    }

    /// Marks the failure for its callers.
    #[must_use]
    pub fn marked(mut self, mark: Mark) -> Self {
        self.particulars.get_or_insert_default().mark = Some(mark);
        self
    }

    pub fn is_marked(&self, mark: Mark) -> bool {
        self.particulars.as_ref().is_some_and(|known| known.mark == Some(mark))
    }

    #[must_use]
    pub fn at(mut self, host: impl Into<Clean>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Why the result of the step is unknown: it did not end in time, or pullprobe cannot do what containerd can.
    pub const fn skip(&self) -> Skip {
        match self.cause {
            Cause::RegistryTimeout
            | Cause::ProxyUnreachable
            | Cause::DnsTimeout
            | Cause::TcpTimeout
            | Cause::TlsTimeout => Skip::OutOfTime,
            _ => Skip::NotSpoken,
        }
    }

    /// The same failure, met at another stage: a network stage's own failure keeps its own.
    #[must_use]
    pub fn staged(self, stage: Stage) -> Self {
        if self.stage == Stage::Ping { Self { stage, ..self } } else { self }
    }

    /// Names the party unless the failure already does.
    #[must_use]
    pub fn host_or(mut self, host: &str) -> Self {
        self.host.get_or_insert_with(|| host.into());
        self
    }

    #[must_use]
    pub fn with_go_message(mut self, go_message: impl Into<String>) -> Self {
        self.go_message = Clean::lines(&without_users(&go_message.into()));
        self
    }

    #[must_use]
    pub fn again_after(mut self, pause: Option<Duration>) -> Self {
        let seconds = pause.map(|pause| u32::try_from(pause.as_secs()).unwrap_or(u32::MAX));
        self.retry_after_seconds = seconds.and_then(NonZeroU32::new);
        self
    }

    /// For how long the party asked to be left alone. `None`: it did not.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after_seconds.map(|seconds| Duration::from_secs(seconds.get().into()))
    }

    #[must_use]
    pub fn or_maybe(mut self, causes: &[Cause]) -> Self {
        self.also_possible = causes.to_vec();
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.cause, self.stage, self.detail)
    }
}

/// Why a step was not taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Skip {
    /// An earlier step failed, so this one was never tried.
    #[default]
    NotReached,
    /// The step does not apply: no proxy is set, the endpoint is plain HTTP, no token is asked for.
    NotNeeded,
    /// The proxy does this on its side.
    LeftToProxy,
    /// It would have cost a request that the registry counts, beyond what was allowed.
    OverBudget,
    /// The deadline of the whole cycle or check came first.
    OutOfTime,
    /// The far side serves containerd in a way that pullprobe does not support: the answer is unknown.
    NotSpoken,
    /// It leads to the node itself or its own link, where the agent does not go on its schedule.
    NotFollowed,
    /// The probe ended by a fault of pullprobe.
    OwnFault,
}

impl Skip {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotReached => "not_reached",
            Self::NotNeeded => "not_needed",
            Self::LeftToProxy => "left_to_proxy",
            Self::OverBudget => "over_budget",
            Self::OutOfTime => "out_of_time",
            Self::NotSpoken => "not_spoken",
            Self::NotFollowed => "not_followed",
            Self::OwnFault => "own_fault",
        }
    }
}

/// What came of a step that yields the facts `F`. A failed step keeps the facts it got so far.
#[derive(Clone, Debug)]
pub enum Outcome<F> {
    Passed(F),
    Failed(Failure, Option<F>),
    Skipped(Skip),
}

/// One stage as reported: its outcome and the time it took (`None` when skipped).
#[derive(Clone, Debug)]
pub struct Step<F> {
    pub outcome: Outcome<F>,
    pub duration: Option<Duration>,
}

impl<F> Default for Step<F> {
    fn default() -> Self {
        Self::skipped(Skip::NotReached)
    }
}

impl<F> Step<F> {
    pub const fn skipped(why: Skip) -> Self {
        Self { outcome: Outcome::Skipped(why), duration: None }
    }

    pub const fn new(outcome: Outcome<F>, duration: Duration) -> Self {
        Self { outcome, duration: Some(duration) }
    }

    /// The deadline is over: the stages that have not run yet are skipped.
    pub fn out_of_time(&mut self) {
        if matches!(self.outcome, Outcome::Skipped(Skip::NotReached)) {
            *self = Self::skipped(Skip::OutOfTime);
        }
    }

    pub const fn passed(&self) -> bool {
        matches!(self.outcome, Outcome::Passed(_))
    }

    pub const fn failure(&self) -> Option<&Failure> {
        match &self.outcome {
            Outcome::Failed(failure, _) => Some(failure),
            Outcome::Passed(_) | Outcome::Skipped(_) => None,
        }
    }

    pub const fn facts(&self) -> Option<&F> {
        match &self.outcome {
            Outcome::Passed(facts) | Outcome::Failed(_, Some(facts)) => Some(facts),
            Outcome::Failed(_, None) | Outcome::Skipped(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::clip::clip;

    #[test]
    fn what_is_not_read_is_not_said_to_have_come_too_late() {
        let skip = |cause| Failure::new(Stage::Ping, cause, "").skip();
        assert_eq!(skip(Cause::RegistryTimeout), Skip::OutOfTime);
        assert_eq!([Cause::LimitReached, Cause::ResponseInvalid].map(skip), [Skip::NotSpoken; 2]);
    }

    #[test]
    fn what_marks_a_failure_stays_whatever_is_said_of_it() {
        let failure = Failure::new(Stage::Tcp, Cause::RedirectInvalid, "x");
        assert!(!failure.is_marked(Mark::KeptBack));
        let marked =
            failure.marked(Mark::KeptBack).summarized("a").fixed_by("b").owned_by(Owner::Node).with_go_message("c");
        assert!(marked.is_marked(Mark::KeptBack) && !marked.is_marked(Mark::Eof));
    }

    #[test]
    fn a_long_detail_is_cut_at_a_character_and_control_characters_go() {
        let clipped = clip(format!("\u{1b}[31m{}", "é".repeat(600)));
        assert!(clipped.len() <= DETAIL_LIMIT && clipped.ends_with('…'));
        assert!(!clipped.contains('\u{1b}'));
    }
}
