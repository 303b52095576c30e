//! Indexes, manifests and configs as containerd's JSON reader takes them: missing fields are empty.

use oci_client::manifest as media;
use serde::Deserialize;

use super::super::gojson;
use crate::model::outcome::clip_to;
use crate::model::platform::Platform;

/// As much of serde's words as is worth repeating: they may hold a piece of the document.
const REASON_LIMIT: usize = 200;
/// What containerd's resolver accepts as a manifest: 4 × 1048 × 1048 bytes.
pub const MANIFEST_LIMIT: usize = 4 * 1048 * 1048;
const SCHEMA_1: [&str; 3] = [
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    // A registry that does not know better says this of schema 1.
    "text/plain",
];
/// Configs are a few KiB; a history of thousands of layers is still below this.
pub const CONFIG_LIMIT: usize = 8 << 20;

/// What a media type leads containerd to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Index,
    Manifest,
    Schema1,
    /// Anything else is fetched as a blob.
    Other,
}

impl Kind {
    pub fn of(media_type: &str) -> Self {
        match media_type {
            media::OCI_IMAGE_INDEX_MEDIA_TYPE | media::IMAGE_MANIFEST_LIST_MEDIA_TYPE => Self::Index,
            media::OCI_IMAGE_MEDIA_TYPE | media::IMAGE_MANIFEST_MEDIA_TYPE => Self::Manifest,
            other if SCHEMA_1.contains(&other) => Self::Schema1,
            _ => Self::Other,
        }
    }

    /// How the reference of an ingest begins, as commit errors show it.
    pub const fn ingest_prefix(self) -> &'static str {
        match self {
            Self::Index => "index-",
            Self::Manifest | Self::Schema1 => "manifest-",
            Self::Other => "",
        }
    }
}

pub fn is_image_config(media_type: &str) -> bool {
    matches!(media_type, media::IMAGE_CONFIG_MEDIA_TYPE | media::IMAGE_DOCKER_CONFIG_MEDIA_TYPE)
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Descriptor {
    pub media_type: String,
    pub digest: String,
    pub size: i64,
    platform: Option<PlatformFields>,
    /// Where a foreign layer lives instead of the registry.
    pub urls: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct PlatformFields {
    os: String,
    architecture: String,
    variant: String,
    #[serde(rename = "os.version")]
    os_version: String,
    #[serde(rename = "os.features")]
    os_features: Vec<String>,
}

impl PlatformFields {
    fn normalized(&self, host_os: &str) -> Platform {
        let os = if self.os.is_empty() { host_os } else { &self.os };
        let platform = Platform::new(os, &self.architecture, &self.variant);
        Platform { os_version: self.os_version.clone(), os_features: self.os_features.clone(), ..platform }
    }
}

impl Descriptor {
    /// What a tag or digest resolved to.
    pub fn root(media_type: String, digest: String, size: i64) -> Self {
        Self { media_type, digest, size, ..Self::default() }
    }

    /// `None`: the entry says nothing of a platform. An entry without an OS counts as the node's.
    pub fn platform(&self, host_os: &str) -> Option<Platform> {
        self.platform.as_ref().map(|fields| fields.normalized(host_os))
    }

    pub fn kind(&self) -> Kind {
        Kind::of(&self.media_type)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Document {
    pub media_type: String,
    pub config: Option<Descriptor>,
    pub layers: Option<Vec<Descriptor>>,
    pub manifests: Option<Vec<Descriptor>>,
    /// Only schema 1 has it.
    pub fs_layers: Option<serde_json::Value>,
}

/// Why a document cannot be what its media type says; the text is containerd's.
pub fn parse(bytes: &[u8], media_type: &str) -> Result<Document, String> {
    // Go takes bytes that are not UTF-8 for replacement characters.
    let document: Document =
        serde_json::from_str(&String::from_utf8_lossy(bytes)).map_err(|error| reason(bytes, &error))?;
    if document.fs_layers.is_some() {
        return Err("media-type: schema 1 not supported".into());
    }
    let holds_image = document.config.is_some() || document.layers.is_some();
    match Kind::of(media_type) {
        Kind::Manifest if document.manifests.is_some() || Kind::of(&document.media_type) == Kind::Index => {
            Err(format!("media-type: expected manifest but found index ({media_type})"))
        }
        Kind::Index if holds_image || Kind::of(&document.media_type) == Kind::Manifest => {
            Err(format!("media-type: expected index but found manifest ({media_type})"))
        }
        _ => Ok(document),
    }
}

fn reason(bytes: &[u8], error: &serde_json::Error) -> String {
    match gojson::error(bytes) {
        // JSON, but a value has another type than its field; Go names types that are only Go's.
        fault if fault.is_empty() => clip_to(&format!("json: cannot unmarshal: {error}"), REASON_LIMIT),
        fault => fault,
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    #[serde(flatten)]
    platform: PlatformFields,
    rootfs: RootFs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RootFs {
    diff_ids: Vec<String>,
}

impl Config {
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_str(&String::from_utf8_lossy(bytes)).ok()
    }

    /// How many layers it lists.
    pub fn layer_count(&self) -> usize {
        self.rootfs.diff_ids.len()
    }

    /// `None`: the config names no architecture.
    pub fn platform(&self, host_os: &str) -> Option<Platform> {
        (!self.platform.architecture.is_empty()).then(|| self.platform.normalized(host_os))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::Cases;

    #[test]
    fn a_document_must_be_of_the_kind_that_its_media_type_says() {
        for case in Cases::of_kind("manifest_shape") {
            let declared = case.input["declared"].as_str().unwrap();
            let mut document = serde_json::Map::new();
            for field in case.input["document_has"].as_array().unwrap() {
                let value = match field.as_str().unwrap() {
                    "config" => serde_json::json!({}),
                    _ => serde_json::json!([]),
                };
                document.insert(field.as_str().unwrap().to_owned(), value);
            }
            let bytes = serde_json::to_vec(&document).unwrap();
            let valid = parse(&bytes, declared).is_ok();
            assert_eq!(valid, case.expected["valid"].as_bool().unwrap(), "{} {}", case.id, case.input);
        }
    }

    #[test]
    fn the_media_type_field_must_not_contradict() {
        for case in Cases::of_kind("manifest_media_type_field") {
            let declared = case.input["declared"].as_str().unwrap();
            let accepts = |field: &str| parse(format!(r#"{{"mediaType":"{field}"}}"#).as_bytes(), declared).is_ok();
            for field in case.expected["accepted_mediaType_field"].as_array().unwrap() {
                assert!(accepts(field.as_str().unwrap()), "{} accepts {field}", case.id);
            }
            for field in case.expected["rejected"].as_array().unwrap() {
                assert!(!accepts(field.as_str().unwrap()), "{} rejects {field}", case.id);
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_taken_as_go_takes_them_and_a_wrong_type_is_named() {
        let index = "application/vnd.oci.image.index.v1+json";
        assert!(parse(b"{\"manifests\": [], \"x\xff\": \"\xfe\"}", index).is_ok());
        assert!(Config::parse(b"{\"architecture\": \"amd64\", \"author\": \"\xfe\"}").is_some());
        let long = format!("{{\"manifests\": \"{}\"}}", "x".repeat(10_000));
        let reason = parse(long.as_bytes(), index).unwrap_err();
        assert!(reason.starts_with("json: cannot unmarshal: invalid type") && reason.len() <= 200, "{reason}");
    }
}
