//! How far the agent has come since its start: what `/readyz?verbose` tells, and whether the schedule still turns.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::readiness::Part;
use crate::pods::Api;
use crate::state::snapshot::Snapshot;

/// The schedule looks at the node at least every `REREAD`, and waits at most `LOOK` for it. What takes several
/// times as long has come to a stop.
pub const STALLED: Duration = Duration::from_secs(60);

pub struct Progress {
    clock: fn() -> Timestamp,
    known: Mutex<Known>,
    begun: Notify,
}

#[derive(Clone, Copy, Default)]
struct Known {
    /// When the first look at the node began.
    began: Option<Timestamp>,
    /// When the schedule came round the last time.
    turned: Option<Instant>,
    node: Reading,
    /// When the last cycle that is over ended, and how long it took.
    last_cycle: Option<(Timestamp, Duration)>,
}

/// The last look at the node.
#[derive(Clone, Copy, Default)]
enum Reading {
    #[default]
    UnderWay,
    Done(Timestamp),
    /// Since then it cannot be read.
    Failing(Timestamp),
}

impl Progress {
    pub fn new(clock: fn() -> Timestamp) -> Self {
        Self { clock, known: Mutex::default(), begun: Notify::new() }
    }

    fn known(&self) -> Known {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, edit: impl FnOnce(&mut Known)) {
        edit(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The schedule asks for its targets.
    pub fn turned(&self) {
        let now = (self.clock)();
        self.change(|known| {
            known.began.get_or_insert(now);
            known.turned = Some(Instant::now());
        });
        self.begun.notify_one();
    }

    /// A look at the node is over. `unreadable`: since when it cannot be read.
    pub fn looked(&self, unreadable: Option<Timestamp>) {
        let now = (self.clock)();
        self.change(|known| known.node = unreadable.map_or(Reading::Done(now), Reading::Failing));
    }

    /// Whether it is the first cycle that is over.
    pub fn cycle_over(&self, took: Duration) -> bool {
        let now = (self.clock)();
        let mut first = false;
        self.change(|known| first = known.last_cycle.replace((now, took)).is_none());
        first
    }

    /// Ends when the first look has begun.
    pub async fn begun(&self) {
        if self.known().began.is_none() {
            self.begun.notified().await;
        }
    }

    /// The schedule came round a short while ago.
    pub fn is_turning(&self) -> bool {
        self.known().turned.is_some_and(|at| at.elapsed() < STALLED)
    }

    /// Every part, those that decide first.
    pub fn parts(&self, snapshot: &Snapshot) -> Vec<Part> {
        let known = self.known();
        let needed =
            |name, is_well, message: &str| Part { name, is_well, is_needed: true, message: message.to_owned() };
        let begun = known.began.is_some();
        let mut parts = vec![
            // Who can be asked has both.
            needed("settings", true, "ok"),
            needed("port", true, "ok"),
            needed("first-look", begun, if begun { "ok" } else { "has not begun yet" }),
        ];
        let (is_well, message) = node(&known);
        parts.push(informative("node", is_well, message));
        let (first, last) = cycles(&known);
        parts.extend([first, last]);
        let (is_well, message) = containerd(&known, snapshot);
        parts.push(informative("containerd", is_well, message));
        let (is_well, message) = pods(snapshot);
        parts.push(informative("pods-watch", is_well, message));
        parts
    }
}

fn informative(name: &'static str, is_well: bool, message: String) -> Part {
    Part { name, is_well, is_needed: false, message }
}

fn node(known: &Known) -> (bool, String) {
    match known.node {
        Reading::UnderWay => (false, "is being read for the first time".to_owned()),
        Reading::Done(at) => (true, format!("ok: read at {}", seconds(at))),
        Reading::Failing(since) => (false, format!("cannot be read since {}", seconds(since))),
    }
}

fn cycles(known: &Known) -> (Part, Part) {
    match (known.last_cycle, known.began) {
        (Some((at, took)), _) => (
            informative("first-cycle", true, "ok".to_owned()),
            informative("last-cycle", true, format!("ok: ended at {}, took {:.1} s", seconds(at), took.as_secs_f64())),
        ),
        (None, began) => {
            let first = began
                .map_or_else(|| "has not begun yet".to_owned(), |since| format!("running since {}", seconds(since)));
            (informative("first-cycle", false, first), informative("last-cycle", false, "none is over yet".to_owned()))
        }
    }
}

fn containerd(known: &Known, snapshot: &Snapshot) -> (bool, String) {
    match (snapshot.state.containerd.answers, known.node) {
        (Some(true), _) => (true, "ok: it answers".to_owned()),
        (Some(false), _) => (false, "does not answer".to_owned()),
        (None, Reading::UnderWay) => (false, "has not been asked yet".to_owned()),
        (None, _) => (true, "ok: there is no socket to ask at".to_owned()),
    }
}

fn pods(snapshot: &Snapshot) -> (bool, String) {
    match &snapshot.pods.api {
        Api::Unused => (true, "ok: nobody asks for pods".to_owned()),
        Api::Up { since } => (true, format!("ok: since {}", seconds(*since))),
        Api::Down { since, .. } => (false, format!("down since {}", seconds(*since))),
    }
}

fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;

    fn lines(progress: &Progress) -> Vec<String> {
        let parts = progress.parts(&sample::empty());
        parts
            .iter()
            .map(|part| format!("{}{} {}", if part.is_well { '+' } else { '-' }, part.name, part.message))
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn each_step_is_told_and_the_schedule_turns_while_it_comes_round() {
        let progress = Progress::new(sample::now);
        assert!(!progress.is_turning());
        assert_eq!(lines(&progress)[2], "-first-look has not begun yet");
        progress.turned();
        let said = lines(&progress);
        assert_eq!(said[2], "+first-look ok");
        assert_eq!(said[3], "-node is being read for the first time");
        assert!(said[4].starts_with("-first-cycle running since 20"), "{said:?}");
        progress.looked(None);
        assert!(progress.cycle_over(Duration::from_millis(1_500)) && !progress.cycle_over(Duration::from_secs(2)));
        let said = lines(&progress);
        assert!(said[3].starts_with("+node ok: read at 20") && said[4] == "+first-cycle ok", "{said:?}");
        assert!(said[5].ends_with("took 2.0 s"), "{said:?}");
        progress.looked(Some(sample::now()));
        assert!(lines(&progress)[3].starts_with("-node cannot be read since"));
        tokio::time::advance(STALLED.saturating_sub(Duration::from_secs(1))).await;
        assert!(progress.is_turning());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!progress.is_turning());
    }
}
