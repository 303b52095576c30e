//! kubelet's credential provider plugins: their configuration, and asking them as kubelet does.
//!
//! A plugin that needs what only kubelet has (the token of a pod's service account), or that cannot
//! be run from here, is reported as such and never as failed.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::dockerconfig::DockerConfig;
use super::keyring::Keyring;
use crate::model::cause::Cause;
use crate::model::credential::{Credential, CredentialSource};
use crate::model::finding::{Finding, Severity};
use crate::model::outcome::Failure;
use crate::model::reference::Reference;
use crate::model::stage::Stage;
use crate::node::root::{EntryKind, HostRoot};

mod answer;
mod config;
mod exec;
mod redact;

use answer::{Answer, CacheKey};
use config::Plugin;
use exec::{KUBELET_PATIENCE, Output, RunError};

/// An answer is kept for as long as its plugin says, for at most this many images.
const CACHE_LIMIT: usize = 256;

/// The plugins of this node.
#[derive(Debug)]
pub struct Providers {
    plugins: Vec<Ready>,
    /// The node's root is this process's own: a plugin runs here as it would there.
    at_home: bool,
}

#[derive(Debug)]
struct Ready {
    plugin: Plugin,
    /// As this process sees it.
    binary: PathBuf,
    /// Asked one image at a time: who comes second finds the answer here.
    cache: Arc<Mutex<Vec<Cached>>>,
}

#[derive(Debug)]
struct Cached {
    key: String,
    expires: Instant,
    /// The same by the clock on the wall.
    renews: Timestamp,
    logins: DockerConfig,
}

/// What the plugins said about one image.
#[derive(Debug, Default)]
pub struct Asked {
    /// In kubelet's order, behind those of files.
    pub credentials: Vec<Credential>,
    /// kubelet would go on without these plugins, and tell nobody but its log.
    pub failures: Vec<Failure>,
    /// What could not be told from here: kubelet may have a credential.
    pub unknown: Vec<String>,
}

/// What became of one plugin.
enum Said {
    /// ... and when kubelet asks again.
    Logins(DockerConfig, Timestamp),
    Failed(String),
    Unknown(String),
}

impl Providers {
    /// `None` with findings: kubelet would not start.
    pub fn load(root: &HostRoot, config: &Path, bin_dir: Option<&Path>) -> (Option<Self>, Vec<Finding>) {
        let Some(bin_dir) = bin_dir else {
            let message = "kubelet does not start with --image-credential-provider-config alone";
            let fix = "set --image-credential-provider-bin-dir too";
            let finding = Finding::new(Severity::Error, "credential_provider_config_invalid", message, fix);
            return (None, vec![finding.in_file(config.display().to_string())]);
        };
        let plugins = match config::load(root, config) {
            Ok(plugins) => plugins,
            Err(findings) => return (None, findings),
        };
        let mut ready = Vec::new();
        let mut findings = Vec::new();
        for plugin in plugins {
            let on_node = bin_dir.join(&plugin.name);
            match root.stat(&on_node) {
                Ok(stat) if stat.kind == EntryKind::File => ready.push(Ready::new(root, plugin, &on_node)),
                Ok(_) => findings.push(no_binary(&on_node, "not a regular file")),
                Err(error) => findings.push(no_binary(&on_node, &error.reason())),
            }
        }
        let usable = findings.is_empty().then(|| Self { plugins: ready, at_home: root.dir() == Path::new("/") });
        (usable, findings)
    }

    /// Another look at the files: plugins that are configured as before keep what they answered.
    pub fn remember(&mut self, before: &Self) {
        for ready in &mut self.plugins {
            let same = |other: &&Ready| other.plugin == ready.plugin && other.binary == ready.binary;
            if let Some(known) = before.plugins.iter().find(same) {
                ready.cache = Arc::clone(&known.cache);
            }
        }
    }

    /// The names of the plugins that are for the image.
    pub fn fitting(&self, image: &str) -> Vec<String> {
        let plugins = self.plugins.iter().map(|ready| &ready.plugin);
        plugins.filter(|plugin| plugin.is_for(image)).map(|plugin| plugin.name.clone()).collect()
    }

    /// Asks every plugin whose `matchImages` fits the image. `patience` bounds each of them; kubelet
    /// waits a minute.
    pub async fn ask(&self, image: &Reference, patience: Duration) -> Asked {
        let name = image.name();
        let fitting: Vec<&Ready> = self.plugins.iter().filter(|ready| ready.plugin.is_for(&name)).collect();
        let said =
            futures::future::join_all(fitting.iter().map(|ready| ready.ask(&name, patience, self.at_home))).await;
        let mut asked = Asked::default();
        let mut ring = Keyring::default();
        let mut renewals = HashMap::new();
        for (ready, said) in fitting.iter().zip(said) {
            let plugin = &ready.plugin.name;
            match said {
                Said::Logins(logins, renews) => {
                    let source = CredentialSource::Provider(plugin.clone());
                    // A key that is no URL is passed over, here as in files.
                    ring.add(&logins, &source, "");
                    renewals.insert(source.to_string(), renews);
                }
                Said::Failed(why) => {
                    let detail = format!("credential provider `{plugin}`: {why}");
                    asked.failures.push(Failure::new(Stage::Config, Cause::CredentialProviderFailed, detail));
                }
                Said::Unknown(why) => asked.unknown.push(format!("credential provider `{plugin}` {why}")),
            }
        }
        asked.credentials = ring.lookup(&name);
        for credential in &mut asked.credentials {
            credential.renews = renewals.get(&credential.source.to_string()).copied();
        }
        asked
    }
}

