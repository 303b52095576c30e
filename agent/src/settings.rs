//! pullprobe's own settings file, with every problem in it told at once.
//!
//! It reads no file and no environment. The keys, their ranges and their words are in [`table`],
//! which is also the source of docs/settings.md.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::image::platform::Platform;
use crate::model::detail::Detail;
use crate::version::Version;

pub mod document;
pub mod duration;
mod problem;
pub mod read;
mod table;

pub use problem::Problem;
pub use table::COUNTED_PULLS_LIMIT;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    pub node: NodeSettings,
    pub targets: TargetSettings,
    pub probe: ProbeSettings,
    pub credentials: CredentialSettings,
    pub web: WebSettings,
    pub metrics: MetricSettings,
    pub signals: SignalSettings,
    pub labels: LabelSettings,
}

/// Where the node's files are. `None`: not set, so a flag or the verb's default decides.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeSettings {
    pub host_root: Option<PathBuf>,
    pub containerd_config: Option<PathBuf>,
    pub containerd_root: Option<PathBuf>,
    /// `DIR[:DIR]`, each absolute.
    pub certs_d: Option<String>,
    pub kubelet_root: Option<PathBuf>,
    /// `None`: auto.
    pub containerd_version: Option<Version>,
    /// `None`: the node's own.
    pub platform: Option<Platform>,
    /// Start with a whole root of which nothing can be given up.
    pub allow_unconfined: bool,
    /// As written; [`NodeSettings::name`] gives what it stands for.
    pub name: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetSettings {
    pub registries: Vec<String>,
    pub images: Vec<ImageTarget>,
    pub discover: Discovery,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageTarget {
    /// As written: whether it is a reference is told by probing it, as kubelet would.
    pub image: String,
    pub interval: Duration,
}

impl ImageTarget {
    /// Images cost a registry more than a look at its door.
    pub const INTERVAL: Duration = Duration::from_mins(5);
}

/// Where targets are found besides those that are written down.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "switches of the file, each on its own")]
pub struct Discovery {
    pub certs_d: bool,
    pub sandbox_image: bool,
    /// `None`: where the Kubernetes API may be read.
    pub waiting_pods: Option<bool>,
    pub node_images: bool,
    pub node_pods: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ProbeSettings {
    pub interval: Duration,
    pub timeouts: StageTimeouts,
    pub concurrency: usize,
    /// The first probes of the nodes of a fleet that starts at once do not begin at once.
    pub spread_start: bool,
    /// Go also where a registry sends to the node itself or its own link.
    pub follow_private: bool,
    /// 0: never.
    pub counted_pulls_per_hour: u32,
    /// Where the spent pulls are remembered over a restart. `None`: in memory only.
    pub counted_pulls_file: Option<PathBuf>,
}

/// Deadlines of single stages; one walk has them one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageTimeouts {
    pub dns: Duration,
    pub tcp: Duration,
    pub tls: Duration,
    pub http: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialSettings {
    pub kubelet: bool,
    pub provider_config: Option<PathBuf>,
    pub provider_bin_dir: Option<PathBuf>,
    pub pull_secrets_dir: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSettings {
    pub listen: Vec<SocketAddr>,
    /// Who may read page and full report.
    pub report: ReportReaders,
    /// Further names under which people ask for page and report, in small letters.
    pub hosts: Vec<String>,
    /// The exporter-toolkit's file: TLS, passwords, headers.
    pub config_file: Option<PathBuf>,
}

/// Who may read the page and the full report. Health, metrics and summary are for everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReportReaders {
    Open,
    /// With a password or a certificate.
    Authenticated,
    /// From the node itself, which `kubectl port-forward` reaches.
    #[default]
    Loopback,
    /// Nobody.
    Off,
}

impl ReportReaders {
    /// As the settings write them.
    pub const NAMES: [(&str, Self); 4] = [
        ("open", Self::Open),
        ("authenticated", Self::Authenticated),
        ("loopback", Self::Loopback),
        ("off", Self::Off),
    ];
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricSettings {
    pub detail: Detail,
    /// The key of the hashes that tell which nodes share a pull limit. `None`: no such hash is shown.
    pub bucket_key_file: Option<PathBuf>,
}

/// What is told to Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalSettings {
    pub node_condition: bool,
    pub events: bool,
    /// Which registries the condition goes by. Empty: all that are probed.
    pub registries: Vec<String>,
    pub min_hosts: usize,
    pub looks: usize,
    pub looks_alike: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSettings {
    /// Stamp every series with the node's name.
    pub node: bool,
}

impl Default for NodeSettings {
    fn default() -> Self {
        Self {
            host_root: None,
            containerd_config: None,
            containerd_root: None,
            certs_d: None,
            kubelet_root: None,
            containerd_version: None,
            platform: None,
            allow_unconfined: false,
            name: "$NODE_NAME".to_owned(),
        }
    }
}

impl Default for Discovery {
    fn default() -> Self {
        Self { certs_d: true, sandbox_image: true, waiting_pods: None, node_images: false, node_pods: false }
    }
}

impl Default for ProbeSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_mins(1),
            timeouts: StageTimeouts::default(),
            concurrency: 8,
            spread_start: true,
            follow_private: false,
            counted_pulls_per_hour: 0,
            counted_pulls_file: None,
        }
    }
}

impl Default for StageTimeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { dns: seconds(5), tcp: seconds(5), tls: seconds(10), http: seconds(10) }
    }
}

impl Default for CredentialSettings {
    fn default() -> Self {
        Self { kubelet: true, provider_config: None, provider_bin_dir: None, pull_secrets_dir: None }
    }
}

impl Default for SignalSettings {
    fn default() -> Self {
        Self { node_condition: false, events: false, registries: Vec::new(), min_hosts: 2, looks: 5, looks_alike: 3 }
    }
}

impl Default for WebSettings {
    fn default() -> Self {
        Self {
            listen: vec![all_addresses(10048)],
            report: ReportReaders::default(),
            hosts: Vec::new(),
            config_file: None,
        }
    }
}

impl NodeSettings {
    /// `$NAME` stands for the variable of that name. `None`: that is not set, or empty.
    pub fn name(&self, environment: impl Fn(&str) -> Option<String>) -> Option<String> {
        let name = match self.name.strip_prefix('$') {
            Some(variable) => environment(variable),
            None => Some(self.name.clone()),
        };
        name.filter(|name| !name.is_empty())
    }
}

/// What `:10048` means: every address, of both families where the node has both.
pub const fn all_addresses(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)
}

/// Reads a settings file. `file` is what the problems call it.
pub fn parse(file: &str, text: &str) -> Result<Settings, Vec<Problem>> {
    let mut reader = read::Reader::new(file);
    let mut settings = Settings::default();
    match crate::yaml::load(text) {
        Ok(Some(root)) => table::apply(&root, &mut settings, &mut reader),
        Ok(None) => {}
        Err(fault) => reader.fault(&fault),
    }
    reader.finish(settings)
}

#[cfg(test)]
mod tests;
