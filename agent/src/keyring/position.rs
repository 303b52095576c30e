//! Where the keys of a JSON text stand. For people: nothing is decided by it.

use std::collections::HashMap;

use go::place::Position;

/// Every place of every key of the outermost object, and of the objects in it.
#[derive(Debug, Default)]
pub struct Positions<'t>(HashMap<(Option<&'t str>, &'t str), Vec<Position>>);

impl<'t> Positions<'t> {
    /// One pass over a text that is known to be JSON.
    pub fn of(text: &'t str) -> Self {
        let mut found: HashMap<_, Vec<Position>> = HashMap::new();
        let (mut line, mut column, mut counted) = (1, 1, 0);
        // By which key each open object or list was entered.
        let mut open: Vec<Option<&'t str>> = Vec::new();
        let mut last_key = None;
        let mut bytes = text.bytes().enumerate();
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'\n' => (line, column, counted) = (line + 1, 1, at + 1),
                b'{' | b'[' => open.push(last_key.take()),
                b'}' | b']' => drop(open.pop()),
                b'"' => {
                    let Some(end) = end_of_string(&mut bytes) else { break };
                    if !text[end..].trim_start_matches([' ', '\t', '\r', '\n']).starts_with(':') {
                        continue;
                    }
                    column += text[counted..at].chars().count();
                    counted = at;
                    last_key = Some(&text[at..end]);
                    if let [_] | [_, Some(_)] = open[..] {
                        found
                            .entry((open[open.len() - 1], &text[at..end]))
                            .or_default()
                            .push(Position { line, column });
                    }
                }
                _ => {}
            }
        }
        Self(found)
    }

    /// `within` names the field whose object has the key. `None`: it is the outermost object's. `nth` counts from 0
    /// where a key is repeated.
    pub fn get(&self, within: Option<&str>, key: &str, nth: usize) -> Option<Position> {
        let quoted = |text: &str| serde_json::to_string(text).ok();
        let within = within.map(quoted);
        let key = quoted(key)?;
        let places = match &within {
            None => self.0.get(&(None, key.as_str())),
            Some(within) => self.0.get(&(within.as_deref(), key.as_str())),
        };
        places?.get(nth).copied()
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
        assert_eq!(positions.get(None, "a", 0), Some(Position { line: 2, column: 3 }));
        assert_eq!(positions.get(None, "b", 0), Some(Position { line: 3, column: 3 }));
        assert_eq!(positions.get(None, "c", 0), None);
        assert_eq!(Positions::of("{\"a\": 1,\n\"a\": 2}").get(None, "a", 1), Some(Position { line: 2, column: 1 }));
    }

    #[test]
    fn a_key_is_told_from_the_same_one_elsewhere() {
        let text = "{\"auths\": {\n\"r\": {\"r\": [{\"r\": 0}]}\n},\n\"credHelpers\": {\"r\": \"x\"}}";
        let positions = Positions::of(text);
        assert_eq!(positions.get(Some("auths"), "r", 0), Some(Position { line: 2, column: 1 }));
        assert_eq!(positions.get(Some("credHelpers"), "r", 0), Some(Position { line: 4, column: 17 }));
        assert_eq!(positions.get(None, "r", 0), None);
        assert_eq!(positions.get(Some("r"), "r", 0), None);
    }

    #[test]
    fn a_long_line_is_read_once() {
        let text = format!("{{{}}}", vec!["\"k\":0"; 200_000].join(","));
        assert!(Positions::of(&text).get(None, "k", 199_999).is_some());
    }
}
