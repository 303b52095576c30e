//! The logins that kubelet offers for an image, in its order: pull secrets, files, providers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::cause::Cause;
use crate::host::last_good::Broken;
use crate::host::root::HostRoot;
use crate::image::reference::Reference;
use crate::keyring::{expiry, near};
use crate::model::credential::{Credential, CredentialSource};
use crate::model::expiry::CredentialExpiry;
use crate::model::finding::Finding;
use crate::model::outcome::Failure;
use crate::model::stage::Stage;
use crate::provider;
use crate::pull_secrets::PullSecret;
use crate::redact::clean::Clean;

mod cached;
mod node_files;
mod pull_secrets;

use crate::keyring::dockerconfig::Malformed;
pub use crate::keyring::inaccessible::Inaccessible;
use crate::keyring::lookup::Keyring;
pub use crate::keyring::near::NearMiss;
pub use crate::provider::Asked;
use crate::provider::Providers;
use node_files::NodeFiles;
use pull_secrets::PullSecrets;

/// kubelet sets no limit; a file beyond this one is not written by anybody.
const FILE_LIMIT: usize = 4 << 20;

#[derive(Clone, Debug)]
pub struct CredentialOptions {
    /// kubelet's `--root-dir`, on the node.
    pub kubelet_root: PathBuf,
    /// Whether the node's files count.
    pub kubelet: bool,
    /// Where pull secrets are mounted, in pullprobe's own file system. `None`: there are none.
    pub pull_secrets_dir: Option<PathBuf>,
    /// kubelet's `--image-credential-provider-config`, on the node.
    pub provider_config: Option<PathBuf>,
    /// kubelet's `--image-credential-provider-bin-dir`, on the node.
    pub provider_bin_dir: Option<PathBuf>,
    /// Whether plugins are started inside the node's root, where that is not this process's.
    pub may_enter: bool,
    /// `HOME` of kubelet.
    pub home: PathBuf,
}

#[derive(Debug, Default)]
pub struct Credentials {
    pull_secrets: Keyring,
    node: Keyring,
    /// Kept from one look at the files to the next, with what the plugins said.
    providers: Option<Arc<Providers>>,
    /// Why kubelet does not start with the configuration of its providers.
    refused_providers: Option<Failure>,
    /// The configuration of its providers, where that is out of sight.
    unseen_providers: Option<Inaccessible>,
    malformed_secret: Option<Failure>,
    /// The file that `node` was read from.
    node_file: Option<String>,
    rejected: Vec<(String, Malformed)>,
    unread: Vec<Inaccessible>,
    broken: Broken,
    pub findings: Vec<Finding>,
}

impl Credentials {
    pub fn load(root: &HostRoot, options: &CredentialOptions) -> Self {
        let mut all = Self::default();
        if let Some(dir) = &options.pull_secrets_dir {
            all.add_pull_secrets(PullSecrets::load(dir));
        }
        if options.kubelet {
            all.add_node_files(NodeFiles::load(root, options));
        }
        if let Some(config) = &options.provider_config {
            let (providers, findings) =
                Providers::load(root, config, options.provider_bin_dir.as_deref(), options.may_enter);
            let refusal = findings.iter().find(|finding| provider::is_refusal(finding));
            all.refused_providers = refusal.map(refused);
            let unseen = findings.first().filter(|_| providers.is_none() && refusal.is_none());
            all.unseen_providers = unseen.map(unseen_config);
            all.providers = providers.map(Arc::new);
            all.findings.extend(findings);
        }
        all
    }

    /// The logins that one pod brings.
    #[must_use]
    pub fn with_secrets_of_pod(mut self, secrets: &[PullSecret]) -> Self {
        self.add_pull_secrets(PullSecrets::of_pod(secrets));
        self
    }

    fn add_pull_secrets(&mut self, secrets: PullSecrets) {
        for secret in &secrets.secrets {
            self.pull_secrets.add(&secret.config, &secret.source, &secret.file);
        }
        self.malformed_secret = secrets.malformed.map(|(detail, words)| unusable(detail).with_go_message(words));
        self.unread.extend(secrets.unread);
        self.findings.extend(secrets.findings);
    }

