//! The options in force: the command line wins over the settings file, and that over the defaults.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::{NodeArgs, VersionChoice};
use crate::file;
use crate::image::platform::Platform;
use crate::pull_secrets::PullSecret;
use crate::settings::{self, Settings};
use crate::version::Version;

/// A settings file is a few hundred lines.
const SETTINGS_LIMIT: u64 = 1 << 20;

/// Everything that reading the node needs, decided.
#[derive(Clone, Debug)]
pub struct Options {
    pub host_root: PathBuf,
    /// `None`: where the node's containerd looks.
    pub containerd_config: Option<PathBuf>,
    /// `None`: as its command line or configuration says.
    pub containerd_root: Option<PathBuf>,
    pub certs_d: Option<Vec<PathBuf>>,
    /// `None`: auto.
    pub containerd_version: Option<Version>,
    pub platform: Option<Platform>,
    /// `None`: that of the node's distribution.
    pub kubelet_root: Option<PathBuf>,
    pub kubelet_credentials: bool,
    pub pull_secrets_dir: Option<PathBuf>,
    /// What one pod brings, instead of that directory.
    pub secrets_of_pod: Option<Arc<[PullSecret]>>,
    pub provider_config: Option<PathBuf>,
    pub provider_bin_dir: Option<PathBuf>,
    pub no_credentials: bool,
    pub counted_pulls: Option<u32>,
    pub node_name: String,
    pub settings: Settings,
}

/// Why there are no options: each line is one problem, complete.
pub type Problems = Vec<String>;

impl Options {
    pub fn of(args: &NodeArgs) -> Result<Self, Problems> {
        let settings = match &args.config {
            Some(file) => load(file)?,
            None => Settings::default(),
        };
        let node = &settings.node;
        let split = |text: &str| text.split(':').filter(|part| !part.is_empty()).map(PathBuf::from).collect::<Vec<_>>();
        let version = match args.containerd_version {
            Some(VersionChoice::Of(version)) => Some(version),
            Some(VersionChoice::Auto) => None,
            None => node.containerd_version,
        };
        let host_root = args.host_root.clone().or_else(|| node.host_root.clone()).unwrap_or_else(|| "/".into());
        let absolute = |name: &str, path: &Path| {
            (!path.is_absolute())
                .then(|| format!("{name}: found `{}`, expected an absolute path as on the node", path.display()))
        };
        // Whoever types a path from where they stand means this file, if this is the node.
        let here = (host_root == Path::new("/")).then(std::env::current_dir).and_then(Result::ok);
        let from_here = |path: PathBuf| here.as_ref().map_or_else(|| path.clone(), |here| here.join(&path));
        let options = Self {
            host_root,
            containerd_config: args
                .containerd_config
                .clone()
                .map(&from_here)
                .or_else(|| node.containerd_config.clone()),
            containerd_root: node.containerd_root.clone(),
            certs_d: (args.certs_d.as_deref().map(|text| split(text).into_iter().map(&from_here).collect()))
                .or_else(|| node.certs_d.as_deref().map(split)),
            containerd_version: version,
            platform: args.platform.clone().or_else(|| node.platform.clone()),
            kubelet_root: args.kubelet_root.clone().map(&from_here).or_else(|| node.kubelet_root.clone()),
            kubelet_credentials: settings.credentials.kubelet,
            pull_secrets_dir: settings.credentials.pull_secrets_dir.clone(),
            secrets_of_pod: None,
            provider_config: args
                .credential_provider_config
                .clone()
                .map(&from_here)
                .or_else(|| settings.credentials.provider_config.clone()),
            provider_bin_dir: args
                .credential_provider_bin_dir
                .clone()
                .map(&from_here)
                .or_else(|| settings.credentials.provider_bin_dir.clone()),
            no_credentials: args.no_credentials,
            counted_pulls: args.counted_pulls,
            node_name: settings.node.name(|variable| std::env::var(variable).ok()).unwrap_or_else(host_name),
            settings: settings.clone(),
        };
        let problems: Problems = [
            options.containerd_config.as_deref().and_then(|path| absolute("--containerd-config", path)),
            options.kubelet_root.as_deref().and_then(|path| absolute("--kubelet-root", path)),
            options.provider_config.as_deref().and_then(|path| absolute("--credential-provider-config", path)),
            options.provider_bin_dir.as_deref().and_then(|path| absolute("--credential-provider-bin-dir", path)),
        ]
        .into_iter()
        .flatten()
        .chain(options.certs_d.iter().flatten().filter_map(|dir| absolute("--certs-d", dir)))
        .collect();
        if problems.is_empty() { Ok(options) } else { Err(problems) }
    }
}

impl Options {
    /// With the pull secrets of one pod, and no others.
    #[must_use]
    pub fn for_pod(self, secrets: Option<Vec<PullSecret>>) -> Self {
        match secrets {
            Some(secrets) => Self { pull_secrets_dir: None, secrets_of_pod: Some(secrets.into()), ..self },
            None => self,
        }
    }
}

/// The settings of a file.
pub fn load(path: &Path) -> Result<Settings, Problems> {
    let name = path.display().to_string();
    let text = file::read_text(path, SETTINGS_LIMIT).map_err(|e| vec![format!("--config: {name}: {e}")])?;
    settings::parse(&name, &text).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// What the kernel calls this machine.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
