//! What a manifest names: the config, which is read, and the layers, which are only touched.

use super::documents::{self, Config, Descriptor, Document};
use super::select::Matcher;
use super::{Phase, Pull, Stop, gojson, not_empty};
use crate::model::cause::Cause;
use crate::model::containerd::PullMode;
use crate::model::outcome::Failure;
use crate::model::platform::Platform;
use crate::model::report::BlobFacts;
use crate::model::stage::Stage;

/// More layers than an overlay can hold.
const LAYER_LIMIT: usize = 256;

impl Pull<'_> {
    pub(super) async fn image_of(
        &mut self,
        document: Document,
        manifest: &Descriptor,
        depth: usize,
    ) -> Result<Option<Failure>, Stop> {
        let config = document.config.unwrap_or_default();
        not_empty(&config)?;
        let layers = document.layers.unwrap_or_default();
        let fetched = match self.fetch_config(&config).await {
            Ok(fetched) => fetched,
            Err(stop) => return Err(self.blob_failed(stop)),
        };
        self.blob = fetched.endpoint.clone().map(|endpoint| BlobFacts {
            endpoint,
            redirect_host: fetched.redirect.as_ref().map(crate::model::host::Endpoint::host_port),
            failure: None,
        });
        for layer in layers.iter().take(LAYER_LIMIT).filter(|layer| layer.urls.is_empty()) {
            not_empty(layer)?;
            if let Err(stop) = self.touch_blob(layer).await {
                return Err(self.blob_failed(stop));
            }
        }
        self.make_room(std::slice::from_ref(&config), &layers).await?;
        let is_image = documents::is_image_config(&config.media_type);
        if !is_image && !self.version.unpacks_images_only() {
            self.count_layers(&Config::parse(&fetched.body).unwrap_or_default(), &config, layers.len())?;
        }
        if !is_image {
            let detail = format!("{} is no image: its config is `{}`", manifest.digest, config.media_type);
            return Ok(Some(Failure::new(Stage::Manifest, Cause::ManifestUnsupported, detail)));
        }
        let parsed = Config::parse(&fetched.body).ok_or_else(|| {
            let wording = format!("unmarshal image config: {}", gojson::error(&fetched.body));
            let detail = format!("the config {} is no JSON document", config.digest);
            Stop::Fetch(Phase::Commit, Failure::new(Stage::Manifest, Cause::ManifestInvalid, detail).worded(wording))
        })?;
        self.count_layers(&parsed, &config, layers.len())?;
        Ok(parsed.platform(&self.wanted.os).and_then(|platform| self.starts(platform, manifest, depth)))
    }

    /// The config must list as many layers as the manifest, or nothing is unpacked. 1.6 asks this of
    /// artifacts too.
    fn count_layers(&self, parsed: &Config, config: &Descriptor, layers: usize) -> Result<(), Stop> {
        let listed = parsed.layer_count();
        let asked = documents::is_image_config(&config.media_type) || !self.version.unpacks_images_only();
        // From 2.0 on an image without layers is not unpacked at all.
        let nothing_to_unpack = layers == 0 && self.version.major >= 2;
        if listed == layers || !asked || nothing_to_unpack {
            return Ok(());
        }
        let detail = format!("the manifest has {layers} layers, its config lists {listed}");
        let failure = Failure::new(Stage::Manifest, Cause::ManifestInvalid, detail);
        Err(match self.version.major {
            1 => Stop::Fetch(Phase::Unpack, failure.worded("mismatched image rootfs and manifest layers")),
            _ => Stop::Fetch(
                Phase::Commit,
                failure.worded(format!("number of layers and diffIDs don't match: {layers} != {listed}")),
            ),
        })
    }

    /// A single manifest is never checked by containerd: the config tells whether it would start.
    fn starts(&mut self, built_for: Platform, manifest: &Descriptor, depth: usize) -> Option<Failure> {
        let matcher = Matcher { node: self.wanted, mode: PullMode::Local, version: self.version };
        let fits = matcher.rank(&Platform { os_features: Vec::new(), ..built_for.clone() }).is_some();
        if depth == 0 {
            self.platform.offered = vec![built_for.clone()];
        }
        if fits {
            self.platform.selected.get_or_insert(built_for);
            return None;
        }
        let detail = format!("{} is built for {built_for}, this node is {}", manifest.digest, self.wanted);
        self.platform.selected.get_or_insert(built_for);
        Some(Failure::new(Stage::Platform, Cause::PlatformMismatch, detail).worded("exec format error"))
    }

    /// The party that failed, where it is none of the hosts of the plan: a redirect led there.
    fn led_to(&self, failure: &Failure) -> Option<String> {
        if matches!(failure.stage, Stage::Token | Stage::Proxy) {
            return None;
        }
        let planned = |host: &String| self.sessions.iter().any(|session| session.host.endpoint.host_port() == *host);
        failure.host.clone().filter(|host| !planned(host))
    }

    fn blob_failed(&mut self, stop: Stop) -> Stop {
        if let Stop::Fetch(_, failure) = &stop {
            let first = self.sessions.first().map(|session| session.host.endpoint.clone());
            let redirect_host = self.led_to(failure);
            self.blob = first.map(|endpoint| BlobFacts { endpoint, redirect_host, failure: Some(failure.clone()) });
        }
        stop
    }
}
