//! The only writer of the [`Snapshot`]. Readers get a whole one that never changes under them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::history::journal::Happening;
use crate::history::{Change, Histories};
use crate::model::dependency::Dependency;
use crate::model::host::{Endpoint, EndpointKey};
use crate::model::ratelimit::{LimitState, RateLimit};
use crate::model::report::{EndpointReport, ImageReport};
use crate::model::tally::Counts;
use crate::pods::Book;
use crate::signals::Delivery;
use crate::state::back_off::{BackOff, Subject};
use crate::state::bucket::BucketKey;
use crate::state::changes::ChangedImages;
use crate::state::dependents;
use crate::state::own_login;
use crate::state::snapshot::{NodeState, SeenLimit, Snapshot};
use crate::state::targets::Targets;

/// Where the current snapshot is kept. Shared by reference; each change publishes a new snapshot.
#[derive(Debug)]
pub struct Store {
    current: watch::Sender<Arc<Snapshot>>,
    buckets: Option<BucketKey>,
}

/// What a reader may hold: it can look at the current snapshot and wait for the next.
pub type Reader = watch::Receiver<Arc<Snapshot>>;

impl Store {
    pub fn new(first: Snapshot) -> Self {
        Self { current: watch::Sender::new(Arc::new(first)), buckets: None }
    }

    /// Says of each pull limit which nodes share it.
    #[must_use]
    pub fn with_buckets(self, key: Option<BucketKey>) -> Self {
        Self { buckets: key, ..self }
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.borrow().clone()
    }

    pub fn subscribe(&self) -> Reader {
        self.current.subscribe()
    }

    /// Replaces the targets, and forgets the reports of all others.
    pub fn retain(&self, mut targets: Targets, now: Timestamp) {
        self.change(|snapshot| {
            dependents::keep(&mut targets, &mut snapshot.targets, now);
            snapshot.memory.retain(&targets);
            snapshot.histories.retain(targets.subjects(), now);
            snapshot.endpoints.retain(|key, _| targets.has(key));
            snapshot.last_success.retain(|key, _| targets.has(key));
            snapshot.rate_limits.retain(|key, _| targets.has(key));
            snapshot.images.retain(|requested, _| targets.images.contains(requested));
            snapshot.node_answers.retain(|requested, _| targets.images.contains(requested));
            snapshot.tally.retain(|key| targets.has(key), |endpoint| targets.has_endpoint(endpoint));
            snapshot.back_offs.retain(|subject, _| match subject {
                Subject::Host(key) => targets.has(key),
                Subject::Images { namespace } => targets.namespaces.contains_key(namespace),
                Subject::Image { requested, .. } => targets.images.contains(requested),
            });
            snapshot.targets = targets;
        });
    }

    /// Returns which answers changed by that alone.
    pub fn apply_node(&self, state: NodeState, now: Timestamp) -> ChangedImages {
        self.change(|snapshot| {
            snapshot.config = std::mem::take(&mut snapshot.config).after(&state, now);
            snapshot.state = state;
            settled(snapshot, now)
        })
    }

    /// Takes in what the state file knows from before the start.
    pub fn begin_with(&self, before: Histories, now: Timestamp) {
        self.change(|snapshot| snapshot.histories.begin_with(before, now));
    }

    /// The clock of the node went forward or was set back.
    pub fn clock_jumped(&self, ahead: SignedDuration, now: Timestamp) {
        self.change(|snapshot| snapshot.histories.clock_jumped(ahead, now));
    }

    /// Notes what happened on the node.
    pub fn happened(&self, happenings: Vec<Happening>, now: Timestamp) {
        if happenings.is_empty() {
            return;
        }
        self.change(|snapshot| happenings.into_iter().for_each(|it| snapshot.histories.happened(it, now)));
    }

    /// A report about a target that was removed while it was probed is dropped. Returns what changed.
    pub fn apply_endpoint(&self, report: EndpointReport) -> Option<Change> {
        let key = (report.namespace.clone(), report.endpoint.clone());
        self.change(|snapshot| {
            dependents::note(&mut snapshot.targets, &report);
            if !snapshot.targets.has(&key) {
                if snapshot.targets.namespaces.contains_key(&key.0) {
                    name_once(snapshot, &report);
                }
                return None;
            }
            let change = snapshot.histories.note_endpoint(&report, report.started_at);
            snapshot.memory.note(&report, snapshot.last_cycle.is_none());
            snapshot.tally.count(&report);
            if report.ok() {
                snapshot.last_success.insert(key.clone(), report.started_at);
            }
            self.note_limit(snapshot, key.clone(), &report.rate_limit, report.started_at);
            snapshot.endpoints.insert(key, Arc::new(report));
            change
        })
    }

