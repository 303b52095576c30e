//! kubelet's credential provider plugins: their configuration, and how they are run.
//!
//! A plugin that needs what only kubelet has (the token of a pod's service account), or that cannot
//! be run from here, is reported as such and never as failed.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::cause::Cause;
use crate::confine;
use crate::environment::DaemonEnvironment;
use crate::host::root::{EntryKind, HostRoot};
use crate::image::reference::Reference;
use crate::keyring::dockerconfig::DockerConfig;
use crate::keyring::inaccessible::{self, Inaccessible};
use crate::keyring::lookup::Keyring;
use crate::model::credential::{Credential, CredentialSource, ProviderOutcome, ProviderReport};
use crate::model::finding::{Finding, Severity};
use crate::model::outcome::Failure;
use crate::model::stage::Stage;
use crate::redact::clip::clip;
use crate::redact::output::redact;
use crate::redact::redactor::Redactor;
use crate::redact::secret::Secret;
use crate::redact::urls::without_credentials;

pub mod answer;
mod cache;
pub mod config;
mod exec;
mod holders;
pub mod inside;
mod near;
mod place;

use answer::ProviderResponse;
use cache::Cache;
use config::Plugin;
use exec::{Binary, KUBELET_PATIENCE, Output, RunError};
use inside::Inside;
use place::RunConditions;
pub use place::is_refusal;

pub const CONFIG_INVALID: &str = "credential_provider_config_invalid";
pub const BINARY_MISSING: &str = "credential_provider_missing";
pub const CONFIG_UNSEEN: &str = "credential_provider_unseen";

/// The plugins of this node.
#[derive(Debug)]
pub struct Providers {
    plugins: Vec<Arc<Ready>>,
    place: RunConditions,
}

#[derive(Debug)]
struct Ready {
    plugin: Plugin,
    /// `None`: this process does not see it.
    binary: Option<Binary>,
    /// Asked one image at a time: who comes second finds the answer here.
    cache: Mutex<Cache>,
}

/// What the plugins said about one image.
#[derive(Debug, Default)]
pub struct Asked {
    /// In kubelet's order, behind those of files.
    pub credentials: Vec<Credential>,
    /// Each plugin that was for the image.
    pub providers: Vec<ProviderReport>,
    /// kubelet does not start with the configuration of its plugins.
    pub refused: Option<Failure>,
    /// Files that may hold more.
    pub unread: Vec<Inaccessible>,
}

impl Asked {
    /// kubelet would go on without these plugins and only log that.
    pub fn failures(&self) -> Vec<Failure> {
        let of_plugin = |one: &ProviderReport| match &one.outcome {
            ProviderOutcome::Failed(why) => Some(failed(format!("credential provider `{}`: {why}", one.name))),
            _ => None,
        };
        self.refused.iter().cloned().chain(self.providers.iter().filter_map(of_plugin)).collect()
    }

    /// Unknown from here: kubelet may have a credential.
    pub fn unknown(&self) -> Vec<String> {
        let of_plugin = |one: &ProviderReport| match &one.outcome {
            ProviderOutcome::Unknown(why) => Some(format!("credential provider `{}` {why}", one.name)),
            _ => None,
        };
        let of_file = |one: &Inaccessible| format!("{} {}", one.file, one.why);
        self.unread.iter().map(of_file).chain(self.providers.iter().filter_map(of_plugin)).collect()
    }
}

/// A login may be wanting because of it.
pub fn failed(detail: String) -> Failure {
    Failure::new(Stage::Config, Cause::CredentialProviderFailed, detail)
}

/// What became of one plugin.
#[derive(Clone, Debug)]
enum Said {
    /// ... and when kubelet asks again.
    Logins(DockerConfig, Timestamp),
    Failed(String),
    Unknown(String),
}

impl Providers {
    /// `None` with findings: kubelet would not start, or nothing of its providers is to be seen.
    /// `may_enter`: a root that is not this process's own is entered to run them.
    pub fn load(
        root: &HostRoot,
        config: &Path,
        bin_dir: Option<&Path>,
        may_enter: bool,
    ) -> (Option<Self>, Vec<Finding>) {
        let Some(bin_dir) = bin_dir else {
            let message = "kubelet does not start with --image-credential-provider-config alone";
            let fix = "set --image-credential-provider-bin-dir too";
            let finding = Finding::new(Severity::Error, CONFIG_INVALID, message, fix);
            return (None, vec![finding.in_file(config.display().to_string())]);
        };
        let plugins = match config::load(root, config) {
            Ok(plugins) => plugins,
            Err(findings) => return (None, findings),
        };
        let mut ready = Vec::new();
        let mut findings = Vec::new();
        let kubelet = DaemonEnvironment::of_kubelet(root);
        let place = RunConditions::of(root, kubelet.closed.as_ref());
        let inherited: Vec<(String, Secret)> = kubelet.variables.into_iter().map(|one| (one.name, one.value)).collect();
        for plugin in plugins {
            let plugin = Plugin { inherited: inherited.clone(), ..plugin };
            let on_node = bin_dir.join(&plugin.name);
            match root.stat(&on_node) {
                Ok(stat) if stat.kind == EntryKind::File => {
                    ready.push(Arc::new(Ready::new(root, plugin, &on_node, may_enter)));
                }
                Ok(_) => findings.push(place::no_binary(&on_node, "not a regular file")),
                Err(error) => match place::unseen_binary(root, &on_node, &error) {
                    Some(unseen) => {
                        ready.push(Arc::new(Ready { plugin, binary: None, cache: Mutex::default() }));
                        findings.push(unseen);
                    }
                    None => findings.push(place::no_binary(&on_node, &error.reason())),
                },
            }
        }
        let usable = (!findings.iter().any(is_refusal)).then(|| Self { plugins: ready, place });
        (usable, findings)
    }

