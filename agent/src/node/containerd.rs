//! The node's containerd as its files describe it: version, pull mode, registries, and what is wrong
//! with them.
//!
//! [`Containerd::load`] reads all there is to read; whoever plans a pull needs no file afterwards.
//! Nothing is kept between loads: edits of certs.d show in the next one, as in containerd.

pub mod certs_d;
pub mod config;
pub mod document;
mod evidence;
pub mod gotext;
pub mod gourl;
pub mod hosts_toml;
pub mod lint;
mod pem;
mod pull_mode;
mod reader;
pub mod registry;
mod settings;
mod tls_files;

#[cfg(test)]
pub(crate) mod cases_tests;
#[cfg(test)]
mod config_tests;

use std::path::PathBuf;

pub use config::{ConfigFault, FaultKind};
pub use registry::{HostSource, RegistrySettings};

use crate::model::containerd::{PullMode, Version, VersionSource};
use crate::model::finding::Finding;
use crate::model::platform::Platform;
use crate::node::root::HostRoot;
use config::Merged;
use reader::Reader;
use settings::Settings;

/// Where containerd looks when it is told nothing.
pub const DEFAULT_CONFIG: &str = "/etc/containerd/config.toml";
const DEFAULT_ROOT: &str = "/var/lib/containerd";
const DEFAULT_SNAPSHOTTER: &str = "overlayfs";

/// Which files to read, and by whose rules.
#[derive(Clone, Debug)]
pub struct ContainerdOptions {
    pub config: PathBuf,
    /// The file was named by a flag: then it must exist.
    pub config_named: bool,
    /// Takes the place of `config_path` and `mirrors`.
    pub certs_d: Option<Vec<PathBuf>>,
    /// `None`: from the file's evidence, else the newest.
    pub version: Option<Version>,
    pub version_source: Option<VersionSource>,
}

impl Default for ContainerdOptions {
    fn default() -> Self {
        Self { config: DEFAULT_CONFIG.into(), config_named: false, certs_d: None, version: None, version_source: None }
    }
}

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
    pub snapshotter: String,
    pub sandbox_image: Option<String>,
    pub registry: RegistrySettings,
    /// containerd or its CRI plugin would not start with these files.
    pub fatal: Option<ConfigFault>,
    /// containerd's words for every pull that got as far as unpacking: the transfer service does
    /// not know the snapshotter.
    pub unpack_error: Option<String>,
    pub findings: Vec<Finding>,
    /// SHA-256 over all files read, in hex: differs when any of them does.
    pub content_hash: String,
}

impl Containerd {
    pub fn load(root: &HostRoot, options: &ContainerdOptions) -> Self {
        let (version, version_source) = match options.version {
            Some(version) => (version, options.version_source.unwrap_or(VersionSource::Flag)),
            None => evidence::version(root, &options.config),
        };
        let mut reader = Reader::new(root);
        let path = config::rooted(&options.config.to_string_lossy());
        let (merged, fault) = read_config(&mut reader, &path, options.config_named, version);
        let (mut settings, fault) = match (fault, settings::decode(&merged, version)) {
            (None, Ok(settings)) => (settings, None),
            (fault, decoded) => (Settings::default(), fault.or(decoded.err())),
        };
        if let Some(directories) = &options.certs_d {
            settings = with_directories(settings, directories);
        }
        let config_path = pull_mode::effective_config_path(&settings, version);
        let fault = fault
            .or_else(|| cri_disabled(&merged, version))
            .or_else(|| pull_mode::validate(&settings, &config_path, version, &path).err());
        let (mode, reason) = pull_mode::decide(&settings, version);
        let mut findings = Vec::new();
        let registry = registry::load(&mut reader, &settings, &config_path, mode, version, &mut findings);
        let snapshotter = settings.snapshotter.as_ref().map_or(DEFAULT_SNAPSHOTTER, |(name, _)| name).to_owned();
        let unpack_error = unpack_error(&settings, mode, &snapshotter);
        let lint = lint::Lint {
            reader: &mut reader,
            version,
            source: version_source,
            config: &path,
            merged: &merged,
            settings: &settings,
            config_path: &config_path,
            mode,
            mode_reason: &reason,
            registry: &registry,
            fatal: fault.as_ref(),
            unpack_error: unpack_error.as_deref(),
        };
        findings.extend(lint.findings());
        Self {
            version,
            version_source,
            config_files: merged.files.iter().map(|file| file.path.clone()).collect(),
            config_path: pull_mode::directories(&config_path, mode),
            pull_mode: mode,
            pull_mode_reason: reason,
            root: merged.root.unwrap_or_else(|| DEFAULT_ROOT.into()).into(),
            snapshotter,
            sandbox_image: settings.sandbox_image.or_else(|| Some(default_sandbox(version).into())),
            registry,
            fatal: fault,
            unpack_error,
            findings,
            content_hash: reader.hash(),
        }
    }
}

/// A file that is not there means containerd's defaults, unless it was asked for by name.
fn read_config(reader: &mut Reader<'_>, path: &str, named: bool, version: Version) -> (Merged, Option<ConfigFault>) {
    if !named && reader.stat(path).is_err_and(|error| error.is_not_found()) {
        return (Merged { schema: i64::from(version.config_schema()), ..Merged::default() }, None);
    }
    config::load(reader, path, version)
}

/// A configuration that is tried out: its directories count, the deprecated mirrors do not.
fn with_directories(settings: Settings, directories: &[PathBuf]) -> Settings {
    let joined = directories.iter().map(|path| path.to_string_lossy().into_owned()).collect::<Vec<_>>().join(":");
    let place = document::Place { file: "--certs-d".into(), line: 1, column: 1 };
    Settings { config_path: Some((joined, place)), mirrors: Vec::new(), ..settings }
}

fn cri_disabled(merged: &Merged, version: Version) -> Option<ConfigFault> {
    let ids: &[&str] = match (version.major, merged.schema) {
        (2.., _) => &[config::migrate::OLD_CRI, config::migrate::IMAGES],
        (_, 1) => &["cri"],
        _ => &[config::migrate::OLD_CRI],
    };
    let (id, place) = merged.disabled.iter().find(|(id, _)| ids.contains(&id.as_str()))?;
    let message = format!("the plugin {id} is listed in disabled_plugins, so containerd serves no CRI");
    Some(ConfigFault::new(FaultKind::CriDisabled, message, &place.file).at(place))
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
