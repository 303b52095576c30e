//! kubelet's `CredentialProviderConfig`, read as strictly as kubelet reads it: any fault in it and
//! kubelet does not start.

use std::path::{Path, PathBuf};
use std::time::Duration;

use go::text;

use super::place;
use crate::host::root::{EntryKind, HostRoot, ReadError};
use crate::keyring::key::Parts;
use crate::model::finding::Finding;
use crate::redact::redactor::Redactor;
use crate::redact::secret::Secret;
use crate::yaml::{self, Node, Value};
use go::place::Position;

const GROUP: &str = "kubelet.config.k8s.io/";
pub const PROTOCOL: &str = "credentialprovider.kubelet.k8s.io/";
const VERSIONS: [&str; 3] = ["v1", "v1beta1", "v1alpha1"];

/// One entry of `providers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    pub name: String,
    pub match_images: Vec<String>,
    pub default_cache: Duration,
    /// The version of the protocol, `credentialprovider.kubelet.k8s.io/v1`.
    pub api_version: String,
    pub args: Vec<Secret>,
    /// Whatever its configuration gives a plugin may be a key.
    pub env: Vec<(String, Secret)>,
    /// kubelet's own, which it gets as well.
    pub inherited: Vec<(String, Secret)>,
    /// It wants the token of the pod's service account.
    pub wants_pod_token: bool,
}

impl Plugin {
    pub fn is_for(&self, image: &str) -> bool {
        let Some(image) = Parts::of(image) else { return false };
        self.match_images.iter().any(|pattern| Parts::of(pattern).is_some_and(|pattern| pattern.matches(&image)))
    }

    /// Removes the secrets that it got or gave from its other output.
    pub fn redactor(&self, answer: &Secret) -> Redactor {
        let inherited = self.inherited.iter().filter(|(name, value)| !is_open_proxy(name, value));
        let values = self.env.iter().chain(inherited).map(|(_, value)| value.expose());
        let arguments = self.args.iter().map(Secret::expose);
        let parts = arguments.clone().filter_map(|argument| argument.split_once('=').map(|(_, value)| value));
        let given = values.chain(arguments).chain(parts).filter(|text| !text.starts_with('/'));
        let answer = serde_json::from_str(answer.expose()).unwrap_or_default();
        Redactor::over(given.map(str::to_owned).map(Secret::new).chain(passwords(&answer)))
    }
}

/// Whoever reads that a proxy refuses has to see which one.
fn is_open_proxy(name: &str, value: &Secret) -> bool {
    name.to_ascii_lowercase().ends_with("_proxy") && !value.expose().contains('@')
}

/// Of an answer, wherever they stand in it.
fn passwords(answer: &serde_json::Value) -> Vec<Secret> {
    use serde_json::Value as Json;
    match answer {
        Json::Object(fields) => {
            let own = fields.get("password").and_then(Json::as_str).map(Secret::new);
            own.into_iter().chain(fields.values().flat_map(passwords)).collect()
        }
        Json::Array(items) => items.iter().flat_map(passwords).collect(),
        _ => Vec::new(),
    }
}

/// The plugins of a file, or of all files of a directory in the order of their names.
pub fn load(root: &HostRoot, path: &Path) -> Result<Vec<Plugin>, Vec<Finding>> {
    let mut plugins: Vec<Plugin> = Vec::new();
    let mut findings = Vec::new();
    for file in files(root, path).map_err(|error| vec![place::no_config(root, path, &error)])? {
        let shown = file.display().to_string();
        let text = match root.read_text(&file, yaml::SIZE_LIMIT) {
            Ok(text) => text,
            Err(error) => {
                findings.push(place::no_config(root, &file, &error));
                continue;
            }
        };
        let mut read = Reading::default();
        for (plugin, at) in read.config(&text) {
            if plugins.iter().any(|other| other.name == plugin.name) {
                read.fault(at, format!("the provider `{}` is there twice", plugin.name));
            }
            plugins.push(plugin);
        }
        findings.extend(read.faults.iter().map(|(at, message)| place::invalid(&shown, *at, message)));
    }
    if findings.is_empty() && plugins.is_empty() {
        findings.push(place::invalid(&path.display().to_string(), None, "it has no provider"));
    }
    if findings.is_empty() { Ok(plugins) } else { Err(findings) }
}

