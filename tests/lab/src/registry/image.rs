//! Images as data: what their manifests, indexes and configurations say, right or wrong.

use serde::Deserialize;
use serde_json::{Value, json};

/// Something that a tag can point to.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// One manifest.
    Image(Image),
    /// A list of manifests.
    Index(Index),
    /// A Docker manifest of schema 1.
    Schema1(Schema1),
    /// Any document: media type and text.
    Raw(String, String),
}

impl Content {
    /// An index with one good image for each of `platforms`, as `linux/arm64/v8`.
    pub fn platforms(platforms: &[&str]) -> Self {
        let manifests = platforms.iter().map(|text| Entry::new(text)).collect();
        Self::Index(Index { manifests, ..Index::default() })
    }

    /// A good single image for `platform`.
    pub fn image(platform: &str) -> Self {
        Self::Image(Image { platform: Platform::parse(platform), ..Image::default() })
    }
}

/// Whose media types are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Types {
    /// `application/vnd.oci.image.*`.
    #[default]
    Oci,
    /// `application/vnd.docker.distribution.*`.
    Docker,
}

impl Types {
    pub(super) fn index(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.index.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.list.v2+json",
        }
    }

    pub(super) fn manifest(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.manifest.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.v2+json",
        }
    }

    pub(super) fn config(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.config.v1+json",
            Self::Docker => "application/vnd.docker.container.image.v1+json",
        }
    }

    pub(super) fn layer(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Docker => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        }
    }
}

/// One manifest with its configuration and layers; the default is a good `linux/amd64` image.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Image {
    /// What the configuration says.
    pub platform: Platform,
    /// Whose media types.
    pub types: Types,
    /// What the configuration is.
    pub config: ImageConfig,
    /// One layer for each text, which becomes a file in it.
    pub layers: Vec<String>,
    /// What the manifest says of the size of each layer; `None` = the truth.
    pub layer_size: Option<i64>,
    /// The registry does not have the configuration.
    pub missing_config: bool,
    /// The registry does not have the layers.
    pub missing_layers: bool,
    /// The manifest holds the configuration in its `data` field.
    pub config_in_data: bool,
    /// In the manifest's text, each first one is replaced by the second.
    pub manifest_edits: Vec<(String, String)>,
    /// Likewise in the configuration's text.
    pub config_edits: Vec<(String, String)>,
}

impl Default for Image {
    fn default() -> Self {
        Self {
            platform: Platform::parse("linux/amd64"),
            types: Types::Oci,
            config: ImageConfig::Image,
            layers: vec!["hello from the lab".to_owned()],
            layer_size: None,
            missing_config: false,
            missing_layers: false,
            config_in_data: false,
            manifest_edits: Vec::new(),
            config_edits: Vec::new(),
        }
    }
}

/// What an image's configuration is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageConfig {
    /// An image configuration with the platform.
    #[default]
    Image,
    /// Likewise, with spaces behind it up to so many bytes.
    Long(usize),
    /// An image configuration without any platform.
    NoPlatform,
    /// The empty object of an artifact, the layers being no file systems.
    Artifact,
    /// This text, said to be an image configuration.
    Text(String),
}

/// A list of manifests.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Index {
    /// Whose media types.
    pub types: Types,
    /// In this order.
    pub manifests: Vec<Entry>,
    /// In the index's text, each first one is replaced by the second.
    pub edits: Vec<(String, String)>,
}

/// One entry of an index.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Entry {
    /// What the entry says of its platform; `None` = it says nothing.
    pub platform: Option<Platform>,
    /// What it points to; `None` = a good image for its platform.
    pub content: Option<Box<Content>>,
    /// The registry does not have what it points to.
    pub absent: bool,
    /// It is an attestation about the entry before it, for the platform `unknown/unknown`.
    pub attestation: bool,
}

impl Entry {
    /// A good image for `platform`, as `linux/arm/v7`.
    pub fn new(platform: &str) -> Self {
        Self { platform: Some(Platform::parse(platform)), ..Self::default() }
    }

    /// An attestation about the entry before it.
    pub fn attestation() -> Self {
        Self { attestation: true, ..Self::default() }
    }

    /// An entry that says nothing of its platform.
    pub fn without_platform(content: Content) -> Self {
        Self { content: Some(Box::new(content)), ..Self::default() }
    }
}

/// A platform as registries hold it: any text, not normalised. In data a string
/// `os/architecture[/variant]` or a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "PlatformData")]
pub struct Platform {
    /// As `linux`.
    pub os: String,
    /// As `amd64`.
    pub architecture: String,
    /// Empty = left out.
    pub variant: String,
    /// Empty = left out.
    pub os_version: String,
    /// Empty = left out.
    pub os_features: Vec<String>,
}

impl Platform {
    /// Reads `os/architecture[/variant]`; missing parts are empty.
    pub fn parse(text: &str) -> Self {
        let mut parts = text.splitn(3, '/').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        Self { os: next(), architecture: next(), variant: next(), ..Self::default() }
    }

    pub(super) fn json(&self) -> Value {
        let mut object = json!({"architecture": self.architecture, "os": self.os});
        for (key, value) in [("variant", &self.variant), ("os.version", &self.os_version)] {
            if !value.is_empty() {
                object[key] = json!(value);
            }
        }
        if !self.os_features.is_empty() {
            object["os.features"] = json!(self.os_features);
        }
        object
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PlatformData {
    Text(String),
    Table(PlatformTable),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct PlatformTable {
    os: String,
    architecture: String,
    variant: String,
    os_version: String,
    os_features: Vec<String>,
}

impl From<PlatformData> for Platform {
    fn from(data: PlatformData) -> Self {
        match data {
            PlatformData::Text(text) => Self::parse(&text),
            PlatformData::Table(PlatformTable { os, architecture, variant, os_version, os_features }) => {
                Self { os, architecture, variant, os_version, os_features }
            }
        }
    }
}

/// A Docker manifest of schema 1.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schema1 {
    /// With the media type of an unsigned document.
    pub unsigned: bool,
}

impl Schema1 {
    pub(super) fn media_type(&self) -> &'static str {
        if self.unsigned {
            "application/vnd.docker.distribution.manifest.v1+json"
        } else {
            "application/vnd.docker.distribution.manifest.v1+prettyjws"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_texts_or_tables() {
        let image: Image = toml::from_str("platform = 'linux/arm/v7'").unwrap();
        assert_eq!(image.platform.variant, "v7");
        let image: Image = toml::from_str("platform = {os = 'windows', os_features = ['win32k']}").unwrap();
        assert_eq!(image.platform.json()["os.features"][0], "win32k");
        assert!(toml::from_str::<Image>("platform = {oss = 'windows'}").is_err());
    }
}
