//! Everything that the outside may see, as one value: metrics, JSON, text and page are made of it.
//!
//! `store` is the only writer. What was not measured is not in here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::back_off::{BackOff, Subject};
use super::memory::Memory;
use super::targets::Targets;
use crate::history::{Histories, History, Subject as OfHistory};
use crate::image::platform::Platform;
use crate::model::expiry::{self, CredentialExpiry};
use crate::model::finding::Finding;
use crate::model::host::{Endpoint, EndpointKey};
use crate::model::namespace::{Health, Namespace, PlannedHost};
use crate::model::ratelimit::{LimitState, RateLimit};
use crate::model::report::{EndpointReport, ImageReport};
use crate::model::tally::Tally;
use crate::observation;
use crate::observation::distribution::DistributionTerms;
use crate::pods::Book;
use crate::redact::clean::Clean;
use crate::signals::Delivery;
use crate::version::{Version, VersionSource};

#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The node's name.
    pub node: String,
    pub started_at: Timestamp,
    pub state: NodeState,
    pub config: ConfigState,
    pub targets: Targets,
    pub endpoints: BTreeMap<EndpointKey, Arc<EndpointReport>>,
    pub last_success: BTreeMap<EndpointKey, Timestamp>,
    /// By the image as the user wrote it.
    pub images: BTreeMap<String, Arc<ImageReport>>,
    /// Of images whose answer depends on a login: the answer to the node's own logins. What is in `images` depends on the pods, too.
    pub node_answers: BTreeMap<String, Arc<ImageReport>>,
    /// What is known of each endpoint's pull quota; an endpoint without an entry said nothing yet.
    pub rate_limits: BTreeMap<EndpointKey, SeenLimit>,
    /// What is probed less often than usual.
    pub back_offs: BTreeMap<Subject, BackOff>,
    /// Of the hosts that were needed so far.
    pub memory: Memory,
    /// What changed in the last 24 hours.
    pub histories: Histories,
    pub tally: Tally,
    /// The pods of the node, where the Kubernetes API tells of them.
    pub pods: Arc<Book>,
    /// How far Kubernetes was told of condition and events.
    pub signals: Delivery,
    /// How much memory the agent may use, in bytes. `None`: nothing limits it.
    pub memory_limit: Option<u64>,
    /// How often a part of the agent ended by a fault of its own.
    pub faults: u64,
    /// How long the last whole cycle took. `None` before the first has ended.
    pub last_cycle: Option<Duration>,
}

/// What the node's files and its containerd say.
#[derive(Clone, Debug)]
pub struct NodeState {
    pub platform: Platform,
    pub containerd: ContainerdState,
    /// Hex digits that are the same on every node with the same configuration. Empty: none was read.
    pub config_hash: String,
    /// The newest modification of a file that was read. `None` when there is none.
    pub config_modified: Option<Timestamp>,
    pub findings: Vec<Finding>,
    /// Translates fixes into the files and commands of this node's distribution.
    pub terms: DistributionTerms,
    /// `None` when pullprobe cannot see containerd's root.
    pub image_filesystem: Option<FilesystemSpace>,
    /// Of the credentials in files whose end can be known.
    pub credential_expiries: Vec<CredentialExpiry>,
    /// The pull secrets that the agent has, as `NAMESPACE/NAME`.
    pub pull_secrets: Vec<Clean>,
}

#[derive(Clone, Debug)]
pub struct ContainerdState {
    pub version: Version,
    pub source: VersionSource,
    /// The configuration files that were read, in order.
    pub config_files: Vec<String>,
    /// The directories where hosts.toml files are looked for.
    pub config_path: Vec<String>,
    /// Whether it answers on its socket. `None`: no socket was ever there.
    pub answers: Option<bool>,
}

/// The file system that images are unpacked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilesystemSpace {
    pub size_bytes: u64,
    /// To others than root: what containerd's own checks and kubelet's eviction look at.
    pub available_bytes: u64,
    pub inodes: u64,
    pub inodes_free: u64,
}

