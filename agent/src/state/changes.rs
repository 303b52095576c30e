//! The agent's log: one line when an answer changes, and nothing while it stays the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::snapshot::Snapshot;
use super::targets::Targets;
use super::waiting::needed_by;
use crate::model::expiry::span;
use crate::model::host::Endpoint;
use crate::model::outcome::Failure;
use crate::model::report::{EndpointReport, ImageReport};
use crate::pods::Need;

/// So many lines in a minute; what changes beyond that is counted.
const LINES: u32 = 30;
const MINUTE: Duration = Duration::from_mins(1);

/// What was last seen of each target, and since when it is so.
#[derive(Default)]
pub struct Changes {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    targets: BTreeMap<String, (State, Timestamp)>,
    /// When the minute under way began, and how many lines it has had.
    minute: Option<Timestamp>,
    lines: u32,
    left_out: u32,
}

/// The parts of an answer that count as a change. The text of a failure may differ from probe to probe, so it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    answer: &'static str,
    stage: String,
    host: String,
    cause: String,
}

/// One line of the log.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    target: String,
    state: State,
    /// What it was before, and for how long. `None`: it is the first answer.
    before: Option<(&'static str, String)>,
    detail: String,
}

impl Changes {
    pub fn endpoint(&self, report: &EndpointReport, now: Timestamp) {
        let failure = report.failure();
        let known = |text: fn(&Failure) -> String| failure.map(text).unwrap_or_default();
        let state = State {
            answer: match failure {
                None if report.ok() => "reachable",
                Some(failure) if !failure.inconclusive => "not reachable",
                _ => "unknown",
            },
            stage: known(|failure| failure.stage.to_string()),
            host: known(|failure| failure.host.iter().map(ToString::to_string).collect()),
            cause: known(|failure| failure.cause.to_string()),
        };
        let target = host(&report.endpoint, &report.namespace);
        self.note(&target, state, known(|failure| failure.detail.to_string()), "", now);
    }

    /// `needs`: the containers of the node that need it.
    pub fn image(&self, report: &ImageReport, needs: &[&Need], now: Timestamp) {
        let verdict = &report.verdict;
        let state = State {
            answer: match verdict.pullable {
                Some(true) => "pullable",
                Some(false) => "not pullable",
                None => "unknown",
            },
            stage: verdict.stage.map(|stage| stage.to_string()).unwrap_or_default(),
            host: verdict.host.iter().map(ToString::to_string).collect(),
            cause: verdict.cause.map(|cause| cause.to_string()).unwrap_or_default(),
        };
        let detail = if verdict.pullable == Some(true) { String::new() } else { verdict.summary.to_string() };
        self.note(&report.requested, state, detail, &needed_by(needs), now);
    }

    /// Forgets targets that are gone.
    pub fn retain(&self, targets: &Targets) {
        let hosts = targets.keys().map(|(namespace, endpoint)| host(&endpoint, &namespace));
        let wanted: BTreeSet<String> = hosts.chain(targets.images.iter().map(ToString::to_string)).collect();
        self.lock().targets.retain(|target, _| wanted.contains(target));
    }