    /// The paths of the node that the plugins are told of, by arguments and variables.
    pub fn named_paths(&self) -> Vec<PathBuf> {
        let of = |plugin: &Plugin| {
            let variables = plugin.env.iter().chain(&plugin.inherited).map(|(_, value)| value);
            confine::plugin::named(plugin.args.iter().chain(variables).map(Secret::expose))
        };
        self.plugins.iter().flat_map(|ready| of(&ready.plugin)).collect()
    }

    /// The names of the plugins that are for the image.
    pub fn fitting(&self, image: &str) -> Vec<String> {
        let plugins = self.plugins.iter().map(|ready| &ready.plugin);
        plugins.filter(|plugin| plugin.is_for(image)).map(|plugin| plugin.name.clone()).collect()
    }

    /// The plugin whose patterns come nearest to the image, where none is for it: which pattern, and why not.
    pub fn near_miss(&self, image: &str) -> Option<String> {
        if !self.fitting(image).is_empty() {
            return None;
        }
        let plugins = self.plugins.iter().map(|ready| &ready.plugin);
        let nearest = plugins.filter_map(|plugin| Some((plugin, near::nearest(&plugin.match_images, image)?)));
        let (plugin, near) = nearest.min_by_key(|(_, near)| near.distance)?;
        Some(format!(
            "The credential provider `{}` is not asked: the nearest of its `matchImages`, `{}`, does not fit ({}). Add `{}` to it.",
            plugin.name, near.pattern, near.why, near.better
        ))
    }

    /// Plugins that are configured as before go on with what they said.
    #[must_use]
    pub fn after(&self, before: &Self) -> Self {
        let as_known = |ready: &Arc<Ready>| {
            // kubelet found at its start what is not to be seen any more.
            let same = |other: &&Arc<Ready>| {
                other.plugin == ready.plugin && (other.binary == ready.binary || ready.binary.is_none())
            };
            Arc::clone(before.plugins.iter().find(same).unwrap_or(ready))
        };
        Self { plugins: self.plugins.iter().map(as_known).collect(), place: self.place }
    }

    /// Asks every plugin whose `matchImages` fits the image. `patience` bounds each of them; kubelet
    /// waits a minute.
    pub async fn ask(&self, image: &Reference, patience: Duration) -> Asked {
        let name = image.name();
        let fitting: Vec<&Arc<Ready>> = self.plugins.iter().filter(|ready| ready.plugin.is_for(&name)).collect();
        let said = futures::future::join_all(fitting.iter().map(|ready| ready.ask(&name, patience, self.place))).await;
        let mut asked = Asked::default();
        let mut ring = Keyring::default();
        let mut renewals = HashMap::new();
        for (ready, said) in fitting.iter().zip(said) {
            let plugin = &ready.plugin.name;
            let outcome = match said {
                Said::Logins(logins, renews) => {
                    let source = CredentialSource::Provider(plugin.clone().into());
                    // A key that is no URL is passed over, here as in files.
                    ring.add(&logins, &source, "");
                    renewals.insert(source.to_string(), renews);
                    let mut own = Keyring::default();
                    own.add(&logins, &source, "");
                    let fits = !own.lookup(&name).is_empty();
                    match self.place.failed("it answers without a login for the image".into()) {
                        Said::Unknown(why) if !fits => ProviderOutcome::Unknown(why.into()),
                        _ if fits || logins.entries.is_empty() => ProviderOutcome::Answered,
                        _ => ProviderOutcome::NoneFits(answer::keys(&logins).into()),
                    }
                }
                Said::Failed(why) => ProviderOutcome::Failed(clip(why).into()),
                Said::Unknown(why) => ProviderOutcome::Unknown(clip(why).into()),
            };
            asked.providers.push(ProviderReport { name: plugin.clone().into(), outcome });
        }
        asked.credentials = ring.lookup(&name);
        for credential in &mut asked.credentials {
            credential.renews = renewals.get(&credential.source.to_string()).copied();
        }
        asked
    }
}