/// Which configuration is in force and since when. Both `None` when none was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigState {
    pub hash: Option<String>,
    pub changed_at: Option<Timestamp>,
}

/// A pull quota and when it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenLimit {
    pub limit: RateLimit,
    pub at: Timestamp,
    /// What the registry counts by, as a keyed hash. `None`: it does not say, or there is no key.
    pub bucket: Option<String>,
}

impl SeenLimit {
    /// `None` when the registry named no time, or one beyond the calendar.
    pub fn retry_at(&self) -> Option<Timestamp> {
        self.at.checked_add(self.limit.retry_after?).ok()
    }
}

impl Snapshot {
    /// Why this host is not asked at its interval. `None`: it is.
    pub fn endpoint_back_off(&self, key: &EndpointKey) -> Option<&BackOff> {
        self.back_offs.get(&Subject::Host(key.clone()))
    }

    /// The same for an image: its own reason, or the `Retry-After` of a host that would be asked for it.
    pub fn image_back_off(&self, report: &ImageReport) -> Option<&BackOff> {
        let namespace = report.image.as_ref()?.domain.as_str();
        let concerns = |subject: &Subject, held: &BackOff| match subject {
            Subject::Host((of, endpoint)) => held.asked && of == namespace && self.plans(namespace, endpoint),
            Subject::Images { namespace: of } => of == namespace,
            Subject::Image { requested, .. } => *requested == report.requested,
        };
        let all = self.back_offs.iter().filter(|(subject, held)| concerns(subject, held)).map(|(_, back_off)| back_off);
        all.max_by_key(|back_off| back_off.next_probe_at)
    }

    /// The last 24 hours of an image, by its name as the user wrote it. `None`: nobody has looked yet.
    pub fn image_history(&self, requested: &str) -> Option<History<'_>> {
        let image = self.images.get(requested).and_then(|report| report.image.as_ref());
        self.histories.of(&OfHistory::Image(requested.to_owned()), image.map(|image| image.domain.as_str()))
    }

    /// The last 24 hours of a host of a registry. `None`: nobody has looked yet.
    pub fn endpoint_history<'a>(&'a self, key: &'a EndpointKey) -> Option<History<'a>> {
        self.histories.of(&OfHistory::host(key), Some(&key.0))
    }

    /// Since when a registry is not pullable: since no host resolves any more, or none gives content; or is degraded: since the
    /// first of these hosts failed.
    pub fn registry_fails_since(&self, name: &str, namespace: &Namespace, health: &Health) -> Option<Timestamp> {
        let of_host = |host: &PlannedHost| {
            let key = (name.to_owned(), host.endpoint.clone());
            self.endpoint_history(&key)?.failing_since()
        };
        let resolve = || namespace.hosts.iter().filter(|host| host.capabilities.resolve).map(of_host);
        let pull = || namespace.hosts.iter().filter(|host| host.capabilities.pull).map(of_host);
        let all_fail_since = |times: &mut dyn Iterator<Item = Option<Timestamp>>| -> Option<Timestamp> {
            times.collect::<Option<Vec<_>>>()?.into_iter().max()
        };
        match (health.pullable, health.degraded) {
            (Some(false), _) => {
                let ends = [all_fail_since(&mut resolve()), all_fail_since(&mut pull())];
                ends.into_iter().flatten().min()
            }
            (Some(true), Some(true)) => resolve().chain(pull()).flatten().min(),
            _ => None,
        }
    }

    /// Every host that is to be watched was looked at, though perhaps not yet every image.
    pub fn has_looked_at_hosts(&self) -> bool {
        let mut hosts = self.targets.keys().peekable();
        hosts.peek().is_some() && hosts.all(|key| self.endpoints.contains_key(&key))
    }

    fn plans(&self, namespace: &str, endpoint: &Endpoint) -> bool {
        let planned = self.targets.namespaces.get(namespace);
        planned.is_some_and(|planned| planned.hosts.iter().any(|host| host.endpoint == *endpoint))
    }
}