    fn add_node_files(&mut self, files: NodeFiles) {
        if let Some((file, config)) = &files.used {
            self.node.add(config, &CredentialSource::KubeletConfigJson, file);
            self.node_file = Some(file.clone());
        }
        self.rejected = files.rejected;
        self.unread.extend(files.unread);
        self.findings.extend(files.findings);
    }

    /// What kubelet would offer before it asks its providers, in its order; it makes one whole pull
    /// for each until one succeeds, and an anonymous one only if there is none.
    pub fn candidates(&self, image: &Reference) -> Vec<Credential> {
        let name = image.name();
        [&self.pull_secrets, &self.node].into_iter().flat_map(|ring| ring.lookup(&name)).collect()
    }

    /// Of what stands in files, where its end can be known.
    pub fn expiries(&self) -> Vec<CredentialExpiry> {
        let held = self.pull_secrets.entries().iter().chain(self.node.entries());
        held.filter_map(|held| expiry::known(&held.credential)).collect()
    }

    /// The pull secrets that are known, as `NAMESPACE/NAME`.
    pub fn pull_secret_names(&self) -> Vec<Clean> {
        let names = self.pull_secrets.entries().iter().filter_map(|held| match &held.credential.source {
            CredentialSource::PullSecret(namespace, name) => Some(Clean::from(format!("{namespace}/{name}"))),
            _ => None,
        });
        let mut names: Vec<Clean> = names.collect();
        names.dedup();
        names
    }

    /// What kubelet's credential providers give for the image, to be tried behind [`Self::candidates`].
    pub async fn ask_providers(&self, image: &Reference, patience: Duration) -> Asked {
        let asked = match &self.providers {
            Some(providers) => providers.ask(image, patience).await,
            None => Asked { refused: self.refused_providers.clone(), ..Asked::default() },
        };
        let unread = self.unread.iter().chain(&self.unseen_providers).cloned().collect();
        Asked { unread, ..asked }
    }

    /// The paths of the node that credential providers are told of.
    pub fn paths_of_providers(&self) -> Vec<PathBuf> {
        self.providers.as_ref().map(|providers| providers.named_paths()).unwrap_or_default()
    }

    /// The providers that kubelet would ask for the image, in the order of their configuration.
    pub fn providers_of(&self, image: &Reference) -> Vec<String> {
        self.providers.as_ref().map(|providers| providers.fitting(&image.name())).unwrap_or_default()
    }

    /// The key that was probably meant for the image, where none matches it.
    pub fn near_miss(&self, image: &Reference) -> Option<NearMiss> {
        if !self.candidates(image).is_empty() {
            return None;
        }
        near::nearest(self.pull_secrets.entries().iter().chain(self.node.entries()), &image.name())
    }

    /// The credential provider that was probably meant for the image, where none is for it.
    pub fn near_provider(&self, image: &Reference) -> Option<String> {
        self.providers.as_ref()?.near_miss(&image.name())
    }

    /// A pull secret that does not parse: kubelet then does not pull for a pod that names it, whatever
    /// the image.
    pub fn malformed(&self) -> Option<Failure> {
        self.malformed_secret.clone()
    }

    /// A node file that kubelet skips because it does not parse: the reason for a pull that fails for
    /// want of a login which that file may hold.
    pub fn rejected_file(&self) -> Option<Failure> {
        self.rejected.first().map(|(file, why)| unusable(format!("kubelet skips {file}: {why}")))
    }
}

fn refused(finding: &Finding) -> Failure {
    let places = finding.line().into_iter().chain(finding.column()).map(|number| format!(":{number}"));
    let file = finding.file.as_deref().unwrap_or_default();
    provider::failed(format!("{file}{}: {}", places.collect::<String>(), finding.message))
}

fn unseen_config(finding: &Finding) -> Inaccessible {
    Inaccessible {
        file: finding.file.clone().unwrap_or_default().into(),
        why: finding.message.clone().into(),
        comes_first: false,
    }
}

fn unusable(detail: String) -> Failure {
    Failure::new(Stage::Config, Cause::CredentialsMalformed, detail)
}

#[cfg(test)]
mod tests;
