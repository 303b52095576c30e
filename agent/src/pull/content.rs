//! What a manifest names: the config, which is read, and the layers, which are only touched.

use std::borrow::Cow;
use std::collections::BTreeSet;

use go::json::decode::Undecoded;

use super::select::Matcher;
use super::{Phase, Pull, Stop, not_empty};
use crate::cause::Cause;
use crate::http::body::Body;
use crate::image::platform::Platform;
use crate::manifest::{self, Config, Descriptor, Document, Form};
use crate::model::outcome::Failure;
use crate::model::report::BlobFacts;
use crate::model::stage::Stage;
use crate::redact::clean::Clean;
use crate::version::{PullMode, Version};

/// More layers than an overlay can hold.
const LAYER_LIMIT: usize = 256;

fn unreadable(config: &Descriptor, reason: &str) -> Failure {
    let detail = format!("the config {} is not what containerd reads: {reason}", config.digest);
    Failure::new(Stage::Manifest, Cause::ManifestInvalid, detail)
}

/// What Go says of a config; where pullprobe holds too little of it, nothing more is known.
fn readable(config: &Descriptor, parsed: Result<Config, Undecoded>) -> Result<Result<Config, String>, Stop> {
    match parsed {
        Ok(parsed) => Ok(Ok(parsed)),
        Err(Undecoded::Invalid(reason)) => Ok(Err(reason)),
        Err(Undecoded::TooMuch(reason)) => Err(Stop::at_limit(Stage::Manifest, format!("{}: {reason}", config.digest))),
    }
}

async fn parse(config: &Body, form: Form, version: Version) -> Result<Config, Undecoded> {
    config.decoded(move |bytes| Config::parse(bytes, form, version)).await
}

fn mismatch(layers: usize, listed: usize) -> Failure {
    let detail = format!("the manifest has {layers} layers, its config lists {listed}");
    Failure::new(Stage::Manifest, Cause::ManifestInvalid, detail)
}

