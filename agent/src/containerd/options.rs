//! Which files of containerd are read, and by whose rules.

use std::path::PathBuf;

use crate::version::{Build, Version, VersionSource};

/// Where containerd looks by default.
pub const DEFAULT_CONFIG: &str = "/etc/containerd/config.toml";
/// Where it listens.
pub const DEFAULT_SOCKET: &str = "/run/containerd/containerd.sock";

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
    /// Whose build it is, as far as the node tells.
    pub build: Build,
    /// containerd's own directory, as its command line says, which wins over the file.
    pub root: Option<PathBuf>,
    /// Where it listens.
    pub socket: String,
    /// Pulls are asked about as if its files had no logins.
    pub anonymous: bool,
}

impl Default for ContainerdOptions {
    fn default() -> Self {
        Self {
            config: DEFAULT_CONFIG.into(),
            config_named: false,
            certs_d: None,
            version: None,
            version_source: None,
            build: Build::OPEN,
            root: None,
            socket: DEFAULT_SOCKET.to_owned(),
            anonymous: false,
        }
    }
}
