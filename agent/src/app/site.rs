//! The node as it was read, ready to be planned and probed: one value, replaced as a whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::options::Options;
use crate::ask::Question;
use crate::model::containerd::{Version, VersionSource};
use crate::model::finding::{Finding, Severity};
use crate::model::platform::Platform;
use crate::model::snapshot::{ContainerdState, FilesystemSpace, NodeState};
use crate::node::containerd::{Containerd, ContainerdOptions};
use crate::node::credentials::{CredentialOptions, Credentials};
use crate::node::proxy::{DaemonEnvironment, ProxyRules};
use crate::node::resolv::Names;
use crate::node::root::HostRoot;
use crate::node::trust::{self, TrustStore};
use crate::node::{cpu, cri};
use crate::probe::image::attempt::PullBudget;
use crate::probe::network::{Network, Timeouts};
use crate::render::json;

/// Where containerd looks when its command line does not say.
const CONFIG: &str = "/etc/containerd/config.toml";

#[derive(Debug)]
pub struct Site {
    pub root: HostRoot,
    pub containerd: Containerd,
    pub names: Arc<Names>,
    pub proxies: Arc<ProxyRules>,
    pub trust: Arc<TrustStore>,
    pub credentials: Credentials,
    pub platform: Platform,
    pub findings: Vec<Finding>,
    timeouts: Timeouts,
}

impl Site {
    pub async fn load(options: &Options) -> Result<Self, String> {
        let root = HostRoot::open(&options.host_root).map_err(|e| format!("--host-root: {e}"))?;
        let environment = DaemonEnvironment::load(&root, Some(Path::new("/proc")));
        let (version, source, silent) = daemon_version(&root, options, &environment).await;
        let by_unit = environment.config_argument().map(PathBuf::from);
        let config = options.containerd_config.clone().or(by_unit);
        let containerd = Containerd::load(
            &root,
            &ContainerdOptions {
                config_named: config.is_some(),
                config: config.unwrap_or_else(|| CONFIG.into()),
                certs_d: options.certs_d.clone(),
                version,
                version_source: source,
            },
        );
        let names = Names::load(&root);
        let proxies = ProxyRules::of(&environment);
        let trust = trust::load(&root, &environment);
        let credentials = Credentials::load(
            &root,
            &CredentialOptions {
                kubelet_root: options.kubelet_root.clone(),
                kubelet: options.kubelet_credentials && !options.no_credentials,
                pull_secrets_dir: options.pull_secrets_dir.clone().filter(|_| !options.no_credentials),
                provider_config: options.provider_config.clone().filter(|_| !options.no_credentials),
                provider_bin_dir: options.provider_bin_dir.clone(),
                home: PathBuf::from("/root"),
            },
        );
        let platform = options.platform.clone().unwrap_or_else(|| cpu::platform(&root));
        let mut findings = containerd.findings.clone();
        findings.extend(silent);
        findings.extend(names.findings.iter().cloned());
        findings.extend(environment.findings.iter().cloned());
        findings.extend(trust.findings.iter().cloned());
        findings.extend(credentials.findings.iter().cloned());
        findings.sort_by(|a, b| (&a.file, a.line, b.severity).cmp(&(&b.file, b.line, a.severity)));
        let timeouts = Timeouts {
            dns: options.settings.probe.timeouts.dns,
            tcp: options.settings.probe.timeouts.tcp,
            tls: options.settings.probe.timeouts.tls,
            http: options.settings.probe.timeouts.http,
        };
        Ok(Self {
            root,
            containerd,
            names: Arc::new(names),
            proxies: Arc::new(proxies),
            trust: Arc::new(trust),
            credentials,
            platform,
            findings,
            timeouts,
        })
    }

    /// The network for one cycle that begins now.
    pub fn network(&self, now: Timestamp) -> Network {
        Network::new(
            Arc::clone(&self.names),
            Arc::clone(&self.trust),
            Arc::clone(&self.proxies),
            self.timeouts,
            self.containerd.version,
            now,
        )
    }

    /// What answers are sought with.
    pub fn question<'a>(&'a self, network: &'a Network, budget: &'a PullBudget, timeout: Duration) -> Question<'a> {
        Question {
            containerd: &self.containerd,
            credentials: &self.credentials,
            platform: &self.platform,
            network,
            budget,
            timeout,
        }
    }

    /// What the outside may see of the node's files.
    pub fn state(&self) -> NodeState {
        let containerd = &self.containerd;
        let modified = |file: &String| {
            let stat = self.root.stat(Path::new(file)).ok()?;
            Timestamp::from_second(stat.modified).ok()
        };
        NodeState {
            platform: self.platform.clone(),
            containerd: ContainerdState {
                version: containerd.version,
                source: containerd.version_source,
                config_files: containerd.config_files.clone(),
                config_path: containerd.config_path.clone(),
            },
            config_hash: containerd.content_hash.clone(),
            config_modified: containerd.config_files.iter().filter_map(modified).max(),
            findings: self.findings.clone(),
            image_filesystem: self.image_filesystem(),
            credential_expiries: Vec::new(),
        }
    }

    fn image_filesystem(&self) -> Option<FilesystemSpace> {
        let space = self.root.statvfs(&self.containerd.root).ok()?;
        Some(FilesystemSpace {
            size_bytes: space.f_blocks.saturating_mul(space.f_frsize),
            available_bytes: space.f_bavail.saturating_mul(space.f_frsize),
            inodes: space.f_files,
            inodes_free: space.f_ffree,
        })
    }

    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    pub fn about_containerd(&self) -> json::Containerd {
        json::Containerd {
            version: self.containerd.version.to_string(),
            version_source: self.containerd.version_source.as_str().to_owned(),
            config_files: self.containerd.config_files.clone(),
            config_path: self.containerd.config_path.clone(),
        }
    }
}

/// Whose semantics apply: as typed, else as the running daemon says. Neither: the files tell.
async fn daemon_version(
    root: &HostRoot,
    options: &Options,
    environment: &DaemonEnvironment,
) -> (Option<Version>, Option<VersionSource>, Option<Finding>) {
    if let Some(version) = options.containerd_version {
        return (Some(version), Some(VersionSource::Flag), None);
    }
    match cri::version(root, environment.address_argument()).await {
        Ok(version) => (version, version.map(|_| VersionSource::Cri), None),
        Err(finding) => (None, None, Some(finding)),
    }
}
