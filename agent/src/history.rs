//! The last 24 hours of each target: when its answer changed, how often it failed, and what else changed just before.
//!
//! What it takes is bounded. An entry has 40 bytes, a target at most 32 of them, all targets together at most 8,192,
//! and the journal of what happened 256 lines of at most 300 characters. So 200 images and 200 hosts with full histories
//! take 512 KiB, hosts' certificates and addresses 100 KiB, and the journal 128 KiB: well below 1 MiB.

pub mod answer;
pub mod clock_watch;
mod host_facts;
pub mod journal;
mod record;
pub mod saved;
mod subject;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use self::answer::State;
use self::host_facts::HostFacts;
use self::journal::{Happening, Journal};
use self::record::Record;
pub use self::record::{Entry, Failing};
pub use self::subject::{Subject, WINDOW};
use crate::model::report::{EndpointReport, ImageReport};

/// The most changes of all targets together.
pub const TOTAL: usize = 8_192;
/// So long what the state file knows waits for its target: pods and hosts behind registries are known only later.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(1);

/// The histories of all targets, and the journal of what happened meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Histories {
    records: BTreeMap<Subject, Arc<Record>>,
    journal: Arc<Journal>,
    hosts: BTreeMap<Subject, Arc<HostFacts>>,
    /// Another number for another content.
    revision: u64,
    /// When it was read from the state file.
    read_at: Option<Timestamp>,
    /// When the clock jumped forward. What began before it, by the old time, has no other.
    jumped_at: Option<Timestamp>,
}

/// An answer that is another than before, or that was not good when the agent first looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub now: Entry,
    /// What it was, and for how long. `None`: nothing is known of before.
    pub before: Option<(State, SignedDuration)>,
    /// Since when it fails, whatever the causes. `None`: it does not.
    pub failing_since: Option<Timestamp>,
    /// How many times it failed in the last 24 hours, with this one.
    pub failures: usize,
    /// What happened just before, the latest first.
    pub preceded_by: Vec<Happening>,
    /// When it was looked.
    pub at: Timestamp,
}

impl Histories {
    /// Takes in what a probe of a host saw. `now`: when it was looked.
    pub fn note_endpoint(&mut self, report: &EndpointReport, now: Timestamp) -> Option<Change> {
        let now = self.since_the_jump(now);
        let subject = Subject::Host { namespace: report.namespace.clone(), endpoint: report.endpoint.to_string() };
        let facts = Arc::make_mut(self.hosts.entry(subject.clone()).or_default());
        for (what, detail) in facts.news(report) {
            self.happened(Happening::of_host(subject.clone(), now, what, &detail), now);
        }
        self.note(subject, Some(&report.namespace), report.into(), now)
    }

    /// Takes in the answer about an image.
    pub fn note_image(&mut self, report: &ImageReport, now: Timestamp) -> Option<Change> {
        let namespace = report.image.as_ref().map(|image| image.domain.as_str());
        self.note(Subject::Image(report.requested.to_string()), namespace, report.into(), now)
    }

    /// What is the same as before is no change. `namespace`: the registry whose hosts matter.
    pub fn note(&mut self, subject: Subject, namespace: Option<&str>, state: State, now: Timestamp) -> Option<Change> {
        let now = self.since_the_jump(now);
        let record = Arc::make_mut(self.records.entry(subject).or_default());
        let is_first = !std::mem::replace(&mut record.looked, true);
        let is_same = record.is_last(&state);
        // What is not good is told at the first look, also where the state file knows it.
        if is_same && (!is_first || state.ok == Some(true)) {
            return None;
        }
        let before = record.entries.back().filter(|_| !is_same);
        let lasted = |before: &Entry| now.duration_since(before.since).max(SignedDuration::ZERO);
        let before = before.map(|before| (before.state.clone(), lasted(before)));
        if !is_same {
            self.revision += 1;
            record.add(state, now);
        }
        let entry = record.entries.back()?.clone();
        let change = Change {
            before,
            failing_since: record.failing().map(|failing| failing.since),
            failures: record.failures(now),
            preceded_by: self.journal.before(entry.since, namespace).into_iter().cloned().collect(),
            now: entry,
            at: now,
        };
        self.bound();
        // That all is well at the start is no change.
        (change.before.is_some() || change.now.state.ok != Some(true)).then_some(change)
    }

    /// Notes something that happened on the node or to a host.
    pub fn happened(&mut self, happening: Happening, now: Timestamp) {
        self.revision += 1;
        Arc::make_mut(&mut self.journal).add(happening, now);
    }

    /// Takes in what the state file knows from before the start. What was seen since then comes after it.
    pub fn begin_with(&mut self, before: Self, now: Timestamp) {
        let seen = std::mem::replace(self, before);
        self.revision = self.revision.max(seen.revision) + 1;
        self.hosts = seen.hosts;
        for (subject, record) in &seen.records {
            Arc::make_mut(self.records.entry(subject.clone()).or_default()).go_on_with(record);
        }
        seen.journal.all().for_each(|happening| self.happened(happening.clone(), now));
        self.follow_clock(now);
        self.bound();
    }

