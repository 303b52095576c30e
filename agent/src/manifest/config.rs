//! The configuration of an image: what is needed of it, and whether containerd can read the rest.

use go::json::decode::{Dialect, Undecoded, decode};
use go::json::target::{Each, Empty, FieldTarget, Fields, Map, Named, Target, Text, Time, Truth};

use super::{PlatformFields, REASON_LIMIT};
use crate::image::platform::Platform;
use crate::redact::clip::clip_to;
use crate::version::Version;

/// Which of containerd's structures it is read into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// The whole of it.
    #[default]
    Image,
    /// As much as unpacking needs; 2.x reads no more before the layers.
    Unpack,
}

#[derive(Debug, Default)]
pub struct Config {
    form: Form,
    platform: PlatformFields,
    rootfs: RootFs,
    run: Run,
    history: Each<Step>,
    created: Time,
    author: Text,
}

impl Config {
    /// The error is Go's, or says what pullprobe does not hold.
    pub fn parse(bytes: &[u8], form: Form, version: Version) -> Result<Self, Undecoded> {
        let go_type = match form {
            Form::Image => "v1.Image",
            Form::Unpack => "unpack.unpackConfig",
        };
        let mut config = Self { form, ..Self::default() };
        decode(bytes, Dialect::of(version.go()), go_type, &mut config).map_err(|error| match error {
            Undecoded::Invalid(reason) => Undecoded::Invalid(clip_to(&reason, REASON_LIMIT)),
            too_much @ Undecoded::TooMuch(_) => too_much,
        })?;
        Ok(config)
    }

    /// How many layers it lists.
    pub fn layer_count(&self) -> usize {
        self.rootfs.diff_ids.count
    }

    /// Of the lowest layer, which is unpacked first.
    pub fn first_diff_id(&self) -> &str {
        &self.rootfs.diff_ids.first
    }

    /// `None`: the config names no architecture.
    pub fn platform(&self, host_os: &str) -> Option<Platform> {
        (!self.platform.architecture.is_empty()).then(|| self.platform.normalized(host_os))
    }
}

impl Target for Config {
    fn object(&mut self) -> Option<&mut dyn Fields> {
        Some(self)
    }
}

impl Fields for Config {
    fn struct_name(&self) -> &'static str {
        match self.form {
            Form::Image => "Image",
            Form::Unpack => "unpackConfig",
        }
    }

    fn field(&mut self, key: &str) -> Option<FieldTarget<'_>> {
        let whole = self.form == Form::Image;
        match key {
            "rootfs" => FieldTarget::new("rootfs", "v1.RootFS", &mut self.rootfs),
            "created" if whole => FieldTarget::new("created", "time.Time", &mut self.created),
            "author" if whole => FieldTarget::text("author", &mut self.author),
            "config" if whole => FieldTarget::new("config", "v1.ImageConfig", &mut self.run),
            "history" if whole => FieldTarget::new("history", "[]v1.History", &mut self.history),
            platform => {
                let place = self.platform.field(platform)?;
                Some(FieldTarget { embedded: "Platform", ..place })
            }
        }
    }
}

#[derive(Debug, Default)]
struct RootFs {
    kind: Text,
    diff_ids: Each<DiffId>,
}

impl Target for RootFs {
    fn object(&mut self) -> Option<&mut dyn Fields> {
        Some(self)
    }
}

impl Fields for RootFs {
    fn struct_name(&self) -> &'static str {
        "RootFS"
    }

    fn field(&mut self, key: &str) -> Option<FieldTarget<'_>> {
        match key {
            "type" => FieldTarget::text("type", &mut self.kind),
            "diff_ids" => FieldTarget::new("diff_ids", "[]digest.Digest", &mut self.diff_ids),
            _ => None,
        }
    }
}

#[derive(Debug, Default)]
struct DiffId(String);

impl std::ops::Deref for DiffId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Named for DiffId {
    const NAME: &'static str = "digest.Digest";
}

impl Target for DiffId {
    fn keeps(&self) -> bool {
        true
    }

    fn text(&mut self, text: &str) -> Result<(), go::json::target::TypeMismatch> {
        self.0.text(text)
    }
}

/// How a container of it runs.
#[derive(Debug, Default)]
struct Run {
    text: Text,
    truth: Truth,
    texts: Each<Text>,
    labels: Map<Text>,
    set: Map<Empty>,
}

impl Target for Run {
    fn object(&mut self) -> Option<&mut dyn Fields> {
        Some(self)
    }
}

