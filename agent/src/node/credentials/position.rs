//! Where the keys of a JSON text stand. For people: nothing is decided by it.

use std::collections::HashMap;

/// Line and column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// The last place of every key, since of repeated keys the last one counts.
#[derive(Debug, Default)]
pub struct Positions<'t>(HashMap<&'t str, Position>);

impl<'t> Positions<'t> {
    /// One pass over a text that is known to be JSON.
    pub fn of(text: &'t str) -> Self {
        let mut found = HashMap::new();
        let (mut line, mut column, mut counted) = (1, 1, 0);
        let mut bytes = text.bytes().enumerate();
        while let Some((at, byte)) = bytes.next() {
            if byte == b'\n' {
                (line, column, counted) = (line + 1, 1, at + 1);
            }
            if byte != b'"' {
                continue;
            }
            let Some(end) = end_of_string(&mut bytes) else { break };
            if text[end..].trim_start_matches([' ', '\t', '\r', '\n']).starts_with(':') {
                column += text[counted..at].chars().count();
                counted = at;
                found.insert(&text[at..end], Position { line, column });
            }
        }
        Self(found)
    }

    pub fn get(&self, key: &str) -> Option<Position> {
        let quoted = serde_json::to_string(key).ok()?;
        self.0.get(quoted.as_str()).copied()
    }
}

/// The index behind the closing quote. A JSON string has no line break.
fn end_of_string(bytes: &mut impl Iterator<Item = (usize, u8)>) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_from_a_value_that_reads_the_same() {
        let text = "{\n  \"a\": \"b\",\n  \"b\" : \"\\\"c\\\":\"\n}";
        let positions = Positions::of(text);
        assert_eq!(positions.get("a"), Some(Position { line: 2, column: 3 }));
        assert_eq!(positions.get("b"), Some(Position { line: 3, column: 3 }));
        assert_eq!(positions.get("c"), None);
    }

    #[test]
    fn a_long_line_is_read_once() {
        let text = format!("{{{}}}", vec!["\"k\":0"; 200_000].join(","));
        assert!(Positions::of(&text).get("k").is_some());
    }
}
