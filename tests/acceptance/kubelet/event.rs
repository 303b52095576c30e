//! The recorded cases, and what of an event is not the error itself.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::json;

use super::Events;
use crate::binary::repository;

#[derive(Deserialize)]
pub struct Case {
    pub name: String,
    pub image: String,
    /// In the order in which the pod names them.
    #[serde(default)]
    secrets: Vec<Secret>,
    #[serde(flatten)]
    pub events: Events,
}

#[derive(Deserialize)]
struct Secret {
    /// Without `kubernetes.io/`.
    r#type: String,
    text: String,
}

#[derive(Deserialize)]
pub struct Event {
    /// The event of the failed pull; empty: the pod started.
    said: String,
    /// Those that the registry saw; `None`: not all, for kubelet was too busy to get the secrets.
    pub logins: Option<Vec<String>>,
}

pub fn load() -> Vec<Case> {
    #[derive(Deserialize)]
    struct File {
        case: Vec<Case>,
    }
    let text = std::fs::read_to_string(repository("tests/fixtures/kubelet/events.toml")).unwrap();
    toml::from_str::<File>(&text).unwrap().case
}

impl Case {
    /// The secrets as Kubernetes mounts them, and settings that name their place.
    pub fn write(&self, directory: &Path) -> PathBuf {
        let secrets = directory.join("secrets");
        for (number, secret) in self.secrets.iter().enumerate() {
            let mount = secrets.join(format!("default/{}-{number}", self.name));
            std::fs::create_dir_all(&mount).unwrap();
            let key = match &*secret.r#type {
                "dockerconfigjson" => ".dockerconfigjson",
                "dockercfg" => ".dockercfg",
                _ => "config.json",
            };
            std::fs::write(mount.join(key), &secret.text).unwrap();
        }
        let settings = directory.join("pullprobe.yaml");
        std::fs::create_dir_all(directory).unwrap();
        let dir = if self.secrets.is_empty() { json!({}) } else { json!({"pull_secrets_dir": secrets}) };
        std::fs::write(&settings, json!({"credentials": dir}).to_string()).unwrap();
        settings
    }
}

impl Event {
    /// The error in it. `Err`: the event is not wrapped as this kubelet wraps an error of its kind.
    pub fn message(&self, image: &str, kubelet: &str) -> Result<String, String> {
        let odd = || Err(self.said.clone());
        if self.said.is_empty() || self.said.starts_with("Failed to apply default image tag ") {
            return Ok(self.said.clone());
        }
        // Of what it decides by itself 1.36 says only this.
        if let Some(own) = self.said.strip_prefix("Error: ") {
            return if kubelet == "1.36" { Ok(own.to_owned()) } else { odd() };
        }
        let Some(error) = self.said.strip_prefix(&format!("Failed to pull image \"{image}\": ")) else { return odd() };
        let of_containerd = error.contains("failed to pull and unpack image");
        match error.strip_prefix("rpc error: code = ").and_then(|rest| rest.split_once(" desc = ")) {
            Some((code, inner)) if kubelet == "1.20" || code == "NotFound" => Ok(inner.to_owned()),
            None if kubelet == "1.36" || !of_containerd => Ok(error.to_owned()),
            _ => odd(),
        }
    }
}

/// pullprobe speaks as the newest kubelet does: what 1.20 says otherwise.
pub fn in_words_of(said: &str, kubelet: &str) -> String {
    if kubelet != "1.20" {
        return said.to_owned();
    }
    let mut words = said.replacen("couldn't parse image name ", "couldn't parse image reference ", 1);
    if let (Some(open), Some(close)) = (words.find("repository name ("), words.find(") must be lowercase")) {
        words.replace_range(open + "repository name".len()..=close, "");
    }
    words.replace("DockerConfigJSON.auths.username of type", "DockerConfigJSON.auths of type")
}

/// A digest that the image does not name is that of what the recorded registry held.
pub fn without_digest(said: &str, image: &str) -> String {
    match said.find("sha256:").filter(|_| !image.contains('@')) {
        Some(at) => format!("{}sha256:{}", &said[..at], said[at..].trim_start_matches(|c: char| c != ' ')),
        None => said.to_owned(),
    }
}