impl Ready {
    fn new(root: &HostRoot, plugin: Plugin, on_node: &Path, may_enter: bool) -> Self {
        let program = root.real_path(on_node).unwrap_or_else(|_| on_node.to_owned());
        let here = root.dir().join(program.strip_prefix("/").unwrap_or(&program));
        let enters = may_enter && !inaccessible::is_whole(root);
        let inside = enters.then(|| Inside { root: root.dir().to_owned(), program });
        Self { plugin, binary: Some(Binary { here, inside }), cache: Mutex::default() }
    }

    async fn ask(&self, image: &str, patience: Duration, place: RunConditions) -> Said {
        if self.plugin.wants_pod_token {
            return Said::Unknown("uses the identity of the pod: without one, what it gives is unknown".into());
        }
        let Some(binary) = &self.binary else {
            return Said::Unknown("cannot be run from here: pullprobe does not see its binary".into());
        };
        let began = Instant::now();
        // Half is left to be asked in.
        let Ok(mut cache) = tokio::time::timeout(patience / 2, self.cache.lock()).await else {
            return Said::Unknown(format!("was busy with another image for more than {} s", seconds(patience / 2)));
        };
        if let Some(said) = cache.get(image) {
            return said;
        }
        match self.run(binary, image, patience.saturating_sub(began.elapsed()), place).await {
            Ok(answer) => {
                let renews = Timestamp::now().checked_add(answer.cache_for).unwrap_or(Timestamp::MAX);
                let said = Said::Logins(answer.logins, renews);
                cache.keep(image, answer.cache_key, answer.cache_for, &said);
                said
            }
            Err(said) => {
                cache.leave_alone(image, &said);
                said
            }
        }
    }

    async fn run(
        &self,
        binary: &Binary,
        image: &str,
        patience: Duration,
        place: RunConditions,
    ) -> Result<ProviderResponse, Said> {
        let request = serde_json::json!({
            "kind": "CredentialProviderRequest",
            "apiVersion": self.plugin.api_version,
            "image": image,
        });
        let patience = patience.min(KUBELET_PATIENCE);
        let output = exec::run(binary, &self.plugin, &request.to_string(), patience)
            .await
            .map_err(|error| judge(&binary.here, &error, patience, place))?;
        let redactor = self.plugin.redactor(&output.answer);
        if !output.status.success() {
            return Err(place.failed(last_words(&output, &redactor)));
        }
        ProviderResponse::parse(&output.answer, &self.plugin, &redactor).map_err(|why| place.failed(why))
    }
}

fn judge(binary: &Path, error: &RunError, patience: Duration, place: RunConditions) -> Said {
    match error {
        RunError::Start(error) => not_started(binary, error, place),
        RunError::Timeout if seconds(patience) < seconds(KUBELET_PATIENCE) => Said::Unknown(format!(
            "did not answer within {} s; kubelet waits for {} s",
            seconds(patience),
            seconds(KUBELET_PATIENCE)
        )),
        RunError::Timeout => place.failed(format!("it did not answer within {} s", seconds(patience))),
        RunError::TooLong => Said::Unknown("answers with more than 1 MiB, which pullprobe does not read".into()),
        RunError::Io(error) => place.failed(format!("it cannot be talked to: {}", error.kind())),
    }
}

fn not_started(binary: &Path, error: &std::io::Error, place: RunConditions) -> Said {
    let directory_is_there = || binary.parent().is_some_and(Path::is_dir);
    match std::fs::metadata(binary) {
        Ok(found) if found.permissions().mode() & 0o111 == 0 => Said::Failed("its binary is not executable".into()),
        // kubelet may do more than this process.
        Ok(_) if error.kind() == ErrorKind::PermissionDenied => {
            Said::Unknown("cannot be run from here: pullprobe may not execute its binary".into())
        }
        // It was there when kubelet's configuration was read.
        Err(gone) if gone.kind() == ErrorKind::NotFound && directory_is_there() => {
            Said::Failed("its binary is not there any more".into())
        }
        // The node's loader and libraries are not where the binary looks for them.
        _ if !place.is_kubelets() => {
            Said::Unknown(format!("cannot be run from here ({}): run pullprobe on the node itself", error.kind()))
        }
        _ => Said::Failed(format!("its binary does not start: {}", error.kind())),
    }
}

/// In tenths: what is said to people.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10.0).round() / 10.0
}

fn last_words(output: &Output, redactor: &Redactor) -> String {
    let words = without_credentials(&redact(&redactor.hide(&String::from_utf8_lossy(&output.words))));
    let status = match output.status.code() {
        Some(code) => format!("it ended with exit code {code}"),
        None => "it was killed by a signal".to_owned(),
    };
    if words.is_empty() { status } else { format!("{status}: {words}") }
}

#[cfg(test)]
mod tests;
