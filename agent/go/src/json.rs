//! JSON as Go's `encoding/json` decodes it into structs, and the words of its errors.

pub mod decode;
pub mod target;

use crate::text;

/// The first fault of `text`; `""` when Go finds none.
pub fn error(text: &[u8]) -> String {
    let mut scanner = Scanner { text, at: 0 };
    match scanner.value().and_then(|()| scanner.end()) {
        Ok(()) => String::new(),
        Err(fault) => fault.words("unexpected end of JSON input"),
    }
}

/// The first value of a stream, as Go's `json.Decoder` takes it: what follows is not looked at.
pub fn first(text: &[u8]) -> Result<&[u8], String> {
    let mut scanner = Scanner { text, at: 0 };
    if scanner.skip_space().is_err() {
        return Err("EOF".into());
    }
    match scanner.value() {
        Ok(()) => Ok(&text[..scanner.at]),
        Err(fault) => Err(fault.words("unexpected EOF")),
    }
}

enum Fault {
    End,
    Character(u8, String),
}

impl Fault {
    fn words(self, at_the_end: &str) -> String {
        match self {
            Self::End => at_the_end.to_owned(),
            Self::Character(c, context) => format!("invalid character {} {context}", quote(c)),
        }
    }
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

/// Go's own limit: so many arrays and objects in one another, and no more.
const DEPTH_LIMIT: usize = 10_000;

const TOO_DEEP: &str = "exceeded max depth";
const BEGINNING: &str = "looking for beginning of value";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Object,
    Array,
}

