//! What an HTTP status and a registry's error body mean: one table for every registry.
//!
//! Known texts are data here, never control flow elsewhere.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::http::Response;
use crate::model::cause::Cause;
use crate::model::outcome::clip;
use crate::node::credentials::expiry;
use crate::secret::Secret;

/// The error envelope of the distribution spec. Unknown codes are kept as they are.
#[derive(Clone, Debug, Default)]
pub struct Errors {
    list: Vec<RegistryError>,
}

#[derive(Clone, Debug)]
struct RegistryError {
    code: String,
    message: String,
    detail: Value,
}

/// A pull quota's window is hours; a limit that passes within this time is one on how fast.
const SHORT_PAUSE: Duration = Duration::from_mins(5);

/// How many errors of one answer are read.
const ERROR_LIMIT: usize = 8;

impl Errors {
    pub fn of(response: &Response) -> Self {
        let Ok(document) = serde_json::from_slice::<Value>(&response.body) else { return Self::default() };
        let listed = document["errors"].as_array().map_or(&[][..], Vec::as_slice);
        let of = |error: &Value| RegistryError::of(error, response);
        let mut list: Vec<RegistryError> = listed.iter().take(ERROR_LIMIT).map(of).collect();
        if list.is_empty() {
            // Token services of several vendors write a sentence instead.
            let told = ["details", "error", "message"].iter().find_map(|field| document[*field].as_str());
            list.extend(told.map(|message| RegistryError { message: response.repeated(message), ..of(&Value::Null) }));
        }
        Self { list }
    }

    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether one is an error of the distribution specification, not some other service's sentence.
    pub fn has_code(&self) -> bool {
        self.list.iter().any(|error| !error.code.is_empty())
    }

    pub fn has(&self, code: &str) -> bool {
        self.list.iter().any(|error| error.code == code)
    }

    /// Codes and messages, for matching known texts.
    pub fn text(&self) -> String {
        let parts: Vec<String> = self.list.iter().map(|e| format!("{} {}", e.code, e.message)).collect();
        clip(parts.join("; "))
    }

    /// For a detail: the text behind a separator, or nothing.
    pub fn behind(&self, separator: &str) -> String {
        if self.is_empty() { String::new() } else { format!("{separator}{}", self.text()) }
    }

    /// As containerd prints them behind a status: each on a line of its own, several under `errors:`.
    pub fn lines(&self) -> String {
        match self.list.as_slice() {
            [] => String::new(),
            [one] => format!("\n{}", one.as_containerd()),
            many => {
                let lines: Vec<String> = many.iter().map(RegistryError::as_containerd).collect();
                format!("\nerrors:\n{}\n", lines.join("\n"))
            }
        }
    }
}

impl RegistryError {
    /// Whatever the fields hold: a code may be a number, a message missing.
    fn of(error: &Value, said: &Response) -> Self {
        let text = |field: &str| match &error[field] {
            Value::String(text) => said.repeated(text),
            Value::Null => String::new(),
            other => said.repeated(&other.to_string()),
        };
        Self { code: text("code"), message: text("message"), detail: error["detail"].clone() }
    }

    /// containerd knows six codes; any other prints as `unknown`.
    fn as_containerd(&self) -> String {
        let (word, standard) = match self.code.as_str() {
            "UNSUPPORTED" => ("unsupported", "The operation is unsupported."),
            "UNAUTHORIZED" => ("unauthorized", "authentication required"),
            "DENIED" => ("denied", "requested access to the resource is denied"),
            "UNAVAILABLE" => ("unavailable", "service unavailable"),
            "TOOMANYREQUESTS" => ("toomanyrequests", "too many requests"),
            _ => ("unknown", "unknown error"),
        };
        if self.detail.is_null() && (self.message == standard || self.message.is_empty()) {
            return word.to_owned();
        }
        format!("{word}: {}", self.message)
    }
}

/// Whether a text says that the credential is past its time (ECR's words).
pub fn says_expired(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("token has expired") || text.contains("token is expired") || text.contains("credentials have expired")
}