fn files(root: &HostRoot, path: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let stat = root.stat(path)?;
    if stat.kind != EntryKind::Directory {
        return Ok(vec![path.to_owned()]);
    }
    let wanted =
        |name: &Path| name.extension().is_some_and(|ext| ["json", "yaml", "yml"].iter().any(|known| ext == *known));
    let entries = root.list(path)?;
    let files = entries.into_iter().filter(|e| e.kind == EntryKind::File && wanted(Path::new(&e.name)));
    Ok(files.map(|entry| path.join(entry.name)).collect())
}

/// Reads one file and gathers every fault in it.
#[derive(Default)]
struct Reading {
    faults: Vec<(Option<Position>, String)>,
}

impl Reading {
    fn fault(&mut self, at: Position, message: impl Into<String>) {
        self.faults.push((Some(at), message.into()));
    }

    fn config(&mut self, text: &str) -> Vec<(Plugin, Position)> {
        let node = match yaml::load(text) {
            Ok(Some(node)) => node,
            Ok(None) => {
                self.faults.push((None, "it is empty".into()));
                return Vec::new();
            }
            Err(fault) => {
                self.fault(fault.at, format!("found {}, expected {}", fault.found, fault.allowed));
                return Vec::new();
            }
        };
        let fields = self.fields(&node, &["apiVersion", "kind", "providers"]);
        self.expect_word(&node, fields[0], "apiVersion", &VERSIONS.map(|version| format!("{GROUP}{version}")));
        self.expect_word(&node, fields[1], "kind", &["CredentialProviderConfig".to_owned()]);
        let providers = fields[2].map_or(&[][..], |node| self.list(node));
        if providers.is_empty() {
            self.fault(node.at, "`providers` must have at least one entry");
        }
        providers.iter().filter_map(|provider| Some((self.plugin(provider)?, provider.at))).collect()
    }

    /// `None`: it has a fault.
    fn plugin(&mut self, node: &Node) -> Option<Plugin> {
        let before = self.faults.len();
        let names = ["name", "matchImages", "defaultCacheDuration", "apiVersion", "args", "env", "tokenAttributes"];
        let fields = self.fields(node, &names);
        let name = fields[0].map_or_else(String::new, |node| self.text(node));
        if name.is_empty() || name == "." || name == ".." || name.contains([' ', '/']) {
            self.fault(node.at, "`name` must be the name of a file in the directory of the plugins");
        }
        let match_images = fields[1].map_or_else(Vec::new, |node| self.texts(node));
        if match_images.is_empty() {
            self.fault(node.at, "`matchImages` must have at least one entry");
        }
        if let Some(wrong) = match_images.iter().find(|pattern| Parts::of(pattern).is_none()) {
            self.fault(node.at, format!("`matchImages` has `{wrong}`, which is not the beginning of a URL"));
        }
        let default_cache = self.cache_duration(node, fields[2]);
        let protocols = VERSIONS.map(|version| format!("{PROTOCOL}{version}"));
        let api_version = self.expect_word(node, fields[3], "apiVersion", &protocols);
        let args = fields[4].map_or_else(Vec::new, |node| self.texts(node)).into_iter().map(Secret::new).collect();
        let env = fields[5].map_or_else(Vec::new, |node| self.environment(node));
        if let Some(attributes) = fields[6] {
            self.token_attributes(attributes);
            if !api_version.ends_with("/v1") {
                self.fault(attributes.at, "`tokenAttributes` needs version v1 of the protocol");
            }
        }
        let wants_pod_token = fields[6].is_some();
        let plugin = Plugin {
            name,
            match_images,
            default_cache,
            api_version,
            args,
            env,
            inherited: Vec::new(),
            wants_pod_token,
        };
        (self.faults.len() == before).then_some(plugin)
    }

