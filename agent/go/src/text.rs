//! Go's `path.Clean` and `path.Join`, `strconv.Quote` and `time.ParseDuration`.

use std::fmt::Write as _;
use std::time::Duration;

/// `path.Clean`: one slash for many, `.` and `..` resolved, no trailing slash.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match (part, parts.last()) {
            ("..", Some(last)) if *last != ".." => drop(parts.pop()),
            ("..", _) if rooted => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".into(),
        (false, false) => joined,
    }
}

/// `filepath.Join`: empty parts are left out.
pub fn join(base: &str, name: &str) -> String {
    match (base.is_empty(), name.is_empty()) {
        (true, true) => String::new(),
        (true, false) => clean(name),
        (false, true) => clean(base),
        (false, false) => clean(&format!("{base}/{name}")),
    }
}

/// `%q`.
pub fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    escape(text, &mut quoted);
    quoted.push('"');
    quoted
}

/// The same of bytes, which need be no text.
pub fn quote_bytes(bytes: &[u8]) -> String {
    let mut quoted = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        escape(chunk.valid(), &mut quoted);
        for byte in chunk.invalid() {
            let _ = write!(quoted, "\\x{byte:02x}");
        }
    }
    quoted.push('"');
    quoted
}

fn escape(text: &str, quoted: &mut String) {
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            '\u{0}'..='\u{1f}' | '\u{7f}' => drop(write!(quoted, "\\x{:02x}", u32::from(c))),
            c if is_printed(c) => quoted.push(c),
            c if c <= '\u{ffff}' => drop(write!(quoted, "\\u{:04x}", u32::from(c))),
            c => drop(write!(quoted, "\\U{:08x}", u32::from(c))),
        }
    }
}

/// `strconv.IsPrint`: letters, marks, numbers, punctuation, symbols, and of spaces that of ASCII. Rust escapes the others,
/// and a mark only at the begin of a text.
fn is_printed(c: char) -> bool {
    c.is_ascii() || String::from_iter(['-', c]).escape_debug().count() == 2
}

/// A Go duration, which may be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoDuration {
    pub negative: bool,
    pub length: Duration,
}

/// `time.ParseDuration`; the error has its words.
pub fn duration(text: &str) -> Result<GoDuration, String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(GoDuration { negative: false, length: Duration::ZERO });
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut nanos = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let number: f64 = match number {
            "." => return Err(invalid()),
            number => number.parse().map_err(|_| invalid())?,
        };
        let letters = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        nanos += number * unit_nanos(unit).map_err(|reason| format!("time: {reason} in duration {}", quote(text)))?;
        rest = after;
    }
    // Go counts in a signed 64-bit number of nanoseconds.
    if nanos >= 9_223_372_036_854_775_807.0 {
        return Err(invalid());
    }
    Ok(GoDuration { negative, length: Duration::from_secs_f64(nanos / 1e9) })
}

fn unit_nanos(unit: &str) -> Result<f64, String> {
    Ok(match unit {
        "" => return Err("missing unit".into()),
        "ns" => 1.0,
        "us" | "µs" | "μs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3600e9,
        other => return Err(format!("unknown unit {}", quote(other))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        assert_eq!((clean("//a/./b/../c/"), clean("/.."), clean("")), ("/a/c".into(), "/".into(), ".".into()));
        assert_eq!(
            (join("/certs", ""), join("", "x"), join("/a/", "../b")),
            ("/certs".into(), "x".into(), "/b".into())
        );
    }

    #[test]
    fn what_go_does_not_print_is_escaped_in_quotes() {
        for (text, quoted) in [
            ("a\"b\\c'd", r#""a\"b\\c'd""#),
            ("\u{7}\u{8}\u{c}\n\r\t\u{b}", r#""\a\b\f\n\r\t\v""#),
            ("\0\u{1b}\u{7f}", r#""\x00\x1b\x7f""#),
            ("\u{85}\u{a0}\u{ad}\u{200b}\u{202e}\u{3000}\u{feff}", r#""\u0085\u00a0\u00ad\u200b\u202e\u3000\ufeff""#),
            ("\u{e0041}\u{10ffff}", r#""\U000e0041\U0010ffff""#),
            ("é e\u{301} ☺ 日本 \u{fffd}", "\"é e\u{301} ☺ 日本 \u{fffd}\""),
        ] {
            assert_eq!(quote(text), quoted);
        }
    }

    #[test]
    fn durations_need_a_unit_and_may_be_combined_or_negative() {
        let length = |text: &str| duration(text).map(|d| (d.negative, d.length.as_millis()));
        assert_eq!(length("1m30s"), Ok((false, 90_000)));
        assert_eq!(length("1.5s"), Ok((false, 1500)));
        assert_eq!(length("-250ms"), Ok((true, 250)));
        assert_eq!(length("0"), Ok((false, 0)));
        assert_eq!(length("5"), Err("time: missing unit in duration \"5\"".into()));
        assert_eq!(length("5sec"), Err("time: unknown unit \"sec\" in duration \"5sec\"".into()));
        assert_eq!(length(""), Err("time: invalid duration \"\"".into()));
        assert_eq!(length("."), Err("time: invalid duration \".\"".into()));
        assert_eq!(length("9999999h"), Err("time: invalid duration \"9999999h\"".into()));
    }
}
