//! What one look at the snapshot says: which registries can be reached at all.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::model::namespace::Namespace;
use crate::model::outcome::Failure;
use crate::model::report::EndpointReport;
use crate::signals::Seen;
use crate::state::snapshot::Snapshot;

/// One look at the registries that the condition goes by.
#[derive(Debug)]
pub struct Look<'a> {
    pub seen: Seen,
    /// It is a new look where this is later than the look before it.
    pub as_of: Timestamp,
    pub reached: Vec<&'a str>,
    pub lost: Vec<Lost<'a>>,
    pub unknown: Vec<&'a str>,
    /// How many different hosts were tried and not reached.
    pub lost_hosts: usize,
}

/// A registry none of whose hosts can be reached.
#[derive(Debug)]
pub struct Lost<'a> {
    pub registry: &'a str,
    pub failure: &'a Failure,
}

enum Registry<'a> {
    /// An answer, or a connection that one could be sent over. `held`: it is not asked at present, because it asked for that.
    Reached {
        at: Timestamp,
        held: bool,
    },
    Lost {
        at: Timestamp,
        failure: &'a Failure,
    },
    Unknown,
}

/// Looks. `patience`: how old a report may be.
pub fn look<'a>(snapshot: &'a Snapshot, chosen: &[String], patience: Duration, now: Timestamp) -> Look<'a> {
    let (mut lost_hosts, mut held) = (BTreeSet::new(), Vec::new());
    let (mut newest, mut oldest) = (Timestamp::MIN, now);
    let mut look =
        Look { seen: Seen::Unknown, as_of: now, reached: vec![], lost: vec![], unknown: vec![], lost_hosts: 0 };
    let is_chosen = |name: &String| chosen.is_empty() || chosen.contains(name);
    for (name, planned) in snapshot.targets.namespaces.iter().filter(|(name, _)| is_chosen(name)) {
        match registry(snapshot, name, planned, patience, now, &mut lost_hosts) {
            Registry::Reached { held: true, at } => {
                held.push(name.as_str());
                newest = newest.max(at);
            }
            Registry::Reached { held: false, at } => {
                look.reached.push(name);
                newest = newest.max(at);
            }
            Registry::Lost { at, failure } => {
                look.lost.push(Lost { registry: name, failure });
                oldest = oldest.min(at);
            }
            Registry::Unknown => look.unknown.push(name),
        }
    }
    // What was reached before it asked to be left alone says nothing against what was lost since.
    let holds = look.lost.is_empty() && look.unknown.is_empty();
    let side = if holds { &mut look.reached } else { &mut look.unknown };
    side.append(&mut held);
    look.lost_hosts = lost_hosts.len();
    (look.seen, look.as_of) = match (look.reached.is_empty(), look.lost.is_empty(), look.unknown.is_empty()) {
        (false, ..) => (Seen::Reached, newest),
        (true, false, true) => (Seen::NotReached, oldest),
        _ => (Seen::Unknown, now),
    };
    look
}

fn registry<'a>(
    snapshot: &'a Snapshot,
    name: &str,
    planned: &'a Namespace,
    patience: Duration,
    now: Timestamp,
    lost_hosts: &mut BTreeSet<&'a str>,
) -> Registry<'a> {
    if let Some(failure) = &planned.broken {
        return Registry::Lost { at: now, failure };
    }
    let limit = SignedDuration::try_from(patience).unwrap_or(SignedDuration::MAX);
    let (mut failed, mut oldest, mut is_known) = (None, now, true);
    for host in &planned.hosts {
        let key = (name.to_owned(), host.endpoint.clone());
        let back_off = snapshot.endpoint_back_off(&key);
        let until = back_off.map_or(Timestamp::MIN, |held| held.next_probe_at);
        // By a clock that was set back a report is of later than now: nobody knows how old it is.
        let is_old = |report: &EndpointReport| now.duration_since(report.ended_at()).abs() > limit;
        let is_held = now.duration_since(until) <= limit;
        let Some(report) = snapshot.endpoints.get(&key).filter(|report| is_held || !is_old(report)) else {
            is_known = false;
            continue;
        };
        if report.stages.reached() {
            return Registry::Reached { at: report.started_at, held: is_old(report) };
        }
        match report.stages.route_failure().filter(|failure| !failure.inconclusive) {
            Some(failure) => {
                lost_hosts.insert(host.endpoint.host());
                oldest = oldest.min(report.started_at);
                failed.get_or_insert(failure);
            }
            None => is_known = false,
        }
    }
    match failed {
        Some(failure) if is_known => Registry::Lost { at: oldest, failure },
        _ => Registry::Unknown,
    }
}
