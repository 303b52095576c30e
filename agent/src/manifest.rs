//! Indexes, manifests and configs as containerd's JSON reader takes them: missing fields are empty.

use oci_client::manifest as media;

mod config;
pub mod digest;

pub use config::{Config, Form};

use go::json::decode::{Dialect, Undecoded, decode, decode_valid};
use go::json::target::{Bytes, FieldTarget, Fields, Map, Named, Raw, Target, Text};

use crate::image::platform::Platform;
use crate::redact::clip::clip_to;
use crate::version::Version;

const INDEX: &str = "Index";
const MANIFEST: &str = "Manifest";
/// As much of a reason as is worth repeating: it may hold a piece of the document.
const REASON_LIMIT: usize = 400;
/// What containerd's resolver accepts as a manifest: 4 × 1048 × 1048 bytes.
pub const MANIFEST_LIMIT: usize = 4 * 1048 * 1048;
const DOCKER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";
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

/// Whether this is unpacked; other content of a manifest is only fetched.
pub fn is_layer(media_type: &str, version: Version) -> bool {
    let base = media_type.split('+').next().unwrap_or_default();
    let of_docker = base.strip_prefix("application/vnd.docker.image.rootfs.");
    let of_docker = of_docker.map(|rest| rest.strip_prefix("foreign.").unwrap_or(rest));
    media_type.starts_with("application/vnd.oci.image.layer.")
        || matches!(of_docker, Some("diff.tar" | "diff.tar.gzip"))
        || (base == DOCKER_ZSTD && version.knows_docker_zstd())
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    pub media_type: String,
    pub digest: String,
    pub size: i64,
    platform: Option<Box<PlatformFields>>,
    /// Where a foreign layer lives instead of the registry.
    pub urls: Vec<String>,
    /// The content itself, where it is embedded.
    pub data: Bytes,
    annotations: Map<Text>,
    artifact_type: Text,
}

impl Named for Descriptor {
    const NAME: &'static str = "v1.Descriptor";
}

impl Target for Descriptor {
    fn object(&mut self) -> Option<&mut dyn Fields> {
        Some(self)
    }
}

impl Fields for Descriptor {
    fn struct_name(&self) -> &'static str {
        "Descriptor"
    }

    fn field(&mut self, key: &str) -> Option<FieldTarget<'_>> {
        match key {
            "mediatype" => FieldTarget::text("mediaType", &mut self.media_type),
            "digest" => FieldTarget::new("digest", "digest.Digest", &mut self.digest),
            "size" => FieldTarget::new("size", "int64", &mut self.size),
            "urls" => FieldTarget::new("urls", "[]string", &mut self.urls),
            "annotations" => FieldTarget::new("annotations", "map[string]string", &mut self.annotations),
            "data" => FieldTarget::new("data", "[]uint8", &mut self.data),
            "platform" => FieldTarget::new("platform", "v1.Platform", &mut self.platform),
            "artifacttype" => FieldTarget::text("artifactType", &mut self.artifact_type),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct PlatformFields {
    os: String,
    architecture: String,
    variant: String,
    os_version: String,
    os_features: Vec<String>,
}

impl Target for PlatformFields {
    fn object(&mut self) -> Option<&mut dyn Fields> {
        Some(self)
    }
}

impl Fields for PlatformFields {
    fn struct_name(&self) -> &'static str {
        "Platform"
    }

    fn field(&mut self, key: &str) -> Option<FieldTarget<'_>> {
        match key {
            "os" => FieldTarget::text("os", &mut self.os),
            "architecture" => FieldTarget::text("architecture", &mut self.architecture),
            "variant" => FieldTarget::text("variant", &mut self.variant),
            "os.version" => FieldTarget::text("os.version", &mut self.os_version),
            "os.features" => FieldTarget::new("os.features", "[]string", &mut self.os_features),
            _ => None,
        }
    }
}

