//! Manifests, indexes and image configs as a registry sends them: of the kind that was announced, or
//! refused in a few words; what is chosen comes from the document.

use go::json::decode::Undecoded;
use pullprobe::manifest::{Config, Descriptor, Document, Form, Invalid, Kind, parse};
use pullprobe::pull::select::{Matcher, Selection, offered};
use pullprobe::version::PullMode;

const MEDIA_TYPES: [&str; 3] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

pub fn holds(data: &[u8]) {
    for version in super::VERSIONS.map(|version| version.parse().unwrap()) {
        for media_type in MEDIA_TYPES {
            match parse(data, media_type, version) {
                Ok(document) => check(&document, media_type),
                Err(Invalid::Shape(reason) | Invalid::Field(reason) | Invalid::TooMuch(reason)) => {
                    check_reason(&reason);
                }
            }
        }
        for form in [Form::Image, Form::Unpack] {
            match Config::parse(data, form, version) {
                Ok(config) => assert!(
                    config.layer_count() <= data.len()
                        && config.platform("linux").is_none_or(|found| !found.os.is_empty())
                ),
                Err(Undecoded::Invalid(reason) | Undecoded::TooMuch(reason)) => check_reason(&reason),
            }
        }
    }
}

fn check_reason(reason: &str) {
    assert!(!reason.is_empty() && reason.len() <= 512, "{reason:?}");
}

fn check(document: &Document, media_type: &str) {
    if Kind::of(media_type) == Kind::Manifest {
        assert!(document.manifests.is_empty());
    } else {
        assert!(document.config == Descriptor::default() && document.layers.is_empty());
    }
    let entries = document.manifests.as_slice();
    assert!(offered(entries, "linux").count() <= entries.len());
    let node = "linux/arm64".parse().unwrap();
    for version in super::VERSIONS {
        for mode in [PullMode::Local, PullMode::Transfer] {
            let matcher = Matcher { node: &node, mode, version: version.parse().unwrap() };
            if let Selection::Entries(chosen) = matcher.select(entries) {
                assert!(!chosen.is_empty() && chosen.len() <= entries.len());
                assert!(mode == PullMode::Transfer || chosen.len() == 1);
            }
        }
    }
}
