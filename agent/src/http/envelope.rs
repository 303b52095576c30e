//! The error document of the distribution specification, and how containerd prints it.

use serde_json::Value;

use crate::http::Response;
use crate::redact::clean::Clean;
use crate::redact::clip::clip;

/// The error envelope of the distribution spec. Unknown codes are kept as they are.
#[derive(Clone, Debug, Default)]
pub struct Errors {
    list: Vec<RegistryError>,
}

#[derive(Clone, Debug)]
struct RegistryError {
    code: Clean,
    message: Clean,
    detail: Value,
}

/// How many errors of one answer are read.
const ERROR_LIMIT: usize = 8;

/// No document of errors is longer, and containerd reads no more of one.
const DOCUMENT_LIMIT: usize = 64_000;

/// A short body as JSON, whatever it holds.
pub fn document(response: &Response) -> Option<Value> {
    let body = Some(&*response.body).filter(|body| body.len() <= DOCUMENT_LIMIT)?;
    serde_json::from_slice(body).ok()
}

impl Errors {
    pub fn of(response: &Response) -> Self {
        let Some(document) = document(response) else { return Self::default() };
        let listed = document["errors"].as_array().map_or(&[][..], Vec::as_slice);
        let of = |error: &Value| RegistryError::of(error, response);
        let mut list: Vec<RegistryError> = listed.iter().take(ERROR_LIMIT).map(of).collect();
        if list.is_empty() {
            // Token services of several vendors write a sentence instead.
            let told = ["details", "error", "message"].iter().find_map(|field| document[*field].as_str());
            list.extend(
                told.map(|message| RegistryError { message: response.repeated(message).into(), ..of(&Value::Null) }),
            );
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
        Self { code: text("code").into(), message: text("message").into(), detail: error["detail"].clone() }
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

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn response(status: u16, body: &str) -> Response {
        let status = StatusCode::from_u16(status).unwrap();
        Response { status, body: body.as_bytes().to_vec().into(), ..Response::empty() }
    }

    #[test]
    fn what_is_longer_than_any_document_of_errors_is_not_taken_apart() {
        let long = format!(r#"{{"errors":[{{"code":"DENIED"}}],"more":"{}"}}"#, "x".repeat(DOCUMENT_LIMIT));
        assert!(Errors::of(&response(403, &long)).is_empty());
    }

    #[test]
    fn an_envelope_is_read_whatever_its_fields_hold() {
        let text = |body: &str| Errors::of(&response(404, body)).text();
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
        assert_eq!(Errors::of(&response(403, body)).lines(), "\ndenied");
        let body = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
        assert_eq!(Errors::of(&response(404, body)).lines(), "\nunknown: manifest unknown");
        assert_eq!(Errors::of(&response(500, "<html>")).lines(), "");
    }
}
