//! What a host said that is no HTTP, in Go's words. Asked only after the client found it unreadable.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// No status line is longer.
const LINE_LIMIT: usize = 512;
/// No head of an answer to HEAD is longer.
const HEAD_LIMIT: usize = 16_384;

/// The first line that comes back to a plain request, as far as it comes in time.
pub async fn first_line(mut stream: impl AsyncRead + AsyncWrite + Unpin, host: &str, limit: Duration) -> Vec<u8> {
    let mut line = Vec::new();
    let talk = async {
        let request = format!("GET /v2/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        while line.len() < LINE_LIMIT && !line.contains(&b'\n') {
            let mut chunk = [0; 128];
            match stream.read(&mut chunk).await.ok()? {
                0 => break,
                read => line.extend_from_slice(&chunk[..read]),
            }
        }
        Some(())
    };
    let _ = tokio::time::timeout(limit, talk).await;
    let end = line.iter().position(|byte| *byte == b'\n').unwrap_or(line.len());
    line.truncate(end.min(LINE_LIMIT));
    line
}

/// The `Date` of the answer to a question without credentials.
pub async fn date(stream: impl AsyncRead + AsyncWrite + Unpin, host: &str, limit: Duration) -> Option<Timestamp> {
    let mut stream = stream;
    let mut head = Vec::new();
    let talk = async {
        let request = format!("HEAD /v2/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        while head.len() < HEAD_LIMIT && !head.windows(4).any(|end| end == b"\r\n\r\n") {
            let mut chunk = [0; 512];
            match stream.read(&mut chunk).await.ok()? {
                0 => break,
                read => head.extend_from_slice(&chunk[..read]),
            }
        }
        Some(())
    };
    let _ = tokio::time::timeout(limit, talk).await;
    let head = String::from_utf8_lossy(&head);
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let mut dates = fields.filter(|(name, _)| name.eq_ignore_ascii_case("date"));
    dates.find_map(|(_, value)| Some(jiff::fmt::rfc2822::parse(value.trim()).ok()?.timestamp()))
}

/// Whether the bytes begin a TLS record: an alert or a handshake.
pub fn is_tls(line: &[u8]) -> bool {
    matches!(line, [0x15 | 0x16, 0x03, ..])
}

/// Why Go's client refuses such a status line.
pub fn wording(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let broken =
        |what: &str, part: &[u8]| format!("net/http: HTTP/1.x transport connection broken: {what} {}", quote(part));
    let Some(space) = line.iter().position(|byte| *byte == b' ') else {
        return broken("malformed HTTP response", line);
    };
    let (version, rest) = line.split_at(space);
    let status = rest.trim_ascii_start().split(|byte| *byte == b' ').next().unwrap_or_default();
    if status.len() != 3 || !status.iter().all(u8::is_ascii_digit) {
        return broken("malformed HTTP status code", status);
    }
    broken("malformed HTTP version", version)
}

/// As Go's `%q`: printable ASCII as it is, the rest escaped.
fn quote(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        match byte {
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            0x20..=0x7e => text.push(char::from(*byte)),
            other => {
                let _ = write!(text, "\\x{other:02x}");
            }
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_answers_read_as_go_words_them() {
        let said = |line: &[u8]| wording(line).split_off("net/http: HTTP/1.x transport connection broken: ".len());
        assert_eq!(said(b"this is no HTTP\r"), "malformed HTTP status code \"is\"");
        assert_eq!(said(b"\x15\x03\x03\x00\x02\x022"), "malformed HTTP response \"\\x15\\x03\\x03\\x00\\x02\\x022\"");
        assert_eq!(said(b"HTTP/x 200 OK"), "malformed HTTP version \"HTTP/x\"");
        assert!(is_tls(b"\x15\x03\x03") && !is_tls(b"HTTP/1.1"));
    }
}
