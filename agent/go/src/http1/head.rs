//! Why Go's client refuses the head of an answer: its status line, its fields, how long its body is.

use http::{HeaderMap, HeaderValue, header};

use crate::text::quote_bytes as quote;

/// What Go's transport puts in front.
pub const BROKEN: &str = "net/http: HTTP/1.x transport connection broken: ";

/// Whether more may belong to the head: it begins as HTTP does, and its end has not come yet.
pub fn may_go_on(head: &[u8]) -> bool {
    let is_http = head.len() < 5 || head.starts_with(b"HTTP/");
    let has_line = head.contains(&b'\n');
    let has_end = head.windows(2).any(|end| end == b"\n\n") || head.windows(3).any(|end| end == b"\n\r\n");
    !has_end && (is_http || !has_line)
}

/// Go's words. `None`: it takes all that is here.
pub fn go_message(head: &[u8]) -> Option<String> {
    // Of fields only those count that came whole.
    let fields = head.iter().rposition(|byte| *byte == b'\n').map_or(&[][..], |end| &head[..end]);
    let status = status_refused(lines(head).next().unwrap_or_default());
    let refused = status.or_else(|| field_refused(lines(fields).skip(1).take_while(|line| !line.is_empty())));
    refused.map(|words| format!("{BROKEN}{words}"))
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn status_refused(line: &[u8]) -> Option<String> {
    let Some(space) = line.iter().position(|byte| *byte == b' ') else {
        return Some(format!("malformed HTTP response {}", quote(line)));
    };
    let (version, rest) = line.split_at(space);
    let status = rest.trim_ascii_start().split(|byte| *byte == b' ').next().unwrap_or_default();
    if status.len() != 3 || !status.iter().all(u8::is_ascii_digit) {
        return Some(format!("malformed HTTP status code {}", quote(status)));
    }
    (!is_version(version)).then(|| format!("malformed HTTP version {}", quote(version)))
}

/// Go takes any version of one digit each.
pub fn is_version(text: &[u8]) -> bool {
    matches!(text, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// Only what every version of Go refuses, in words that all have.
fn field_refused<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    let mut headers = HeaderMap::new();
    for (at, line) in lines.enumerate() {
        let is_continued = matches!(line, [b' ' | b'\t', ..]);
        match line.iter().position(|byte| *byte == b':') {
            _ if is_continued && at == 0 => {
                return Some(format!("malformed MIME header initial line: {}", String::from_utf8_lossy(line)));
            }
            _ if is_continued => {}
            None => return Some(format!("malformed MIME header: missing colon: {}", quote(line))),
            Some(colon) => {
                let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
                let name = header::HeaderName::from_bytes(&line[..colon]);
                name.ok().zip(value.ok()).map(|(name, value)| headers.append(name, value));
            }
        }
    }
    framing_refused(&headers)
}

/// How long the body is, told in a way that Go does not take.
pub fn framing_refused(headers: &HeaderMap) -> Option<String> {
    let quoted = |value: &HeaderValue| quote(value.as_bytes());
    let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(encoding) = encodings.next() {
        return match encodings.next() {
            Some(_) => {
                let all = headers.get_all(header::TRANSFER_ENCODING).iter().map(quoted).collect::<Vec<_>>();
                Some(format!("too many transfer encodings: [{}]", all.join(" ")))
            }
            None if encoding.as_bytes().eq_ignore_ascii_case(b"chunked") => None,
            None => Some(format!("unsupported transfer encoding: {}", quoted(encoding))),
        };
    }
    let lengths: Vec<&HeaderValue> = headers.get_all(header::CONTENT_LENGTH).iter().collect();
    let first = lengths.first()?;
    if lengths.iter().any(|length| length != first) {
        let all: Vec<String> = lengths.iter().map(|length| quoted(length)).collect();
        let what = "http: message cannot contain multiple Content-Length headers";
        return Some(format!("{what}; got [{}]", all.join(" ")));
    }
    // An empty one counts as none.
    let is_length = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<i64>().is_ok();
    let is_taken = first.is_empty() || first.to_str().is_ok_and(is_length);
    (!is_taken).then(|| format!("bad Content-Length {}", quoted(first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(head: &[u8]) -> String {
        go_message(head).map_or_else(String::new, |words| words.strip_prefix(BROKEN).unwrap().to_owned())
    }

    #[test]
    fn what_is_no_http_is_refused_as_go_words_it() {
        assert_eq!(said(b"this is no HTTP\r"), "malformed HTTP status code \"is\"");
        assert_eq!(said(b"\x15\x03\x03\x00\x02\x022"), "malformed HTTP response \"\\x15\\x03\\x03\\x00\\x02\\x022\"");
        assert_eq!(said("Gr\u{fc}\u{df}e\u{7}".as_bytes()), "malformed HTTP response \"Gr\u{fc}\u{df}e\\a\"");
        assert_eq!(said(b"\xff\xc3"), "malformed HTTP response \"\\xff\\xc3\"");
        assert_eq!(said(b"HTTP/x 200 OK"), "malformed HTTP version \"HTTP/x\"");
        assert_eq!(said(b"HTTP/1.1 200 OK\r\nnocolon\r\n\r\n"), "malformed MIME header: missing colon: \"nocolon\"");
        assert_eq!(said(b"HTTP/1.1 200 OK\r\n x: y\r\n\r\n"), "malformed MIME header initial line:  x: y");
    }

    /// Seen on containerd 1.6, 1.7 and 2.1.
    #[test]
    fn what_go_reads_is_not_refused() {
        for head in [
            "HTTP/1.1 200 OK\r\n\r\nnocolon\r\n",
            "HTTP/1.2 200 OK\r\n\r\n",
            "HTTP/2.0 200\n\n",
            "HTTP/1.1 200 OK\r\nX-Cut-O",
            "HTTP/1.1  000 OK\r\nA: b\r\n c\r\nX : y\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: x\r\n\r\n",
        ] {
            assert_eq!(said(head.as_bytes()), "", "{head}");
        }
    }

    #[test]
    fn a_length_that_go_does_not_take_is_refused_in_its_words() {
        let with = |fields: &str| said(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n").as_bytes());
        assert_eq!(with("Content-Length: 417, 417"), "bad Content-Length \"417, 417\"");
        assert_eq!(with("Content-Length: +5"), "bad Content-Length \"+5\"");
        assert_eq!(with("Content-Length: 99999999999999999999"), "bad Content-Length \"99999999999999999999\"");
        let two = "http: message cannot contain multiple Content-Length headers; got [\"7\" \"417\"]";
        assert_eq!(with("Content-Length: 7\r\nContent-Length: 417"), two);
        let gzip = "unsupported transfer encoding: \"gzip, chunked\"";
        assert_eq!(with("Transfer-Encoding: gzip, chunked"), gzip);
    }

    #[test]
    fn a_head_is_read_to_its_end_and_anything_else_for_a_line() {
        assert!(may_go_on(b"") && may_go_on(b"HTTP/1.1 200 OK\r\nA: b\r\n") && may_go_on(b"220 smtp"));
        assert!(!may_go_on(b"HTTP/1.1 200 OK\r\n\r\n") && !may_go_on(b"220 smtp\r\n"));
    }
}
