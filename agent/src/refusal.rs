//! What a refusal means: the words of an answer first, then its status.
//!
//! Known texts are data ([`evidence`]), never control flow elsewhere. What they say counts before what the
//! status alone would mean.

use std::time::Duration;

use jiff::Timestamp;

use crate::cause::Cause;
use crate::http::Response;
use crate::keyring::expiry;
use crate::model::outcome::Failure;
use crate::redact::secret::Secret;

mod body;
pub mod evidence;
pub mod ratelimit;
mod sentences;

pub use crate::http::envelope::Errors;
use body::Body;
pub use body::{behind, is_web_page};
use evidence::{Party, Rule, Seen};

/// A pull quota's window is hours; a limit that passes within this time is one on how fast.
const SHORT_PAUSE: Duration = Duration::from_mins(5);

/// What a refusal means, and what is known of it beyond its cause.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    pub cause: Cause,
    pub others: &'static [Cause],
    /// The words that decided.
    rule: Option<&'static Rule>,
    code: u16,
}

impl Reading {
    /// Whether the far side gave its reason itself.
    pub const fn is_by_words(&self) -> bool {
        self.rule.is_some()
    }

    /// Whether its words are about what a login may do, or that it is past its time.
    pub fn is_about_a_login(&self) -> bool {
        self.rule.is_some_and(Rule::is_about_a_login)
    }

    /// Whether its words are that a login, or a token, is past its time.
    pub fn says_expired(&self) -> bool {
        self.is_by_words() && self.cause == Cause::CredentialsExpired
    }

    /// Owner, sentence and fix where more is known than the cause says.
    pub fn tell(&self, failure: Failure) -> Failure {
        if failure.cause != self.cause {
            return failure;
        }
        match self.rule {
            Some(rule) => rule.tell(failure),
            None => sentences::tell(self.code, failure),
        }
    }
}

/// Reads an answer of `by` that refuses. `about`: registry and repository that were asked for, whose names
/// are no reasons.
pub fn read(response: &Response, errors: &Errors, by: Party, about: &str) -> Reading {
    let code = response.status.as_u16();
    let words = evidence::without_names(&words_of(response, errors), about);
    let is_page = is_web_page(response);
    let of = |cause, others, rule| Reading { cause, others, rule, code };
    if code == 429 && says_burst(&words) {
        return of(Cause::Throttled, &[], None);
    }
    if let Some(rule) = evidence::find(&Seen { code, by, words: &words, is_page }) {
        return of(rule.cause, &[], Some(rule));
    }
    if code == 429 {
        let (cause, others) = cause_of_429(response, errors);
        return of(cause, others, None);
    }
    of(cause_of_status(code, response, errors), &[], None)
}

/// Everything in which an answer may give its reason, in lower case.
fn words_of(response: &Response, errors: &Errors) -> String {
    format!("{} {}", errors.text().to_lowercase(), Body::of(response).words(response))
}

/// A credential was refused: was it wrong, or is it past its time? With what is to be said of its end.
pub fn refused_login(response: &Response, errors: &Errors, login: Option<(&str, &Secret)>) -> (Cause, String) {
    match ended(response, login) {
        Some(note) => (Cause::CredentialsExpired, note),
        None if evidence::says_expired(&words_of(response, errors)) => (Cause::CredentialsExpired, String::new()),
        None => (Cause::CredentialsRejected, String::new()),
    }
}

/// When the credential ended, if it did by the clock of the host that answers (ours where it tells none).
pub fn ended(response: &Response, login: Option<(&str, &Secret)>) -> Option<String> {
    let (user, secret) = login?;
    let now = response.date().unwrap_or_else(Timestamp::now);
    let lifetime = expiry::of_login(user, secret).filter(|lifetime| lifetime.has_ended(now))?;
    Some(format!(" (the credential {}, at {})", lifetime.words(now), lifetime.ends))
}

/// The limits on how fast, not on how much: their texts differ from the pull quota's.
fn says_burst(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["rate exceeded", "retry-after:", "requests per", "too many requests to upstream", "secondary rate limit"]
        .iter()
        .any(|known| text.contains(known))
}

fn says_pull_limit(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["pull rate limit", "pull quota", "pull limit"].iter().any(|known| text.contains(known))
}

/// The repository, or the project that would hold it, does not exist: said with a refusal.
pub fn says_no_such_place(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("project") && text.contains("not found")
}

/// Whether the words about a request, rather than about who sent it, explain a 400.
pub fn is_about_the_request(errors: &Errors) -> bool {
    ["NAME_INVALID", "TAG_INVALID", "DIGEST_INVALID", "MANIFEST_INVALID", "INVALID_REQUEST", "UNSUPPORTED"]
        .iter()
        .any(|code| errors.has(code))
}

/// The cause of a status alone: who asked is judged elsewhere.
fn cause_of_status(code: u16, response: &Response, errors: &Errors) -> Cause {
    match code {
        // distribution's answer when what it asks for authentication is broken.
        400 if response.body.is_empty() => Cause::RegistryError,
        400 if errors.has("NAME_INVALID") => Cause::RepositoryUnknown,
        401 | 403 => Cause::AccessDenied,
        402 => Cause::QuotaExceeded,
        404 | 410 => Cause::ManifestUnknown,
        405 if errors.has("DENIED") => Cause::RegistryError,
        408 => Cause::RegistryTimeout,
        412 => Cause::PolicyBlocked,
        413 | 414 | 431 | 494 => Cause::RequestTooLarge,
        // nginx's own, where it tells them apart.
        495 | 496 => Cause::TlsClientCertificateRequired,
        497 => Cause::HttpToTlsPort,
        451 => Cause::LegallyBlocked,
        // RFC 6585: not of whom the request is for, but of a network that lets nobody out who has not signed in.
        511 => Cause::FilterBlocked,
        500..=599 => Cause::RegistryError,
        300..=399 => Cause::RedirectInvalid,
        400..=499 => Cause::StatusUnexpected,
        _ => Cause::ResponseInvalid,
    }
}

