//! What a token service's refusal means.

use jiff::Timestamp;

use super::super::http::Response;
use super::super::status::evidence::Party;
use super::super::status::{self, Errors};
use super::super::{image, proxy, ratelimit};
use crate::model::cause::Cause;
use crate::model::outcome::{Failure, clip};
use crate::model::stage::Stage;
use crate::secret::Secret;

/// What is known beside the answer.
pub(super) struct Told<'a> {
    /// Where it was asked, in containerd's words.
    pub place: &'a str,
    pub login: Option<(&'a str, &'a Secret)>,
    pub now: Timestamp,
    /// Registry and repository.
    pub about: &'a str,
}

const REALM_FIX: &str = "Set the address of the token service right at the registry (`auth.token.realm` in \
    `/etc/distribution/config.yml`, `external_url` of Harbor or GitLab); a gateway before it has to pass that path on, too.";

/// The service refuses: which cause, and containerd's words.
pub(super) fn refused(response: &Response, told: &Told<'_>) -> Failure {
    let errors = Errors::of(response);
    let wording = format!("unexpected status{}: {}", told.place, response.line());
    if let Some(failure) = proxy::refusal(response, &errors) {
        return failure.worded(wording);
    }
    let reading = status::read(response, &errors, Party::TokenService, told.about);
    let (rejected, ended) = status::refused_login(response, &errors, told.login);
    let signed_in = told.login.is_some();
    let mut others = reading.others.to_vec();
    let cause = match response.status.as_u16() {
        401 | 403 if !signed_in && reading.is_about_a_login() => {
            others.push(reading.cause);
            Cause::CredentialsMissing
        }
        _ if reading.is_by_words() && reading.cause != Cause::CredentialsExpired => reading.cause,
        400 if errors.has("NAME_INVALID") => Cause::RepositoryUnknown,
        // A namespace that is switched off: at the token service nothing is written that could be read-only.
        405 if errors.has("DENIED") => Cause::AccessDenied,
        403 if !signed_in && status::is_web_page(response) => {
            others.extend([Cause::LegallyBlocked, Cause::CredentialsMissing]);
            Cause::FilterBlocked
        }
        401 | 403 if !signed_in => Cause::CredentialsMissing,
        400 | 401 | 403 => {
            if signed_in {
                rejected
            } else {
                reading.cause
            }
        }
        404 | 405 | 410 | 501 => Cause::TokenInvalid,
        // Those that lock a login after failed ones do not all say so.
        429 if signed_in => {
            others.push(Cause::LoginLocked);
            reading.cause
        }
        _ => reading.cause,
    };
    let words = status::behind(": ", response, &errors);
    let detail = format!("the token service answered {}{ended}{words}", response.line());
    others.extend(proxy::or_the_proxy(response, &errors));
    let failure = Failure::new(Stage::Token, cause, detail)
        .worded(wording)
        .again_after(ratelimit::pause(response, told.now))
        .or_maybe(&others);
    let failure = reading.tell(failure);
    match cause {
        Cause::TokenInvalid => failure
            .summarized("There is no token service at the address that the registry names in its challenge.")
            .fixed_by(REALM_FIX),
        Cause::RegistryError => {
            failure.summarized("The token service that the registry names answers with a server error.")
        }
        Cause::LoginLocked if !signed_in => image::unsigned_lock(failure),
        Cause::AccessDenied if !signed_in && !reading.is_by_words() => {
            failure.summarized("The token service refuses the request, and no login was sent with it.")
        }
        _ => failure,
    }
}

/// Whether another method may make a difference; a limit or a lock would only become worse.
pub(super) fn may_be_of_post(failure: &Failure) -> bool {
    !matches!(
        failure.cause,
        Cause::LoginLocked
            | Cause::RateLimited
            | Cause::Throttled
            | Cause::QuotaExceeded
            | Cause::CredentialsExpired
            | Cause::ProxyAuthRequired
            | Cause::ProxyDenied
    )
}

/// The login is not what is wrong.
pub(super) fn only_by_get(failure: Failure) -> Failure {
    let detail = clip(format!("{}; the same by GET is answered with a token", failure.detail)).into();
    Failure { cause: Cause::TokenInvalid, also_possible: Vec::new(), detail, particulars: None, ..failure }
        .summarized("The token service refuses POST, with which containerd asks for a token when it has a login.")
        .fixed_by(
            "Let the token service, or the gateway and firewall before it, take POST at the address of the realm, without a token \
             against forged requests (XSRF); or let it answer 404 or 405 to POST, upon which containerd asks by GET. Older \
             releases of Harbor are mended by an upgrade (1.9.4, 1.10).",
        )
}

/// A web page where a token should be.
pub(super) fn page(response: &Response, failure: Failure) -> Failure {
    if !status::is_web_page(response) {
        return failure;
    }
    let quote = status::behind(": ", response, &Errors::default());
    Failure { detail: clip(format!("{}{quote}", failure.detail)).into(), ..failure }
        .summarized("A web page answers where the registry's token service should be.")
}