    fn cache_duration(&mut self, owner: &Node, node: Option<&Node>) -> Duration {
        let Some(node) = node else {
            self.fault(owner.at, "`defaultCacheDuration` is missing");
            return Duration::ZERO;
        };
        let text = self.text(node);
        match text::duration(&text) {
            Ok(found) if !found.negative => found.length,
            _ => {
                self.fault(node.at, format!("`defaultCacheDuration` is `{text}`, expected a duration such as 12h"));
                Duration::ZERO
            }
        }
    }

    fn environment(&mut self, node: &Node) -> Vec<(String, Secret)> {
        let mut pairs = Vec::new();
        for item in self.list(node) {
            let fields = self.fields(item, &["name", "value"]);
            let [name, value] =
                [fields[0], fields[1]].map(|field| field.map_or_else(String::new, |node| self.text(node)));
            pairs.push((name, Secret::new(value)));
        }
        pairs
    }

    fn token_attributes(&mut self, node: &Node) {
        let names = [
            "serviceAccountTokenAudience",
            "cacheType",
            "requireServiceAccount",
            "requiredServiceAccountAnnotationKeys",
            "optionalServiceAccountAnnotationKeys",
        ];
        let fields = self.fields(node, &names);
        for (name, field) in names.iter().zip(&fields).take(3) {
            if field.is_none_or(Node::is_null) {
                self.fault(node.at, format!("`tokenAttributes` has no `{name}`"));
            }
        }
        if fields[1].is_some() {
            self.expect_word(node, fields[1], "cacheType", &["Token".to_owned(), "ServiceAccount".to_owned()]);
        }
    }

    /// The values of the named fields, in that order. Any other field is a fault.
    fn fields<'n>(&mut self, node: &'n Node, names: &[&str]) -> Vec<Option<&'n Node>> {
        let Value::Map(map) = &node.value else {
            self.fault(node.at, format!("expected a mapping with {}", names.join(", ")));
            return vec![None; names.len()];
        };
        for (key, _) in map.iter().filter(|(key, _)| !names.contains(&key.name.as_str())) {
            self.fault(key.at, format!("unknown field `{}`; known are {}", key.name, names.join(", ")));
        }
        let find = |name: &&str| map.iter().find(|(key, _)| key.name == **name).map(|(_, value)| value);
        names.iter().map(|name| find(name).filter(|value| !value.is_null())).collect()
    }

    fn list<'n>(&mut self, node: &'n Node) -> &'n [Node] {
        if let Value::List(items) = &node.value {
            return items;
        }
        self.fault(node.at, "expected a list");
        &[]
    }

    fn texts(&mut self, node: &Node) -> Vec<String> {
        self.list(node).iter().map(|item| self.text(item)).collect()
    }

    /// A number or boolean is not a text for kubelet unless it is quoted.
    fn text(&mut self, node: &Node) -> String {
        match &node.value {
            Value::Scalar { text, plain } if !plain || !is_number_or_boolean(text) => text.clone(),
            _ => {
                self.fault(node.at, "expected a text");
                String::new()
            }
        }
    }

    fn expect_word(&mut self, owner: &Node, node: Option<&Node>, name: &str, known: &[String]) -> String {
        let found = node.map_or_else(String::new, |node| self.text(node));
        if !known.contains(&found) {
            let at = node.map_or(owner.at, |node| node.at);
            self.fault(at, format!("`{name}` is `{found}`, expected {}", known.join(" or ")));
        }
        found
    }
}

fn is_number_or_boolean(text: &str) -> bool {
    matches!(text, "true" | "false" | "True" | "False" | "yes" | "no" | "on" | "off") || text.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests;