/// The pull quota announces itself by headers or by its words; a burst limit passes soon and says so,
/// or answers in plain text.
fn cause_of_429(response: &Response, errors: &Errors) -> (Cause, &'static [Cause]) {
    let text = format!("{} {}", errors.text(), plain_text(response));
    let quota = ratelimit::read(response, Timestamp::now());
    match quota.remaining {
        Some(1..) => return (Cause::Throttled, &[]),
        Some(0) => return (Cause::RateLimited, &[]),
        None if quota.limit.is_some() || says_pull_limit(&text) => return (Cause::RateLimited, &[]),
        None => {}
    }
    let plain = matches!(response.media_type(), "text/plain" | "text/html") && errors.is_empty();
    let soon = quota.retry_after.is_some_and(|pause| !pause.is_zero() && pause <= SHORT_PAUSE);
    if plain || soon { (Cause::Throttled, &[]) } else { (Cause::RateLimited, &[Cause::Throttled]) }
}

fn plain_text(response: &Response) -> String {
    let head = &response.body[..response.body.len().min(512)];
    String::from_utf8_lossy(head).into_owned()
}

/// The lock is on the address, because no login was sent.
pub(crate) fn unsigned_lock(failure: Failure) -> Failure {
    failure.summarized(
        "The registry has locked out the address from which this node asks, after failed logins from there.",
    )
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn response(status: u16, headers: &[(&'static str, &str)], body: &str) -> Response {
        let mut map = http::HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        Response { status, headers: map, body: body.as_bytes().to_vec().into(), ..Response::empty() }
    }

    fn cause(status: u16, headers: &[(&'static str, &str)], body: &str) -> Cause {
        let response = response(status, headers, body);
        read(&response, &Errors::of(&response), Party::Registry, "").cause
    }

    #[test]
    fn the_pull_quota_is_told_from_a_burst_limit() {
        let quota = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}"#;
        assert_eq!(cause(429, &[], quota), Cause::RateLimited);
        assert_eq!(cause(429, &[("ratelimit-remaining", "0;w=21600")], ""), Cause::RateLimited);
        assert_eq!(cause(429, &[("content-type", "text/plain")], "Too Many Requests"), Cause::Throttled);
        let ecr = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"Rate exceeded"}]}"#;
        assert_eq!(cause(429, &[], ecr), Cause::Throttled);
        let data = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"Data limit exceeded"}]}"#;
        assert_eq!(cause(429, &[], data), Cause::QuotaExceeded);
        assert_eq!(cause(429, &[("ratelimit-remaining", "42;w=21600")], ""), Cause::Throttled);
        let plain = response(429, &[], r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"too many requests"}]}"#);
        assert_eq!(cause_of_429(&plain, &Errors::of(&plain)), (Cause::RateLimited, &[Cause::Throttled][..]));
        let soon = response(429, &[("retry-after", "17")], "");
        assert_eq!(cause_of_429(&soon, &Errors::of(&soon)), (Cause::Throttled, &[][..]));
    }

    #[test]
    fn known_texts_of_a_403_name_their_cause() {
        let denied = |message: &str| format!(r#"{{"errors":[{{"code":"DENIED","message":"{message}"}}]}}"#);
        assert_eq!(
            cause(403, &[], &denied("Your authorization token has expired. Reauthenticate.")),
            Cause::CredentialsExpired
        );
        assert_eq!(cause(403, &[], &denied("download blocking policy configured in Xray")), Cause::PolicyBlocked);
        assert_eq!(cause(403, &[], &denied("no")), Cause::AccessDenied);
        assert_eq!(cause(451, &[], ""), Cause::LegallyBlocked);
        assert_eq!(cause(511, &[("content-type", "text/html")], "<html>Sign in to go on"), Cause::FilterBlocked);
        assert_eq!(cause(400, &[], "Client sent an HTTP request to an HTTPS server."), Cause::HttpToTlsPort);
    }

    #[test]
    fn a_refused_credential_is_expired_by_its_own_end_and_the_clock_of_who_refuses_it() {
        // Ends on 2026-11-21, 10:00:00.
        let token = Secret::new("e30.eyJleHAiOjE3OTUyNTUyMDB9.c2ln");
        let told = |date: &str, body: &str, login| {
            let response = response(401, &[("date", date)], body);
            refused_login(&response, &Errors::of(&response), login)
        };
        let (before, after) = ("Sat, 21 Nov 2026 09:59:59 GMT", "Sat, 21 Nov 2026 13:10:00 GMT");
        let note = " (the credential expired 3 h 10 min ago, at 2026-11-21T10:00:00Z)";
        assert_eq!(told(after, "", Some(("ann", &token))), (Cause::CredentialsExpired, note.to_owned()));
        assert_eq!(told(before, "", Some(("ann", &token))), (Cause::CredentialsRejected, String::new()));
        let password = Secret::new("pw");
        assert_eq!(told(after, "", Some(("ann", &password))), (Cause::CredentialsRejected, String::new()));
        let words = r#"{"errors":[{"code":"DENIED","message":"Your authorization token has expired."}]}"#;
        assert_eq!(told(before, words, Some(("ann", &token))), (Cause::CredentialsExpired, String::new()));
        assert_eq!(told(after, "", None), (Cause::CredentialsRejected, String::new()));
    }
}
