//! An answer of a peer, and what must hold for whatever is said of it.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use pullprobe::http::{BodyEnd, Response};
use pullprobe::model::outcome::Failure;
use pullprobe::redact::clean::{Clean, is_hostile};
use pullprobe::redact::clip::DETAIL_LIMIT;
use pullprobe::redact::redactor::Redactor;

use super::MARKER;

/// A status, lines of headers, an empty line, the body. The host was told the marker as a password.
pub fn read(data: &[u8]) -> Response {
    let (head, body) = match data.windows(2).position(|end| end == b"\n\n") {
        Some(end) => (&data[..end], &data[end + 2..]),
        None => (data, &[][..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let (status, reason) = status(lines.next().unwrap_or_default());
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        name.ok().zip(value.ok()).map(|(name, value)| headers.append(name, value));
    }
    Response {
        status,
        reason,
        headers,
        body: body.to_vec().into(),
        body_end: BodyEnd::Whole,
        redactor: Redactor::over([MARKER]),
        passed_on_by: None,
    }
}

fn status(line: &[u8]) -> (StatusCode, Clean) {
    let text = String::from_utf8_lossy(line);
    let (code, reason) = text.split_once(' ').unwrap_or((&text, ""));
    let code = code.parse().ok().and_then(|code| StatusCode::from_u16(code).ok());
    (code.unwrap_or(StatusCode::FORBIDDEN), reason.into())
}

/// It steers no terminal, floods none, and repeats no password.
pub fn check_text(text: &str, limit: usize) {
    assert!(text.len() <= limit, "{} bytes in {text:?}", text.len());
    assert!(!text.contains(|c| is_hostile(c) && c != '\n'), "{text:?}");
    assert!(!text.contains(MARKER), "{text:?}");
}

pub fn check_failure(failure: &Failure) {
    assert!(!failure.detail.is_empty(), "{failure:?}");
    check_text(&failure.detail, DETAIL_LIMIT);
    check_text(&failure.go_message, usize::MAX);
    check_text(failure.summary(), usize::MAX);
    check_text(failure.fix(), usize::MAX);
}
