//! A dotted key taken apart as go-toml 1 does it, quotes without escapes.

use super::lexer::{is_bare, is_space};

/// A part of a key, and how many characters of the key stand before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    pub before: usize,
}

/// `Err`: the library's words.
pub fn parts(key: &str) -> Result<Vec<Part>, String> {
    if key.is_empty() {
        return Err("empty key".into());
    }
    let mut rest = Rest { key: key.chars().collect(), at: 0 };
    let mut parts = Vec::new();
    loop {
        rest.pass_spaces();
        let before = rest.at;
        let name = match rest.peek() {
            None => break,
            Some(c) if is_bare(c) => rest.bare()?,
            Some(quote @ ('\'' | '"')) => rest.quoted(quote)?,
            Some('.') => {
                rest.dot()?;
                continue;
            }
            Some(c) => return Err(format!("invalid key character: {c}")),
        };
        parts.push(Part { name, before });
    }
    if parts.is_empty() { Err("empty key".into()) } else { Ok(parts) }
}

struct Rest {
    key: Vec<char>,
    at: usize,
}

impl Rest {
    fn peek(&self) -> Option<char> {
        self.key.get(self.at).copied()
    }

    fn pass_spaces(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }

    fn since(&self, start: usize) -> String {
        self.key.get(start..self.at).into_iter().flatten().collect()
    }

    fn bare(&mut self) -> Result<String, String> {
        let start = self.at;
        while self.peek().is_some_and(is_bare) {
            self.at += 1;
        }
        let name = self.since(start);
        match self.peek() {
            None | Some('.') => {}
            Some(c) if is_space(c) => {
                self.pass_spaces();
                if let Some(c) = self.peek().filter(|c| *c != '.') {
                    return Err(format!("invalid key character after whitespace: {c}"));
                }
            }
            Some(c) => return Err(format!("invalid bare key character: {c}")),
        }
        Ok(name)
    }

    fn quoted(&mut self, quote: char) -> Result<String, String> {
        self.at += 1;
        let start = self.at;
        while self.peek().is_some_and(|c| c != quote) {
            self.at += 1;
        }
        if self.peek().is_none() {
            let which = if quote == '"' { "double" } else { "single" };
            return Err(format!("unclosed {which}-quoted key"));
        }
        let name = self.since(start);
        self.at += 1;
        Ok(name)
    }

    fn dot(&mut self) -> Result<(), String> {
        self.at += 1;
        match self.peek() {
            None => Err("unexpected end of key".into()),
            Some(c) if is_bare(c) || matches!(c, '\'' | '"' | ' ') => Ok(()),
            Some(_) => Err("expecting key part after dot".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parts;

    fn names(key: &str) -> Result<Vec<String>, String> {
        parts(key).map(|parts| parts.into_iter().map(|part| part.name).collect())
    }

    #[test]
    fn keys_come_apart_at_dots_and_quotes() {
        let told = |key: &str| names(key).unwrap().join("|");
        assert_eq!((told("a.b"), told(" a . \"b.c\" . 'd' ")), ("a|b".into(), "a|b.c|d".into()));
        // Quotes that follow each other need no dot.
        assert_eq!((told("\"a\"\"b\""), told(".a")), ("a|b".into(), "a".into()));
        assert_eq!(parts("aa.'b'").unwrap()[1].before, 3);
        for (key, words) in [
            ("", "empty key"),
            ("  ", "empty key"),
            ("a b", "invalid key character after whitespace: b"),
            ("a:b", "invalid bare key character: :"),
            ("\"a", "unclosed double-quoted key"),
            ("'a", "unclosed single-quoted key"),
            ("a.", "unexpected end of key"),
            ("a..b", "expecting key part after dot"),
            ("?", "invalid key character: ?"),
        ] {
            assert_eq!(names(key), Err(words.to_owned()), "{key:?}");
        }
    }
}