    fn note(&self, target: &str, state: State, detail: String, needed_by: &str, now: Timestamp) {
        let (change, left_out) = self.lock().change(target, state, detail, now);
        if left_out > 0 {
            tracing::warn!(count = left_out, "too many answers changed to log each one: /api/v1/report has them all");
        }
        let Some(Change { target, state, before, detail }) = change else { return };
        let State { answer, .. } = &state;
        let [place, host, cause, detail] = [&state.stage, &state.host, &state.cause, &detail].map(|text| said(text));
        let needed_by = said(needed_by);
        let (before, lasted) = before.unzip();
        if matches!(*answer, "reachable" | "pullable") {
            tracing::info!(subject = target, answer, before, lasted, needed_by, "the answer changed");
        } else {
            tracing::warn!(
                subject = target,
                answer,
                stage = place,
                host,
                cause,
                before,
                lasted,
                detail,
                needed_by,
                "the answer changed"
            );
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// The lines to log, and how many changes of the minute before were not logged.
    fn change(&mut self, target: &str, state: State, detail: String, now: Timestamp) -> (Option<Change>, u32) {
        let known = self.targets.get(target);
        if known.is_some_and(|(before, _)| *before == state) {
            return (None, 0);
        }
        let before = known.map(|(before, since)| (before.answer, lasted(now.duration_since(*since))));
        self.targets.insert(target.to_owned(), (state.clone(), now));
        // That all is well at the start is no change.
        if before.is_none() && matches!(state.answer, "reachable" | "pullable") {
            return (None, 0);
        }
        let is_over = self.minute.is_none_or(|began| now.duration_since(began).unsigned_abs() >= MINUTE);
        let left_out = if is_over { std::mem::take(&mut self.left_out) } else { 0 };
        if is_over {
            (self.minute, self.lines) = (Some(now), 0);
        }
        if self.lines >= LINES {
            self.left_out += 1;
            return (None, left_out);
        }
        self.lines += 1;
        (Some(Change { target: target.to_owned(), state, before, detail }), left_out)
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

fn host(endpoint: &Endpoint, namespace: &str) -> String {
    format!("{endpoint} of {namespace}")
}

/// A field without a value is left out.
fn said(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// Zero if the clock was set back.
fn lasted(time: SignedDuration) -> String {
    span(time.max(SignedDuration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_255_200 + second).unwrap()
    }

    fn state(answer: &'static str, cause: &str) -> State {
        State { answer, stage: String::new(), host: String::new(), cause: cause.to_owned() }
    }

    fn change(seen: &mut Seen, target: &str, state: State, second: i64) -> (Option<Change>, u32) {
        seen.change(target, state, "words".into(), at(second))
    }

    #[test]
    fn an_answer_is_logged_when_it_changes_with_what_it_was_before_and_for_how_long() {
        let mut seen = Seen::default();
        assert_eq!(change(&mut seen, "a", state("pullable", ""), 0), (None, 0), "all is well at the start");
        let (failed, _) = change(&mut seen, "a", state("not pullable", "dns_timeout"), 300);
        assert_eq!(failed.unwrap().before, Some(("pullable", "5 min".to_owned())));
        assert_eq!(change(&mut seen, "a", state("not pullable", "dns_timeout"), 600).0, None, "the same again");
        let (other, _) = change(&mut seen, "a", state("not pullable", "tcp_refused"), 900);
        assert_eq!(other.unwrap().state.cause, "tcp_refused");
        let (well, _) = change(&mut seen, "a", state("pullable", ""), 7_500);
        assert_eq!(well.unwrap().before, Some(("not pullable", "1 h 50 min".to_owned())));
    }

    #[test]
    fn what_fails_from_the_start_is_logged_at_once() {
        let mut seen = Seen::default();
        let (first, _) = change(&mut seen, "a", state("unknown", ""), 0);
        assert_eq!(first.unwrap().before, None);
    }

    #[test]
    fn a_flood_of_changes_is_counted_and_told_in_the_next_minute() {
        let mut seen = Seen::default();
        let logged =
            (0..100).filter(|n| change(&mut seen, &n.to_string(), state("unknown", ""), 1).0.is_some()).count();
        assert_eq!(logged, 30);
        let (next, left_out) = change(&mut seen, "later", state("unknown", ""), 61);
        assert!(next.is_some());
        assert_eq!(left_out, 70);
        assert_eq!(change(&mut seen, "later still", state("unknown", ""), 62).1, 0, "told once");
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let mut seen = Seen::default();
        change(&mut seen, "a", state("unknown", ""), 0);
        let (back, _) = change(&mut seen, "a", state("pullable", ""), -86_400);
        assert_eq!(back.unwrap().before.unwrap().1, "0 s");
    }
}
