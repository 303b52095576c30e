//! The agent's log: one line when an answer changes or is not good at first, and nothing while it stays the same.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::snapshot::Snapshot;
use super::waiting::{full_name, needed_by};
use crate::cause::Cause;
use crate::history::Change;
use crate::history::answer::State;
use crate::model::expiry::span;
use crate::model::report::{EndpointReport, ImageReport};
use crate::model::stage::Stage;
use crate::pods::Need;

/// So many lines in a minute; what changes beyond that is counted.
const LINES: u32 = 30;
const MINUTE: Duration = Duration::from_mins(1);

/// Images whose answer became another one without a probe of them.
pub type ChangedImages = Vec<(Arc<ImageReport>, Change)>;

/// Writes what the history of a target takes for a change, and no more of it than somebody can read.
#[derive(Default)]
pub struct Changes {
    minute: Mutex<Minute>,
}

/// The minute under way.
#[derive(Default)]
struct Minute {
    began: Option<Timestamp>,
    lines: u32,
    left_out: u32,
}

/// What a line says of a target, beside the change.
struct Subject<'a> {
    name: String,
    /// What the answers of such a target are called: well, and failing.
    answers: [&'static str; 2],
    detail: &'a str,
    needed_by: String,
}

impl Changes {
    pub fn endpoint(&self, report: &EndpointReport, change: &Change) {
        let subject = Subject {
            name: format!("{} of {}", report.endpoint, report.namespace),
            answers: ["reachable", "not reachable"],
            detail: report.failure().map(|failure| &*failure.detail).unwrap_or_default(),
            needed_by: String::new(),
        };
        self.note(&subject, change);
    }

    /// `needs`: the containers of the node that need it.
    pub fn image(&self, report: &ImageReport, needs: &[&Need], change: &Change) {
        let verdict = &report.verdict;
        let subject = Subject {
            name: report.requested.to_string(),
            answers: ["pullable", "not pullable"],
            detail: if verdict.starts() == Some(true) { "" } else { &verdict.summary },
            needed_by: needed_by(needs),
        };
        self.note(&subject, change);
    }

    /// Those that another look at pods and node changed.
    pub fn images(&self, changed: &ChangedImages, snapshot: &Snapshot) {
        if changed.is_empty() {
            return;
        }
        let needs = snapshot.needs_by_image();
        for (report, change) in changed {
            let needs = needs.get(&full_name(&report.requested)).map_or(&[][..], Vec::as_slice);
            self.image(report, needs, change);
        }
    }

    fn note(&self, subject: &Subject<'_>, change: &Change) {
        let (is_written, left_out) = self.minute.lock().unwrap_or_else(PoisonError::into_inner).line(change.at);
        if left_out > 0 {
            tracing::warn!(count = left_out, "too many answers are new to log each one: /api/v1/report has them all");
        }
        if is_written {
            subject.write(change);
        }
    }
}

impl Subject<'_> {
    fn answer(&self, state: &State) -> &'static str {
        let [well, failing] = self.answers;
        match state.ok {
            Some(true) => well,
            Some(false) if state.is_only_pulled => "does not run here",
            Some(false) => failing,
            None => "unknown",
        }
    }

    fn write(&self, change: &Change) {
        let (state, event) = (&change.now.state, event(change));
        let (subject, answer) = (self.name.as_str(), self.answer(state));
        let before = change.before.as_ref().map(|(before, lasted)| (self.answer(before), span(*lasted)));
        let (before, lasted) = before.unzip();
        let needed_by = said(&self.needed_by);
        let preceded_by: Vec<&str> = change.preceded_by.iter().map(|happening| happening.detail.as_str()).collect();
        let preceded_by = preceded_by.join("; ");
        let preceded_by = said(&preceded_by);
        if state.ok == Some(true) {
            tracing::info!(subject, answer, before, lasted, preceded_by, needed_by, "{event}");
            return;
        }
        let since = utc(change.now.since);
        // Where the cause changed, and not whether it fails.
        let failing_since = change.failing_since.map(utc).filter(|failing_since| *failing_since != since);
        tracing::warn!(
            subject,
            answer,
            stage = state.stage.map(Stage::as_str),
            host = state.host.as_ref().map(|host| host.as_str()),
            cause = state.cause.map(Cause::as_str),
            since,
            before,
            lasted,
            failing_since,
            failures_24h = Some(change.failures).filter(|times| *times > 1),
            preceded_by,
            detail = said(self.detail),
            needed_by,
            "{event}"
        );
    }
}

impl Minute {
    /// Whether there is room for one more line now, and how many of the minute before had none.
    fn line(&mut self, now: Timestamp) -> (bool, u32) {
        let is_over = self.began.is_none_or(|began| now.duration_since(began).unsigned_abs() >= MINUTE);
        let left_out = if is_over { std::mem::take(&mut self.left_out) } else { 0 };
        if is_over {
            (self.began, self.lines) = (Some(now), 0);
        }
        if self.lines >= LINES {
            self.left_out += 1;
            return (false, left_out);
        }
        self.lines += 1;
        (true, left_out)
    }
}

/// The event that a line tells.
fn event(change: &Change) -> &'static str {
    match change.before {
        Some(_) => "the answer changed",
        // The state file has it of the time before the start.
        None if change.now.since < change.at => "still as before the start",
        None => "the first answer is not good",
    }
}

/// What the first look found, in one line.
pub fn summary(snapshot: &Snapshot) {
    let endpoints = snapshot.endpoints.len();
    let reachable = snapshot.endpoints.values().filter(|report| report.ok()).count();
    let images = snapshot.images.len();
    let pullable = snapshot.images.values().filter(|report| report.verdict.pullable == Some(true)).count();
    let findings = snapshot.state.findings.len();
    tracing::info!(endpoints, reachable, images, pullable, findings, "the first round of probes is complete");
}

/// A field without a value is left out.
fn said(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn utc(at: Timestamp) -> String {
    format!("{at:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_255_200 + second).unwrap()
    }

    #[test]
    fn a_flood_of_changes_is_counted_and_told_in_the_next_minute() {
        let mut minute = Minute::default();
        assert_eq!((0..100).filter(|_| minute.line(at(1)).0).count(), 30);
        assert_eq!(minute.line(at(61)), (true, 70));
        assert_eq!(minute.line(at(62)), (true, 0), "told once");
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let mut minute = Minute::default();
        assert_eq!((0..31).map(|_| minute.line(at(0))).last(), Some((false, 0)));
        assert_eq!(minute.line(at(-86_400)), (true, 1));
    }
}