    /// Forgets targets that are gone, and what is older than a day.
    pub fn retain(&mut self, targets: impl Iterator<Item = Subject>, now: Timestamp) {
        let wanted: BTreeSet<Subject> = targets.collect();
        let may_come = self.read_at.is_some_and(|at| now.duration_since(at).abs() < KEPT_FOR);
        self.hosts.retain(|subject, _| wanted.contains(subject));
        self.records.retain(|subject, record| wanted.contains(subject) || (may_come && !record.looked));
        self.follow_clock(now);
    }

    /// A node may start in 1970, until it hears the time. What was noted by such a clock has no time; it was before now.
    pub fn clock_jumped(&mut self, ahead: SignedDuration, now: Timestamp) {
        if ahead > WINDOW {
            self.revision += 1;
            self.jumped_at = Some(now);
            self.records.values_mut().for_each(|record| Arc::make_mut(record).begin_anew(now));
        }
    }

    /// A probe that began before the clock jumped ends with the old time.
    fn since_the_jump(&self, at: Timestamp) -> Timestamp {
        self.jumped_at.map_or(at, |jump| at.max(jump))
    }

    /// The clock may have been set back, and a day passes.
    fn follow_clock(&mut self, now: Timestamp) {
        self.jumped_at = self.jumped_at.filter(|at| *at <= now);
        let is_ahead = |record: &&mut Arc<Record>| record.entries.back().is_some_and(|last| last.since > now);
        self.records.values_mut().filter(is_ahead).for_each(|record| Arc::make_mut(record).not_after(now));
        if self.journal.all().any(|happening| happening.at > now || now.duration_since(happening.at) > WINDOW) {
            let journal = Arc::make_mut(&mut self.journal);
            journal.not_after(now);
            journal.forget(now);
        }
    }

    /// Where all together have too many, those with the longest histories lose their oldest entries.
    fn bound(&mut self) {
        let mut total: usize = self.records.values().map(|record| record.entries.len()).sum();
        while total > TOTAL {
            let longest = self.records.values_mut().max_by_key(|record| record.entries.len());
            let Some(longest) = longest.filter(|record| record.entries.len() > 1) else { return };
            Arc::make_mut(longest).drop_oldest();
            total -= 1;
        }
    }

    /// Another number for another content.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// What happened on the node and to its hosts in the last 24 hours.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// `namespace`: the registry whose hosts matter for it.
    pub fn of<'a>(&'a self, subject: &Subject, namespace: Option<&'a str>) -> Option<History<'a>> {
        let record = self.records.get(subject).filter(|record| record.looked)?;
        Some(History { record, journal: &self.journal, namespace })
    }
}

/// What a reader sees of one target's last 24 hours.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    record: &'a Record,
    journal: &'a Journal,
    namespace: Option<&'a str>,
}

impl<'a> History<'a> {
    /// Since when the answer is what it is: the same stage, host and cause.
    pub fn since(&self) -> Timestamp {
        self.record.entries.back().map_or(Timestamp::UNIX_EPOCH, |last| last.since)
    }

    /// Whether it was so at the first look, so that it may have been so for longer.
    pub fn from_start(&self) -> bool {
        self.record.entries.back().is_some_and(|last| last.from_start)
    }

    /// Since when it fails, whatever the causes since then. `None`: it does not fail now. What was unknown between two
    /// failures ends nothing.
    pub fn failing_since(&self) -> Option<Timestamp> {
        self.failing().map(|failing| failing.since)
    }

    /// Likewise, and whether it failed at the first look already.
    pub fn failing(&self) -> Option<Failing> {
        self.record.failing()
    }

    /// How many times it failed in the last 24 hours, the one that goes on included. A change of the cause is no
    /// second time. With [`left_out`](Self::left_out) it is "at least".
    pub fn failures(&self, now: Timestamp) -> usize {
        self.record.failures(now)
    }

    /// The changes of the last 24 hours, newest first, and last what was so when they began.
    pub fn entries(&self, now: Timestamp) -> impl Iterator<Item = &'a Entry> + use<'a> {
        let mut began_in_time = true;
        self.record
            .entries
            .iter()
            .rev()
            .take_while(move |entry| std::mem::replace(&mut began_in_time, now.duration_since(entry.since) <= WINDOW))
    }

    /// How many changes of the last 24 hours are not kept: the oldest.
    pub fn left_out(&self, now: Timestamp) -> u32 {
        let at = self.record.left_out_at.filter(|at| now.duration_since(*at) <= WINDOW);
        at.map_or(0, |_| self.record.left_out)
    }

    /// What happened on the node, and to the hosts of this registry, in the ten minutes before this entry: the
    /// latest first, at most four. These are facts. That one is the reason is for the reader to find.
    pub fn preceded_by(&self, entry: &Entry) -> Vec<&'a Happening> {
        self.journal.before(entry.since, self.namespace)
    }
}

#[cfg(test)]
mod tests;
