//! Pull secrets of the Kubernetes API: what kubelet makes of each one, for an image. Pure.

use crate::image::reference::Reference;
use crate::keyring::dockerconfig::{DockerConfig, Malformed};
use crate::keyring::expiry;
use crate::keyring::lookup::Keyring;
use crate::keyring::near::{self, NearMiss};
use crate::model::credential::{Credential, CredentialSource};
use crate::model::expiry::Lifetime;
use crate::redact::clean::Clean;
use crate::redact::urls::without_credentials;

mod document;

pub use document::{SIZE_LIMIT, read, read_one};

/// The types that kubelet reads, the usual one first, each with the key of `data` that it reads.
pub const TYPES: [(&str, &str); 2] =
    [("kubernetes.io/dockerconfigjson", ".dockerconfigjson"), ("kubernetes.io/dockercfg", ".dockercfg")];

/// More keys of one secret than these are not listed.
const KEYS_SHOWN: usize = 10;

/// A secret as the API has it, and as kubelet reads it.
#[derive(Clone, Debug)]
pub struct PullSecret {
    pub namespace: Clean,
    pub name: Clean,
    pub content: Content,
}

#[derive(Clone, Debug)]
pub enum Content {
    Logins(DockerConfig),
    /// kubelet then does not pull at all, whatever the image.
    Malformed(Malformed),
    /// A type that kubelet ignores without a word.
    OtherType(Clean),
    /// The right type, and nothing at its key: kubelet ignores it too.
    WithoutKey(&'static str),
}

/// What a secret is worth for one image.
#[derive(Clone, Debug)]
pub enum Fit {
    /// In kubelet's order.
    Logins(Vec<Login>),
    /// No key matches the image.
    NoKey {
        /// Those that it has, as written.
        keys: Vec<Clean>,
        left_out: usize,
        nearest: Option<NearMiss>,
    },
    Malformed(Malformed),
    OtherType(Clean),
    WithoutKey(&'static str),
}

/// A key that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub key: Clean,
    /// It has no user or no password: containerd asks anonymously with it.
    pub anonymous: bool,
    pub lifetime: Option<Lifetime>,
}

impl PullSecret {
    pub fn source(&self) -> CredentialSource {
        CredentialSource::PullSecret(self.namespace.clone(), self.name.clone())
    }

    pub fn fit(&self, image: &Reference) -> Fit {
        let config = match &self.content {
            Content::Logins(config) => config,
            Content::Malformed(malformed) => return Fit::Malformed(malformed.clone()),
            Content::OtherType(kind) => return Fit::OtherType(kind.clone()),
            Content::WithoutKey(key) => return Fit::WithoutKey(key),
        };
        let mut ring = Keyring::default();
        ring.add(config, &self.source(), "");
        let found = ring.lookup(&image.name());
        if !found.is_empty() {
            return Fit::Logins(found.iter().map(Login::from).collect());
        }
        let keys = config.entries.iter().map(|entry| without_credentials(&entry.key).into());
        Fit::NoKey {
            keys: keys.take(KEYS_SHOWN).collect(),
            left_out: config.entries.len().saturating_sub(KEYS_SHOWN),
            nearest: near::nearest(ring.entries().iter(), &image.name()),
        }
    }
}

impl From<&Credential> for Login {
    fn from(credential: &Credential) -> Self {
        Self {
            key: credential.key.clone().into(),
            anonymous: credential.login().is_none(),
            lifetime: expiry::of(credential),
        }
    }
}

#[cfg(test)]
mod tests;
