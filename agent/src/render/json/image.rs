//! One image of the report.

use schemars::JsonSchema;
use serde::Serialize;

use super::history::{Change, History};
use super::pods::NeededBy;
use super::{BackingOff, seconds};
use crate::model::credential::ProviderReport;
use crate::model::report::{self, ImageReport};
use crate::model::{ratelimit, space};
use crate::state::back_off::BackOff;

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Image {
    /// The target as the caller named it.
    pub requested: String,
    /// The full reference. Null when the target is no valid reference.
    pub image: Option<String>,
    /// Would containerd's pull succeed? Null: unknown.
    pub pullable: Option<bool>,
    /// Why `pullable` is null. Null: it is not.
    pub unknown_because: Option<String>,
    /// Would the pulled image start on this platform? Null: unknown.
    pub runnable: Option<bool>,
    /// One word of docs/causes.md. Null when nothing is wrong, or when the answer is unknown.
    pub cause: Option<String>,
    /// What else it may be, where the registry hides the difference.
    pub also_possible: Vec<String>,
    pub stage: Option<String>,
    /// `host:port` of the party that failed.
    pub host: Option<String>,
    /// Who can fix it: image, credentials, config, node, network or registry.
    pub owner: Option<String>,
    pub summary: String,
    pub fix: String,
    /// What `kubectl describe pod` shows for this failure. Null when the pull succeeds.
    pub kubelet_message: Option<String>,
    pub digest: Option<String>,
    pub media_type: Option<String>,
    pub platform: Platform,
    /// The credential that decided. Null: anonymous.
    pub credential: Option<Credential>,
    /// kubelet's candidates in its order, one whole pull for each until one succeeds. Empty: one anonymous
    /// pull, or none at all.
    pub candidates: Vec<Candidate>,
    /// Every host that was asked for a manifest, in containerd's order. Equal entries in a row are listed once.
    pub attempts: Vec<Attempt>,
    /// The credential providers that kubelet would ask for this image, in its order.
    pub providers: Vec<Provider>,
    /// Where the content comes from. Null: not reached.
    pub blob: Option<Blob>,
    pub rate_limit: RateLimit,
    /// What the registry tells its users, in the header `Warning`.
    pub warnings: Vec<String>,
    /// Requests spent on this image that the registry counts as a pull.
    pub counted_pulls: u32,
    /// All requests that were sent for it, wherever they went.
    pub requests: u32,
    /// Where the manifest was read: `registry`; `content-store` of the node, which containerd would not ask
    /// a registry for either; `remembered` from an earlier counted pull. Null: it was not.
    pub source: Option<String>,
    /// Null: what it needs is unknown, or pullprobe cannot see containerd's file system.
    pub space: Option<Space>,
    /// Of `run`: the containers of this node that need it, as far as the Kubernetes API tells.
    pub needed_by: Vec<NeededBy>,
    /// When this was found out; before the first probe of `run`, when it started. RFC 3339, UTC.
    pub probed_at: String,
    /// Not probed before this time. Null: probed at its usual interval, or never again (`check`).
    pub next_probe_at: Option<String>,
    /// Null: it is probed at its usual interval.
    pub backing_off: Option<BackingOff>,
    /// Of `run`: since when it fails, whatever the causes. RFC 3339, UTC. Null: it does not fail.
    pub failing_since: Option<String>,
    /// Of `run`: how many times it failed in the last 24 hours, this time included. At least so many where
    /// `history_left_out` is not 0. Null: nobody kept count.
    pub failures_24h: Option<usize>,
    /// Of `run`: the answers of the last 24 hours, newest first; the last one is what was so when they began.
    pub history: Vec<Change>,
    /// How many older changes of the last 24 hours are not kept.
    pub history_left_out: u32,
}

