//! What a token service's refusal means.

use http::StatusCode;
use jiff::Timestamp;

use crate::cause::Cause;
use crate::http::Response;
use crate::model::outcome::{Failure, Mark};
use crate::model::stage::Stage;
use crate::redact::clip::clip;
use crate::redact::secret::Secret;
use crate::refusal::evidence::Party;
use crate::refusal::{self, Errors, Reading, ratelimit};
use crate::route::proxy;

/// What is known beside the answer.
pub(super) struct TokenRefusal<'a> {
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
pub(super) fn refused(response: &Response, told: &TokenRefusal<'_>) -> Failure {
    let errors = Errors::of(response);
    let go_message = format!("unexpected status{}: {}", told.place, response.line());
    if let Some(failure) = proxy::refusal(response, &errors) {
        return failure.with_go_message(go_message);
    }
    let reading = refusal::read(response, &errors, Party::TokenService, told.about);
    let (rejected, ended) = refusal::refused_login(response, &errors, told.login);
    let signed_in = told.login.is_some();
    let mut others = reading.others.to_vec();
    let cause = match response.status.as_u16() {
        401 | 403 if !signed_in && reading.is_about_a_login() => {
            // Nobody's login can be past its time: it says so of something of its own.
            others.push(if reading.says_expired() { Cause::TokenInvalid } else { reading.cause });
            Cause::CredentialsMissing
        }
        _ if reading.is_by_words() && !reading.says_expired() => reading.cause,
        400 if errors.has("NAME_INVALID") => Cause::RepositoryUnknown,
        // A namespace that is switched off: at the token service nothing is written that could be read-only.
        405 if errors.has("DENIED") => Cause::AccessDenied,
        403 if !signed_in && refusal::is_web_page(response) => {
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
        404 | 410 if is_about_what_is_asked_for(&errors) => Cause::RepositoryUnknown,
        404 | 405 | 410 | 501 => Cause::TokenInvalid,
        // Those that lock a login after failed ones do not all say so.
        429 if signed_in => {
            others.push(Cause::LoginLocked);
            reading.cause
        }
        _ => reading.cause,
    };
    let words = refusal::behind(": ", response, &errors);
    let detail = format!("the token service answered {}{ended}{words}", response.line());
    others.extend(proxy::or_the_proxy(response, &errors));
    let failure = Failure::new(Stage::Token, cause, detail)
        .with_go_message(go_message)
        .again_after(ratelimit::pause(response, told.now))
        .or_maybe(&others);
    let failure = if response.status == StatusCode::FORBIDDEN { failure.marked(Mark::Forbidden) } else { failure };
    in_words(&reading, response, &errors, signed_in, failure)
}

/// Sentence and fix where it is the token service that failed.
fn in_words(reading: &Reading, response: &Response, errors: &Errors, signed_in: bool, failure: Failure) -> Failure {
    let failure = reading.tell(failure);
    match failure.cause {
        Cause::TokenInvalid if errors.has_code() => failure
            .summarized("The token service does not know the request with which containerd asks for a token.")
            .fixed_by(REALM_FIX),
        Cause::TokenInvalid => failure
            .summarized("There is no token service at the address that the registry names in its challenge.")
            .fixed_by(REALM_FIX),
        Cause::RegistryError if response.status.is_server_error() => {
            failure.summarized("The token service that the registry names answers with a server error.")
        }
        Cause::LoginLocked if !signed_in => refusal::unsigned_lock(failure),
        Cause::AccessDenied if !signed_in && !reading.is_by_words() => {
            failure.summarized("The token service refuses the request, and no login was sent with it.")
        }
        _ => failure,
    }
}

/// Whether a 404 is one of a service that is there, of the repository or the project that it does not know.
fn is_about_what_is_asked_for(errors: &Errors) -> bool {
    let text = errors.text().to_lowercase();
    let names_it = errors.has_code() && text.contains("repository") && text.contains("not found");
    errors.has("NAME_UNKNOWN") || names_it || refusal::says_no_such_place(&text)
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
    if !refusal::is_web_page(response) {
        return failure;
    }
    let quote = refusal::behind(": ", response, &Errors::default());
    let failure = Failure { detail: clip(format!("{}{quote}", failure.detail)).into(), ..failure };
    let reading = refusal::read(response, &Errors::default(), Party::TokenService, "");
    if reading.is_by_words() {
        return reading.tell(Failure { cause: reading.cause, ..failure });
    }
    failure.summarized("A web page answers where the registry's token service should be.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, media_type: &str, body: &str) -> Response {
        let mut response = Response { body: body.as_bytes().to_vec().into(), ..Response::empty() };
        response.status = StatusCode::from_u16(status).unwrap();
        response.headers.insert("content-type", media_type.parse().unwrap());
        response
    }

    fn refused_with(status: u16, body: &str, signed_in: bool) -> Failure {
        let secret = Secret::new("pw");
        let login = signed_in.then_some(("ann", &secret));
        let told = TokenRefusal { place: "", login, now: Timestamp::UNIX_EPOCH, about: "r.example/team/app" };
        refused(&answer(status, "application/json", body), &told)
    }

    fn error(code: &str, message: &str) -> String {
        format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#)
    }

    #[test]
    fn a_service_that_does_not_know_the_repository_is_there() {
        for body in [
            error("NAME_UNKNOWN", "repository name not known to registry"),
            error("NOT_FOUND", "project team not found"),
            error("NOT_FOUND", "repository team/app not found"),
            r#"{"error":"Project not found"}"#.to_owned(),
        ] {
            let failure = refused_with(404, &body, false);
            assert_eq!((failure.cause, failure.particulars), (Cause::RepositoryUnknown, None), "{body}");
        }
        for body in ["404 page not found", "", "{}"] {
            let failure = refused_with(404, body, false);
            assert_eq!(failure.cause, Cause::TokenInvalid, "{body}");
            assert!(failure.summary().starts_with("There is no token service"), "{}", failure.summary());
        }
        let other = refused_with(405, &error("UNSUPPORTED", "The operation is unsupported."), false);
        assert_eq!(other.cause, Cause::TokenInvalid);
        assert!(!other.summary().contains("There is no token service"), "{}", other.summary());
    }

    #[test]
    fn only_a_status_of_a_server_error_is_called_one() {
        let summary = |status, body| refused_with(status, body, false).summary().to_owned();
        assert!(summary(500, "").contains("answers with a server error"));
        assert!(!summary(400, "").contains("server error"), "{}", summary(400, ""));
    }

    #[test]
    fn what_is_past_its_time_is_a_login_only_where_one_was_sent() {
        let told = |status, text: &str, signed_in| {
            let failure = refused_with(status, &error("UNAUTHORIZED", text), signed_in);
            (failure.cause, failure.also_possible)
        };
        for status in [401, 403] {
            assert_eq!(told(status, "Your password has expired.", true), (Cause::CredentialsExpired, vec![]));
            let nobody = (Cause::CredentialsMissing, vec![Cause::TokenInvalid]);
            assert_eq!(told(status, "The token is expired.", false), nobody);
        }
    }

    #[test]
    fn a_refusal_is_known_by_its_status_whatever_the_words_beside_it() {
        let marked = |status: u16, reason: &str| {
            let secret = Secret::new("pw");
            let about = "r.example/team/app";
            let told = TokenRefusal { place: "", login: Some(("ann", &secret)), now: Timestamp::UNIX_EPOCH, about };
            let answer = Response { reason: reason.to_owned().into(), ..answer(status, "text/plain", "") };
            refused(&answer, &told).is_marked(Mark::Forbidden)
        };
        assert!(marked(403, "Forbidden") && marked(403, ""));
        assert!(!marked(401, "Unauthorized: 403 is what you get") && !marked(400, "Bad: 403 Forbidden"));
    }

    #[test]
    fn a_page_in_place_of_a_token_says_whose_it_is() {
        let of =
            |body: &str| page(&answer(200, "text/html", body), Failure::new(Stage::Token, Cause::TokenInvalid, ""));
        assert_eq!(of("<html>FortiGuard: Web Page Blocked</html>").cause, Cause::FilterBlocked);
        assert_eq!(of("<html>Welcome to nginx!</html>").cause, Cause::TokenInvalid);
    }
}
