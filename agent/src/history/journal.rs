//! What happened on the node and to its hosts besides the answers, in the last 24 hours and within bounds.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::subject::{Subject, WINDOW};
use crate::redact::clean::Clean;

/// The most that is kept. A happening takes at most 1 KiB, and usually a quarter of that.
pub const LIMIT: usize = 256;
/// The most that is kept of one host: one that shows another certificate each time pushes nothing else out.
const OF_A_HOST: usize = 4;
/// The most that is kept of the node itself.
const OF_THE_NODE: usize = 96;
/// One line, however long a path is.
const DETAIL_LIMIT: usize = 300;
/// What happened so long before a change is told with it.
const JUST_BEFORE: SignedDuration = SignedDuration::from_mins(10);
/// No more is told with one change: the latest.
const TOLD: usize = 4;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A file that the node's daemons go by was written, replaced, made or removed.
    File,
    /// The node asks other name servers.
    Resolver,
    /// A host shows another certificate than before.
    Certificate,
    /// The name of a host leads to other addresses, none of which was seen before.
    Addresses,
    /// containerd started anew, or does not answer, or answers again.
    Containerd,
    /// containerd runs in another version.
    ContainerdVersion,
    /// The clock of the node jumped.
    Clock,
    /// pullprobe itself started. What happened before that it did not see.
    AgentStarted,
}

impl What {
    pub const ALL: [Self; 8] = [
        Self::File,
        Self::Resolver,
        Self::Certificate,
        Self::Addresses,
        Self::Containerd,
        Self::ContainerdVersion,
        Self::Clock,
        Self::AgentStarted,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Resolver => "resolver",
            Self::Certificate => "certificate",
            Self::Addresses => "addresses",
            Self::Containerd => "containerd",
            Self::ContainerdVersion => "containerd_version",
            Self::Clock => "clock",
            Self::AgentStarted => "agent_started",
        }
    }
}

/// Something that was seen to happen. It is a fact; nobody says that it is the reason for anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When it happened, as far as that can be known: else when it was seen.
    pub at: Timestamp,
    pub what: What,
    /// One sentence without a full stop: `/etc/resolv.conf was changed`.
    pub detail: Clean,
    /// The host that it is about. `None`: it is about the node.
    pub(super) host: Option<Subject>,
}

impl Happening {
    pub fn of_node(at: Timestamp, what: What, detail: &str) -> Self {
        Self { at, what, detail: Clean::clipped(detail, DETAIL_LIMIT), host: None }
    }

    pub(super) fn of_host(host: Subject, at: Timestamp, what: What, detail: &str) -> Self {
        Self { host: Some(host), ..Self::of_node(at, what, detail) }
    }
}

/// In the order in which it was seen.
#[derive(Clone, Debug, Default)]
pub struct Journal(VecDeque<Arc<Happening>>);

impl Journal {
    pub(super) fn add(&mut self, happening: Happening, now: Timestamp) {
        self.forget(now);
        let limit = if happening.host.is_some() { OF_A_HOST } else { OF_THE_NODE };
        let alike = |other: &Arc<Happening>| other.host == happening.host;
        if self.0.iter().filter(|other| alike(other)).count() >= limit {
            let oldest = self.0.iter().position(alike);
            oldest.and_then(|place| self.0.remove(place));
        }
        if self.0.len() >= LIMIT {
            // Of many hosts that change at a time one is as good as another. The node's own are kept.
            let oldest = self.0.iter().position(|other| other.host.is_some());
            self.0.remove(oldest.unwrap_or(0));
        }
        self.0.push_back(Arc::new(happening));
    }

    /// What is older than a day, and what hosts of other registries did.
    pub(super) fn forget(&mut self, now: Timestamp) {
        self.0.retain(|happening| now.duration_since(happening.at) <= WINDOW);
    }

    /// What lies in the future was noted before the clock was set back.
    pub(super) fn not_after(&mut self, now: Timestamp) {
        for happening in self.0.iter_mut().filter(|happening| happening.at > now) {
            Arc::make_mut(happening).at = now;
        }
    }

    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Happening> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// What happened to the node and to the hosts of this registry just before: the latest first.
    pub(super) fn before(&self, at: Timestamp, namespace: Option<&str>) -> Vec<&Happening> {
        let concerns = |happening: &&Happening| {
            let of_host = happening.host.as_ref().map(Subject::namespace);
            of_host.is_none_or(|of| of == namespace)
                && happening.at <= at
                && at.duration_since(happening.at) <= JUST_BEFORE
        };
        let mut just_before: Vec<&Happening> = self.all().filter(concerns).collect();
        just_before.sort_by_key(|happening| std::cmp::Reverse(happening.at));
        just_before.truncate(TOLD);
        just_before
    }
}
