//! A scenario: the registries there are, what the node's files say, and which image is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use serde::Deserialize;

use super::cri::AuthConfig;
use super::daemon::VERSIONS;
use super::server::Server;
use super::servers::NAME_SERVER;

/// What containerd makes of it is not written down here: that is what the judge observes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The file's name without `.toml`.
    #[serde(skip)]
    pub name: String,
    /// One sentence: what is special here.
    pub about: String,
    #[serde(default = "default_image")]
    pub image: String,
    #[serde(default = "all_versions")]
    pub versions: Vec<String>,
    /// `config.toml` by version, `all` for the others; without an entry, one that names only certs.d.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    /// Texts of `hosts.toml` by directory of certs.d.
    #[serde(default)]
    pub hosts: BTreeMap<String, String>,
    /// Further files of the node by absolute path.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Further symbolic links of the node by absolute path.
    #[serde(default)]
    pub links: BTreeMap<String, String>,
    /// What kubelet's credential for the image is; it goes to containerd's CRI and into kubelet's file.
    #[serde(default)]
    pub credential: Option<AuthConfig>,
    /// Of containerd's process, as its unit would set it.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The node's name server, which knows all servers; without it the hosts file names them.
    #[serde(default)]
    pub dns: Option<pullprobe_lab::dns::Config>,
    /// A proxy; `{proxy}` in the environment is its URL, `{proxy_address}` the same without the scheme.
    #[serde(default)]
    pub proxy: Option<pullprobe_lab::proxy::Config>,
    /// Why only containerd is observed: no node that kubelet runs on could be in this state.
    #[serde(default)]
    pub observe_only: Option<String>,
    /// What listens where, by name; see [`Server`].
    #[serde(default)]
    server: toml::Table,
    #[serde(skip)]
    pub servers: Vec<Server>,
}

pub fn default_image() -> String {
    "registry.example/team/app:1".to_owned()
}

fn all_versions() -> Vec<String> {
    VERSIONS.map(str::to_owned).to_vec()
}

impl Scenario {
    pub fn addresses(&self) -> BTreeSet<IpAddr> {
        let servers = self.servers.iter().map(|server| server.address);
        servers.chain([NAME_SERVER]).collect()
    }
}

/// Every scenario of the directory, by name.
pub fn load_all(directory: &Path) -> Vec<Scenario> {
    let entries = std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths.iter().map(|path| load(path)).collect()
}

pub fn load(path: &Path) -> Scenario {
    let text = std::fs::read_to_string(path).unwrap();
    let table = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    from_table(path, table)
}

/// The scenario of this file, whose text is read already.
pub fn from_table(path: &Path, table: toml::Table) -> Scenario {
    let mut scenario: Scenario = table.try_into().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let stem = path.file_stem().unwrap().to_str().unwrap();
    stem.clone_into(&mut scenario.name);
    for ((name, table), number) in scenario.server.iter().zip(10..) {
        let table = table.as_table().unwrap_or_else(|| panic!("{}: server.{name} is no table", path.display()));
        let mut server = Server::from_table(name, number, table)
            .unwrap_or_else(|error| panic!("{}: server.{name}: {error}", path.display()));
        // One name has one address, whatever is on its ports.
        if let Some(other) = scenario.servers.iter().find(|other| other.host == server.host) {
            server.address = other.address;
        }
        scenario.servers.push(server);
    }
    for version in scenario.versions.iter().chain(scenario.config.keys().filter(|key| *key != "all")) {
        assert!(VERSIONS.contains(&version.as_str()), "{}: no containerd {version}", path.display());
    }
    scenario
}