impl PlatformFields {
    fn normalized(&self, host_os: &str) -> Platform {
        let os = if self.os.is_empty() { host_os } else { &self.os };
        let platform = Platform::new(os, &self.architecture, &self.variant);
        let os_features = self.os_features.iter().map(Into::into).collect();
        Platform { os_version: self.os_version.as_str().into(), os_features, ..platform }
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

    /// Whether it is asked for elsewhere first: URLs of other schemes are passed over.
    pub fn is_elsewhere(&self) -> bool {
        let mut schemes = self.urls.iter().filter_map(|url| Some(url.split_once("://")?.0));
        schemes.any(|scheme| ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)))
    }

    #[cfg(test)]
    pub fn of_json(json: &serde_json::Value) -> Self {
        let mut descriptor = Self::default();
        decode(json.to_string().as_bytes(), Dialect::Plain, Self::NAME, &mut descriptor).unwrap();
        descriptor
    }
}

/// What an index or manifest lists.
#[derive(Clone, Debug, Default)]
pub struct Document {
    kind: &'static str,
    artifact_types: bool,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
    pub manifests: Vec<Descriptor>,
    schema_version: i64,
    subject: Option<Box<Descriptor>>,
    annotations: Map<Text>,
    text: Text,
}

impl Target for Document {
    fn object(&mut self) -> Option<&mut dyn Fields> {
        Some(self)
    }
}

impl Fields for Document {
    fn struct_name(&self) -> &'static str {
        self.kind
    }

    fn field(&mut self, key: &str) -> Option<FieldTarget<'_>> {
        let is_index = self.kind == INDEX;
        match key {
            "schemaversion" => FieldTarget::new("schemaVersion", "int", &mut self.schema_version)
                .map(|place| FieldTarget { embedded: "Versioned", ..place }),
            "mediatype" => FieldTarget::text("mediaType", &mut self.text),
            "artifacttype" if self.artifact_types => FieldTarget::text("artifactType", &mut self.text),
            "config" if !is_index => FieldTarget::new("config", Descriptor::NAME, &mut self.config),
            "layers" if !is_index => FieldTarget::new("layers", "[]v1.Descriptor", &mut self.layers),
            "manifests" if is_index => FieldTarget::new("manifests", "[]v1.Descriptor", &mut self.manifests),
            "subject" => FieldTarget::new("subject", Descriptor::NAME, &mut self.subject),
            "annotations" => FieldTarget::new("annotations", "map[string]string", &mut self.annotations),
            _ => None,
        }
    }
}

/// What tells indexes, manifests and schema 1 apart.
#[derive(Debug, Default)]
struct Shape {
    media_type: String,
    config: Raw,
    layers: Raw,
    manifests: Raw,
    fs_layers: Raw,
    signatures: Raw,
}

impl Target for Shape {
    fn object(&mut self) -> Option<&mut dyn Fields> {
        Some(self)
    }
}

impl Fields for Shape {
    fn struct_name(&self) -> &'static str {
        "unknownDocument"
    }

    fn field(&mut self, key: &str) -> Option<FieldTarget<'_>> {
        match key {
            "mediatype" => FieldTarget::text("mediaType", &mut self.media_type),
            "config" => FieldTarget::new("config", "", &mut self.config),
            "layers" => FieldTarget::new("layers", "", &mut self.layers),
            "manifests" => FieldTarget::new("manifests", "", &mut self.manifests),
            "fslayers" => FieldTarget::new("fsLayers", "", &mut self.fs_layers),
            "signatures" => FieldTarget::new("signatures", "", &mut self.signatures),
            _ => None,
        }
    }
}

/// Why a document cannot be what its media type says; the text is containerd's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// It is no JSON, or of another kind.
    Shape(String),
    /// A field has another type.
    Field(String),
    /// Nobody knows: pullprobe holds no more of it than this.
    TooMuch(String),
}

impl Invalid {
    fn of(undecoded: Undecoded, invalid: fn(String) -> Self) -> Self {
        match undecoded {
            Undecoded::Invalid(reason) => invalid(clip_to(&reason, REASON_LIMIT)),
            Undecoded::TooMuch(reason) => Self::TooMuch(reason),
        }
    }
}

pub fn parse(bytes: &[u8], media_type: &str, version: Version) -> Result<Document, Invalid> {
    let dialect = Dialect::of(version.go());
    check_shape(bytes, media_type, dialect)?;
    let (kind, go_type) =
        if Kind::of(media_type) == Kind::Index { (INDEX, "v1.Index") } else { (MANIFEST, "v1.Manifest") };
    let mut document = Document { kind, artifact_types: version.reads_artifact_types(), ..Document::default() };
    decode_valid(bytes, dialect, go_type, &mut document).map_err(|error| Invalid::of(error, Invalid::Field))?;
    Ok(document)
}

