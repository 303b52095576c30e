//! Content by digest, per repository: blobs, manifests and the tags that point to them.

use std::collections::HashMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::image::{Content, Entry, Image, ImageConfig, Index, Platform, Schema1};
use super::layer::{gzip, tar_of};

/// What became of stored content.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// Of the manifest or index.
    pub digest: String,
    /// Of the manifest or index.
    pub media_type: String,
    /// Of the manifest or index, in bytes.
    pub size: usize,
    /// Digest of an image's configuration; `None` for an index, schema 1 or any document.
    pub config: Option<String>,
    /// Digests of an image's layers.
    pub layers: Vec<String>,
    /// An index's entries, in order.
    pub manifests: Vec<Stored>,
}

/// `sha256:` and the hexadecimal digest of `bytes`.
pub fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

/// A stored manifest.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) digest: String,
    pub(crate) media_type: String,
    pub(crate) body: Bytes,
}

#[derive(Debug, Default)]
pub(crate) struct Store(HashMap<String, Repository>);

#[derive(Debug, Default)]
struct Repository {
    manifests: HashMap<String, Manifest>,
    tags: HashMap<String, String>,
    blobs: HashMap<String, Bytes>,
}

impl Store {
    pub(crate) fn has(&self, repository: &str) -> bool {
        self.0.contains_key(repository)
    }

    /// The tags of a repository, in order.
    pub(crate) fn tags(&self, repository: &str) -> Vec<&str> {
        let tags = self.0.get(repository).map(|repository| repository.tags.keys());
        let mut tags: Vec<&str> = tags.into_iter().flatten().map(String::as_str).collect();
        tags.sort_unstable();
        tags
    }

    /// The manifest that a tag or digest leads to.
    pub(crate) fn manifest(&self, repository: &str, reference: &str) -> Option<&Manifest> {
        let repository = self.0.get(repository)?;
        let digest = repository.tags.get(reference).map_or(reference, String::as_str);
        repository.manifests.get(digest)
    }

    pub(crate) fn blob(&self, repository: &str, digest: &str) -> Option<&Bytes> {
        self.0.get(repository)?.blobs.get(digest)
    }

    pub(crate) fn push(&mut self, repository: &str, tag: &str, content: &Content) -> Stored {
        let repository = self.0.entry(repository.to_owned()).or_default();
        let stored = repository.add(content);
        if !tag.is_empty() {
            repository.tags.insert(tag.to_owned(), stored.digest.clone());
        }
        stored
    }

    pub(crate) fn forget(&mut self, digest: &str) {
        for repository in self.0.values_mut() {
            repository.manifests.remove(digest);
            repository.blobs.remove(digest);
        }
    }
}

impl Repository {
    fn add(&mut self, content: &Content) -> Stored {
        match content {
            Content::Image(image) => self.add_image(image),
            Content::Index(index) => self.add_index(index),
            Content::Schema1(schema1) => self.add_manifest(schema1.media_type(), schema1_text(schema1)),
            Content::Raw(media_type, text) => self.add_manifest(media_type, text.clone()),
        }
    }

    fn add_manifest(&mut self, media_type: &str, text: String) -> Stored {
        let stored = Stored {
            digest: sha256(text.as_bytes()),
            media_type: media_type.to_owned(),
            size: text.len(),
            ..Stored::default()
        };
        let manifest =
            Manifest { digest: stored.digest.clone(), media_type: stored.media_type.clone(), body: text.into() };
        self.manifests.insert(stored.digest.clone(), manifest);
        stored
    }

    fn add_image(&mut self, image: &Image) -> Stored {
        let artifact = image.config == ImageConfig::Artifact;
        let mut diff_ids = Vec::new();
        let mut layers = Vec::new();
        for text in &image.layers {
            let (blob, media_type) = if artifact {
                (Bytes::from(text.clone()), "application/octet-stream")
            } else {
                let tar = tar_of("lab.txt", text.as_bytes());
                diff_ids.push(sha256(&tar));
                (gzip(&tar), image.types.layer())
            };
            let mut layer = self.add_blob(blob, media_type, image.missing_layers);
            if let Some(size) = image.layer_size {
                layer["size"] = json!(size);
            }
            layers.push(layer);
        }
        let (config, config_type) = config_text(image, &diff_ids);
        let config = edited(config, &image.config_edits);
        let data = BASE64_STANDARD.encode(&config);
        let mut config = self.add_blob(config.into(), config_type, image.missing_config);
        if image.config_in_data {
            config["data"] = json!(data);
        }
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": image.types.manifest(),
            "config": config,
            "layers": layers,
        });
        if artifact {
            manifest["artifactType"] = json!("application/vnd.pullprobe.lab");
        }
        let mut stored = self.add_manifest(image.types.manifest(), edited(manifest.to_string(), &image.manifest_edits));
        stored.config = Some(digest_of(&config));
        stored.layers = layers.iter().map(digest_of).collect();
        stored
    }

    /// Stores a blob unless it is to be missing; returns its descriptor.
    fn add_blob(&mut self, blob: Bytes, media_type: &str, missing: bool) -> Value {
        let digest = sha256(&blob);
        let descriptor = json!({"mediaType": media_type, "digest": digest, "size": blob.len()});
        if !missing {
            self.blobs.insert(digest, blob);
        }
        descriptor
    }

    fn add_index(&mut self, index: &Index) -> Stored {
        let mut stored = Vec::<Stored>::new();
        let mut descriptors = Vec::new();
        for entry in &index.manifests {
            let manifest = self.add(&content_of(entry, index));
            let mut descriptor = json!({
                "mediaType": manifest.media_type,
                "digest": manifest.digest,
                "size": manifest.size,
            });
            if entry.attestation {
                descriptor["platform"] = Platform::parse("unknown/unknown").json();
                let subject = stored.last().map_or("", |subject| subject.digest.as_str());
                descriptor["annotations"] = json!({
                    "vnd.docker.reference.type": "attestation-manifest",
                    "vnd.docker.reference.digest": subject,
                });
            } else if let Some(platform) = &entry.platform {
                descriptor["platform"] = platform.json();
            }
            if entry.absent {
                self.manifests.remove(&manifest.digest);
            }
            descriptors.push(descriptor);
            stored.push(manifest);
        }
        let media_type = index.types.index();
        let text = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": descriptors});
        Stored { manifests: stored, ..self.add_manifest(media_type, edited(text.to_string(), &index.edits)) }
    }
}

