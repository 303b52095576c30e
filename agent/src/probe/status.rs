//! What an HTTP status and a registry's error body mean: one table for every registry.
//!
//! Known texts are data here, never control flow elsewhere.

use serde::Deserialize;

use super::http::Response;
use crate::model::cause::Cause;
use crate::model::outcome::clip;

/// The error envelope of the distribution spec. Unknown codes are kept as they are.
#[derive(Clone, Debug, Default)]
pub struct Errors {
    list: Vec<RegistryError>,
}

#[derive(Clone, Debug, Deserialize)]
struct RegistryError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    detail: serde_json::Value,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    errors: Vec<RegistryError>,
    /// Token services of several vendors write this instead.
    #[serde(default)]
    details: Option<String>,
}

/// How many errors of one answer are read.
const ERROR_LIMIT: usize = 8;

impl Errors {
    pub fn of(response: &Response) -> Self {
        let Ok(envelope) = serde_json::from_slice::<Envelope>(&response.body) else { return Self::default() };
        let mut list = envelope.errors;
        list.truncate(ERROR_LIMIT);
        if let (true, Some(message)) = (list.is_empty(), envelope.details) {
            list.push(RegistryError { code: String::new(), message, detail: serde_json::Value::Null });
        }
        Self { list }
    }

    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
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

fn says_policy(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("blocking policy") || text.contains("policy violation") || text.contains("projectpolicyviolation")
}

fn says_quota(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["data limit exceeded", "quota has been exceeded", "quota exceeded", "subscription"]
        .iter()
        .any(|known| text.contains(known))
}

/// The limits on how fast, not on how much: their texts differ from the pull quota's.
fn says_burst(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["rate exceeded", "retry-after:", "too many requests to upstream", "secondary rate limit"]
        .iter()
        .any(|known| text.contains(known))
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
        403 | 412 if says_policy(&text) || code == 412 => Cause::PolicyBlocked,
        402 => Cause::QuotaExceeded,
        403 if says_quota(&text) => Cause::QuotaExceeded,
        403 if says_expired(&text) => Cause::CredentialsExpired,
        401 | 403 => Cause::AccessDenied,
        404 | 410 => Cause::ManifestUnknown,
        408 => Cause::RegistryTimeout,
        429 => cause_of_429(response, errors, &text),
        451 => Cause::LegallyBlocked,
        500..=599 => Cause::RegistryError,
        405 if errors.has("DENIED") => Cause::RegistryError,
        300..=399 => Cause::RedirectInvalid,
        _ => Cause::ResponseInvalid,
    }
}

/// The pull quota announces itself by headers or by its code; a burst limit says so in plain words.
fn cause_of_429(response: &Response, errors: &Errors, text: &str) -> Cause {
    if response.headers.contains_key("ratelimit-limit") || response.headers.contains_key("ratelimit-remaining") {
        return Cause::RateLimited;
    }
    if says_quota(text) {
        return Cause::QuotaExceeded;
    }
    if says_burst(text) {
        return Cause::Throttled;
    }
    let json = response.media_type() == "application/json" || !errors.is_empty();
    let plain = response.media_type() == "text/plain" || response.media_type() == "text/html";
    if plain && !json { Cause::Throttled } else { Cause::RateLimited }
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

    use super::super::http::BodyEnd;
    use super::*;

    fn response(status: u16, headers: &[(&'static str, &str)], body: &str) -> Response {
        let mut map = http::HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Response {
            status: StatusCode::from_u16(status).unwrap(),
            reason: String::new(),
            headers: map,
            body: body.as_bytes().to_vec(),
            body_end: BodyEnd::Whole,
        }
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
    fn errors_print_as_containerd_prints_them() {
        let body = r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#;
        assert_eq!(Errors::of(&response(403, &[], body)).lines(), "\ndenied");
        let body = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
        assert_eq!(Errors::of(&response(404, &[], body)).lines(), "\nunknown: manifest unknown");
        assert_eq!(Errors::of(&response(500, &[], "<html>")).lines(), "");
    }
}