fn check_shape(bytes: &[u8], media_type: &str, dialect: Dialect) -> Result<(), Invalid> {
    let mut shape = Shape::default();
    decode(bytes, dialect, "images.unknownDocument", &mut shape).map_err(|error| Invalid::of(error, Invalid::Shape))?;
    if shape.fs_layers.0 {
        return Err(Invalid::Shape("media-type: schema 1 not supported".into()));
    }
    let said = Kind::of(&shape.media_type);
    let other = |expected: &str, found: &str| {
        let reason = format!("media-type: expected {expected} but found {found} ({media_type})");
        Err(Invalid::Shape(clip_to(&reason, REASON_LIMIT)))
    };
    match Kind::of(media_type) {
        Kind::Manifest if shape.manifests.0 || said == Kind::Index => other("manifest", "index"),
        Kind::Index if shape.config.0 || shape.layers.0 || said == Kind::Manifest => other("index", "manifest"),
        _ => Ok(()),
    }
}

/// Whether a document is signed, as schema 1 is.
pub fn is_signed(bytes: &[u8]) -> bool {
    let mut shape = Shape::default();
    decode(bytes, Dialect::Plain, "", &mut shape).is_ok() && shape.signatures.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::Cases;

    const VERSION: Version = Version::new(1, 7, 24);

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
            let valid = parse(&bytes, declared, VERSION).is_ok();
            assert_eq!(valid, case.expected["valid"].as_bool().unwrap(), "{} {}", case.id, case.input);
        }
    }

    #[test]
    fn the_media_type_field_must_not_contradict() {
        for case in Cases::of_kind("manifest_media_type_field") {
            let declared = case.input["declared"].as_str().unwrap();
            let accepts =
                |field: &str| parse(format!(r#"{{"mediaType":"{field}"}}"#).as_bytes(), declared, VERSION).is_ok();
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
        let said = |text: &[u8]| parse(text, index, VERSION).map(|document| document.manifests.len());
        assert_eq!(said(b"{\"manifests\": [null], \"x\xff\": \"\xfe\"}"), Ok(1));
        let long = format!("{{\"manifests\": \"{}\"}}", "x".repeat(10_000));
        let words = "json: cannot unmarshal string into Go struct field Index.manifests of type []v1.Descriptor";
        assert_eq!(said(long.as_bytes()), Err(Invalid::Field(words.into())));
        let long = format!("{{\"annotations\": {{\"{}\": 5}}}}", "x".repeat(10_000));
        let Err(Invalid::Field(words)) = parse(long.as_bytes(), index, Version::new(2, 1, 9)) else { panic!("taken") };
        assert!(words.len() <= REASON_LIMIT, "{words}");
    }

    #[test]
    fn keys_in_any_case_and_doubled_ones_are_merged() {
        let manifest = "application/vnd.oci.image.manifest.v1+json";
        let text = r#"{"CONFIG": {"size": 5, "\u0064igest": "a"}, "config": {"\u017fize": 6, "size": null},
            "Layers": [{"size": 1, "data": "YWI="}, {}], "layers": [{"digest": "b"}], "subject": null}"#;
        let document = parse(text.as_bytes(), manifest, VERSION).unwrap();
        assert_eq!((document.config.size, document.config.digest.as_str()), (6, "a"));
        let [layer] = document.layers.as_slice() else { panic!("{:?}", document.layers) };
        assert_eq!((layer.size, layer.digest.as_str(), layer.data.0.as_slice()), (1, "b", b"ab".as_slice()));
    }

    #[test]
    fn what_is_unpacked_is_told_by_its_media_type() {
        for layer in [
            "application/vnd.oci.image.layer.v1.tar+zstd",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "application/vnd.docker.image.rootfs.foreign.diff.tar",
        ] {
            assert!(is_layer(layer, VERSION), "{layer}");
        }
        for other in ["", "application/octet-stream", "application/vnd.docker.image.rootfs.diff.tar.zstd"] {
            assert!(!is_layer(other, VERSION), "{other}");
        }
        assert!(is_layer(DOCKER_ZSTD, Version::new(2, 0, 0)));
    }
}
