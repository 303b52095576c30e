//! Looks at the snapshot, one each interval, and lays down what follows from them for the Kubernetes API: the node's condition and events.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::interval;

use crate::cluster::{self, Access, Desk, NoAccess};
use crate::settings::{Settings, SignalSettings};
use crate::signals::{Channel, Damping, Delivery, Missing, Recorder, Reporting, Rule, Seen, Signals};
use crate::state::snapshot::Snapshot;
use crate::state::store::Store;

mod look;
mod words;

use look::Look;

/// A heartbeat is not later than this.
const TICK: Duration = Duration::from_secs(30);

pub struct NodeSignals {
    /// `None`: there is no way to the API, or nothing to tell.
    access: Option<Access>,
    desk: Arc<Desk>,
    settings: SignalSettings,
    interval: Duration,
    /// How old a report may be.
    patience: Duration,
}

/// What is remembered from look to look.
struct Looking {
    damping: Damping,
    /// As of when the last look was counted.
    counted: Timestamp,
    /// How many looks in a row each registry was lost.
    lost: BTreeMap<String, usize>,
}

impl NodeSignals {
    /// As the settings want it, where this is a pod with a token.
    /// `deadline`: how long a probe may take.
    pub fn of(settings: &Settings, deadline: Duration, now: Timestamp) -> Self {
        let access = Access::in_cluster(|name| std::env::var(name).ok(), Path::new(Access::DIRECTORY));
        Self::with(access, settings, deadline, now)
    }

    /// Without access it is said once what is switched on in vain.
    pub fn with(access: Result<Access, NoAccess>, settings: &Settings, deadline: Duration, now: Timestamp) -> Self {
        let interval = settings.probe.interval;
        // A probe may take much longer than the interval, and what it says lasts until the next one has ended.
        let patience = interval.saturating_mul(3).max(interval.saturating_add(deadline));
        let settings = settings.signals.clone();
        let channel = |wanted: bool| wanted.then(Channel::default);
        let mut delivery = Delivery { condition: channel(settings.node_condition), events: channel(settings.events) };
        let is_wanted = settings.node_condition || settings.events;
        if let Err(why) = access.as_ref().map_err(ToString::to_string) {
            let wanted = delivery.condition.iter_mut().chain(&mut delivery.events);
            wanted.for_each(|channel| channel.failed(now, &why, Missing::Token));
            for finding in delivery.findings(now) {
                tracing::warn!(fix = %finding.fix, "{}", finding.message);
            }
        }
        let access = access.ok().filter(|_| is_wanted);
        let signals = Signals {
            condition: settings.node_condition.then(Reporting::default),
            events: settings.events.then(|| Recorder::new(now)),
            delivery,
        };
        Self { access, desk: Arc::new(Desk::new(signals)), settings, interval, patience }
    }

    /// Looks and tells, for as long as the agent runs.
    pub async fn run(self: Arc<Self>, node: String, store: Arc<Store>, clock: fn() -> Timestamp) {
        store.apply_signals(self.desk.borrow().delivery.clone());
        let Some(access) = self.access.clone() else { return };
        let telling = cluster::tell(access, node, Arc::clone(&self.desk), clock);
        tokio::join!(telling, self.look(&store, clock), self.publish(&store));
    }

    async fn publish(&self, store: &Store) {
        let mut changes = self.desk.subscribe();
        let mut before = Delivery::default();
        while changes.changed().await.is_ok() {
            let delivery = changes.borrow_and_update().delivery.clone();
            if delivery != before {
                store.apply_signals(delivery.clone());
                before = delivery;
            }
        }
    }

    async fn look(&self, store: &Store, clock: fn() -> Timestamp) {
        let rule = Rule { alike: self.settings.looks_alike, of: self.settings.looks };
        let mut looking = Looking { damping: Damping::new(rule), counted: Timestamp::MIN, lost: BTreeMap::new() };
        let mut tick = interval(self.interval.min(TICK));
        loop {
            tick.tick().await;
            let snapshot = store.snapshot();
            // Before, nobody knows anything. Images that have their first turn later are no part of it.
            if snapshot.last_cycle.is_some() || snapshot.has_looked_at_hosts() {
                self.tell(&mut looking, &snapshot, clock());
            }
        }
    }

    /// One look, and what is to be told after it.
    fn tell(&self, looking: &mut Looking, snapshot: &Snapshot, now: Timestamp) {
        // A clock that was set back must not keep looks from being counted until it has caught up.
        looking.counted = looking.counted.min(now);
        let mut look = look::look(snapshot, &self.settings.registries, self.patience, now);
        let has_few = look.seen == Seen::NotReached && look.lost_hosts < self.settings.min_hosts;
        if has_few {
            (look.seen, look.as_of) = (Seen::Unknown, now);
        }
        let is_due = now.duration_since(looking.counted).unsigned_abs() >= self.interval.saturating_mul(9) / 10;
        let is_new = is_due && look.as_of > looking.counted;
        self.desk.send_modify(|signals| {
            if let Some(before) = signals.condition.as_ref().and_then(Reporting::before) {
                looking.damping.begin_with(before);
            }
            if is_new {
                looking.count(&look, now);
            }
            // What an earlier agent said is not said again before this one has looked itself.
            if let (Some(reporting), Some(status)) = (&mut signals.condition, looking.damping.status())
                && looking.counted != Timestamp::MIN
            {
                let (reason, message) = words::condition(status, &look, has_few);
                reporting.decide(status, reason, &message, now);
            }
            if let Some(recorder) = &mut signals.events {
                let registries = words::registries(&look, &looking.lost, self.settings.looks_alike);
                let events = registries.into_iter().chain(words::pods(snapshot));
                events.for_each(|event| recorder.raise(event, now));
            }
        });
    }
}

impl Looking {
    fn count(&mut self, look: &Look<'_>, now: Timestamp) {
        self.counted = now;
        self.damping.look(look.seen);
        let before = std::mem::take(&mut self.lost);
        let times = |name: &str| before.get(name).copied().unwrap_or_default();
        let lost = look.lost.iter().map(|lost| (lost.registry.to_owned(), times(lost.registry) + 1));
        let unknown = look.unknown.iter().map(|name| ((*name).to_owned(), times(name)));
        self.lost = lost.chain(unknown).collect();
    }
}

#[cfg(test)]
mod tests;