    /// The deadline was over before this host was probed. Its earlier report is replaced, because it is out of date.
    /// The time of its last probe stays as it was.
    pub fn not_reached(&self, mut report: EndpointReport, now: Timestamp) -> Option<Change> {
        let key = (report.namespace.clone(), report.endpoint.clone());
        self.change(|snapshot| {
            if !snapshot.targets.has(&key) {
                return None;
            }
            let last = snapshot.endpoints.get(&key).map(|known| known.started_at);
            report.started_at = last.unwrap_or(snapshot.started_at);
            let change = snapshot.histories.note_endpoint(&report, now);
            snapshot.endpoints.insert(key, Arc::new(report));
            change
        })
    }

    /// The same for an image.
    pub fn image_held_back(&self, mut report: ImageReport) {
        self.change(|snapshot| {
            let name = report.requested.as_str();
            if snapshot.targets.images.contains(name) && !snapshot.images.contains_key(name) {
                report.started_at = snapshot.started_at;
                snapshot.images.insert(report.requested.clone().into(), Arc::new(report));
            }
        });
    }

    /// Likewise.
    pub fn image_not_reached(&self, mut report: ImageReport, now: Timestamp) -> Option<Change> {
        self.change(|snapshot| {
            if !snapshot.targets.images.contains(report.requested.as_str()) {
                return None;
            }
            let last = snapshot.images.get(report.requested.as_str()).map(|known| known.started_at);
            report.started_at = last.unwrap_or(snapshot.started_at);
            snapshot.node_answers.remove(report.requested.as_str());
            let change = snapshot.histories.note_image(&report, now);
            snapshot.images.insert(report.requested.clone().into(), Arc::new(report));
            change
        })
    }

    /// The hosts that this registry's planned hosts sent pulls to.
    pub fn needs(&self, namespace: &str) -> BTreeMap<Endpoint, Dependency> {
        let snapshot = self.snapshot();
        let known = snapshot.targets.namespaces.get(namespace);
        let dependents = known.into_iter().flat_map(|found| &found.dependents);
        dependents.map(|(endpoint, dependent)| (endpoint.clone(), dependent.need.clone())).collect()
    }

    /// Likewise. What is shown of the answer depends on the pods, and what is shown counts.
    pub fn apply_image(&self, report: ImageReport) -> Option<Change> {
        self.change(|snapshot| {
            if !snapshot.targets.images.contains(report.requested.as_str()) {
                return None;
            }
            if let (Some(image), Some(endpoint)) = (&report.image, &report.limited_by) {
                let key = (image.domain.clone(), endpoint.clone());
                if snapshot.targets.has(&key) {
                    self.note_limit(snapshot, key, &report.rate_limit, report.started_at);
                }
            }
            let requested = report.requested.clone();
            own_login::note(snapshot, Arc::new(report));
            let shown = snapshot.images.get(requested.as_str())?;
            snapshot.histories.note_image(shown, shown.started_at)
        })
    }

    /// Returns which answers changed by that alone.
    pub fn apply_pods(&self, pods: Arc<Book>, now: Timestamp) -> ChangedImages {
        self.change(|snapshot| {
            snapshot.pods = pods;
            settled(snapshot, now)
        })
    }

    pub fn apply_signals(&self, delivery: Delivery) {
        self.change(|snapshot| snapshot.signals = delivery);
    }

    /// What is probed less often than usual from now on.
    pub fn apply_back_offs(&self, back_offs: BTreeMap<Subject, BackOff>) {
        self.change(|snapshot| snapshot.back_offs = back_offs);
    }

    /// Adds what probing cost since the last call. Endpoints that are no targets are not counted:
    /// their number has no bound.
    pub fn apply_cost(&self, more: &Counts) {
        self.change(|snapshot| {
            let mut planned = more.clone();
            planned.requests.retain(|(endpoint, _), _| snapshot.targets.has_endpoint(endpoint));
            planned.counted_pulls.retain(|endpoint, _| snapshot.targets.has_endpoint(endpoint));
            snapshot.tally.cost.add(&planned);
        });
    }

    /// How many faults of the agent itself there were so far.
    pub fn apply_faults(&self, count: u64) {
        if self.current.borrow().faults != count {
            self.change(|snapshot| snapshot.faults = count);
        }
    }

    pub fn end_cycle(&self, took: Duration) {
        self.change(|snapshot| snapshot.last_cycle = Some(took));
    }

