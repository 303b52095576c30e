//! Until when a credential lasts, where it says so itself, and what is to be said about that.

use std::collections::{BTreeMap, BTreeSet};

use go::place::Position;
use jiff::{SignedDuration, Timestamp};

use super::credential::CredentialSource;
use super::finding::{Finding, Severity};
use crate::redact::clean::Clean;

pub const CREDENTIAL_EXPIRED: &str = "credential_expired";
pub const CREDENTIAL_EXPIRES_SOON: &str = "credential_expires_soon";

/// What nobody renews is told of this long before its end, or when a tenth of its life is left.
const SOON: SignedDuration = SignedDuration::from_hours(24);
/// kubelet keeping an answer for so little longer than its token lasts is nobody's fault.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(60);
/// More findings, or series of the metric, than these tell nothing new.
const LIMIT: usize = 100;

/// What a credential is, as far as its end can be read off it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Jwt,
    /// A JWT as Azure's registries give it for a login.
    Acr,
    /// An authorization token of Amazon's registries.
    Ecr,
}

/// As the credential claims; nothing of it is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    pub form: Form,
    /// `None`: it does not say.
    pub begins: Option<Timestamp>,
    pub ends: Timestamp,
}

impl Lifetime {
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.ends <= now
    }

    /// Whether less than a day is left and less than a tenth of the whole.
    pub fn ends_soon(&self, now: Timestamp) -> bool {
        let tenth = self.begins.map_or(SOON, |begins| self.ends.duration_since(begins) / 10);
        self.ends.duration_since(now) <= tenth.min(SOON)
    }

    /// `expires in 3 h 10 min`, `expired 2 days ago`.
    pub fn words(&self, now: Timestamp) -> String {
        let left = self.ends.duration_since(now);
        if self.has_ended(now) { format!("expired {} ago", span(left)) } else { format!("expires in {}", span(left)) }
    }
}

/// A length of time as people say it, to the second largest unit.
pub fn span(length: SignedDuration) -> String {
    let seconds = length.as_secs().unsigned_abs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=3_599 => format!("{minutes} min"),
        3_600..=172_799 if minutes % 60 == 0 => format!("{hours} h"),
        3_600..=172_799 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} days"),
    }
}

/// A time as people say it who may be in another zone: `2026-11-30 10:42 UTC`.
pub fn to_the_minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A credential of this node whose end is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialExpiry {
    pub source: CredentialSource,
    /// The key that it is looked up by, `ghcr.io`.
    pub registry: Clean,
    /// The file that holds it, where there is one, and its place there.
    pub file: Option<Clean>,
    pub position: Option<Position>,
    pub lifetime: Lifetime,
    /// When kubelet asks its provider again. `None`: nobody renews it.
    pub renews: Option<Timestamp>,
}

impl CredentialExpiry {
    /// `None`: it lasts, or is renewed before it ends.
    pub fn finding(&self, now: Timestamp) -> Option<Finding> {
        let lifetime = &self.lifetime;
        let finding = if lifetime.has_ended(now) {
            let message = format!("{}: a registry that checks it refuses every pull", self.words(now));
            Finding::new(Severity::Error, CREDENTIAL_EXPIRED, message, self.fix(true))
        } else if let Some(renews) = self.renews {
            let gap = renews.duration_since(lifetime.ends);
            if gap <= TOLERANCE {
                return None;
            }
            let kept = format!("kubelet keeps it for {} longer, and pulls fail meanwhile", span(gap));
            Finding::new(
                Severity::Warning,
                CREDENTIAL_EXPIRES_SOON,
                format!("{}: {kept}", self.words(now)),
                self.fix(false),
            )
        } else if lifetime.ends_soon(now) {
            Finding::new(Severity::Warning, CREDENTIAL_EXPIRES_SOON, self.words(now), self.fix(false))
        } else {
            return None;
        };
        let about = Some(&self.registry).filter(|key| !key.contains('*')).cloned().into_iter().collect();
        Some(Finding { file: self.file.clone(), position: self.position, about, ..finding })
    }

    fn words(&self, now: Timestamp) -> String {
        let what = match self.lifetime.form {
            Form::Ecr => "the ECR password",
            Form::Acr => "the ACR token",
            Form::Jwt => "the token",
        };
        let (verb, when) = (self.lifetime.words(now), self.lifetime.ends);
        format!("{what} for `{}` from {} {verb} by this node's clock, at {when}", self.registry, self.source)
    }

    fn fix(&self, ended: bool) -> String {
        if let CredentialSource::Provider(name) = &self.source {
            return if ended {
                format!(
                    "run `{name}` by hand on the node and see why it gives out what has ended: its own cache, or the clock"
                )
            } else {
                format!(
                    "let `{name}` answer with a `cacheDuration`, or set a `defaultCacheDuration`, that is shorter than its \
                     tokens last; then `systemctl restart kubelet`"
                )
            };
        }
        let renew = match &self.source {
            CredentialSource::PullSecret(namespace, name) => format!(
                "write a new one: `kubectl create secret docker-registry {name} -n {namespace} --docker-server=REGISTRY \
                 --docker-username=USER --docker-password=\"$TOKEN\" --dry-run=client -o yaml | kubectl apply -f -`"
            ),
            CredentialSource::ContainerdConfig => {
                "write a new one there, then `systemctl restart containerd`; or use a pull secret".to_owned()
            }
            CredentialSource::KubeletConfigJson | CredentialSource::Provider(_) => {
                "write a new one there; kubelet reads it within 5 minutes".to_owned()
            }
        };
        match self.lifetime.form {
            Form::Ecr => format!(
                "ECR passwords last 12 hours: let kubelet get them with ecr-credential-provider \
                 (`--image-credential-provider-config`); until then, with what `aws ecr get-login-password` prints, {renew}"
            ),
            Form::Acr => format!(
                "ACR's refresh tokens last 3 hours: let kubelet get them with acr-credential-provider \
                 (`--image-credential-provider-config`); until then {renew}"
            ),
            Form::Jwt => renew,
        }
    }
}

/// Which are worth a word, each as it was at its time. What a provider gave for several images is told once.
pub fn findings<'a>(all: impl IntoIterator<Item = (&'a CredentialExpiry, Timestamp)>) -> Vec<Finding> {
    let mut told = BTreeSet::new();
    let mut once = |one: &CredentialExpiry| {
        told.insert((one.source.to_string(), one.registry.clone(), one.file.clone(), one.position))
    };
    let findings = all.into_iter().filter_map(|(one, now)| one.finding(now).filter(|_| once(one)));
    findings.take(LIMIT).collect()
}

/// The one of each source and registry that ends first; of very many those that end first.
pub fn earliest<'a>(all: impl IntoIterator<Item = &'a CredentialExpiry>) -> Vec<&'a CredentialExpiry> {
    let mut by_place: BTreeMap<(String, &str), &CredentialExpiry> = BTreeMap::new();
    for one in all {
        let known = by_place.entry((one.source.to_string(), &one.registry)).or_insert(one);
        if one.lifetime.ends < known.lifetime.ends {
            *known = one;
        }
    }
    let mut first: Vec<_> = by_place.into_iter().collect();
    if first.len() > LIMIT {
        first.sort_by_key(|(_, one)| one.lifetime.ends);
        first.truncate(LIMIT);
        first.sort_by(|a, b| a.0.cmp(&b.0));
    }
    first.into_iter().map(|(_, one)| one).collect()
}

#[cfg(test)]
pub mod tests;