impl Snapshot {
    pub fn new(node: impl Into<String>, state: NodeState, now: Timestamp) -> Self {
        let config = ConfigState::default().after(&state, now);
        Self {
            node: node.into(),
            started_at: now,
            state,
            config,
            targets: Targets::default(),
            endpoints: BTreeMap::new(),
            last_success: BTreeMap::new(),
            images: BTreeMap::new(),
            node_answers: BTreeMap::new(),
            rate_limits: BTreeMap::new(),
            back_offs: BTreeMap::new(),
            memory: Memory::default(),
            histories: Histories::default(),
            tally: Tally::default(),
            pods: Arc::default(),
            signals: Delivery::default(),
            memory_limit: None,
            faults: 0,
            last_cycle: None,
        }
    }

    /// About the node's files, and about what was seen on the way.
    pub fn findings(&self, now: Timestamp) -> Vec<Finding> {
        let endpoints: Vec<&EndpointReport> = self.endpoints.values().map(AsRef::as_ref).collect();
        let images: Vec<&ImageReport> = self.images.values().map(AsRef::as_ref).collect();
        let files = self.state.findings.iter().cloned();
        let seen = observation::findings(&endpoints, &images).into_iter().chain(self.memory.findings(now));
        let of_pods = self.pod_findings(now).into_iter().chain(self.signals.findings(now));
        files.chain(seen.map(|finding| self.state.terms.mended(finding))).chain(of_pods).collect()
    }

    /// Credentials from files and from providers: for each source and registry the one that expires first.
    pub fn credential_expiries(&self) -> Vec<&CredentialExpiry> {
        let provided = self.images.values().flat_map(|image| &image.expiries);
        expiry::earliest(self.state.credential_expiries.iter().chain(provided))
    }

    pub fn limit_state(&self, key: &EndpointKey) -> LimitState {
        self.rate_limits.get(key).map_or(LimitState::Unknown, |seen| seen.limit.state)
    }
}

impl ConfigState {
    /// The first configuration changed when its files did, a later one when it was first seen.
    #[must_use]
    pub fn after(self, state: &NodeState, now: Timestamp) -> Self {
        let hash = Some(state.config_hash.clone()).filter(|hash| !hash.is_empty());
        let changed_at = match &self.hash {
            before if *before == hash => self.changed_at,
            None => state.config_modified,
            Some(_) => Some(now),
        };
        Self { hash, changed_at }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::model::host::{Capabilities, Role, Scheme};
    use crate::model::sample;

    /// A mirror that only gives content, an upstream that does both, and a host that is only pushed to.
    #[test]
    fn a_registry_fails_since_nobody_resolves_or_nobody_gives_content() {
        let mut snapshot = sample::empty();
        let hour = |hour: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour);
        let hosts = [
            ("mirror.example", Capabilities { pull: true, ..Capabilities::NONE }, hour(10)),
            ("upstream.example", Capabilities::ALL, hour(8)),
            ("push.example", Capabilities { push: true, ..Capabilities::NONE }, hour(1)),
        ];
        let planned = hosts.map(|(name, capabilities, fails_since)| {
            let endpoint = Endpoint::new(Scheme::Https, name);
            let subject = OfHistory::host(&("r.example".to_owned(), endpoint.clone()));
            let failing = crate::history::answer::State {
                ok: Some(false),
                is_only_pulled: false,
                stage: None,
                host: None,
                cause: None,
            };
            snapshot.histories.note(subject, None, failing, fails_since);
            PlannedHost { endpoint, role: Role::Mirror, capabilities, dial_timeout: None }
        });
        let namespace = Namespace { hosts: planned.to_vec(), ..Namespace::default() };
        let since = |pullable, degraded| {
            let health = Health { pullable: Some(pullable), degraded: Some(degraded), fallback_delay: None };
            snapshot.registry_fails_since("r.example", &namespace, &health)
        };
        assert_eq!(since(false, false), Some(hour(8)), "since then nobody resolves");
        assert_eq!(since(true, true), Some(hour(8)), "who is only pushed to does not count");
        assert_eq!(since(true, false), None);
    }
}
