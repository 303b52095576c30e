//! Whether the login causes a failure, and what is wrong with it.

use crate::cause::Cause;
use crate::keyring::damage::{self, Damage};
use crate::model::credential::{Credential, CredentialValue};
use crate::model::outcome::Failure;
use crate::model::verdict::Verdict;
use crate::pull::PullEnd;
use crate::redact::clean::Clean;

const ASKED: &str = "pullprobe asked anonymously (`--no-credentials`), and the node's own logins were not tried.";
const ASK_AGAIN: &str =
    "Ask without `--no-credentials` (`PULLPROBE_NO_CREDENTIALS`): that shows whether the node has a login that fits.";

/// Whether the login may cause the failure. Then a pull without it decides.
pub fn is_suspect(ending: &PullEnd, credential: Option<&Credential>) -> bool {
    let suspects = [
        Cause::CredentialsRejected,
        Cause::CredentialsExpired,
        Cause::AccessDenied,
        Cause::NotFoundOrDenied,
        Cause::LoginLocked,
    ];
    let sent = credential.is_some_and(|one| one.login().is_some());
    sent && matches!(ending, PullEnd::Failed(_, failure) if suspects.contains(&failure.cause))
}

/// The failure of an anonymous question in its own words, where a login may be all that is wanting.
pub(super) fn asked_anonymously(failure: &Failure) -> Failure {
    let failure = failure.clone();
    if failure.cause == Cause::CredentialsMissing {
        return failure.summarized(format!("The registry wants a login for this image: {ASKED}")).fixed_by(ASK_AGAIN);
    }
    let summary = format!("{} Note: {ASKED}", failure.summary());
    let fix = format!("{ASK_AGAIN} {}", failure.fix());
    failure.summarized(summary).fixed_by(fix)
}

/// The pull failed with a login and succeeds without one: the login is what stands in the way.
pub(super) fn shadowed(failure: &Failure, used: &Credential, verdict: Verdict) -> Verdict {
    if failure.cause == Cause::LoginLocked {
        // What locks it has to be found in any case.
        let summary = format!("{} Without this login the image can be pulled.", verdict.summary);
        return Verdict { summary: summary.into(), ..verdict };
    }
    let cause = Cause::CredentialsShadowAnonymous;
    let text = crate::cause::text::text(cause);
    let source = used.place();
    Verdict {
        cause: Some(cause),
        also_possible: Vec::new(),
        owner: Some(cause.owner()),
        summary: format!("{} (key `{}` of {source}; the registry said: {})", text.summary, used.key, failure.detail)
            .into(),
        fix: text.fix.into(),
        ..verdict
    }
}

/// A login that was refused: as whom it was sent, and what came to harm in it.
pub(super) fn with_login(verdict: Verdict, credential: Option<&Credential>) -> Verdict {
    let of_login = [Cause::CredentialsRejected, Cause::CredentialsShadowAnonymous, Cause::LoginLocked];
    let about_login = verdict.cause.is_some_and(|cause| of_login.contains(&cause));
    let Some(credential) = credential.filter(|one| about_login && one.login().is_some()) else { return verdict };
    let mut summary = verdict.summary.to_string();
    let user = match &credential.value {
        CredentialValue::Basic { username, .. } => damage::shown_user(username),
        CredentialValue::IdentityToken(_) | CredentialValue::RegistryToken(_) => None,
    };
    if let Some(user) = user {
        summary = format!("{summary} It was sent as user `{user}`.");
    }
    let found = damage::of(credential);
    let Some(first) = found.iter().find(|one| one.certain).or(found.first()) else {
        return Verdict { summary: summary.into(), ..verdict };
    };
    let what: Vec<&str> = found.iter().map(|one| one.what.as_str()).collect();
    let source = credential.place();
    Verdict {
        summary: format!("{summary} In key `{}` of {source} {}.", credential.key, what.join(", and ")).into(),
        fix: ordered(first, &verdict.fix).into(),
        ..verdict
    }
}

/// What is certain is mended first. What only looks odd may be right, and the registry's word goes before it.
fn ordered(damage: &Damage, fix: &Clean) -> String {
    if damage.certain { format!("{} {fix}", damage.fix) } else { format!("{fix} {}", damage.fix) }
}

/// No login was found, and a credential provider is nearly for this image.
pub(super) fn provider_meant(verdict: Verdict, near: Option<&str>) -> Verdict {
    let missing = Cause::CredentialsMissing;
    let wants_login = verdict.cause == Some(missing) || verdict.also_possible.contains(&missing);
    let Some(near) = near.filter(|_| wants_login) else { return verdict };
    let fix = if verdict.cause == Some(missing) {
        "Add the pattern that the report names to `matchImages` of the provider, in the file of \
         `--image-credential-provider-config`; then `systemctl restart kubelet`."
            .into()
    } else {
        verdict.fix
    };
    Verdict { summary: format!("{} {near}", verdict.summary).into(), fix, ..verdict }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::stage::Stage;

    #[test]
    fn what_only_looks_odd_is_mended_after_what_the_registry_says() {
        let damage = |certain| Damage { certain, what: String::new(), fix: "Encode it once." };
        let fix = Clean::from("Renew the login.");
        assert_eq!(ordered(&damage(true), &fix), "Encode it once. Renew the login.");
        assert_eq!(ordered(&damage(false), &fix), "Renew the login. Encode it once.");
    }

    #[test]
    fn an_anonymous_question_blames_no_login_of_the_node() {
        for cause in [Cause::CredentialsMissing, Cause::NotFoundOrDenied] {
            let told = asked_anonymously(&Failure::new(Stage::Manifest, cause, ""));
            assert!(told.summary().ends_with(ASKED) && told.fix().starts_with(ASK_AGAIN), "{told:?}");
            assert!(!told.summary().contains("none that fits"), "{told:?}");
        }
    }
}
