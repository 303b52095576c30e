//! The node's containerd as its files describe it: version, pull mode, registries, and what is wrong
//! with them.
//!
//! [`Containerd::load`] reads all there is to read; whoever plans a pull needs no file afterwards.
//! Edits show in the next load, as in containerd; [`Containerd::reload`] also knows what containerd
//! keeps in force when a file breaks.

#[cfg(test)]
pub(crate) mod cases_tests;
#[cfg(test)]
mod config_tests;
#[cfg(test)]
mod cri_tests;
mod partial_write;
#[cfg(test)]
mod reload_tests;
#[cfg(test)]
mod toml_tests;

use std::path::PathBuf;
use std::sync::Arc;

use go::toml;
use jiff::Timestamp;

use crate::containerd::{config, configured, pull_mode, reader};
use crate::lint;
use crate::mirrors::registry;

pub use crate::containerd::config::{ConfigFault, FaultKind};
pub use crate::containerd::options::{ContainerdOptions, DEFAULT_CONFIG, DEFAULT_SOCKET};
pub use crate::mirrors::registry::{HostSource, RegistrySettings};

use crate::containerd::config::Merged;
use crate::containerd::configured::{Before, Configured};
use crate::containerd::reader::Reader;
use crate::containerd::settings::Settings;
use crate::cri::content::ContentStore;
use crate::host::last_good::Broken;
use crate::host::root::{HostRoot, ReadError};
use crate::image::platform::Platform;
use crate::model::finding::Finding;
use crate::version::{PullMode, Version, VersionSource};

const DEFAULT_ROOT: &str = "/var/lib/containerd";
const DEFAULT_SNAPSHOTTER: &str = "overlayfs";
const METADATA: &str = "io.containerd.metadata.v1.bolt";

/// All that matters for pulls.
#[derive(Clone, Debug)]
pub struct Containerd {
    pub version: Version,
    pub version_source: VersionSource,
    /// Those that were read, in order.
    pub config_files: Vec<String>,
    /// The directories that registries are looked up in, as containerd takes the value apart.
    pub config_path: Vec<String>,
    pub pull_mode: PullMode,
    /// One sentence.
    pub pull_mode_reason: String,
    /// containerd's own directory, which holds images.
    pub root: PathBuf,
    /// Where it listens, or would.
    pub socket: String,
    pub content: ContentStore,
    pub snapshotter: String,
    pub sandbox_image: Option<String>,
    pub registry: RegistrySettings,
    /// The logins in its files are read, and not sent.
    pub anonymous: bool,
    /// containerd or its CRI plugin would not start with these files.
    pub fatal: Option<ConfigFault>,
    /// containerd's words for every pull that got as far as unpacking: the transfer service does
    /// not know the snapshotter.
    pub unpack_error: Option<String>,
    pub findings: Vec<Finding>,
    /// SHA-256 in hex over all that is in force: differs when any of it does.
    pub content_hash: String,
    last_good: Option<Arc<Configured>>,
    broken: Broken,
}

impl Containerd {
    pub fn load(root: &HostRoot, options: &ContainerdOptions) -> Self {
        Self::look(root, options, None)
    }

    /// Another look. A config.toml that broke does not count for the `running` containerd, which has
    /// read it at its start; a hosts.toml that broke counts when it stays so.
    #[must_use]
    pub fn reload(&self, root: &HostRoot, options: &ContainerdOptions, now: Timestamp, running: bool) -> Self {
        let before = Before { last_good: self.last_good.as_ref(), broken: &self.broken, now, running };
        Self::look(root, options, Some((self, &before)))
    }

    /// What it goes by beside its own files (proxies, names) is closed to pullprobe: no answer is certain.
    #[must_use]
    pub fn beside(self, closed: Option<&ReadError>) -> Self {
        let Some(error) = closed.filter(|_| self.fatal.is_none()) else { return self };
        let file = error.path().to_string_lossy();
        let why = reader::unread(&file, error).unwrap_or_else(|| error.reason());
        let fault = ConfigFault::new(FaultKind::Unread, why, &file);
        let findings = self.findings.into_iter().chain([lint::beside(&fault)]).collect();
        Self { fatal: Some(fault), findings, ..self }
    }

