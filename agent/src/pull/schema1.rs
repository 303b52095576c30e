//! Docker's manifests of schema 1: converted by old containerds, refused by new ones.

use go::text::quote;

use super::resolve::Resolved;
use super::{Phase, Pull, Stop};
use crate::cause::Cause;
use crate::http::body::Body;
use crate::manifest::{Descriptor, Kind, is_signed};
use crate::model::outcome::Failure;
use crate::model::stage::Stage;
use crate::version::PullMode;

impl Pull<'_> {
    /// Schema 1: what this containerd does with it.
    pub(super) fn refuse_unsupported(&self, resolved: &Resolved) -> Result<(), Stop> {
        if Kind::of(&resolved.media_type) != Kind::Schema1 {
            return Ok(());
        }
        let detail = format!("the image is of the old schema 1 (`{}`)", resolved.media_type);
        let failure = Failure::new(Stage::Manifest, Cause::ManifestUnsupported, detail);
        let (version, media_type) = (self.version, &resolved.media_type);
        let go_message = match self.mode {
            _ if version.converts_schema_1() => return Ok(()),
            _ if version.reads_schema_1() => format!(
                "failed to get converter for \"{}\": Pulling Schema 1 images have been deprecated and disabled by default since \
                 containerd v2.0. As a workaround you may set an environment variable \
                 `CONTAINERD_ENABLE_DEPRECATED_PULL_SCHEMA_1_IMAGE=1`, but this will be completely removed in containerd v2.1.",
                self.image
            ),
            PullMode::Transfer => "schema 1 image manifests are no longer supported: invalid argument".to_owned(),
            PullMode::Local => format!(
                "not implemented: media type {} is no longer supported since containerd v2.1, please rebuild the image as \
                 \"application/vnd.docker.distribution.manifest.v2+json\" or \"application/vnd.oci.image.manifest.v1+json\"",
                quote(media_type)
            ),
        };
        Err(Stop::Fetch(Phase::Commit, failure.with_go_message(go_message)))
    }
}

/// 1.x converts schema 1, which is signed; what is only called so has no signatures.
pub(super) async fn convert(body: &Body, descriptor: &Descriptor) -> Result<Option<Failure>, Stop> {
    if body.decoded(is_signed).await {
        return Ok(None);
    }
    let detail = format!("{} is called a manifest of schema 1 and is not signed", descriptor.digest);
    Err(Stop::Fetch(
        Phase::Commit,
        Failure::new(Stage::Manifest, Cause::ManifestInvalid, detail).with_go_message("no signatures"),
    ))
}