impl Fields for Run {
    fn struct_name(&self) -> &'static str {
        "ImageConfig"
    }

    fn field(&mut self, key: &str) -> Option<FieldTarget<'_>> {
        const SET: &str = "map[string]struct {}";
        match key {
            "user" => FieldTarget::text("User", &mut self.text),
            "exposedports" => FieldTarget::new("ExposedPorts", SET, &mut self.set),
            "env" => FieldTarget::new("Env", "[]string", &mut self.texts),
            "entrypoint" => FieldTarget::new("Entrypoint", "[]string", &mut self.texts),
            "cmd" => FieldTarget::new("Cmd", "[]string", &mut self.texts),
            "volumes" => FieldTarget::new("Volumes", SET, &mut self.set),
            "workingdir" => FieldTarget::text("WorkingDir", &mut self.text),
            "labels" => FieldTarget::new("Labels", "map[string]string", &mut self.labels),
            "stopsignal" => FieldTarget::text("StopSignal", &mut self.text),
            "argsescaped" => FieldTarget::new("ArgsEscaped", "bool", &mut self.truth),
            _ => None,
        }
    }
}

/// One of the history.
#[derive(Debug, Default)]
struct Step {
    created: Time,
    text: Text,
    empty_layer: Truth,
}

impl Named for Step {
    const NAME: &'static str = "v1.History";
}

impl Target for Step {
    fn object(&mut self) -> Option<&mut dyn Fields> {
        Some(self)
    }
}

impl Fields for Step {
    fn struct_name(&self) -> &'static str {
        "History"
    }

    fn field(&mut self, key: &str) -> Option<FieldTarget<'_>> {
        match key {
            "created" => FieldTarget::new("created", "time.Time", &mut self.created),
            "created_by" => FieldTarget::text("created_by", &mut self.text),
            "author" => FieldTarget::text("author", &mut self.text),
            "comment" => FieldTarget::text("comment", &mut self.text),
            "empty_layer" => FieldTarget::new("empty_layer", "bool", &mut self.empty_layer),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Maker;

    const OLD: Version = Version::new(1, 6, 20);
    const MIDDLE: Version = Version::new(1, 7, 34);
    const NEW: Version = Version::new(2, 1, 9).built_by(Maker::Debian);

    fn fault(text: &str, version: Version) -> String {
        match Config::parse(text.as_bytes(), Form::Image, version) {
            Err(Undecoded::Invalid(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_field_of_another_type_is_told_in_the_words_of_each_go() {
        let text = r#"{"config": {"env": ["A=B", 5], "User": 5}}"#;
        let old = "json: cannot unmarshal number into Go struct field ImageConfig.config.Env of type string";
        assert_eq!([fault(text, OLD), fault(text, MIDDLE)], [old, old]);
        assert_eq!(fault(text, NEW), "json: cannot unmarshal number into Image.config.Env.1 of type string");
        let text = r#"{"os.version": 5}"#;
        let words = |field: &str| format!("json: cannot unmarshal number into Go struct field {field} of type string");
        assert_eq!(fault(text, OLD), words("Image.os.version"));
        assert_eq!(fault(text, MIDDLE), words("Image.Platform.os.version"));
        assert_eq!(fault("[]", OLD), "json: cannot unmarshal array into Go value of type v1.Image");
        let unpacked = Config::parse(br#"{"config": 5, "variant": 8}"#, Form::Unpack, NEW).map(drop);
        assert_eq!(unpacked, Err(Undecoded::Invalid(words("unpackConfig.variant"))));
    }

    #[test]
    fn a_time_ends_what_old_go_reads() {
        let text = r#"{"author": 5, "history": [{"created": 5}]}"#;
        assert_eq!(fault(text, MIDDLE), "Time.UnmarshalJSON: input is not a JSON string");
        assert!(fault(text, OLD).starts_with("parsing time \"5\" as \"\\\"2006"), "{}", fault(text, OLD));
        assert!(fault(text, NEW).ends_with("Image.author of type string"), "{}", fault(text, NEW));
    }

    #[test]
    fn what_go_overlooks_is_overlooked() {
        let text =
            br#"{"ARCHITECTURE": "arm64", "architecture": "amd64", "config": {"Healthcheck": [[{}]], "ENV": null},
            "rootfs": {"diff_ids": ["a", "b"]}, "history": null, "author": "\ud800", "x": {"y": [1, {"z": "}"}]}}"#;
        for version in [OLD, MIDDLE, NEW] {
            let config = Config::parse(text, Form::Image, version).unwrap();
            assert_eq!((config.layer_count(), config.first_diff_id()), (2, "a"));
            assert_eq!(config.platform("linux").unwrap().to_string(), "linux/amd64");
        }
        assert_eq!(Config::parse(b"null", Form::Image, OLD).unwrap().layer_count(), 0);
    }
}
