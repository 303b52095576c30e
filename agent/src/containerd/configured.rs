//! config.toml as one containerd has it in memory: read once at its start, whatever the file says later.

use std::sync::Arc;

use go::place::{Position, SourceLocation};
use jiff::Timestamp;

use super::config::{self, ConfigFault, FaultKind, Merged, top_level};
use super::options::ContainerdOptions;
use super::reader::Reader;
use super::settings::{self, Settings};
use super::{config_keys, cri_plugins, evidence, pull_mode};
use crate::host::last_good::{self, Broken, GRACE};
use crate::host::root::HostRoot;
use crate::model::finding::Finding;
use crate::version::{Version, VersionSource};

/// Stands for the file where the directories were typed.
pub const CERTS_D_FLAG: &str = "--certs-d";

/// The file with all it imports, as a version of containerd takes it.
#[derive(Clone, Debug)]
pub struct Configured {
    pub version: Version,
    pub version_source: VersionSource,
    pub merged: Merged,
    pub settings: Settings,
    pub config_path: String,
    /// containerd or its CRI plugin would not start with it.
    pub fault: Option<ConfigFault>,
    /// Over the files that were read.
    pub hash: String,
}

impl Configured {
    pub fn read(reader: &mut Reader<'_>, root: &HostRoot, options: &ContainerdOptions, path: &str) -> Self {
        let (version, version_source) = match options.version {
            Some(version) => (version, options.version_source.unwrap_or(VersionSource::Flag)),
            None => evidence::version(root, &options.config),
        };
        let version = version.with_build(options.build);
        let (merged, fault) = read_files(reader, path, options.config_named, version);
        let fault = fault.or_else(|| config_keys::fault(&merged, version));
        let (mut settings, fault) = match (fault, settings::decode(&merged, version)) {
            (None, Ok(settings)) => (settings, None),
            (fault, decoded) => (Settings::default(), fault.or(decoded.err())),
        };
        if let Some(directories) = &options.certs_d {
            settings = with_directories(settings, directories);
        }
        let config_path = pull_mode::effective_config_path(&settings, version);
        let of_cri = || pull_mode::validate(&settings, &config_path, version, path).err();
        let fault = fault
            .or_else(|| top_level::check_values(&merged, version).err())
            .or_else(|| cri_plugins::fault(&merged, &settings, version, of_cri));
        Self { version, version_source, merged, settings, config_path, fault, hash: reader.take_hash() }
    }

    /// The file is there and says nothing: what a writer leaves that has only just opened it.
    fn is_empty(&self) -> bool {
        self.merged.files.first().is_some_and(|file| file.table.entries.is_empty())
    }
}

/// What the last look at the files gave.
pub struct Before<'a> {
    pub last_good: Option<&'a Arc<Configured>>,
    pub broken: &'a Broken,
    pub now: Timestamp,
    /// Whether a containerd may be running that has read the files before.
    pub running: bool,
}

/// What is in force, what the last whole file said, and what is to be said about the difference.
pub struct InForce {
    pub configured: Arc<Configured>,
    pub last_good: Option<Arc<Configured>>,
    pub finding: Option<Finding>,
}

/// A file that breaks under a running containerd does not count before its next start.
pub fn in_force(
    fresh: Configured,
    told_version: Option<Version>,
    before: Option<&Before<'_>>,
    path: &str,
    broken: &mut Broken,
) -> InForce {
    let fresh = Arc::new(fresh);
    // Another version was started since, with whatever the file said then.
    let held = before.and_then(|before| {
        let good = before.last_good;
        Some((before, good.filter(|good| told_version.is_none_or(|version| version.is_release(good.version)))?))
    });
    let Some((before, good)) = held else {
        let last_good = fresh.fault.is_none().then(|| Arc::clone(&fresh));
        return InForce { configured: fresh, last_good, finding: None };
    };
    let since = before.broken.since(path, before.now);
    let told = match &fresh.fault {
        Some(fault) => Some(of_fault(fault, since)),
        None if fresh.is_empty() && !good.is_empty() && before.now.duration_since(since) < GRACE => {
            let consequence = format!("for {GRACE:#} pullprobe assumes that somebody is still writing it");
            Some(last_good::finding(path, since, "the file is empty", &consequence, "write the whole file at once"))
        }
        None => None,
    };
    match told {
        None => InForce { last_good: Some(Arc::clone(&fresh)), configured: fresh, finding: None },
        // Nobody holds in memory what nobody runs.
        Some(_) if !before.running => InForce { configured: fresh, last_good: Some(Arc::clone(good)), finding: None },
        Some(finding) => {
            broken.note(path, since);
            let good = Arc::clone(good);
            InForce { configured: Arc::clone(&good), last_good: Some(good), finding: Some(finding) }
        }
    }
}

fn of_fault(fault: &ConfigFault, since: Timestamp) -> Finding {
    let restart = match fault.kind {
        FaultKind::Unread => "what it would do is unknown",
        kind if kind.stops_containerd() => "containerd would not start again, and this node could pull nothing",
        _ => "containerd would serve no CRI, and this node could pull nothing",
    };
    let consequence = format!(
        "the running containerd read this file when it started, and does not read it again. After a restart now, {restart}"
    );
    let fix = "correct the file before containerd is restarted; `containerd config dump` shows whether it parses";
    last_good::finding(&fault.place.file, since, &fault.message, &consequence, fix).located(&fault.place)
}

/// A file that is not there means containerd's defaults, unless it was asked for by name.
fn read_files(reader: &mut Reader<'_>, path: &str, named: bool, version: Version) -> (Merged, Option<ConfigFault>) {
    if !named && reader.stat(path).is_err_and(|error| error.is_not_found()) {
        return (Merged { schema: i64::from(version.config_schema()), ..Merged::default() }, None);
    }
    config::load(reader, path, version)
}

/// A configuration that is tried out: its directories count, the deprecated mirrors do not.
fn with_directories(settings: Settings, directories: &[std::path::PathBuf]) -> Settings {
    let joined = directories.iter().map(|path| path.to_string_lossy().into_owned()).collect::<Vec<_>>().join(":");
    let place = SourceLocation::new(CERTS_D_FLAG, Position::START);
    Settings { config_path: Some((joined, place)), mirrors: Vec::new(), ..settings }
}