/// A credential was refused: was it wrong, or is it past its time? With what is to be said of its end.
pub fn refused_login(response: &Response, errors: &Errors, login: Option<(&str, &Secret)>) -> (Cause, String) {
    match ended(response, login) {
        Some(note) => (Cause::CredentialsExpired, note),
        None if says_expired(&errors.text()) => (Cause::CredentialsExpired, String::new()),
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

fn says_policy(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("blocking policy") || text.contains("policy violation") || text.contains("projectpolicyviolation")
}

fn says_quota(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    !text.contains("requests per")
        && ["data limit exceeded", "quota has been exceeded", "quota exceeded", "subscription"]
            .iter()
            .any(|known| text.contains(known))
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

/// The refusal is of the address that asks, whoever asks from there.
pub fn says_address_refused(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("client with ip") && text.contains("is not allowed access")
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

/// The cause of a status that needs no knowledge of who asked: authentication is judged elsewhere.
pub fn cause_of_status(code: u16, response: &Response, errors: &Errors) -> Cause {
    let text = format!("{} {}", errors.text(), plain_text(response));
    match code {
        400 if text.contains("HTTP request to an HTTPS server")
            || text.contains("plain HTTP request was sent to HTTPS port") =>
        {
            Cause::HttpToTlsPort
        }
        // distribution's answer when what it asks for authentication is broken.
        400 if response.body.is_empty() => Cause::RegistryError,
        400 if errors.has("NAME_INVALID") => Cause::RepositoryUnknown,
        403 | 412 if says_policy(&text) || code == 412 => Cause::PolicyBlocked,
        402 => Cause::QuotaExceeded,
        403 if says_quota(&text) => Cause::QuotaExceeded,
        403 if says_expired(&text) => Cause::CredentialsExpired,
        401 | 403 => Cause::AccessDenied,
        404 | 410 => Cause::ManifestUnknown,
        408 => Cause::RegistryTimeout,
        429 => cause_of_429(response, errors).0,
        451 => Cause::LegallyBlocked,
        500..=599 => Cause::RegistryError,
        405 if errors.has("DENIED") => Cause::RegistryError,
        300..=399 => Cause::RedirectInvalid,
        _ => Cause::ResponseInvalid,
    }
}

/// The pull quota announces itself by headers or by its words; a burst limit passes soon and says so,
/// or answers in plain text.
pub fn cause_of_429(response: &Response, errors: &Errors) -> (Cause, &'static [Cause]) {
    let text = format!("{} {}", errors.text(), plain_text(response));
    if says_burst(&text) {
        return (Cause::Throttled, &[]);
    }
    if says_quota(&text) {
        return (Cause::QuotaExceeded, &[]);
    }
    let quota = super::ratelimit::read(response, Timestamp::now());
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

/// Whether the body is a web page: what a proxy's block page or a wrong address answers.
pub fn is_web_page(response: &Response) -> bool {
    let head = plain_text(response).trim_start().to_ascii_lowercase();
    response.media_type() == "text/html" || head.starts_with("<!doctype html") || head.starts_with("<html")
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
        Response { status, headers: map, body: body.as_bytes().to_vec(), ..Response::empty() }
    }

    fn cause(status: u16, headers: &[(&'static str, &str)], body: &str) -> Cause {
        let response = response(status, headers, body);
        cause_of_status(status, &response, &Errors::of(&response))
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

    #[test]
    fn an_envelope_is_read_whatever_its_fields_hold() {
        let text = |body: &str| Errors::of(&response(404, &[], body)).text();
        assert_eq!(
            text(r#"{"errors":[{"code":404,"message":null},{"code":"TAG_EXPIRED","message":"gone"}]}"#),
            "404 ; TAG_EXPIRED gone"
        );
        assert_eq!(text(r#"{"errors":["no"]}"#).trim(), "");
        assert_eq!(text(r#"{"errors":"no"}"#), "");
        assert_eq!(text(r#"{"error":"Could not find robot"}"#).trim(), "Could not find robot");
        assert_eq!(text("[]"), "");
    }

    #[test]
    fn errors_print_as_containerd_prints_them() {
        let body = r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#;
        assert_eq!(Errors::of(&response(403, &[], body)).lines(), "\ndenied");
        let body = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
        assert_eq!(Errors::of(&response(404, &[], body)).lines(), "\nunknown: manifest unknown");
        assert_eq!(Errors::of(&response(500, &[], "<html>")).lines(), "");
    }
}
