//! What is wrong with the logins that a pod brings for an image: each fault with who can fix it, and how.

use jiff::Timestamp;

use super::secrets::{first_fitting, missing};
use super::{Logins, SecretState, Waiting, shell};
use crate::cause::Cause;
use crate::image::reference::Reference;
use crate::pull_secrets::{Fit, PullSecret};
use crate::redact::clean::Clean;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: Kind,
    pub summary: Clean,
    pub fix: Clean,
}

/// What a fault does to the pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// kubelet makes no pull at all.
    Stops,
    /// No login comes from this secret.
    Lacks,
    /// A login comes that is past its time.
    Expired,
}

impl Kind {
    /// What kubelet's pull fails with, where the registry wants a login.
    pub const fn cause(self) -> Cause {
        match self {
            Self::Stops => Cause::CredentialsMalformed,
            Self::Lacks => Cause::CredentialsMissing,
            Self::Expired => Cause::CredentialsExpired,
        }
    }
}

/// The faults of the secrets that the pod names, in its order; where it names none, what that lacks.
pub fn find(waiting: &Waiting, logins: &Logins, image: &Reference, now: Timestamp) -> Vec<Fault> {
    if logins.named.is_empty() {
        return vec![nothing_named(waiting, logins, image)];
    }
    let mut found = Vec::new();
    let mut brings_login = false;
    for named in &logins.named {
        let name = &named.name;
        match &named.state {
            SecretState::Missing(elsewhere) => found.push(absent(waiting, name, elsewhere.as_deref(), logins, image)),
            SecretState::Forbidden | SecretState::Unknown(_) => {}
            SecretState::Read(secret) => match of_fit(waiting, secret, image, now) {
                Some(fault) => found.push(fault),
                None => brings_login = true,
            },
        }
    }
    // With a login that fits, those that do not fit are nobody's fault.
    found.retain(|fault| !brings_login || fault.kind == Kind::Stops);
    found
}

fn absent(waiting: &Waiting, name: &Clean, elsewhere: Option<&[Clean]>, logins: &Logins, image: &Reference) -> Fault {
    let namespace = &waiting.namespace;
    let make = match elsewhere {
        Some([other, ..]) => shell::copy_secret(name, other, namespace),
        _ => shell::create_secret(name, namespace, image),
    };
    let other = first_fitting(logins.beside.as_deref().unwrap_or_default(), image);
    let instead = other.map(|secret| {
        let other = &secret.name;
        format!(
            " Or name `{other}` in the pod's `imagePullSecrets`: it is in {namespace} and has a login for the image."
        )
    });
    Fault {
        kind: Kind::Lacks,
        summary: format!("The pod names the pull secret `{name}`: {}.", missing(elsewhere)).into(),
        fix: format!("`{make}`; kubelet's next try uses it.{}", instead.unwrap_or_default()).into(),
    }
}

/// `None`: the secret brings a login for the image.
fn of_fit(waiting: &Waiting, secret: &PullSecret, image: &Reference, now: Timestamp) -> Option<Fault> {
    let (name, namespace) = (&secret.name, &waiting.namespace);
    let again =
        format!("`{} && {}`", shell::delete_secret(name, namespace), shell::create_secret(name, namespace, image));
    let lacks = |summary: String, fix: &str| Fault { kind: Kind::Lacks, summary: summary.into(), fix: fix.into() };
    let fault = match secret.fit(image) {
        Fit::Malformed(malformed) => Fault {
            kind: Kind::Stops,
            summary: format!(
                "kubelet cannot read the pull secret `{name}` and pulls nothing for a pod that names it: {malformed}."
            )
            .into(),
            fix: again.into(),
        },
        Fit::OtherType(kind) => lacks(
            format!(
                "kubelet ignores the pull secret `{name}`, because its type is `{kind}` and not `{}`.",
                crate::pull_secrets::TYPES[0].0
            ),
            &again,
        ),
        Fit::WithoutKey(key) => {
            lacks(format!("kubelet ignores the pull secret `{name}`, because it has nothing at `{key}`."), &again)
        }
        Fit::NoKey { nearest: Some(near), .. } => lacks(
            format!(
                "No key of the pull secret `{name}` matches the image. The nearest is `{}`: {}.",
                near.key,
                near.reason.trim_end_matches('.')
            ),
            &again,
        ),
        Fit::NoKey { .. } => lacks(format!("No key of the pull secret `{name}` is for {}.", image.domain), &again),
        Fit::Logins(logins) if logins.iter().all(|login| login.anonymous) => lacks(
            format!(
                "The pull secret `{name}` has an entry for the image without user or password: the pull is anonymous."
            ),
            &again,
        ),
        Fit::Logins(logins) => {
            let ended = |login: &crate::pull_secrets::Login| login.lifetime.filter(|life| life.has_ended(now));
            let all = logins.iter().map(ended).collect::<Option<Vec<_>>>()?;
            let life = all.first()?;
            Fault {
                kind: Kind::Expired,
                summary: format!("The login in the pull secret `{name}` {} ({}).", life.words(now), life.ends).into(),
                fix: again.into(),
            }
        }
    };
    Some(fault)
}

fn nothing_named(waiting: &Waiting, logins: &Logins, image: &Reference) -> Fault {
    let (namespace, account) = (&waiting.namespace, &logins.account.name);
    let anew = if waiting.is_owned {
        format!("`{}`", shell::delete_pod(&waiting.pod, namespace))
    } else {
        "create the pod anew".to_owned()
    };
    let of_account = logins.account.secrets.as_deref().unwrap_or_default();
    if let [first, ..] = of_account {
        return Fault {
            kind: Kind::Lacks,
            summary: format!(
                "The pod names no pull secret. Its service account `{account}` has `{first}` now, but a pod gets the secrets that \
                 the account has when the pod is created."
            )
            .into(),
            fix: anew.into(),
        };
    }
    let beside = first_fitting(logins.beside.as_deref().unwrap_or_default(), image);
    let (summary, fix) = match beside {
        Some(secret) => {
            let name = &secret.name;
            (
                format!(
                    "Neither the pod nor its service account `{account}` names a pull secret. `{name}` in {namespace} has a login for the image."
                ),
                format!("`{}`, then {anew}", shell::patch_account(account, namespace, name)),
            )
        }
        None => (
            format!("Neither the pod nor its service account `{account}` names a pull secret."),
            format!(
                "`{}`, then `{}`, then {anew}",
                shell::create_secret("regcred", namespace, image),
                shell::patch_account(account, namespace, "regcred")
            ),
        ),
    };
    Fault { kind: Kind::Lacks, summary: summary.into(), fix: fix.into() }
}
