//! Strings, numbers and times as go-toml 1 takes them.

use std::fmt::Write as _;

/// The length of what is between the quotes.
pub fn closing(inside: &str, quote: char, long: bool) -> Option<usize> {
    let bytes = inside.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if quote == '"' => at += 1,
            b'\n' if quote == '"' && !long => return None,
            found if char::from(*found) == quote => {
                let three = bytes.get(at..at + 3).is_some_and(|three| three.iter().all(|byte| byte == found));
                if !long || three {
                    return Some(at);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// An escape that came with TOML 1.1.
pub fn newer_escape(content: &str) -> Option<char> {
    let mut rest = content.chars();
    while let Some(c) = rest.next() {
        if c == '\\'
            && let Some(escape @ ('e' | 'x')) = rest.next()
        {
            return Some(escape);
        }
    }
    None
}

/// The string as others write it. `None`: it is as others write it.
pub fn foreign(content: &str, quote: char, long: bool, is_value: bool) -> Option<String> {
    let control = |c: char| c.is_ascii_control() && c != '\t' && !(long && c == '\n');
    let returns = content.replace("\r\n", "\n");
    let odd = returns.chars().any(control) || (long && !is_value);
    let escapes = quote == '"' && (content.contains("\\/") || content.contains("\\u") || content.contains("\\U"));
    let bent = quote == '"' && long && content.contains("\\ ");
    if !odd && !escapes && !bent {
        return None;
    }
    let content = if long {
        content.strip_prefix("\r\n").or_else(|| content.strip_prefix('\n')).unwrap_or(content)
    } else {
        content
    };
    let plain = if quote == '"' { unescaped(content)? } else { content.to_owned() };
    let mut written = String::from("\"");
    for c in plain.chars() {
        match c {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            c if c.is_ascii_control() => drop(write!(written, "\\u{:04X}", u32::from(c))),
            c => written.push(c),
        }
    }
    written.push('"');
    Some(written)
}

/// `None`: an escape that go-toml 1 does not know either.
fn unescaped(content: &str) -> Option<String> {
    let mut plain = String::new();
    let mut rest = content.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        let digits = match rest.next()? {
            'u' => 4,
            'U' => 8,
            c if c.is_ascii_whitespace() => {
                rest = rest.as_str().trim_start_matches(['\n', '\r', ' ', '\t']).chars();
                continue;
            }
            c => {
                plain.push(short_escape(c)?);
                continue;
            }
        };
        let number = u32::from_str_radix(rest.as_str().get(..digits)?, 16).ok()?;
        plain.push(char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER));
        rest = rest.as_str().get(digits..)?.chars();
    }
    Some(plain)
}

const fn short_escape(c: char) -> Option<char> {
    Some(match c {
        'b' => '\u{8}',
        't' => '\t',
        'n' => '\n',
        'f' => '\u{c}',
        'r' => '\r',
        '"' | '\\' | '/' => c,
        _ => return None,
    })
}

/// Zeros in front of a decimal number do not count. `None`: it is as others write it.
pub fn plain_number(word: &str) -> Option<String> {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    let sign = word.strip_suffix(digits)?;
    let stripped = digits.trim_start_matches(['0', '_']);
    let decimal = digits.bytes().all(|byte| byte.is_ascii_digit() || b"_.eE+-".contains(&byte));
    if !decimal || !digits.starts_with('0') || is_time(word) {
        return None;
    }
    let zero = if stripped.starts_with(|c: char| c.is_ascii_digit()) { "" } else { "0" };
    let number = format!("{sign}{zero}{stripped}");
    (number != word).then_some(number)
}

/// Three digits and more with a zero in front are taken for a number of a base that there is not.
pub fn is_of_no_base(word: &str) -> bool {
    let digits = word.replace('_', "");
    digits.len() > 2 && digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_time(word: &str) -> bool {
    word.contains(':') || word.bytes().filter(|byte| *byte == b'-').count() >= 2
}

/// Why a date or a time is not read. TOML 1.1 lets seconds go, and small letters stand.
pub fn unread_time(word: &str, next: Option<char>) -> Option<&'static str> {
    let bytes = word.as_bytes();
    let digits = |from: usize, to: usize| bytes.get(from..to).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    let date =
        digits(0, 4) && bytes.get(4) == Some(&b'-') && digits(5, 7) && bytes.get(7) == Some(&b'-') && digits(8, 10);
    let time = if date {
        match bytes.get(10) {
            None if next == Some(' ') => return None,
            Some(b'T') => word.get(11..)?,
            _ => return Some("incorrect date/time separation character"),
        }
    } else if digits(0, 2) && bytes.get(2) == Some(&b':') {
        word
    } else {
        return None;
    };
    let seconds = time.as_bytes().get(5) == Some(&b':');
    if !seconds {
        return Some("time minute/second separator should be :");
    }
    time.ends_with('z').then_some("incorrect time zone")
}
