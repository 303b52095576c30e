//! One reading of the node, as the command line and the settings want it: one value, replaced as a whole, ready to be planned and probed.

mod local;
mod needs;
mod news;
pub mod options;
mod prepared;
mod runtime_info;

pub use needs::{NodeNeeds, needs};
use news::Seen;
pub use prepared::{prepare, prepare_to_lint, prepare_unasked, prepare_with};
use runtime_info::RuntimeInfo;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::credentials::{CredentialOptions, Credentials};
use crate::environment::layout::{self, Layout};
use crate::environment::trust::{self, TrustStore};
use crate::environment::{DaemonEnvironment, ProxyRules, maker};
use crate::host::cpu;
use crate::host::resolv::Names;
use crate::host::root::HostRoot;
use crate::image::platform::Platform;
use crate::keyring::{self, kubelet};
use crate::model::expiry::{self, CredentialExpiry};
use crate::model::finding::{Finding, Severity};
use crate::node::containerd::{Containerd, ContainerdOptions};
use crate::observation::distribution::DistributionTerms;
use crate::probe::Question;
use crate::pull::attempt::PullBudget;
use crate::redact::clean::Clean;
use crate::render::json;
use crate::route::network::{Network, Timeouts};
use crate::settings::StageTimeouts;
use crate::state::snapshot::{ContainerdState, FilesystemSpace, NodeState};
use crate::tls::NodeTrust;
use crate::{confine, fault, plan, provider};
use options::Options;

/// Where the node's files are, as `lint` and `plan` say it.
#[derive(Debug, Serialize)]
pub struct Paths {
    /// `upstream`, or the name of the distribution whose places they are.
    pub distribution: &'static str,
    pub containerd_config: String,
    /// Why that file.
    pub reason: String,
    pub kubelet_root: String,
    /// Where containerd listens, or would.
    pub socket: String,
}

#[derive(Debug)]
pub struct Node {
    pub root: HostRoot,
    pub layout: Layout,
    pub containerd: Containerd,
    pub names: Arc<Names>,
    pub proxies: Arc<ProxyRules>,
    trust_store: Arc<TrustStore>,
    pub trust: Arc<NodeTrust>,
    pub credentials: Credentials,
    pub platform: Platform,
    /// The distribution's places for each kind of change.
    pub terms: DistributionTerms,
    pub findings: Vec<Finding>,
    /// Of credentials in files, where their end can be known.
    expiries: Vec<CredentialExpiry>,
    /// Of containerd and its containers, where the settings ask for them.
    pub found_images: BTreeSet<String>,
    timeouts: Timeouts,
    /// containerd has a socket and did not answer on it.
    silent: bool,
    /// Whether containerd answers. `None`: nothing shows that there is one.
    answers: Option<bool>,
    seen: Seen,
}

/// The node's root certificates. They are parsed again only if a file changed.
fn trusted(
    root: &HostRoot,
    environment: &DaemonEnvironment,
    before: Option<&Node>,
) -> (Arc<TrustStore>, Arc<NodeTrust>) {
    if let Some(node) = before.filter(|node| trust::is_current(&node.trust_store, root, environment)) {
        return (Arc::clone(&node.trust_store), Arc::clone(&node.trust));
    }
    let mut store = trust::load(root, environment);
    let trust = Arc::new(NodeTrust::from(&store));
    // They are in the trust; what is kept here tells whether it is still current.
    store.certificates = Vec::new();
    (Arc::new(store), trust)
}

/// Reads on a thread of its own, because a disk may hang.
async fn aside<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(read)
        .await
        .map_err(|error| format!("the node could not be read: {}", fault::of_task(&error)))
}

/// What the last reading of the node found, for the next one.
struct Before<'a> {
    node: &'a Node,
    now: Timestamp,
}

/// What must be known to find containerd's socket.
struct HostFiles {
    root: HostRoot,
    environment: DaemonEnvironment,
    layout: Layout,
}

impl HostFiles {
    fn of(options: &Options) -> Result<Self, String> {
        Ok(Self::in_root(opened(options)?.noting_reads(), options))
    }

    fn in_root(root: HostRoot, options: &Options) -> Self {
        let environment = DaemonEnvironment::load(&root, Some(Path::new("/proc")));
        let layout =
            Layout::find(&root, &environment, options.containerd_config.as_deref(), options.kubelet_root.as_deref());
        Self { root, environment, layout }
    }

    async fn ask(&self, options: &Options) -> RuntimeInfo {
        RuntimeInfo::ask(&self.root, options, &self.layout.socket).await
    }