fn no_binary(path: &Path, reason: &str) -> Finding {
    let message = format!("kubelet does not start without this credential provider: {reason}");
    let fix = "put the binary there, or take the provider out of the configuration";
    Finding::new(Severity::Error, "credential_provider_missing", message, fix).in_file(path.display().to_string())
}

impl Ready {
    fn new(root: &HostRoot, plugin: Plugin, on_node: &Path) -> Self {
        let real = root.real_path(on_node).unwrap_or_else(|_| on_node.to_owned());
        let binary = root.dir().join(real.strip_prefix("/").unwrap_or(&real));
        Self { plugin, binary, cache: Arc::default() }
    }

    async fn ask(&self, image: &str, patience: Duration, at_home: bool) -> Said {
        if self.plugin.wants_pod_token {
            return Said::Unknown("uses the identity of the pod: what it gives cannot be told without one".into());
        }
        let mut cache = self.cache.lock().await;
        let now = Instant::now();
        cache.retain(|cached| cached.expires > now);
        let keys = [CacheKey::Image, CacheKey::Registry, CacheKey::Global].map(|kind| kind.of(image));
        if let Some(cached) = keys.iter().find_map(|key| cache.iter().find(|cached| cached.key == *key)) {
            return Said::Logins(cached.logins.clone(), cached.renews);
        }
        let answer = match self.run(image, patience, at_home).await {
            Ok(answer) => answer,
            Err(said) => return said,
        };
        let renews = Timestamp::now().checked_add(answer.cache_for).unwrap_or(Timestamp::MAX);
        if let Some(expires) = Instant::now().checked_add(answer.cache_for).filter(|_| !answer.cache_for.is_zero()) {
            if cache.len() >= CACHE_LIMIT {
                cache.remove(0);
            }
            cache.push(Cached { key: answer.cache_key.of(image), expires, renews, logins: answer.logins.clone() });
        }
        Said::Logins(answer.logins, renews)
    }

    async fn run(&self, image: &str, patience: Duration, at_home: bool) -> Result<Answer, Said> {
        let request = serde_json::json!({
            "kind": "CredentialProviderRequest",
            "apiVersion": self.plugin.api_version,
            "image": image,
        });
        let patience = patience.min(KUBELET_PATIENCE);
        let output = exec::run(&self.binary, &self.plugin, request.to_string(), patience)
            .await
            .map_err(|error| judge(&error, patience, at_home))?;
        if !output.status.success() {
            return Err(Said::Failed(last_words(&output)));
        }
        Answer::parse(&output.answer, &self.plugin).map_err(Said::Failed)
    }
}

impl CacheKey {
    /// The place of an answer in the cache; no image or registry is named `global`.
    fn of(self, image: &str) -> String {
        match self {
            Self::Image => format!("image {image}"),
            Self::Registry => format!("registry {}", image.split('/').next().unwrap_or_default()),
            Self::Global => "global".into(),
        }
    }
}

fn judge(error: &RunError, patience: Duration, at_home: bool) -> Said {
    match error {
        // The node's loader and libraries are not where the binary looks for them.
        RunError::Start(error) if !at_home => {
            Said::Unknown(format!("cannot be run from here ({}): run pullprobe on the node itself", error.kind()))
        }
        RunError::Start(error) if error.kind() == ErrorKind::PermissionDenied => {
            Said::Failed("its binary is not executable".into())
        }
        RunError::Start(error) => Said::Failed(format!("its binary does not start: {}", error.kind())),
        RunError::Timeout if patience < KUBELET_PATIENCE => {
            let seconds = patience.as_secs_f64();
            Said::Unknown(format!(
                "did not answer within {seconds} s; kubelet waits for {} s",
                KUBELET_PATIENCE.as_secs()
            ))
        }
        RunError::Timeout => Said::Failed(format!("it did not answer within {} s", patience.as_secs())),
        RunError::TooLong => Said::Unknown("answers with more than 1 MiB, which is not read here".into()),
        RunError::Io(error) => Said::Failed(format!("it cannot be talked to: {}", error.kind())),
    }
}

fn last_words(output: &Output) -> String {
    let words = redact::redact(&output.words);
    let status = match output.status.code() {
        Some(code) => format!("it ended with exit code {code}"),
        None => "it was killed by a signal".to_owned(),
    };
    if words.is_empty() { status } else { format!("{status}: {words}") }
}

#[cfg(test)]
mod tests;
