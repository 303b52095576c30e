//! Takes out of an error text what differs between two runs of the same pull, and nothing else.

use pullprobe::redact::clean::Clean;

/// Replaces, in order: the client's ephemeral port of an established connection, whether reading or writing
/// noticed a reset first, the current time in a certificate's complaint, the random key of an extraction
/// snapshot; and who signs in with a URL, and what steers a terminal, which pullprobe never says.
pub fn normalise(text: &str) -> String {
    let text = user_information(&Clean::lines(text));
    let text = resets(&local_ports(&text));
    let text = current_time(&text);
    extraction_keys(&text)
}

/// `read tcp 192.0.2.1:41234->…` becomes `read tcp 192.0.2.1:PORT->…`; the far side keeps its port.
fn local_ports(text: &str) -> String {
    let mut parts = text.split("->").peekable();
    let mut result = String::new();
    while let Some(part) = parts.next() {
        let stem = part.trim_end_matches(|character: char| character.is_ascii_digit());
        if parts.peek().is_some() && stem.len() < part.len() && stem.ends_with(':') {
            result.push_str(stem);
            result.push_str("PORT->");
        } else {
            result.push_str(part);
            if parts.peek().is_some() {
                result.push_str("->");
            }
        }
    }
    result
}

/// `write tcp A->B: write: connection reset by peer` becomes what reading says of the same reset.
fn resets(text: &str) -> String {
    const READING: &str = ": read: connection reset by peer";
    const WRITING: &str = ": write: connection reset by peer";
    if text.contains(WRITING) {
        text.replace(WRITING, READING).replace("write tcp ", "read tcp ")
    } else {
        text.to_owned()
    }
}

/// `current time 2026-01-02T03:04:05Z is after …` becomes `current time NOW is after …`.
fn current_time(text: &str) -> String {
    replace_word_after(text, "current time ", "NOW")
}

/// `extract-123456789-AbCd sha256:…` becomes `extract-KEY sha256:…`.
fn extraction_keys(text: &str) -> String {
    replace_word_after(text, "extract-", "KEY")
}

/// `https://user:password@host` becomes `https://***@host`.
fn user_information(text: &str) -> String {
    let mut parts = text.split("://");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(['/', '"', ' ']).unwrap_or(part.len());
        let host = part[..end].rfind('@');
        result.push_str("://");
        result.push_str(if host.is_some() { "***" } else { "" });
        result.push_str(&part[host.unwrap_or(0)..]);
    }
    result
}

/// When a certificate of this run begins or ends differs from run to run.
pub fn mask_dates(text: &str) -> String {
    let word = |word: &str| match word.parse::<jiff::Timestamp>() {
        Ok(_) => "TIME".to_owned(),
        Err(_) => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn replace_word_after(text: &str, marker: &str, replacement: &str) -> String {
    let mut parts = text.split(marker);
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.find(' ').map_or("", |end| &part[end..]);
        result.push_str(marker);
        result.push_str(replacement);
        result.push_str(rest);
    }
    result
}

#[test]
fn only_what_differs_between_runs_is_taken_out_of_an_error_text() {
    let cases = [
        (
            "read tcp 192.0.2.1:41234->192.0.2.10:443: read: connection reset by peer",
            "read tcp 192.0.2.1:PORT->192.0.2.10:443: read: connection reset by peer",
        ),
        (
            "write tcp 192.0.2.1:41234->192.0.2.10:443: write: connection reset by peer",
            "read tcp 192.0.2.1:PORT->192.0.2.10:443: read: connection reset by peer",
        ),
        (
            "has expired or is not yet valid: current time 2026-01-02T03:04:05Z is after 2020-01-01T00:00:00Z",
            "has expired or is not yet valid: current time NOW is after 2020-01-01T00:00:00Z",
        ),
        ("snapshot \"extract-12-Ab sha256:1\": gone", "snapshot \"extract-KEY sha256:1\": gone"),
        (
            "dial tcp 192.0.2.10:443: connect: connection refused",
            "dial tcp 192.0.2.10:443: connect: connection refused",
        ),
        ("Head \"https://u:pw@r.example/v2/a@b\": EOF", "Head \"https://***@r.example/v2/a@b\": EOF"),
        ("an arrow -> without a port", "an arrow -> without a port"),
        ("403 For\u{1b}[31mbidden\nerrors:", "403 For\u{fffd}[31mbidden\nerrors:"),
    ];
    for (text, expected) in cases {
        assert_eq!(normalise(text), expected);
    }
}