    async fn ask_again(&self, options: &Options) -> RuntimeInfo {
        RuntimeInfo::ask_again(&self.root, options, &self.layout.socket).await
    }
}

impl Node {
    pub async fn load(options: &Options) -> Result<Self, String> {
        let files = HostFiles::of(options)?;
        let runtime = files.ask(options).await;
        Ok(Self::read(options, files, runtime, None).seen_after(None, Timestamp::now()))
    }

    /// Reads the node again. If a file is broken now and the daemons still use its earlier content, that content is
    /// kept. Files are read on threads of their own: a disk that hangs must not delay probes and answers.
    pub async fn reload(before: Arc<Self>, options: Arc<Options>, now: Timestamp) -> Result<(Self, NodeState), String> {
        let of = Arc::clone(&options);
        let files = aside(move || HostFiles::of(&of)).await??;
        // What a probe was refused meanwhile is told, too.
        files.root.inherit(&before.root);
        let runtime = files.ask_again(&options).await;
        aside(move || {
            let node = Self::read(&options, files, runtime, Some(&Before { node: &before, now }))
                .seen_after(Some(&before), now);
            let state = node.state();
            (node, state)
        })
        .await
    }

    fn read(options: &Options, files: HostFiles, runtime: RuntimeInfo, before: Option<&Before<'_>>) -> Self {
        let HostFiles { root, environment, layout } = files;
        let containerd_options = ContainerdOptions {
            version: runtime.version,
            version_source: runtime.source,
            build: maker::build(layout.distribution, layout::system(&root).as_deref(), &environment),
            ..containerd_options(options, &layout, &environment)
        };
        let mut containerd = match before {
            None => Containerd::load(&root, &containerd_options),
            Some(Before { node, now }) => {
                // Silent twice: it is not merely slow, and what is not running has nothing in memory.
                let running = runtime.silent.is_none() || !node.silent;
                node.containerd.reload(&root, &containerd_options, *now, running)
            }
        };
        let mut names = Names::load(&root);
        plan::assumed::compare(&mut containerd, &root, &containerd_options, before.map(|it| &it.node.containerd));
        let containerd = containerd.beside(environment.closed.as_ref().or(names.closed.as_ref()));
        names.resolv.go_by(containerd.version.go());
        let proxies = ProxyRules::of(&environment, containerd.version);
        let (trust_store, trust) = trusted(&root, &environment, before.map(|before| before.node));
        let credentials = logins(options, &root, &layout, before);
        let platform = options.platform.clone().unwrap_or_else(|| cpu::platform(&root));
        let silent = runtime.silent.is_some();
        // A containerd that is stopped takes its socket away.
        let stopped = before.and_then(|before| before.node.answers).map(|_| false);
        let answers = runtime.answers.or(stopped).filter(|_| runtime.closed.is_none());
        let of_files = [&containerd.findings, &layout.findings, &names.findings, &environment.findings];
        let of_files = of_files.into_iter().chain([&trust_store.findings, &credentials.findings]).flatten().cloned();
        let mut findings: Vec<Finding> = of_files.collect();
        findings.extend(local::of_registries(options, &containerd, &runtime.images));
        findings.extend(runtime.silent.into_iter().chain(runtime.closed).chain(runtime.unlisted));
        findings.extend(kubelet::findings(&root, &layout.kubelet_root));
        if !silent {
            findings.extend(local::newer(options, &root, &layout, &containerd, &environment, &trust_store));
        }
        findings.extend(confine::findings(&root));
        let terms = local::distribution(&layout, &environment, &containerd);
        let expiries = expiries(&containerd, &credentials);
        findings.extend(expiry::findings(
            expiries.iter().map(|one| (one, before.map_or_else(Timestamp::now, |it| it.now))),
        ));
        let findings = local::in_order(findings, &terms);
        Self {
            root,
            layout,
            containerd,
            names: Arc::new(names),
            proxies: Arc::new(proxies),
            trust_store,
            trust,
            credentials,
            platform,
            terms,
            findings,
            expiries,
            found_images: runtime.images,
            timeouts: timeouts(&options.settings.probe.timeouts),
            silent,
            answers,
            seen: Seen::default(),
        }
    }

