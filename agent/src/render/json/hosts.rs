//! The document of `hosts --format json`, and its schema.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SCHEMA_VERSION;
use crate::state::host_dependencies::{Destination, NeededHost};

/// The hosts that pulls need from this node.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "pullprobe hosts", deny_unknown_fields)]
pub struct Hosts {
    pub schema_version: u32,
    /// The node's name.
    pub node: String,
    /// Sorted by host and port.
    pub hosts: Vec<Host>,
    /// Targets that may need more hosts than are listed.
    pub incomplete: Vec<Incomplete>,
    /// Requests spent on this answer that a registry counts as a pull.
    pub counted_pulls: u32,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Host {
    pub host: String,
    pub port: u16,
    /// `tcp`; or `udp` for a nameserver, which is asked over `tcp` too where an answer is too long.
    pub protocol: String,
    /// `upstream`, `mirror`, `token`, `redirect`, `proxy` or `nameserver`.
    pub roles: Vec<String>,
    /// `registry`, `mirror`, `token realm`, `manifest redirect`, `blob redirect`, `proxy` or `nameserver`.
    pub why: Vec<String>,
    /// The images and registries asked about that need it.
    pub needed_by: Vec<String>,
    /// Whether a request could be sent there just now. Null: not tried.
    pub reachable: Option<bool>,
    /// Where it failed.
    pub stage: Option<String>,
    pub cause: Option<String>,
    pub owner: Option<String>,
    /// The proxy that leads there, without user information. Null: the node connects itself.
    pub proxy: Option<String>,
    /// Whether the answer that `--since` names lacks it. Null: none was named.
    pub new: Option<bool>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Incomplete {
    pub target: String,
    pub reason: String,
}

impl Hosts {
    pub fn new(node: &str, hosts: &[NeededHost], incomplete: Vec<Incomplete>, counted_pulls: u32) -> Self {
        let hosts = hosts.iter().map(Host::from).collect();
        Self { schema_version: SCHEMA_VERSION, node: node.to_owned(), hosts, incomplete, counted_pulls }
    }
}

impl From<&NeededHost> for Host {
    fn from(needed: &NeededHost) -> Self {
        let cause = needed.failure.map(|(_, cause)| cause);
        let mut roles: Vec<String> = needed.uses.iter().map(|what| what.role().to_owned()).collect();
        roles.dedup();
        Self {
            host: needed.host.clone(),
            port: needed.port,
            protocol: if needed.is_nameserver() { "udp" } else { "tcp" }.to_owned(),
            roles,
            why: needed.uses.iter().map(|what| what.as_str().to_owned()).collect(),
            needed_by: needed.needed_by.iter().cloned().collect(),
            reachable: needed.reachable,
            stage: needed.failure.map(|(stage, _)| stage.as_str().to_owned()),
            cause: cause.map(|cause| cause.as_str().to_owned()),
            owner: cause.map(|cause| cause.owner().as_str().to_owned()),
            proxy: needed.proxy.clone(),
            new: needed.new,
        }
    }
}

/// What is read of an answer: more may stand there, of older and newer programs.
#[derive(Deserialize)]
struct Earlier {
    schema_version: u32,
    hosts: Vec<EarlierHost>,
}

#[derive(Deserialize)]
struct EarlierHost {
    host: String,
    port: u16,
    protocol: String,
}

/// The places of an answer that was kept.
pub fn places(text: &str) -> Result<BTreeSet<Destination>, String> {
    let earlier: Earlier = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if earlier.schema_version != SCHEMA_VERSION {
        return Err(format!("its schema_version is {}, not {SCHEMA_VERSION}", earlier.schema_version));
    }
    let place = |one: EarlierHost| (one.host.to_ascii_lowercase(), one.port, one.protocol == "udp");
    Ok(earlier.hosts.into_iter().map(place).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The JSON Schema of [`Hosts`].
    fn schema() -> String {
        super::super::text(&schemars::schema_for!(Hosts))
    }

    #[test]
    fn the_published_schema_of_hosts_is_the_one_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema/hosts.v1.json");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, schema()).unwrap();
        }
        let published = std::fs::read_to_string(path).unwrap_or_default();
        assert!(published == schema(), "{path} is not up to date: run with UPDATE_DOCS=1");
    }
}
