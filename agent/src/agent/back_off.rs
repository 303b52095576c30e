//! The agent's back-off: hosts and images whose registry fails, sent `Retry-After`, or refuses a login.

mod offered_credentials;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::pull_budget::Clock;
use crate::cause::Cause;
use crate::model::host::Endpoint;
use crate::model::report::{EndpointReport, ImageReport};
use crate::schedule::{BackOffState, Backoff, RepeatedFailure};
use crate::state::back_off::{BackOff, Overload, Subject, is_refused_login};
use crate::state::targets::Targets;

pub use offered_credentials::OfferedCredentials;
use offered_credentials::Refused;

type Schedule = Backoff<Subject, Cause>;

pub struct BackOffs {
    record: Mutex<Schedule>,
    /// The logins that were refused, if that is the reason for the back-off.
    refused: Mutex<BTreeMap<Subject, Refused>>,
    clock: Clock,
}

/// When a probe began, and how often it is usually made.
#[derive(Clone, Copy)]
pub struct Pace {
    pub began: Instant,
    pub interval: Duration,
}

impl BackOffs {
    pub fn new(clock: Clock) -> Self {
        Self { record: Mutex::default(), refused: Mutex::default(), clock }
    }

    fn refused(&self) -> MutexGuard<'_, BTreeMap<Subject, Refused>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another login than the one that was refused is tried at the next interval.
    pub fn try_new_logins(&self, offered: impl Fn(&Subject) -> OfferedCredentials) {
        let (now, mut record) = ((self.clock)(), self.record());
        self.refused().retain(|subject, refused| {
            let is_held = record.iter().any(|(other, held)| other == subject && is_refused_login(held.reason));
            let is_over = is_held && refused.is_over(&offered(subject), now);
            if is_over {
                record.clear(subject);
                tracing::info!(
                    registry = subject.namespace(),
                    "the login changed since the registry refused it: pullprobe tries the new one"
                );
            }
            is_held && !is_over
        });
    }

    fn record(&self) -> MutexGuard<'_, Schedule> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets targets that are gone. A back-off that only waits for another one ends by itself.
    pub fn retain(&self, targets: &Targets) {
        let now = Instant::now();
        self.record().retain(|subject, held| match subject {
            Subject::Host(key) => targets.has(key),
            Subject::Images { .. } => held.not_before > now,
            Subject::Image { requested, .. } => targets.images.contains(requested),
        });
    }

    /// The hosts of this registry whose time has not come yet.
    pub fn left_alone(&self, namespace: &str) -> BTreeSet<Endpoint> {
        let now = Instant::now();
        let record = self.record();
        let of_it = record.iter().filter(|(subject, held)| subject.namespace() == namespace && held.not_before > now);
        of_it
            .filter_map(|(subject, _)| if let Subject::Host((_, host)) = subject { Some(host.clone()) } else { None })
            .collect()
    }

    /// When this image may be probed. Any planned host may be asked for it, so a `Retry-After` of one of them counts. A
    /// host that fails without `Retry-After` does not count, because another host may serve the image: such failures
    /// are tracked for each image.
    pub fn image_gate(&self, targets: &Targets, namespace: &str, requested: &str) -> Option<Instant> {
        let record = self.record();
        // The usual case, for each image of each look.
        record.iter().next()?;
        let own = Subject::Image { namespace: namespace.to_owned(), requested: requested.to_owned() };
        let all = Subject::Images { namespace: namespace.to_owned() };
        let hosts = targets.namespaces.get(namespace).map_or(&[][..], |planned| &planned.hosts);
        let hosts = hosts.iter().map(|host| Subject::Host((namespace.to_owned(), host.endpoint.clone())));
        let asked = hosts.filter(|subject| record.is_asked_for(subject));
        asked.chain([own, all]).filter_map(|subject| record.not_before(&subject)).max()
    }