    /// Keeps the last known limit if this probe saw none. A registry that turns the node away may no longer say what it
    /// counts by: it is what it was.
    fn note_limit(&self, snapshot: &mut Snapshot, key: EndpointKey, limit: &RateLimit, at: Timestamp) {
        if limit.state == LimitState::Unknown {
            return;
        }
        let named = self.buckets.as_ref().zip(limit.source.as_ref()).map(|(key, source)| key.bucket(source.as_str()));
        let before = snapshot.rate_limits.get(&key).and_then(|seen| seen.bucket.clone());
        snapshot.rate_limits.insert(key, SeenLimit { limit: limit.clone(), at, bucket: named.or(before) });
    }

    /// Copies only if a reader still holds the snapshot; the reports themselves are shared.
    fn change<T: Default>(&self, edit: impl FnOnce(&mut Snapshot) -> T) -> T {
        let mut done = T::default();
        self.current.send_modify(|current| done = edit(Arc::make_mut(current)));
        done
    }
}

/// What is shown of an image may follow the pods: then its history does, too.
fn settled(snapshot: &mut Snapshot, now: Timestamp) -> ChangedImages {
    own_login::settle(snapshot);
    let Snapshot { histories, images, node_answers, .. } = snapshot;
    let shown = node_answers.keys().filter_map(|requested| images.get(requested));
    shown.filter_map(|shown| Some((Arc::clone(shown), histories.note_image(shown, now)?))).collect()
}

