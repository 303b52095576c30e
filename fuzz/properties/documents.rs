//! Manifests, indexes and image configs as a registry sends them: of the kind that was announced, or
//! refused in a few words; what is chosen comes from the document.

use pullprobe::model::containerd::PullMode;
use pullprobe::probe::image::documents::{Config, Document, Kind, parse};
use pullprobe::probe::image::select::{Matcher, Selection, offered};

const MEDIA_TYPES: [&str; 3] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

pub fn holds(data: &[u8]) {
    for media_type in MEDIA_TYPES {
        match parse(data, media_type) {
            Ok(document) => check(&document, media_type),
            Err(reason) => assert!(!reason.is_empty() && reason.len() <= 256, "{reason:?}"),
        }
    }
    if let Some(config) = Config::parse(data) {
        assert!(
            config.layer_count() <= data.len() && config.platform("linux").is_none_or(|found| !found.os.is_empty())
        );
    }
}

fn check(document: &Document, media_type: &str) {
    assert!(document.fs_layers.is_none());
    if Kind::of(media_type) == Kind::Manifest {
        assert!(document.manifests.is_none());
    } else {
        assert!(document.config.is_none() && document.layers.is_none());
    }
    let entries = document.manifests.as_deref().unwrap_or_default();
    assert!(offered(entries, "linux").len() <= entries.len());
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