    fn look(root: &HostRoot, options: &ContainerdOptions, before: Option<(&Self, &Before<'_>)>) -> Self {
        let mut reader = Reader::new(root);
        let path = config::rooted(&options.config.to_string_lossy());
        let fresh = Configured::read(&mut reader, root, options, &path);
        let mut broken = Broken::default();
        let in_force =
            configured::in_force(fresh, options.version, before.map(|(_, before)| before), &path, &mut broken);
        let Configured { version, version_source, merged, settings, config_path, fault, hash } = &*in_force.configured;
        let (version, version_source) = (*version, *version_source);
        let (mode, reason) = pull_mode::decide(settings, version);
        let mut findings: Vec<Finding> = in_force.finding.into_iter().collect();
        let mut registry = registry::load(&mut reader, settings, config_path, mode, version, &mut findings);
        let kept = before
            .map(|(containerd, before)| partial_write::keep(&mut registry, &containerd.registry, before, &mut broken));
        let kept = kept.unwrap_or_default();
        let snapshotter = settings.snapshotter.as_ref().map_or(DEFAULT_SNAPSHOTTER, |(name, _)| name).to_owned();
        let own = options.root.clone().unwrap_or_else(|| merged.root.as_deref().unwrap_or(DEFAULT_ROOT).into());
        let content =
            ContentStore::new(root, &own, &snapshotter, settings.discard_unpacked_layers, shares_content(merged));
        let unpack_error = unpack_error(settings, mode, &snapshotter);
        let lint = lint::Lint {
            reader: &mut reader,
            version,
            source: version_source,
            config: &path,
            merged,
            settings,
            config_path,
            mode,
            mode_reason: &reason,
            registry: &registry,
            fatal: fault.as_ref(),
            unpack_error: unpack_error.as_deref(),
        };
        findings.extend(lint.findings());
        let content_hash = match before.filter(|_| !kept.is_empty()) {
            // Of a hosts.toml that is put back only what it says is left, not its text.
            Some((containerd, _)) => containerd.content_hash.clone(),
            None => reader::hash_of(&[hash, &reader.take_hash()]),
        };
        findings.extend(kept);
        Self {
            version,
            version_source,
            config_files: merged.files.iter().map(|file| file.path.clone()).collect(),
            config_path: pull_mode::directories(config_path, mode),
            pull_mode: mode,
            pull_mode_reason: reason,
            root: own,
            socket: options.socket.clone(),
            content,
            snapshotter,
            sandbox_image: settings.sandbox_image.clone().or_else(|| Some(default_sandbox(version).into())),
            registry,
            anonymous: options.anonymous,
            fatal: fault.clone(),
            unpack_error,
            findings,
            content_hash,
            last_good: in_force.last_good,
            broken,
        }
    }
}

fn unpack_error(settings: &Settings, mode: PullMode, snapshotter: &str) -> Option<String> {
    if mode == PullMode::Local {
        return None;
    }
    let default = [(String::new(), DEFAULT_SNAPSHOTTER.to_owned())];
    let configured = settings.unpack_config.as_deref().unwrap_or(&default);
    let host = Platform::new("linux", std::env::consts::ARCH, "");
    let known = pull_mode::unpacks(configured, "", snapshotter, &host.to_string()).is_some();
    (!known).then(|| "unable to initialize unpacker: no unpack platforms defined: invalid argument".into())
}

/// `content_sharing_policy` of the metadata store: by default content is there for every client.
fn shares_content(merged: &Merged) -> bool {
    let policy = merged.plugins.table(METADATA).and_then(|table| table.get("content_sharing_policy"));
    policy.and_then(toml::Value::as_str) != Some("isolated")
}

/// The pause image that containerd pulls for every pod when nothing else is configured.
fn default_sandbox(version: Version) -> &'static str {
    match (version.major, version.minor) {
        (0 | 1, 0..=6) => "registry.k8s.io/pause:3.6",
        (0 | 1, _) => "registry.k8s.io/pause:3.8",
        (2, 0 | 1) => "registry.k8s.io/pause:3.10",
        (2, 2) => "registry.k8s.io/pause:3.10.1",
        _ => "registry.k8s.io/pause:3.10.2",
    }
}