    pub fn saw_endpoint(
        &self,
        report: &EndpointReport,
        Pace { began, interval }: Pace,
        offered: impl Fn(&Subject) -> OfferedCredentials,
    ) {
        let subject = Subject::Host((report.namespace.clone(), report.endpoint.clone()));
        let mut record = self.record();
        if let Some(Overload { reason, asked, .. }) = Overload::of_endpoint(report) {
            let add_failure = RepeatedFailure { reason, began, interval, asked, slack: interval / 2 };
            if record.add_failure(&subject, add_failure) {
                self.tell(&record, &subject, &report.endpoint.to_string());
            }
            self.note_login(&subject, reason, offered, None);
        } else if report.up().is_some() && record.clear(&subject).is_some() {
            // The door is open again: whoever waited before it may try, save where the registry named a time,
            // and with a login that was refused behind it.
            let stays = |held: &BackOffState<Cause>| held.asked || is_refused_login(held.reason);
            record.retain(|other, held| {
                matches!(other, Subject::Host(_)) || other.namespace() != report.namespace || stays(held)
            });
            tracing::info!(registry = report.namespace, host = %report.endpoint, "backing off ended: pullprobe probes this at its usual interval again");
        }
    }

    pub fn saw_image(
        &self,
        report: &ImageReport,
        Pace { began, interval }: Pace,
        offered: impl Fn(&Subject) -> OfferedCredentials,
    ) {
        let Some(namespace) = report.image.as_ref().map(|image| image.domain.clone()) else { return };
        let subject = Subject::Image { namespace: namespace.clone(), requested: report.requested.clone().into() };
        let mut record = self.record();
        if let Some(Overload { reason, asked, is_limit }) = Overload::of_image(report) {
            let add_failure = RepeatedFailure { reason, began, interval, asked, slack: interval / 2 };
            if record.add_failure(&subject, add_failure) {
                self.tell(&record, &subject, &report.requested);
            }
            self.note_login(&subject, reason, offered, offered_credentials::renews(report, (self.clock)()));
            // A limit is of who asks, and a time is named for the host: neither is about this one image.
            if is_limit || record.is_asked_for(&subject) {
                record.hold_along(&Subject::Images { namespace }, &subject);
            }
        } else if record.clear(&subject).is_some() {
            tracing::info!(image = %report.requested, "backing off ended: pullprobe probes this at its usual interval again");
        }
    }

    fn note_login(
        &self,
        subject: &Subject,
        reason: Cause,
        offered: impl Fn(&Subject) -> OfferedCredentials,
        renews: Option<Timestamp>,
    ) {
        if is_refused_login(reason) {
            self.refused().insert(subject.clone(), Refused { offered: offered(subject), renews });
        }
    }

    fn tell(&self, record: &Schedule, subject: &Subject, who: &str) {
        let Some((_, held)) = record.iter().find(|(other, _)| *other == subject) else { return };
        let (reason, factor) = (held.reason, held.factor);
        let next = self.at(held.until);
        tracing::warn!(registry = subject.namespace(), who, %reason, factor, %next, "backing off: pullprobe probes this less often");
    }

    /// For the report, in wall-clock time.
    pub fn shown(&self) -> BTreeMap<Subject, BackOff> {
        let show = |held: &BackOffState<Cause>| BackOff {
            reason: held.reason,
            since: self.at(held.since),
            wait: held.wait,
            factor: held.factor,
            next_probe_at: self.at(held.until),
            asked: held.asked,
        };
        self.record().iter().map(|(subject, held)| (subject.clone(), show(held))).collect()
    }

    /// In whole seconds.
    fn at(&self, instant: Instant) -> Timestamp {
        let (now, wall) = (Instant::now(), (self.clock)());
        let ahead = SignedDuration::try_from(instant.saturating_duration_since(now)).unwrap_or_default();
        let behind = SignedDuration::try_from(now.saturating_duration_since(instant)).unwrap_or_default();
        let at = wall.saturating_add(ahead).and_then(|at| at.saturating_sub(behind)).unwrap_or(wall);
        at.round(jiff::Unit::Second).unwrap_or(at)
    }
}
