//! containerd's own cases of whole pulls, by identity: a node's files, registries of the lab on loopback, and
//! what is asked of them and said of it.

use std::sync::Arc;
use std::time::Duration;

use go::place::{Position, SourceLocation};
use jiff::Timestamp;
use pullprobe_lab::Lab;
use pullprobe_lab::registry::{Config, Content, Fault, Kind, Registry, timeline};

use super::*;
use crate::credentials::CredentialOptions;
use crate::environment::{DaemonEnvironment, EnvVar, ProxyRules};
use crate::host::resolv::Names;
use crate::model::credential::{CredentialSource, CredentialValue};
use crate::node::containerd::ContainerdOptions;
use crate::node::containerd::cases_tests::node;
use crate::redact::secret::Secret;
use crate::route::network::Timeouts;
use crate::tls::NodeTrust;
use crate::version::Version;

mod doubts;
mod fetching;
mod logins;
mod looks;
mod properties;
mod resolving;
mod words;

/// The registry that images are named after; what is asked for it stands in its `hosts.toml`.
const DOMAIN: &str = "upstream.example";
const IMAGE: &str = "upstream.example/app:1";
const CERTS: &str = "/etc/containerd/certs.d";

/// A node of this version, and what kubelet offers.
struct Node {
    version: Version,
    files: Vec<(String, String)>,
    credential: Option<CredentialValue>,
    /// For each stage and request.
    limit: Duration,
    /// Of the whole answer.
    timeout: Duration,
    /// containerd's `HTTPS_PROXY`.
    proxy: Option<String>,
}

impl Node {
    fn new(version: Version) -> Self {
        let section = if version.major >= 2 { "io.containerd.cri.v1.images" } else { "io.containerd.grpc.v1.cri" };
        let schema = version.config_schema();
        let config = format!("version = {schema}\n[plugins.'{section}'.registry]\nconfig_path = '{CERTS}'\n");
        let files = vec![
            ("/etc/containerd/config.toml".to_owned(), config),
            ("/etc/hosts".to_owned(), "127.0.0.1 localhost\n".to_owned()),
        ];
        let (limit, timeout) = (Duration::from_secs(10), Duration::from_secs(30));
        Self { version, files, credential: None, limit, timeout, proxy: None }
    }

    fn file(mut self, path: &str, text: impl Into<String>) -> Self {
        self.files.push((path.to_owned(), text.into()));
        self
    }

    fn hosts(self, domain: &str, text: impl Into<String>) -> Self {
        self.file(&format!("{CERTS}/{domain}/hosts.toml"), text)
    }

    /// These hosts for [`DOMAIN`] in this order, the last of them as its server.
    fn asking(self, endpoints: &[&str]) -> Self {
        let (server, hosts) = endpoints.split_last().unwrap();
        let hosts: Vec<String> = hosts.iter().map(|host| format!("[host.'{host}']\n")).collect();
        // Older versions refuse a file without this table.
        self.hosts(DOMAIN, format!("server = '{server}'\n[host]\n{}", hosts.concat()))
    }

    fn basic(mut self, username: &str, password: &str) -> Self {
        let (username, password) = (username.to_owned(), Secret::new(password));
        self.credential = Some(CredentialValue::Basic { username, password });
        self
    }

    fn identity_token(mut self, token: &str) -> Self {
        self.credential = Some(CredentialValue::IdentityToken(Secret::new(token)));
        self
    }

    /// Where it is met that nothing comes.
    fn impatient(self) -> Self {
        Self { limit: Duration::from_millis(300), ..self }
    }

    /// Whose answer is wanted before a request may be over.
    fn hasty(self) -> Self {
        Self { timeout: Duration::from_secs(1), ..self }
    }

    fn through(self, proxy: String) -> Self {
        Self { proxy: Some(proxy), ..self }
    }

    fn proxies(&self) -> ProxyRules {
        let variable = |url: &String| EnvVar {
            name: "HTTPS_PROXY".to_owned(),
            value: Secret::new(url.as_str()),
            origin: SourceLocation::new("/etc/environment", Position::of_line(1)),
        };
        let environment =
            DaemonEnvironment { variables: self.proxy.iter().map(variable).collect(), ..DaemonEnvironment::default() };
        ProxyRules::of(&environment, self.version)
    }

