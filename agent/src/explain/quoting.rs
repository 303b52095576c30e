//! Takes a message out of what surrounds it: kubectl's columns, JSON strings, the fields of a log line.
//!
//! A message is never cut: what stands around it has no words of a failure in it.

/// More text than this is not looked at, in bytes.
pub const TEXT: usize = 1 << 20;
/// A string in a string in a string: kubelet logs an error that quotes an error.
const NESTED: usize = 4;
/// A line that goes on: containerd writes a registry's errors on lines of their own.
const CONTINUED: [&str; 8] = [
    "errors:",
    "denied",
    "unauthorized",
    "toomanyrequests",
    "unknown",
    "unsupported",
    "unavailable",
    "manifest unknown",
];

/// One a line, with the lines that belong to it.
pub fn messages(text: &str) -> Vec<String> {
    let mut end = text.len().min(TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut messages: Vec<String> = Vec::new();
    for line in super::folded::unfolded(&text[..end]).lines() {
        let line = unquoted(line);
        let plain = line.trim_start();
        match messages.last_mut() {
            Some(last) if last.contains("failed") && CONTINUED.iter().any(|word| plain.starts_with(word)) => {
                last.push('\n');
                last.push_str(plain);
            }
            _ => messages.push(line),
        }
    }
    messages
}

/// Without the backslashes that quoting put before quotes and line ends, however often it was quoted.
fn unquoted(line: &str) -> String {
    let mut line = line.to_owned();
    for _ in 0..NESTED {
        if !line.contains('\\') {
            break;
        }
        line = once(&line);
    }
    line
}

fn once(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('\\', Some('"' | '\\' | '/')) => plain.extend(rest.next()),
            ('\\', Some('n')) => {
                rest.next();
                plain.push('\n');
            }
            ('\\', Some('u')) => plain.push(code_point(&mut rest)),
            _ => plain.push(c),
        }
    }
    plain
}

/// `\u003c`, as encoding/json writes `<`, `>` and `&`.
fn code_point(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> char {
    let digits: String = rest.clone().skip(1).take(4).collect();
    let found = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4).and_then(char::from_u32);
    match found.filter(|c| !c.is_control()) {
        Some(c) => {
            rest.nth(4);
            c
        }
        None => '\\',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_the_same_in_every_quoting() {
        let plain = r#"failed to do request: Head "https://r.example/v2/": EOF"#;
        let json = serde_json::to_string(plain).unwrap();
        let twice = serde_json::to_string(&json).unwrap();
        assert!(messages(plain)[0].contains(plain));
        assert!(messages(&format!("  \"message\": {json},"))[0].contains(plain));
        assert!(messages(&format!("E1129 err={twice}"))[0].contains(plain));
        assert_eq!(messages(r"a \u003cnil\u003e b \u000a c \uzz")[0], r"a <nil> b \u000a c \uzz");
    }

    #[test]
    fn the_lines_of_a_registrys_errors_belong_to_the_message_before() {
        let text = "failed open: unexpected status from GET request to https://r.example/: 403 Forbidden\nerrors:\ndenied: one\n\
                    unauthorized: two\nEvents:";
        assert_eq!(messages(text).len(), 2);
        assert!(messages(text)[0].ends_with("denied: one\nunauthorized: two"));
    }
}
