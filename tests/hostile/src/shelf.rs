//! Documents that a registry has, by tag and digest.

use std::collections::BTreeMap;
use std::sync::Arc;

use pullprobe_lab::registry::sha256;

use crate::peer::Asked;
use crate::script::{Script, answer};

pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What every image is asked for by.
pub const TAG: &str = "1.0";

#[derive(Clone, Debug, Default)]
pub struct Shelf {
    documents: BTreeMap<String, (String, Arc<Vec<u8>>)>,
}

impl Shelf {
    /// Adds a document; its digest.
    pub fn add(&mut self, media_type: &str, body: impl Into<Vec<u8>>) -> String {
        let body = Arc::new(body.into());
        let digest = sha256(&body);
        self.documents.insert(digest.clone(), (media_type.to_owned(), body));
        digest
    }

    /// Lets the tag lead there.
    #[must_use]
    pub fn tagged(mut self, digest: &str) -> Self {
        if let Some(document) = self.documents.get(digest).cloned() {
            self.documents.insert(TAG.to_owned(), document);
        }
        self
    }

    /// A descriptor of it.
    pub fn entry(&self, digest: &str) -> String {
        let (media_type, length) =
            self.documents.get(digest).map_or((MANIFEST, 2), |(media_type, body)| (media_type.as_str(), body.len()));
        format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{length}}}"#)
    }

    /// An image that can be pulled; its manifest's digest.
    pub fn image(&mut self) -> String {
        let layer = self.add(LAYER, "layer");
        let config = self.add(CONFIG, config(1));
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{},"layers":[{}]}}"#,
            self.entry(&config),
            self.entry(&layer)
        );
        self.add(MANIFEST, manifest)
    }

    /// One good image.
    pub fn good() -> Self {
        let mut shelf = Self::default();
        let image = shelf.image();
        shelf.tagged(&image)
    }

    /// One document, whatever it is.
    pub fn of(media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut shelf = Self::default();
        let digest = shelf.add(media_type, body);
        shelf.tagged(&digest)
    }

    /// A manifest with this configuration and one layer.
    pub fn with_config(config: impl Into<Vec<u8>>) -> Self {
        let mut shelf = Self::default();
        let (layer, config) = (shelf.add(LAYER, "layer"), shelf.add(CONFIG, config));
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{},"layers":[{}]}}"#,
            shelf.entry(&config),
            shelf.entry(&layer)
        );
        let manifest = shelf.add(MANIFEST, text);
        shelf.tagged(&manifest)
    }

    pub fn reply(&self, asked: &Asked) -> Script {
        if asked.path == "/v2/" {
            return answer("200 OK", &[], "");
        }
        let Some((media_type, body)) = self.documents.get(asked.object()) else {
            return answer("404 Not Found", &["Content-Type: application/json"], NOT_FOUND);
        };
        let fields = [&format!("Content-Type: {media_type}")[..], &format!("Docker-Content-Digest: {}", sha256(body))];
        answer("200 OK", &fields, body.as_slice())
    }
}

const NOT_FOUND: &str = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;

/// A configuration for so many layers.
pub fn config(layers: usize) -> String {
    let ids = vec!["\"sha256:a\""; layers].join(",");
    format!(r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[{ids}]}}}}"#)
}

/// `{before}{item},{item},…{after}`, so many items.
pub fn listed(before: &str, item: &[u8], times: usize, after: &str) -> Vec<u8> {
    let mut text = before.as_bytes().to_vec();
    for nth in 0..times {
        if nth > 0 {
            text.push(b',');
        }
        text.extend_from_slice(item);
    }
    text.extend_from_slice(after.as_bytes());
    text
}