/// What an entry points to where it does not say so itself.
fn content_of(entry: &Entry, index: &Index) -> Content {
    if let Some(content) = &entry.content {
        return content.as_ref().clone();
    }
    let mut image = Image { types: index.types, ..Image::default() };
    if entry.attestation {
        image.platform = Platform::parse("unknown/unknown");
        image.layers = vec!["an attestation".to_owned()];
    } else if let Some(platform) = &entry.platform {
        image.platform = platform.clone();
    }
    Content::Image(image)
}

fn config_text(image: &Image, diff_ids: &[String]) -> (String, &'static str) {
    let rootfs = json!({"type": "layers", "diff_ids": diff_ids});
    let config_type = image.types.config();
    let usual = || {
        let mut config = image.platform.json();
        config["config"] = json!({"Cmd": ["/lab.txt"]});
        config["rootfs"] = rootfs.clone();
        config.to_string()
    };
    match &image.config {
        ImageConfig::Image => (usual(), config_type),
        ImageConfig::Long(length) => {
            let text = usual();
            let spaces = " ".repeat(length.saturating_sub(text.len()));
            (text + &spaces, config_type)
        }
        ImageConfig::NoPlatform => (json!({"rootfs": rootfs}).to_string(), config_type),
        ImageConfig::Artifact => ("{}".to_owned(), "application/vnd.oci.empty.v1+json"),
        ImageConfig::Text(text) => (text.clone(), config_type),
    }
}

/// An edit that finds nothing to replace would leave the document good.
fn edited(text: String, edits: &[(String, String)]) -> String {
    edits.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from.as_str()), "{from} is not in {text}");
        text.replace(from.as_str(), to)
    })
}

fn schema1_text(schema1: &Schema1) -> String {
    let mut document = json!({
        "schemaVersion": 1,
        "name": "demo/schema1",
        "tag": "latest",
        "architecture": "amd64",
        "fsLayers": [{"blobSum": sha256(b"a layer of schema 1")}],
        "history": [{"v1Compatibility": json!({"architecture": "amd64", "os": "linux"}).to_string()}],
    });
    if !schema1.unsigned {
        document["signatures"] = json!([{"header": {"alg": "ES256"}, "signature": "bGFi", "protected": "bGFi"}]);
    }
    document.to_string()
}

fn digest_of(descriptor: &Value) -> String {
    descriptor["digest"].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_points_to_what_is_stored() {
        let mut store = Store::default();
        let index = Index {
            manifests: vec![
                Entry::new("linux/amd64"),
                Entry::attestation(),
                Entry { absent: true, ..Entry::new("linux/s390x") },
                Entry::without_platform(Content::platforms(&["linux/arm/v7"])),
            ],
            ..Index::default()
        };
        let stored = store.push("a", "1", &Content::Index(index));
        let manifest = store.manifest("a", "1").unwrap();
        assert_eq!(manifest.digest, stored.digest);
        assert_eq!(sha256(&manifest.body), stored.digest);
        let document: Value = serde_json::from_slice(&manifest.body).unwrap();
        let entries = document["manifests"].as_array().unwrap();
        assert_eq!(entries[0]["platform"], json!({"architecture": "amd64", "os": "linux"}));
        assert_eq!(entries[1]["annotations"]["vnd.docker.reference.digest"], entries[0]["digest"]);
        assert!(entries[3].get("platform").is_none());
        assert!(store.manifest("a", &stored.manifests[2].digest).is_none());
        let image = &stored.manifests[0];
        assert!(store.blob("a", image.config.as_ref().unwrap()).is_some());
        assert!(store.blob("a", &image.layers[0]).is_some());
        assert!(store.manifest("b", "1").is_none());
    }

    #[test]
    fn a_missing_layer_is_named_but_not_stored() {
        let mut store = Store::default();
        let image = Image { missing_layers: true, ..Image::default() };
        let stored = store.push("a", "", &Content::Image(image));
        assert!(store.blob("a", &stored.layers[0]).is_none());
        assert!(store.blob("a", stored.config.as_ref().unwrap()).is_some());
    }
}