impl Pull<'_> {
    pub(super) async fn image_of(
        &mut self,
        document: Document,
        manifest: &Descriptor,
        depth: usize,
    ) -> Result<Option<Failure>, Stop> {
        let Document { config, layers, .. } = document;
        not_empty(&config)?;
        let fetched = match self.fetch_config(&config).await {
            Ok(fetched) => fetched,
            Err(stop) => return Err(self.blob_failed(stop)),
        };
        self.blob = fetched.endpoint.clone().map(|endpoint| BlobFacts {
            endpoint,
            redirect_host: fetched.redirect.as_ref().map(crate::model::host::Endpoint::host_port).map(Into::into),
            failure: None,
        });
        let is_image = manifest::is_image_config(&config.media_type);
        // What is unpacked is only got once a config of an image says what it is.
        let wanted = if is_image {
            Cow::Borrowed(&*layers)
        } else {
            layers.iter().filter(|layer| !manifest::is_layer(&layer.media_type, self.version)).cloned().collect()
        };
        let fresh: BTreeSet<&str> = wanted.iter().map(|layer| layer.digest.as_str()).collect();
        self.budget.requests.grant_layers(fresh.iter().filter(|digest| !self.touched.contains(**digest)).count());
        for layer in wanted.iter().take(LAYER_LIMIT).filter(|layer| !layer.is_elsewhere()) {
            not_empty(layer)?;
            if self.touched.contains(&layer.digest) {
                continue;
            }
            if let Err(stop) = self.touch_blob(layer).await {
                return Err(self.blob_failed(stop));
            }
            self.touched.insert(layer.digest.clone());
        }
        if wanted.len() > LAYER_LIMIT {
            let words = format!("pullprobe asks for at most {LAYER_LIMIT} layers, and there are {}", wanted.len());
            return Err(Stop::at_limit(Stage::Blob, words));
        }
        self.make_room(std::slice::from_ref(&config), &wanted).await?;
        self.unpack(&fetched.body, &config, &layers).await?;
        // 2.x reads the whole config only for its list of images.
        let parsed = readable(&config, parse(&fetched.body, Form::Image, self.version).await)?.map_err(|reason| {
            let digest = &config.digest;
            let go_message = format!(
                "failed to update image store \"{digest}\": get image info from containerd: get image diffIDs: {reason}"
            );
            Stop::Fetch(Phase::Store, unreadable(&config, &reason).with_go_message(go_message))
        })?;
        if !is_image {
            let detail = format!("{} is no image: its config is `{}`", manifest.digest, config.media_type);
            return Ok(Some(Failure::new(Stage::Manifest, Cause::ManifestUnsupported, detail)));
        }
        Ok(parsed.platform(&self.wanted.os).and_then(|platform| self.starts(platform, manifest, depth)))
    }

    /// The config must be readable and list as many layers as the manifest, or nothing is unpacked.
    async fn unpack(&mut self, body: &Body, config: &Descriptor, layers: &[Descriptor]) -> Result<(), Stop> {
        let known = layers.iter().filter(|layer| manifest::is_layer(&layer.media_type, self.version)).count();
        if manifest::is_image_config(&config.media_type) && known > 0 {
            return self.unpack_while_pulling(body, config, known).await;
        }
        // What is not unpacked by then the transfer service does not unpack at all.
        if self.mode == PullMode::Transfer {
            return Ok(());
        }
        let fault =
            |failure: Failure, go_message: String| Err(Stop::Fetch(Phase::Unpack, failure.with_go_message(go_message)));
        let parsed = match readable(config, parse(body, Form::Image, self.version).await)? {
            Ok(parsed) => parsed,
            Err(reason) => {
                return fault(unreadable(config, &reason), format!("failed to resolve rootfs: {reason}"));
            }
        };
        // 1.6 takes all content for layers, whatever its media type.
        let only_known = self.version.unpacks_images_only();
        let layers: Vec<&Descriptor> =
            layers.iter().filter(|layer| !only_known || manifest::is_layer(&layer.media_type, self.version)).collect();
        if parsed.layer_count() != layers.len() {
            let go_message = "mismatched image rootfs and manifest layers".to_owned();
            return fault(mismatch(layers.len(), parsed.layer_count()), go_message);
        }
        for layer in layers {
            let Descriptor { media_type, digest, .. } = layer;
            let extract = self.extracting(parsed.first_diff_id());
            if !manifest::is_layer(media_type, self.version) {
                let detail = format!("the layer {digest} is of an unknown media type, `{media_type}`");
                let failure = Failure::new(Stage::Manifest, Cause::ManifestUnsupported, detail);
                let why = "no processor for media-type: unknown";
                let media_type = Clean::line(media_type);
                return fault(failure, format!("{extract}: failed to get stream processor for {media_type}: {why}"));
            }
            if !self.has_layer(layer).await {
                let detail =
                    format!("{} is no image's config, its layers are not got: `{}`", config.digest, config.media_type);
                let failure = Failure::new(Stage::Manifest, Cause::ManifestUnsupported, detail);
                let why = format!("content digest {digest}: not found");
                return fault(failure, format!("{extract}: failed to get reader from content store: {why}"));
            }
        }
        Ok(())
    }

    fn extracting(&self, diff_id: &str) -> String {
        let of_image = format!("apply layer error for \"{}\": ", self.image);
        let of_image = if self.version.names_image_of_layer() { &of_image } else { "" };
        format!("{of_image}failed to extract layer {diff_id}")
    }

    /// `known`: how many layers can be unpacked.
    async fn unpack_while_pulling(&self, body: &Body, config: &Descriptor, known: usize) -> Result<(), Stop> {
        let form = if self.version.reads_configs_in_part() { Form::Unpack } else { Form::Image };
        let parsed = readable(config, parse(body, form, self.version).await)?.map_err(|reason| {
            let go_message = format!("unmarshal image config: {reason}");
            Stop::Fetch(Phase::Commit, unreadable(config, &reason).with_go_message(go_message))
        })?;
        let listed = parsed.layer_count();
        if listed == known {
            return Ok(());
        }
        let go_message = format!("number of layers and diffIDs don't match: {known} != {listed}");
        Err(Stop::Fetch(Phase::Commit, mismatch(known, listed).with_go_message(go_message)))
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
        Some(Failure::new(Stage::Platform, Cause::PlatformMismatch, detail).with_go_message("exec format error"))
    }

    /// The host that failed, if a redirect led there and the plan does not name it.
    fn led_to(&self, failure: &Failure) -> Option<Clean> {
        if matches!(failure.stage, Stage::Token | Stage::Proxy) {
            return None;
        }
        let planned = |host: &Clean| self.sessions.iter().any(|session| session.host.endpoint.host_port() == *host);
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