/// What the image needs on containerd's file system; what the node already has is left out.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Space {
    /// What is still to be downloaded, compressed: with less the pull fails.
    pub needed_bytes: u64,
    /// With the layers unpacked: a guess, two and a half times their size on top.
    pub estimated_bytes: u64,
    /// Free to containerd, which is root.
    pub free_bytes: u64,
    /// Free to others, as kubelet counts.
    pub available_bytes: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Platform {
    pub wanted: String,
    pub selected: Option<String>,
    pub offered: Vec<String>,
    /// How many more the index lists.
    pub offered_left_out: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Credential {
    /// `kubelet-config-json`, `provider:NAME`, `containerd-config` or `pull-secret:NS/NAME`.
    pub source: String,
    /// The key of the file that matched.
    pub key: String,
    /// `basic`, `identity-token` or `registry-token`.
    pub kind: String,
    /// RFC 3339, as the credential itself claims. Null: its end cannot be known.
    pub expires_at: Option<String>,
    /// RFC 3339: when kubelet asks its credential provider again. Null: nobody renews it.
    pub renews_at: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Candidate {
    /// As in `credential`.
    pub source: String,
    pub key: String,
    pub kind: String,
    /// It has no user or no password, and containerd asks anonymously with it.
    pub anonymous: bool,
    /// Whether a pull with it was tried. After a success kubelet tries no other.
    pub tried: bool,
    /// Would the pull with it succeed? Null: it was not tried, or the answer is unknown.
    pub pullable: Option<bool>,
    /// Why the pull with it fails.
    pub cause: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Provider {
    pub name: String,
    /// `answered`; `none_fits`: it answered with keys of which none is for this image; `failed`: kubelet
    /// would go on without it; `unknown`: what it gives is unknown.
    pub outcome: String,
    /// Why, where it is not `answered`; for `none_fits` the keys.
    pub detail: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Attempt {
    /// `resolve` or `fetch`.
    pub operation: String,
    pub endpoint: String,
    /// `mirror` or `upstream`.
    pub role: String,
    pub ok: bool,
    pub stage: Option<String>,
    pub cause: Option<String>,
    pub http_status: Option<u16>,
    pub detail: String,
    pub duration_seconds: f64,
    /// Whether a credential (or a token got with one) went to this host.
    pub credential_sent: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Blob {
    pub endpoint: String,
    /// `host:port` that the registry redirects to. Null: it serves the bytes itself.
    pub redirect_host: Option<String>,
    pub ok: bool,
    pub cause: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RateLimit {
    /// `limited`, `unlimited`, `unknown` or `blocked`.
    pub state: String,
    /// Pulls per window.
    pub limit: Option<u64>,
    pub remaining: Option<u64>,
    pub window_seconds: Option<u64>,
    /// The source that the registry counts pulls by (an address or an account), as the registry says.
    pub source: Option<String>,
    pub retry_after_seconds: Option<u64>,
    /// `quota`: no pull is left in the window; `burst`: too many requests at once, pulls may be left. Null: neither, or
    /// the registry does not tell.
    pub blocked_by: Option<String>,
    /// Which host said so. Null: none did.
    pub endpoint: Option<String>,
}

impl From<&ImageReport> for Image {
    fn from(report: &ImageReport) -> Self {
        let verdict = &report.verdict;
        let text = |cause: Option<crate::cause::Cause>| cause.map(|cause| cause.as_str().to_owned());
        Self {
            requested: report.requested.clone().into(),
            image: report.image.as_ref().map(ToString::to_string),
            pullable: verdict.pullable,
            unknown_because: verdict.unknown_because().map(str::to_owned),
            runnable: verdict.runnable,
            cause: text(verdict.cause),
            also_possible: verdict.also_possible.iter().map(|cause| cause.as_str().to_owned()).collect(),
            stage: verdict.stage.map(|stage| stage.as_str().to_owned()),
            host: verdict.host.clone().map(Into::into),
            owner: verdict.owner.map(|owner| owner.as_str().to_owned()),
            summary: verdict.summary.clone().into(),
            fix: verdict.fix.clone().into(),
            kubelet_message: verdict.kubelet_message.clone().map(Into::into),
            digest: report.digest.clone().map(Into::into),
            media_type: report.media_type.clone().map(Into::into),
            platform: Platform {
                wanted: report.wanted.to_string(),
                selected: report.platform.selected.as_ref().map(ToString::to_string),
                offered: report.platform.offered.iter().map(ToString::to_string).collect(),
                offered_left_out: report.platform.left_out,
            },
            credential: report.credential.as_ref().map(Credential::from),
            candidates: report.candidates.iter().map(Candidate::from).collect(),
            attempts: report.attempts.iter().map(Attempt::from).collect(),
            providers: report.providers.iter().map(Provider::from).collect(),
            blob: report.blob.as_ref().map(Blob::from),
            rate_limit: RateLimit {
                endpoint: report.limited_by.as_ref().map(ToString::to_string),
                ..RateLimit::from(&report.rate_limit)
            },
            warnings: report.warnings.clone().into_iter().map(Into::into).collect(),
            counted_pulls: report.counted_pulls,
            requests: report.requests,
            source: report.source.map(|source| source.as_str().to_owned()),
            space: report.space.as_ref().map(Space::from),
            needed_by: Vec::new(),
            probed_at: report.started_at.to_string(),
            next_probe_at: None,
            backing_off: None,
            failing_since: None,
            failures_24h: None,
            history: Vec::new(),
            history_left_out: 0,
        }
    }
}

impl From<&space::Space> for Space {
    fn from(space: &space::Space) -> Self {
        let space::Space { needed_bytes, estimated_bytes, free_bytes, available_bytes } = *space;
        Self { needed_bytes, estimated_bytes, free_bytes, available_bytes }
    }
}

impl From<&ProviderReport> for Provider {
    fn from(provider: &ProviderReport) -> Self {
        Self {
            name: provider.name.clone().into(),
            outcome: provider.outcome.as_str().to_owned(),
            detail: provider.outcome.detail().map(str::to_owned),
        }
    }
}

impl From<&report::CredentialUsed> for Credential {
    fn from(used: &report::CredentialUsed) -> Self {
        Self {
            source: used.source.to_string(),
            key: used.key.clone().into(),
            kind: used.kind.to_owned(),
            expires_at: used.lifetime.map(|lifetime| lifetime.ends.to_string()),
            renews_at: used.renews.map(|renews| renews.to_string()),
        }
    }
}

impl From<&report::Candidate> for Candidate {
    fn from(candidate: &report::Candidate) -> Self {
        let Credential { source, key, kind, .. } = Credential::from(&candidate.credential);
        let pull = candidate.pull;
        Self {
            source,
            key,
            kind,
            anonymous: candidate.anonymous,
            tried: pull.is_some(),
            pullable: pull.and_then(|pull| pull.pullable),
            cause: pull.and_then(|pull| pull.cause).map(|cause| cause.as_str().to_owned()),
        }
    }
}

impl From<&report::Attempt> for Attempt {
    fn from(attempt: &report::Attempt) -> Self {
        let failure = attempt.failure.as_ref();
        Self {
            operation: attempt.operation.as_str().to_owned(),
            endpoint: attempt.endpoint.to_string(),
            role: attempt.role.as_str().to_owned(),
            ok: failure.is_none(),
            stage: failure.map(|failure| failure.stage.as_str().to_owned()),
            cause: failure.map(|failure| failure.cause.as_str().to_owned()),
            http_status: attempt.http_status,
            detail: attempt.detail.clone().into(),
            duration_seconds: seconds(attempt.duration),
            credential_sent: attempt.credential_sent,
        }
    }
}

impl From<&report::BlobFacts> for Blob {
    fn from(blob: &report::BlobFacts) -> Self {
        Self {
            endpoint: blob.endpoint.to_string(),
            redirect_host: blob.redirect_host.clone().map(Into::into),
            ok: blob.failure.is_none(),
            cause: blob.failure.as_ref().map(|failure| failure.cause.as_str().to_owned()),
        }
    }
}

impl From<&ratelimit::RateLimit> for RateLimit {
    fn from(limit: &ratelimit::RateLimit) -> Self {
        Self {
            state: limit.state.as_str().to_owned(),
            limit: limit.limit,
            remaining: limit.remaining,
            window_seconds: limit.window.map(|window| window.as_secs()),
            source: limit.source.clone().map(Into::into),
            retry_after_seconds: limit.retry_after.map(|pause| pause.as_secs()),
            blocked_by: limit.blocked_by.map(|limiter| limiter.as_str().to_owned()),
            endpoint: None,
        }
    }
}

impl Image {
    pub(super) fn put_off(&mut self, back_off: Option<&BackOff>) {
        self.next_probe_at = back_off.map(|back_off| back_off.next_probe_at.to_string());
        self.backing_off = back_off.map(BackingOff::from);
    }

    pub(super) fn remember(&mut self, history: History) {
        let History { failing_since, failures, changes, left_out } = history;
        (self.failing_since, self.failures_24h) = (failing_since, failures);
        (self.history, self.history_left_out) = (changes, left_out);
    }
}