    fn kubelet() -> CredentialOptions {
        CredentialOptions {
            kubelet_root: "/var/lib/kubelet".into(),
            kubelet: true,
            pull_secrets_dir: None,
            provider_config: None,
            provider_bin_dir: None,
            may_enter: false,
            home: "/root".into(),
        }
    }

    fn candidates(&self) -> Vec<Credential> {
        let credential = |value| Credential {
            source: CredentialSource::KubeletConfigJson,
            key: DOMAIN.to_owned(),
            origin: None,
            value,
            renews: None,
        };
        self.credential.clone().map(credential).into_iter().collect()
    }

    async fn pulls(&self, requested: &str) -> ImageReport {
        let files: Vec<(&str, &str)> = self.files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let (_keep, root) = node(&files);
        let options = ContainerdOptions { version: Some(self.version), ..ContainerdOptions::default() };
        let containerd = Containerd::load(&root, &options);
        let timeouts = Timeouts { dns: self.limit, tcp: self.limit, tls: self.limit, http: self.limit };
        let (names, trust) = (Arc::new(Names::load(&root)), Arc::<NodeTrust>::default());
        let network = Network::new(names, trust, Arc::new(self.proxies()), timeouts, self.version, Timestamp::now());
        let question = Question {
            containerd: &containerd,
            credentials: &Credentials::load(&root, &Self::kubelet()),
            platform: &Platform::new("linux", "amd64", ""),
            network: &network,
            budget: &PullBudget::new(0),
            terms: &DistributionTerms::default(),
            timeout: self.timeout,
        };
        let image = Reference::parse(requested).unwrap();
        let plan = plan(&containerd, &image.domain);
        assert!(plan.notes.is_empty(), "{:?}", plan.notes);
        let blank = blank(&question, requested, Some(image.clone()));
        if self.timeout < self.limit {
            return verdict(&question, requested, &image).await;
        }
        let report = if let Some(verdict) = settled(&question, &image, &plan) {
            ImageReport { verdict, ..blank }
        } else {
            let deadline = Deadline::now() + self.timeout;
            verdict_of(&question, &image, &plan, &self.candidates(), blank, deadline).await
        };
        ImageReport { requests: question.budget.requests.sent(), ..report }
    }
}

fn lab() -> Lab {
    Lab::new().unwrap()
}

/// A registry that holds `app:1` for several platforms.
fn registry(lab: &Lab, faults: Vec<Fault>) -> Registry {
    with(lab, Config { faults, ..Config::default() })
}

fn with(lab: &Lab, config: Config) -> Registry {
    let registry = lab.registry(config).unwrap();
    registry.push("app", "1", &Content::platforms(&["linux/amd64", "linux/arm64"]));
    registry
}

/// `METHOD path` of each request about manifests and blobs, without its query.
fn lines(registry: &Registry) -> Vec<String> {
    let about_content = |kind| matches!(kind, Kind::Manifest | Kind::Blob);
    let requests = registry.requests().into_iter().filter(|request| about_content(request.kind));
    requests.map(|request| format!("{} {}", request.method, request.path)).collect()
}

/// How often a manifest or blob was asked for with this method.
fn count(registry: &Registry, kind: Kind, method: &str) -> usize {
    registry.requests().iter().filter(|request| request.kind == kind && request.method == method).count()
}

fn message(report: &ImageReport) -> &str {
    report.verdict.kubelet_message.as_deref().unwrap_or_else(|| panic!("no message: {:?}", report.verdict))
}

fn assert_pulled(report: &ImageReport, name: &str) {
    assert_eq!(report.verdict.pullable, Some(true), "{name}: {:?}", report.verdict);
}

fn assert_fails_with(report: &ImageReport, parts: &[&str], name: &str) {
    assert_eq!(report.verdict.pullable, Some(false), "{name}: {:?}", report.verdict);
    for part in parts {
        assert!(message(report).contains(part), "{name}: no `{part}` in {}", message(report));
    }
}