/// A host that no successful pull needed is not probed again, and its state is not published.
fn name_once(snapshot: &mut Snapshot, report: &EndpointReport) {
    if snapshot.memory.name(report, snapshot.last_cycle.is_none()) {
        let reached = report.up();
        tracing::info!(registry = report.namespace, host = %report.endpoint, reached, "a registry sends pulls to this host, but no pull through it has succeeded yet: pullprobe does not probe it on a schedule");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;
    use crate::model::tally::RequestKind;

    fn store() -> Store {
        Store::new(sample::rich())
    }

    fn some_endpoint(store: &Store) -> EndpointReport {
        store.snapshot().endpoints.values().find(|report| report.ok()).unwrap().as_ref().clone()
    }

    #[test]
    fn a_target_that_is_gone_takes_everything_that_was_known_of_it() {
        let store = store();
        let report = some_endpoint(&store);
        let image = store.snapshot().images.values().next().unwrap().as_ref().clone();
        store.retain(Targets::default(), sample::now());
        store.apply_endpoint(report.clone());
        store.apply_image(image);
        store.apply_cost(&Counts { requests: [((report.endpoint, RequestKind::Ping), 3)].into(), ..Counts::default() });
        let after = store.snapshot();
        assert!(after.endpoints.is_empty() && after.images.is_empty() && after.rate_limits.is_empty());
        assert!(after.last_success.is_empty() && after.tally.probes.is_empty() && after.tally.failures.is_empty());
        assert!(after.tally.durations.is_empty() && after.tally.cost == Counts::default());
    }

    #[test]
    fn a_probe_is_counted_and_a_failure_keeps_the_time_of_the_last_success() {
        let store = store();
        let mut report = some_endpoint(&store);
        let key = (report.namespace.clone(), report.endpoint.clone());
        let before = store.snapshot();
        report.started_at = Timestamp::UNIX_EPOCH;
        report.stages = before.endpoints.values().find(|report| report.failure().is_some()).unwrap().stages.clone();
        store.apply_endpoint(report);
        let after = store.snapshot();
        assert_eq!(after.last_success.get(&key), before.last_success.get(&key));
        assert_eq!(after.tally.probes[&key], before.tally.probes[&key] + 1);
        assert!(!after.endpoints[&key].ok() && before.endpoints[&key].ok(), "a reader's snapshot changed");
    }

    #[test]
    fn a_walk_that_ran_out_of_time_is_not_counted_and_is_neither_up_nor_down() {
        let store = store();
        let mut report = some_endpoint(&store);
        let key = (report.namespace.clone(), report.endpoint.clone());
        let before = store.snapshot().tally.probes[&key];
        report.stages = crate::model::report::Stages::default();
        store.apply_endpoint(report);
        let after = store.snapshot();
        assert_eq!((after.tally.probes[&key], after.endpoints[&key].up()), (before, None));
    }

    #[test]
    fn a_host_that_nobody_got_to_keeps_no_old_answer_but_the_time_of_its_last_probe() {
        let store = store();
        let before = some_endpoint(&store);
        let mut blank = before.clone();
        blank.stages = crate::model::report::Stages::default();
        blank.started_at = Timestamp::UNIX_EPOCH;
        store.not_reached(blank, sample::now());
        let key = (before.namespace.clone(), before.endpoint.clone());
        let after = store.snapshot().endpoints[&key].clone();
        assert_eq!((after.up(), after.started_at), (None, before.started_at));
        let mut image = store.snapshot().images["busybox:1.36"].as_ref().clone();
        let probed = image.started_at;
        (image.verdict.pullable, image.started_at) = (None, Timestamp::UNIX_EPOCH);
        store.image_not_reached(image, sample::now());
        let after = store.snapshot().images["busybox:1.36"].clone();
        assert_eq!((after.verdict.pullable, after.started_at), (None, probed));
    }

    /// Only pods that bring a login of their own are left, and then all are back.
    #[test]
    fn an_answer_that_follows_the_pods_has_its_history_follow_them_too() {
        let store = store();
        let all = Arc::clone(&store.snapshot().pods);
        let name = "ghcr.io/example/private:1";
        store.apply_image(store.snapshot().images[name].as_ref().clone());
        let shown = || {
            let snapshot = store.snapshot();
            let history = snapshot.image_history(name).unwrap();
            let (now, failing) = (history.entries(sample::now()).next().unwrap().state.ok, history.failing_since());
            (snapshot.images[name].verdict.pullable, now, failing.is_some())
        };
        assert_eq!(shown(), (Some(false), Some(false), true));
        let mut book = Book::clone(&all);
        let others = all.needs().filter(|need| !["own-login", "cached"].contains(&need.container.as_str()));
        others.for_each(|need| book.remove(&format!("{}/{}", need.namespace, need.pod)));
        let changed = store.apply_pods(Arc::new(book), sample::now());
        assert_eq!((changed.len(), changed[0].1.now.state.ok), (1, None));
        assert_eq!(shown(), (None, None, false));
        assert!(store.apply_pods(Arc::clone(&store.snapshot().pods), sample::now()).is_empty(), "nothing else");
        let state = NodeState { pull_secrets: vec!["shop/private".into()], ..store.snapshot().state.clone() };
        assert_eq!(store.apply_node(state, sample::now()).len(), 1, "the agent has that login now");
        assert_eq!(shown(), (Some(false), Some(false), true));
    }

    #[test]
    fn a_limit_once_learnt_is_not_unlearnt_by_a_probe_that_learnt_none() {
        let store = store();
        let report = some_endpoint(&store);
        let key = (report.namespace.clone(), report.endpoint.clone());
        let mut told = report.clone();
        told.rate_limit = RateLimit { state: LimitState::Blocked, ..RateLimit::default() };
        store.apply_endpoint(told);
        store.apply_endpoint(report);
        assert_eq!(store.snapshot().limit_state(&key), LimitState::Blocked);
    }

    #[test]
    fn the_bucket_of_a_limit_is_known_by_its_key_alone_and_is_kept_when_the_registry_blocks() {
        let keyed = || Store::new(sample::rich()).with_buckets(BucketKey::new("0123456789abcdef"));
        let snapshot = store().snapshot();
        let unlimited = |report: &&Arc<EndpointReport>| report.namespace == "registry.k8s.io";
        let report = EndpointReport::clone(snapshot.endpoints.values().find(unlimited).unwrap());
        let key = (report.namespace.clone(), report.endpoint.clone());
        let told = |source: &str, state| {
            let rate_limit = RateLimit {
                state,
                source: Some(source).filter(|it| !it.is_empty()).map(Into::into),
                ..RateLimit::default()
            };
            EndpointReport { rate_limit, ..report.clone() }
        };
        let bucket = |store: &Store| store.snapshot().rate_limits[&key].bucket.clone();
        let (one, other, without) = (keyed(), keyed(), store());
        for store in [&one, &other, &without] {
            store.apply_endpoint(told("192.0.2.7", LimitState::Limited));
        }
        assert!(bucket(&one).is_some() && bucket(&one) == bucket(&other), "the same on every node");
        assert_eq!(bucket(&without), None);
        let before = bucket(&one);
        one.apply_endpoint(told("", LimitState::Blocked));
        assert_eq!(bucket(&one), before);
        one.apply_endpoint(told("192.0.2.8", LimitState::Limited));
        assert!(bucket(&one).is_some() && bucket(&one) != before);
    }

    #[test]
    fn a_changed_configuration_has_changed_now_and_the_same_one_when_its_files_did() {
        let store = store();
        let first = store.snapshot();
        assert_eq!(first.config.changed_at, first.state.config_modified);
        let later = sample::now();
        store.apply_node(NodeState { config_modified: Some(later), ..first.state.clone() }, later);
        assert_eq!(store.snapshot().config, first.config);
        store.apply_node(NodeState { config_hash: "other".into(), ..first.state.clone() }, later);
        assert_eq!(store.snapshot().config.changed_at, Some(later));
    }
}
