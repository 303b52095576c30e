//! How much memory the tree of a file takes, told by its text before anything is built of it.
//!
//! A MiB of `{a=1},` becomes 280 MiB while it is read: each key, table and item takes hundreds of bytes, however short.

/// The most that is read of a file: some 20 MiB while it is read. What containerd writes as its default is 2,000.
pub const MOST: usize = 65_536;

/// In parts of about 350 bytes: an item of a list or a table is one, a part of a key two, a key with its value three.
pub fn weight(text: &[u8]) -> usize {
    let (mut weight, mut at) = (0, 0);
    while let Some(&byte) = text.get(at) {
        at = match byte {
            b'#' => at + text[at..].iter().position(|byte| *byte == b'\n').unwrap_or(text.len() - at),
            b'"' | b'\'' => end_of_string(text, at),
            _ => at + 1,
        };
        weight += match byte {
            b'[' | b'{' | b',' => 1,
            b'.' => 2,
            b'=' => 3,
            _ => 0,
        };
    }
    weight
}

/// Behind the string that begins here. One that has no end on its line ends with the line: the reader refuses it there.
fn end_of_string(text: &[u8], start: usize) -> usize {
    let quote = text[start];
    let is_long = text[start..].starts_with(&[quote; 3]);
    let end: &[u8] = if is_long { &[quote; 3] } else { &[quote] };
    let mut at = start + end.len();
    while let Some(&byte) = text.get(at) {
        if text[at..].starts_with(end) {
            return at + end.len();
        }
        match byte {
            b'\n' if !is_long => return at,
            b'\\' if quote == b'"' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toml::{Certainty, Dialect, read};

    #[test]
    fn what_takes_memory_counts_and_what_stands_in_strings_and_comments_does_not() {
        for (text, expected) in [
            ("", 0),
            ("# a = [1, 2, 3] {}\n", 0),
            ("a = 1\n", 3),
            ("a.b = 1 # c = 2", 5),
            ("[a.b.c]\n", 5),
            ("[[a]]\n", 2),
            ("x = [1, 2, {a = 1}]\n", 3 + 1 + 2 + 1 + 3),
            ("x = \"[,=.{\\\"=\"\ny = '=\\'\n", 6),
            ("x = \"\"\"\n a = 1\n \\\"\"\" = \"\"\"\ny = '''\n=''\n'''\n", 6),
            // No strings of TOML: each is at its end with its line, or with the text.
            ("x = \"abc\n[a]\n", 4),
            ("x = 'abc\n[a]\n", 4),
            ("x = \"\"\"abc\n[a]\n", 3),
            ("x = \"\\", 3),
        ] {
            assert_eq!(weight(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_file_is_read_up_to_the_limit_and_nobody_knows_what_is_in_a_heavier_one() {
        for dialect in [Dialect::One, Dialect::Two] {
            let items = |count: usize| format!("x = [{}]\n", "1,".repeat(count));
            assert!(read(items(MOST - 4).as_bytes(), "f", dialect).is_ok());
            let refused = read(items(MOST - 3).as_bytes(), "f", dialect).unwrap_err();
            assert_eq!(refused.certainty, Certainty::Unknown, "{refused:?}");
            assert!(refused.message.contains("more keys and values than pullprobe"), "{refused:?}");
            // However long it is, what weighs nothing is no reason.
            assert!(read("# a = 1, b = [.]\n".repeat(50_000).as_bytes(), "f", dialect).is_ok());
        }
    }
}