impl Scanner<'_> {
    /// Without recursion: the depth is the peer's choice.
    fn value(&mut self) -> Result<(), Fault> {
        let mut open: Vec<Inside> = Vec::new();
        loop {
            // At the beginning of a value.
            match self.skip_space()? {
                c @ (b'{' | b'[') => {
                    if open.len() == DEPTH_LIMIT {
                        return Err(self.wrong(TOO_DEEP));
                    }
                    let inside = if c == b'{' { Inside::Object } else { Inside::Array };
                    self.at += 1;
                    let is_empty = self.skip_space()? == if c == b'{' { b'}' } else { b']' };
                    if !is_empty {
                        open.push(inside);
                        self.key(inside)?;
                        continue;
                    }
                    self.at += 1;
                }
                b'"' => self.string()?,
                b't' => self.literal("true")?,
                b'f' => self.literal("false")?,
                b'n' => self.literal("null")?,
                b'-' | b'0'..=b'9' => self.number()?,
                _ => return Err(self.wrong(BEGINNING)),
            }
            // Behind the end of one.
            loop {
                let Some(inside) = open.last().copied() else { return Ok(()) };
                let next = self.skip_space()?;
                match (next, inside) {
                    (b',', _) => {
                        self.at += 1;
                        self.skip_space()?;
                        self.key(inside)?;
                        break;
                    }
                    (b'}', Inside::Object) | (b']', Inside::Array) => {
                        self.at += 1;
                        open.pop();
                    }
                    (_, Inside::Object) => return Err(self.wrong("after object key:value pair")),
                    (_, Inside::Array) => return Err(self.wrong("after array element")),
                }
            }
        }
    }

    /// What stands before a value in an object.
    fn key(&mut self, inside: Inside) -> Result<(), Fault> {
        if inside == Inside::Array {
            return Ok(());
        }
        if self.skip_space()? != b'"' {
            return Err(self.wrong("looking for beginning of object key string"));
        }
        self.string()?;
        if self.skip_space()? != b':' {
            return Err(self.wrong("after object key"));
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<(), Fault> {
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    self.at += 1;
                    match self.peek()? {
                        b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => self.at += 1,
                        b'u' => self.unicode()?,
                        _ => return Err(self.wrong("in string escape code")),
                    }
                }
                c if c < 0x20 => return Err(self.wrong("in string literal")),
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Ok(())
    }

    fn unicode(&mut self) -> Result<(), Fault> {
        self.at += 1;
        for _ in 0..4 {
            if !self.peek()?.is_ascii_hexdigit() {
                return Err(self.wrong("in \\u hexadecimal character escape"));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn literal(&mut self, word: &str) -> Result<(), Fault> {
        for expected in word.bytes() {
            if self.peek()? != expected {
                let context = format!("in literal {word} (expecting {})", quote(expected));
                return Err(self.wrong(&context));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.peek()? == b'-' {
            self.at += 1;
            if !self.peek()?.is_ascii_digit() {
                return Err(self.wrong("in numeric literal"));
            }
        }
        if self.peek()? == b'0' {
            self.at += 1;
        } else {
            self.digits();
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digit("after decimal point in numeric literal")?;
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.text.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digit("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn digit(&mut self, context: &str) -> Result<(), Fault> {
        if !self.peek()?.is_ascii_digit() {
            return Err(self.wrong(context));
        }
        self.digits();
        Ok(())
    }

    fn digits(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    fn end(&mut self) -> Result<(), Fault> {
        match self.skip_space() {
            Ok(_) => Err(self.wrong("after top-level value")),
            Err(_) => Ok(()),
        }
    }

    fn skip_space(&mut self) -> Result<u8, Fault> {
        while self.text.get(self.at).is_some_and(|c| b" \t\r\n".contains(c)) {
            self.at += 1;
        }
        self.peek()
    }

    fn peek(&self) -> Result<u8, Fault> {
        self.text.get(self.at).copied().ok_or(Fault::End)
    }

    fn wrong(&self, context: &str) -> Fault {
        self.text.get(self.at).map_or(Fault::End, |c| Fault::Character(*c, context.to_owned()))
    }
}

fn quote(c: u8) -> String {
    match c {
        b'\'' => "'\\''".into(),
        b'"' => "'\"'".into(),
        // Go turns the byte into the character of that number.
        c => format!("'{}'", text::quote(&char::from(c).to_string()).trim_matches('"')),
    }
}

#[cfg(test)]
mod tests {
    use super::{error, first};

    #[test]
    fn faults_read_as_go_writes_them() {
        assert_eq!(error(b"not json"), "invalid character 'o' in literal null (expecting 'u')");
        assert_eq!(error(b"<html>"), "invalid character '<' looking for beginning of value");
        assert_eq!(error(b"{\"a\":1"), "unexpected end of JSON input");
        assert_eq!(error(b""), "unexpected end of JSON input");
        assert_eq!(error(b"[1 2]"), "invalid character '2' after array element");
        assert_eq!(error(b"\x8b"), "invalid character '\\u008b' looking for beginning of value");
        assert_eq!(error(b"\xc3\xa9"), "invalid character '\u{c3}' looking for beginning of value");
        assert_eq!(error(b"\x07"), "invalid character '\\a' looking for beginning of value");
        assert_eq!(error(b"\\"), "invalid character '\\\\' looking for beginning of value");
        assert_eq!(error(b"[1,]"), "invalid character ']' looking for beginning of value");
        assert_eq!(error(b"[,1]"), "invalid character ',' looking for beginning of value");
        assert_eq!(error(b"{\"a\":1,}"), "invalid character '}' looking for beginning of object key string");
        assert_eq!(error(b"{\"a\":1]"), "invalid character ']' after object key:value pair");
        assert_eq!(error(b"{\"a\" 1}"), "invalid character '1' after object key");
        assert_eq!(error(b"{a:1}"), "invalid character 'a' looking for beginning of object key string");
        assert_eq!(error(b"{} x"), "invalid character 'x' after top-level value");
        assert_eq!(error(b"{\"a\":[1,{}]}"), "");
        assert_eq!(error(b"[0, -0.5e+1, 10E2, \"\\ud800\"]"), "");
        assert_eq!(error(b"01"), "invalid character '1' after top-level value");
        assert_eq!(error(b"[1.]"), "invalid character ']' after decimal point in numeric literal");
        assert_eq!(error(b"[1e]"), "invalid character ']' in exponent of numeric literal");
        assert_eq!(error(b"\"\\u12g4\""), "invalid character 'g' in \\u hexadecimal character escape");
    }

    /// The limit counts what is open, and the words name the one too many.
    #[test]
    fn depth_ends_where_go_ends_it() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(error(nested(10_000).as_bytes()), "");
        assert_eq!(error(nested(10_001).as_bytes()), "invalid character '[' exceeded max depth");
        assert_eq!(error("[".repeat(4_000_000).as_bytes()), "invalid character '[' exceeded max depth");
        let objects = format!("{}1{}", "{\"a\":".repeat(10_001), "}".repeat(10_001));
        assert_eq!(error(objects.as_bytes()), "invalid character '{' exceeded max depth");
    }

    #[test]
    fn of_a_stream_only_the_first_value_counts() {
        assert_eq!(first(b" {\"a\": 1} x"), Ok(&b" {\"a\": 1}"[..]));
        assert_eq!(first(b"  "), Err("EOF".into()));
        assert_eq!(first(b"{\"a\""), Err("unexpected EOF".into()));
        assert_eq!(first(b"<html>"), Err("invalid character '<' looking for beginning of value".into()));
    }
}
