//! An answer that is no HTTP/1, and how Go's `net/http` words that.

use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

pub mod head;

/// No head of a registry's answer is longer.
const HEAD_LIMIT: usize = 16_384;

/// What comes back to a plain request up to the end of its head, as far as it comes in time and is a head.
pub async fn head(mut stream: impl AsyncRead + AsyncWrite + Unpin, host: &str, limit: Duration) -> Vec<u8> {
    let mut head = Vec::new();
    let talk = async {
        let request = format!("GET /v2/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        while head.len() < HEAD_LIMIT && head::may_go_on(&head) {
            let mut chunk = [0; 512];
            match stream.read(&mut chunk).await.ok()? {
                0 => break,
                read => head.extend_from_slice(&chunk[..read]),
            }
        }
        Some(())
    };
    let _ = tokio::time::timeout(limit, talk).await;
    head
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tls_record_is_told_from_http() {
        assert!(is_tls(b"\x15\x03\x03") && !is_tls(b"HTTP/1.1"));
    }
}
