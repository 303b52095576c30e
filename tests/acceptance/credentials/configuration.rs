//! One configuration of a node's credentials, and what was written by hand of it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use pullprobe_lab::node::Node;
use serde::Deserialize;
use serde_json::json;

use crate::judge::scenario::{self, Scenario};

/// The keys of a configuration's file that are not those of the judge's scenarios.
const OWN_KEYS: [&str; 4] = ["expect", "programs", "secrets", "settings"];
/// The registry where a file names none: only Ann may pull.
const USUAL_SERVER: &str = "
[registry]
at = 'https://registry.example'
auth = {basic = {users = {ann = 'correct'}}}
";

pub struct Configuration {
    /// The servers, the image and the node's files.
    pub scenario: Scenario,
    pub expect: Expect,
    /// Pull secrets as Kubernetes mounts them, by path below the directory that holds all of them.
    secrets: BTreeMap<String, String>,
    /// Files of the node that can be run.
    programs: BTreeMap<String, String>,
    /// The section `credentials` of the agent's settings.
    settings: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    #[serde(default)]
    programs: BTreeMap<String, String>,
    #[serde(default)]
    settings: BTreeMap<String, String>,
    expect: Expect,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// In the order in which kubelet tries them.
    pub candidates: Vec<Candidate>,
    /// kubelet's own order is that of Go's maps, which is none.
    #[serde(default)]
    pub random: bool,
    /// Where nothing matches.
    pub nearest: Option<Nearest>,
    /// The plugins that are for the image.
    #[serde(default)]
    pub providers: Vec<String>,
    /// What is to be known of the credential files: `CODE FILE[:LINE]`.
    #[serde(default)]
    pub findings: Vec<String>,
    /// kubelet makes no pull; words of the reason.
    pub no_pull: Option<String>,
    /// What `check` has to give as the cause; without one it is not looked at.
    pub cause: Option<String>,
    /// `SOURCE KEY` of what a host of the plan would be offered first, by endpoint; others are not looked at.
    #[serde(default)]
    pub offered: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    pub source: String,
    pub key: String,
    pub kind: String,
    /// `FILE:LINE`; a plugin's answer has none.
    #[serde(default)]
    pub origin: String,
    /// `USER:PASSWORD` as kubelet hands it to containerd.
    pub login: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nearest {
    pub key: String,
    /// Words of it.
    pub reason: String,
}

impl Candidate {
    pub fn is_of_provider(&self) -> bool {
        self.source.starts_with("provider:")
    }

    pub fn user_and_password(&self) -> (&str, &str) {
        self.login.split_once(':').unwrap_or_else(|| panic!("`{}` has no colon", self.login))
    }

    /// containerd takes part of a login for none.
    pub fn is_anonymous(&self) -> bool {
        let (user, password) = self.user_and_password();
        user.is_empty() || password.is_empty()
    }
}

impl Configuration {
    pub fn load(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let table: toml::Table = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (own, mut rest): (toml::Table, toml::Table) =
            table.into_iter().partition(|(key, _)| OWN_KEYS.contains(&key.as_str()));
        let own: Own = own.try_into().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if !rest.contains_key("server") {
            rest.insert("server".to_owned(), toml::from_str::<toml::Table>(USUAL_SERVER).unwrap().into());
        }
        let scenario = scenario::from_table(path, rest);
        let Own { secrets, programs, settings, expect } = own;
        Self { scenario, expect, secrets, programs, settings }
    }

    /// Writes what a scenario has not, and returns the agent's settings.
    pub fn write(&self, node: &Path, scratch: &Path) -> PathBuf {
        let node = Node::at(node).unwrap();
        for (path, text) in &self.programs {
            node.write(path, text).unwrap();
            std::fs::set_permissions(node.path(path), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut credentials = self.settings.clone();
        let beside = Node::at(scratch).unwrap();
        for (path, text) in &self.secrets {
            beside.write(&format!("/secrets/{path}"), text).unwrap();
            let directory = scratch.join("secrets").to_string_lossy().into_owned();
            credentials.insert("pull_secrets_dir".to_owned(), directory);
        }
        beside.write("/pullprobe.yaml", json!({"credentials": credentials}).to_string()).unwrap();
        scratch.join("pullprobe.yaml")
    }
}
