//! The last 24 hours of a target, in the report of `run`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::history::{self, Entry, journal};

/// One answer, from the first probe that gave it until the next entry.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Change {
    /// When the probe began that first gave this answer. RFC 3339, UTC.
    pub since: String,
    /// True: it was so when pullprobe first looked, and may have been so for longer.
    pub from_start: bool,
    /// Reachable, or pullable and, as far as that is known, running here. Null: unknown.
    pub ok: Option<bool>,
    pub stage: Option<String>,
    /// `host:port` of the party that failed.
    pub host: Option<String>,
    pub cause: Option<String>,
    /// What pullprobe saw happen on the node, and to the hosts of this registry, in the ten minutes before: the latest
    /// first, at most four. These are facts, not reasons. Empty for all but the newest four entries.
    pub preceded_by: Vec<Happening>,
}

/// Something that happened on the node, or to a host.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Happening {
    /// When it happened; where that cannot be known, when it was seen. RFC 3339, UTC.
    pub at: String,
    /// `file`, `resolver`, `certificate`, `addresses`, `containerd`, `containerd_version`, `clock` or `agent_started`.
    pub what: String,
    pub detail: String,
}

impl From<&journal::Happening> for Happening {
    fn from(happening: &journal::Happening) -> Self {
        Self {
            at: happening.at.to_string(),
            what: happening.what.as_str().to_owned(),
            detail: happening.detail.to_string(),
        }
    }
}

/// What both kinds of targets have.
pub(super) struct History {
    pub failing_since: Option<String>,
    pub failures: Option<usize>,
    pub changes: Vec<Change>,
    pub left_out: u32,
}

impl History {
    pub fn of(history: Option<history::History<'_>>, now: Timestamp) -> Self {
        Self {
            failing_since: history.and_then(|history| history.failing_since()).map(|since| since.to_string()),
            failures: history.map(|history| history.failures(now)),
            changes: history.into_iter().flat_map(|history| changes(history, now)).collect(),
            left_out: history.map_or(0, |history| history.left_out(now)),
        }
    }
}

/// Every target may have many, and each may be preceded by the same: a report has an end.
const PRECEDED: usize = 4;

fn changes(history: history::History<'_>, now: Timestamp) -> impl Iterator<Item = Change> + use<'_> {
    history.entries(now).enumerate().map(move |(place, entry)| {
        let preceded_by = if place < PRECEDED { history.preceded_by(entry) } else { Vec::new() };
        Change { preceded_by: preceded_by.into_iter().map(Happening::from).collect(), ..change(entry) }
    })
}

fn change(entry: &Entry) -> Change {
    let state = &entry.state;
    Change {
        since: entry.since.to_string(),
        from_start: entry.from_start,
        ok: state.ok,
        stage: state.stage.map(|stage| stage.as_str().to_owned()),
        host: state.host.as_ref().map(ToString::to_string),
        cause: state.cause.map(|cause| cause.as_str().to_owned()),
        preceded_by: Vec::new(),
    }
}
