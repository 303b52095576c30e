//! The fleet for programs: `pullprobe fleet --format json`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::fleet;

pub const SCHEMA_VERSION: u32 = 1;

/// Which nodes can pull what.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "pullprobe fleet", deny_unknown_fields)]
pub struct Fleet {
    pub schema_version: u32,
    /// How many nodes were chosen.
    pub nodes: usize,
    pub targets: Vec<Target>,
    /// Nodes that could not be asked.
    pub not_asked: Vec<NotAsked>,
    /// Facts that usually are the same on all nodes, and differ.
    pub drift: Vec<Drift>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Target {
    /// A registry or an image.
    pub target: String,
    pub can: usize,
    /// Of those that can: a host that containerd would ask fails.
    pub degraded: usize,
    pub cannot: usize,
    /// The agent answered and does not know, or does not watch this target.
    pub unknown: usize,
    pub failures: Vec<Failure>,
}

/// The nodes on which a target fails for one cause.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Failure {
    /// Null: unknown.
    pub cause: Option<String>,
    /// Who can fix it.
    pub owner: Option<String>,
    /// False: the pull works, through another host.
    pub fatal: bool,
    /// Since when the first of these nodes fails, of those whose agents say so. RFC 3339, UTC. Null: none does.
    pub failing_since: Option<String>,
    pub nodes: Vec<String>,
    pub common: Vec<Common>,
}

/// A label or fact that tells these nodes from those without the failure.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Common {
    pub name: String,
    /// An empty value: these nodes do not have it.
    pub values: Vec<String>,
    /// How many nodes with the failure have another value.
    pub missed: usize,
    /// How many nodes with such a value do not have the failure.
    pub spared: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NotAsked {
    pub reason: String,
    pub nodes: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Drift {
    pub name: String,
    pub groups: Vec<Group>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Group {
    pub value: String,
    pub nodes: Vec<String>,
}

impl From<&fleet::Fleet> for Fleet {
    fn from(fleet: &fleet::Fleet) -> Self {
        let not_asked = fleet.not_asked.iter();
        Self {
            schema_version: SCHEMA_VERSION,
            nodes: fleet.nodes,
            targets: fleet.rows.iter().map(Target::from).collect(),
            not_asked: not_asked
                .map(|(reason, nodes)| NotAsked { reason: reason.clone(), nodes: nodes.clone() })
                .collect(),
            drift: fleet.drift.iter().map(Drift::from).collect(),
        }
    }
}

impl From<&fleet::TargetRow> for Target {
    fn from(row: &fleet::TargetRow) -> Self {
        Self {
            target: row.target.clone(),
            can: row.can,
            degraded: row.degraded,
            cannot: row.cannot,
            unknown: row.unknown,
            failures: row.failures.iter().map(Failure::from).collect(),
        }
    }
}

impl From<&fleet::SharedFailure> for Failure {
    fn from(failure: &fleet::SharedFailure) -> Self {
        Self {
            cause: failure.cause.clone(),
            owner: failure.owner.clone(),
            fatal: failure.fatal,
            failing_since: failure.failing_since.map(|since| since.to_string()),
            nodes: failure.nodes.clone(),
            common: failure.common.iter().map(Common::from).collect(),
        }
    }
}

impl From<&fleet::Common> for Common {
    fn from(common: &fleet::Common) -> Self {
        let fleet::Common { name, values, missed, spared } = common.clone();
        Self { name, values, missed, spared }
    }
}

impl From<&fleet::Drift> for Drift {
    fn from(drift: &fleet::Drift) -> Self {
        let groups = drift.groups.iter();
        Self {
            name: drift.name.clone(),
            groups: groups.map(|(value, nodes)| Group { value: value.clone(), nodes: nodes.clone() }).collect(),
        }
    }
}
