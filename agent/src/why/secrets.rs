//! The pod's secrets, as the document has them.

use jiff::Timestamp;

use super::document::Secret;
use super::{Logins, NamedSecret, SecretState};
use crate::image::reference::Reference;
use crate::pull_secrets::{Fit, Login, PullSecret};
use crate::redact::clean::Clean;

pub fn documents(logins: &Logins, image: Option<&Reference>, now: Timestamp) -> Vec<Secret> {
    logins.named.iter().map(|named| document(named, logins, image, now)).collect()
}

fn document(named: &NamedSecret, logins: &Logins, image: Option<&Reference>, now: Timestamp) -> Secret {
    let fit = match (&named.state, image) {
        (SecretState::Read(secret), Some(image)) => Some(secret.fit(image)),
        _ => None,
    };
    let (state, detail) = told(named, fit.as_ref(), now);
    let fitting = match &fit {
        Some(Fit::Logins(logins)) => &logins[..],
        _ => &[],
    };
    Secret {
        name: named.name.to_string(),
        state: state.to_owned(),
        detail,
        matching_keys: fitting.iter().map(|login| login.key.to_string()).collect(),
        expires_at: fitting
            .iter()
            .filter_map(|login| login.lifetime)
            .map(|life| life.ends)
            .min()
            .map(|end| end.to_string()),
        of_service_account: logins.account.secrets.as_ref().map(|secrets| secrets.contains(&named.name)),
    }
}

fn told(named: &NamedSecret, fit: Option<&Fit>, now: Timestamp) -> (&'static str, String) {
    match (&named.state, fit) {
        (SecretState::Missing(elsewhere), _) => ("missing", missing(elsewhere.as_deref())),
        (SecretState::Forbidden, _) => ("forbidden", "you may not read it, so nothing is known of it".into()),
        (SecretState::Unknown(why), _) => ("unknown", why.to_string()),
        (SecretState::Read(_), None) => ("unknown", "the image is no valid reference".into()),
        (SecretState::Read(_), Some(fit)) => of_fit(fit, now),
    }
}

pub fn missing(elsewhere: Option<&[Clean]>) -> String {
    match elsewhere {
        None => "the namespace has no secret of that name; you may not look for it in others".into(),
        Some([]) => "no namespace has a secret of that name".into(),
        Some([one]) => format!("the namespace has no secret of that name, but namespace {one} has one"),
        Some(several) => {
            format!("the namespace has no secret of that name, but these have one: {}", listed(several))
        }
    }
}

fn of_fit(fit: &Fit, now: Timestamp) -> (&'static str, String) {
    match fit {
        Fit::Logins(logins) => ("fits", logins.iter().map(|login| fitting(login, now)).collect::<Vec<_>>().join("; ")),
        Fit::NoKey { keys, left_out, nearest } => {
            let nearest = nearest.as_ref().map(|near| format!("; the nearest is `{}`: {}", near.key, near.reason));
            ("no_key_matches", format!("{}{}", none_of(keys, *left_out), nearest.unwrap_or_default()))
        }
        Fit::Malformed(malformed) => ("malformed", format!("kubelet cannot read it: {malformed}")),
        Fit::OtherType(kind) => ("type_ignored", format!("kubelet ignores it, for its type is {kind}")),
        Fit::WithoutKey(key) => ("without_key", format!("kubelet ignores it, for it has nothing at `{key}`")),
    }
}

fn fitting(login: &Login, now: Timestamp) -> String {
    let end = login.lifetime.map(|life| format!(", {}", life.words(now))).unwrap_or_default();
    let anonymous = if login.anonymous { ", without user or password: the pull is anonymous" } else { "" };
    format!("key `{}`{anonymous}{end}", login.key)
}

fn none_of(keys: &[Clean], left_out: usize) -> String {
    match (keys, left_out) {
        ([], _) => "it has no keys at all".into(),
        ([one], 0) => format!("its key `{one}` does not match the image"),
        (several, 0) => format!("none of its keys matches the image: {}", listed(several)),
        (several, more) => format!("none of its keys matches the image: {} and {more} more", listed(several)),
    }
}

pub fn listed(names: &[Clean]) -> String {
    names.iter().map(Clean::as_str).collect::<Vec<_>>().join(", ")
}

/// The first of the secrets that has a login for the image.
pub fn first_fitting<'s>(secrets: &'s [PullSecret], image: &Reference) -> Option<&'s PullSecret> {
    secrets
        .iter()
        .find(|secret| matches!(secret.fit(image), Fit::Logins(logins) if logins.iter().any(|login| !login.anonymous)))
}
