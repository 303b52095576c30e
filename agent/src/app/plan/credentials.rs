//! Which credentials kubelet would offer for a target, in which order, and why there is none.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use crate::credentials::{Credentials, NearMiss};
use crate::image::target::Target;
use crate::keyring::expiry;
use crate::model::credential::Credential;
use crate::model::expiry::Lifetime;

/// Everything about kubelet's credentials for one target, without their secrets.
#[derive(Default, Serialize)]
pub struct PlannedLogins {
    /// kubelet's candidates in its order: one whole pull for each until one succeeds.
    credentials: Vec<PlannedCredential>,
    /// Null, unless kubelet makes no pull at all.
    credential_error: Option<String>,
    /// The credential providers whose `matchImages` fit, in their order: kubelet asks them and tries what
    /// they give behind the credentials above. A plan runs no program.
    credential_providers: Vec<String>,
    /// Where nothing matches: the key that was probably meant.
    nearest_key: Option<NearestKey>,
    /// The node's own logins are kept back, by wish.
    #[serde(skip)]
    kept_back: bool,
}

#[derive(Clone, Serialize)]
pub struct PlannedCredential {
    pub source: String,
    pub key: String,
    pub kind: &'static str,
    /// `FILE:LINE`. Null: it is of no file.
    pub origin: Option<String>,
    /// It has no user or no password, and containerd asks anonymously with it.
    pub anonymous: bool,
    /// RFC 3339. Null: its end cannot be known.
    pub expires_at: Option<String>,
    #[serde(skip)]
    lifetime: Option<Lifetime>,
}

#[derive(Serialize)]
struct NearestKey {
    key: String,
    origin: String,
    reason: String,
}

impl PlannedLogins {
    pub fn of(credentials: &Credentials, target: &Target, kept_back: bool) -> Self {
        let Target::Image(image) = target else { return Self::default() };
        let candidates = candidates(credentials, target);
        Self {
            credentials: candidates.iter().map(PlannedCredential::from).collect(),
            credential_error: credentials.malformed().map(|failure| failure.detail).map(Into::into),
            credential_providers: credentials.providers_of(image),
            nearest_key: credentials.near_miss(image).map(NearestKey::from),
            kept_back,
        }
    }

    pub fn write(&self, out: &mut String) {
        if let Some(error) = &self.credential_error {
            let _ = writeln!(out, "  credential: kubelet does not pull at all: {error}");
            return;
        }
        for (nth, credential) in self.credentials.iter().enumerate() {
            let PlannedCredential { source, key, kind, origin, anonymous, lifetime, .. } = credential;
            let origin = origin.as_ref().map(|origin| format!(", {origin}")).unwrap_or_default();
            let ends = lifetime.map(|one| format!(", {}", one.words(Timestamp::now()))).unwrap_or_default();
            let _ = write!(out, "  credential {}: {kind} from {source} (key {key}{origin}){ends}", nth + 1);
            out.push_str(if *anonymous { ", which is anonymous: it lacks user or password\n" } else { "\n" });
        }
        for provider in &self.credential_providers {
            let _ = writeln!(out, "  then what the credential provider `{provider}` gives; a plan does not run it");
        }
        if self.credentials.is_empty() && self.credential_providers.is_empty() {
            let why = if self.kept_back { "none is looked at (`--no-credentials`)" } else { "none matches" };
            let _ = writeln!(out, "  credential: {why}, anonymous");
        }
        if let Some(NearestKey { key, origin, reason }) = &self.nearest_key {
            let _ = writeln!(out, "  the nearest key is `{key}` ({origin}): {reason}");
        }
    }
}

/// Empty for a registry, and where kubelet makes no pull.
pub fn candidates(credentials: &Credentials, target: &Target) -> Vec<Credential> {
    match target {
        Target::Image(image) if credentials.malformed().is_none() => credentials.candidates(image),
        _ => Vec::new(),
    }
}

impl From<&Credential> for PlannedCredential {
    fn from(one: &Credential) -> Self {
        let lifetime = expiry::of(one);
        Self {
            source: one.source.to_string(),
            key: one.key.clone(),
            kind: one.kind(),
            origin: one.origin.as_ref().map(ToString::to_string),
            anonymous: one.login().is_none(),
            expires_at: lifetime.map(|lifetime| lifetime.ends.to_string()),
            lifetime,
        }
    }
}

impl From<NearMiss> for NearestKey {
    fn from(near: NearMiss) -> Self {
        Self { key: near.key, origin: near.origin, reason: near.reason }
    }
}
