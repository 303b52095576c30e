//! kubelet's keyring: which credentials fit an image, and in which order.

use std::sync::Arc;

use super::dockerconfig::DockerConfig;
use super::key::{IndexKey, falls_back_to_hub};
use go::place::SourceLocation;

use crate::model::credential::{Credential, CredentialSource, CredentialValue};
use crate::redact::urls::without_credentials;

/// The index key whose entries stand in for Docker Hub.
const HUB: &str = "index.docker.io";

/// The credentials of one origin: all pull secrets, the node file, or one provider's answer.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    /// In the order in which kubelet tries them.
    entries: Vec<KeyringEntry>,
}

#[derive(Clone, Debug)]
pub struct KeyringEntry {
    pub index: IndexKey,
    pub credential: Credential,
}

impl Keyring {
    /// Adds what one file holds. Keys that are no URL are passed over and returned with the reason.
    pub fn add(&mut self, config: &DockerConfig, source: &CredentialSource, file: &str) -> Vec<(String, String)> {
        let mut refused = Vec::new();
        let file: Arc<str> = file.into();
        self.entries.reserve(config.entries.len());
        for entry in &config.entries {
            let index = match IndexKey::of(&entry.key) {
                Ok(index) => index,
                Err(reason) => {
                    refused.push((entry.key.clone(), reason));
                    continue;
                }
            };
            let origin = SourceLocation { file: Arc::clone(&file), position: entry.position };
            self.entries.push(KeyringEntry {
                index,
                credential: Credential {
                    source: source.clone(),
                    key: without_credentials(&entry.key),
                    origin: Some(origin).filter(|origin| !origin.file.is_empty()),
                    value: CredentialValue::Basic {
                        username: entry.username.clone(),
                        password: entry.password.clone(),
                    },
                    renews: None,
                },
            });
        }
        // Reverse order of bytes puts the more specific of two paths first; equal keys keep theirs.
        self.entries.sort_by(|a, b| b.index.cmp(&a.index));
        refused
    }

    /// `image` is the repository's full name, `docker.io/library/nginx`.
    pub fn lookup(&self, image: &str) -> Vec<Credential> {
        let fitting: Vec<Credential> = self.matching(|entry| entry.index.matches(image));
        if fitting.is_empty() && falls_back_to_hub(image) {
            return self.matching(|entry| entry.index.0 == HUB);
        }
        fitting
    }

    fn matching(&self, fits: impl Fn(&KeyringEntry) -> bool) -> Vec<Credential> {
        self.entries.iter().filter(|entry| fits(entry)).map(|entry| entry.credential.clone()).collect()
    }

    pub fn entries(&self) -> &[KeyringEntry] {
        &self.entries
    }
}