    /// For checks that may take so long.
    #[must_use]
    pub fn patient(self, check: Duration) -> Self {
        Self { timeouts: self.timeouts.within(check), ..self }
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

    /// Everything that a probe needs.
    pub fn question<'a>(&'a self, network: &'a Network, budget: &'a PullBudget, timeout: Duration) -> Question<'a> {
        Question {
            containerd: &self.containerd,
            credentials: &self.credentials,
            platform: &self.platform,
            network,
            budget,
            terms: &self.terms,
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
                config_files: shown(&containerd.config_files),
                config_path: shown(&containerd.config_path),
                answers: self.answers,
            },
            config_hash: containerd.content_hash.clone(),
            config_modified: containerd.config_files.iter().filter_map(modified).max(),
            findings: self.findings.clone(),
            terms: self.terms.clone(),
            image_filesystem: self.image_filesystem(),
            credential_expiries: self.expiries.clone(),
            pull_secrets: self.credentials.pull_secret_names(),
        }
    }

    fn image_filesystem(&self) -> Option<FilesystemSpace> {
        let disk = self.containerd.content.disk()?;
        Some(FilesystemSpace {
            size_bytes: disk.size_bytes,
            available_bytes: disk.available_bytes,
            inodes: disk.inodes,
            inodes_free: disk.inodes_free,
        })
    }

    /// Where the node's files are, and why there.
    pub fn paths(&self) -> Paths {
        Paths {
            distribution: self.layout.distribution,
            containerd_config: self.layout.config.display().to_string(),
            reason: self.layout.reason.clone(),
            kubelet_root: self.layout.kubelet_root.display().to_string(),
            socket: self.layout.socket.clone(),
        }
    }

    /// The first line of what people read.
    pub fn headline(&self) -> String {
        let about = self.about_containerd();
        let paths = self.paths();
        format!(
            "as containerd {} ({}), reading {}: {}\n",
            about.version, about.version_source, paths.containerd_config, paths.reason
        )
    }

    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    pub fn about_containerd(&self) -> json::Containerd {
        json::Containerd {
            version: self.containerd.version.to_string(),
            version_source: self.containerd.version_source.as_str().to_owned(),
            build: self.containerd.version.build.maker.name().map(str::to_owned),
            go: self.containerd.version.go().release.to_string(),
            config_files: shown(&self.containerd.config_files),
            config_path: shown(&self.containerd.config_path),
        }
    }
}

fn opened(options: &Options) -> Result<HostRoot, String> {
    HostRoot::open(&options.host_root).map_err(|e| format!("--host-root, or `node.host_root` of the settings: {e}"))
}

/// Those of the node's files, with those of a pod where its secrets were handed over.
fn logins(options: &Options, root: &HostRoot, layout: &Layout, before: Option<&Before<'_>>) -> Credentials {
    let of_files = match before {
        None => Credentials::load(root, &credential_options(options, layout)),
        Some(Before { node, now }) => node.credentials.reload(root, &credential_options(options, layout), *now),
    };
    match &options.secrets_of_pod {
        Some(secrets) => of_files.with_secrets_of_pod(secrets),
        None => of_files,
    }
}

fn timeouts(of_stages: &StageTimeouts) -> Timeouts {
    let StageTimeouts { dns, tcp, tls, http } = *of_stages;
    Timeouts { dns, tcp, tls, http }
}

/// containerd's own and those that kubelet would offer. What is not sent may end.
fn expiries(containerd: &Containerd, credentials: &Credentials) -> Vec<CredentialExpiry> {
    let own = containerd.registry.credentials.values().filter(|_| !containerd.anonymous);
    let own = own.filter_map(keyring::expiry::known);
    own.chain(credentials.expiries()).collect()
}

/// What is known of containerd before it is asked.
fn containerd_options(options: &Options, layout: &Layout, environment: &DaemonEnvironment) -> ContainerdOptions {
    ContainerdOptions {
        config_named: layout.config_named,
        config: layout.config.clone(),
        certs_d: options.certs_d.clone(),
        root: options.containerd_root.clone().or_else(|| environment.root_argument().map(PathBuf::from)),
        socket: layout.socket.clone(),
        anonymous: options.no_credentials,
        ..ContainerdOptions::default()
    }
}

fn credential_options(options: &Options, layout: &Layout) -> CredentialOptions {
    CredentialOptions {
        kubelet_root: layout.kubelet_root.clone(),
        kubelet: options.kubelet_credentials && !options.no_credentials,
        pull_secrets_dir: options.pull_secrets_dir.clone().filter(|_| !options.no_credentials),
        provider_config: options.provider_config.clone().filter(|_| !options.no_credentials),
        provider_bin_dir: options.provider_bin_dir.clone(),
        may_enter: provider::inside::is_allowed(),
        home: PathBuf::from("/root"),
    }
}

/// Paths that files of the node name, or that are on it.
fn shown(paths: &[String]) -> Vec<String> {
    paths.iter().map(|path| Clean::line(path).into_string()).collect()
}
