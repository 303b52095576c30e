//! Why a text is no JSON, in the words of Go's `encoding/json`: errors of containerd show them.

pub mod decode;
pub mod target;

/// The first fault of `text`; `""` when Go finds none.
pub fn error(text: &[u8]) -> String {
    let mut scanner = Scanner { text, at: 0 };
    match scanner.value("looking for beginning of value", 0).and_then(|()| scanner.end()) {
        Ok(()) => String::new(),
        Err(Fault::End) => "unexpected end of JSON input".into(),
        Err(Fault::Character(c, context)) => format!("invalid character {} {context}", quote(c)),
        Err(Fault::TooDeep) => "exceeded max depth".into(),
    }
}

enum Fault {
    End,
    Character(u8, String),
    TooDeep,
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

/// Go's own limit is 10,000; the recursion here stays well below any stack's end.
const DEPTH_LIMIT: usize = 200;

impl Scanner<'_> {
    fn value(&mut self, context: &str, depth: usize) -> Result<(), Fault> {
        if depth > DEPTH_LIMIT {
            return Err(Fault::TooDeep);
        }
        match self.skip_space()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(self.wrong(context)),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), Fault> {
        self.at += 1;
        if self.skip_space()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            if self.skip_space()? != b'"' {
                return Err(self.wrong("looking for beginning of object key string"));
            }
            self.string()?;
            if self.skip_space()? != b':' {
                return Err(self.wrong("after object key"));
            }
            self.at += 1;
            self.value("looking for beginning of value", depth + 1)?;
            match self.skip_space()? {
                b',' => self.at += 1,
                b'}' => break,
                _ => return Err(self.wrong("after object key:value pair")),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), Fault> {
        self.at += 1;
        if self.skip_space()? == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value("looking for beginning of value", depth + 1)?;
            match self.skip_space()? {
                b',' => self.at += 1,
                b']' => break,
                _ => return Err(self.wrong("after array element")),
            }
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
        b'\n' => "'\\n'".into(),
        b'\r' => "'\\r'".into(),
        b'\t' => "'\\t'".into(),
        0..=0x1f | 0x7f => format!("'\\x{c:02x}'"),
        // Go turns the byte into the character of that number.
        c => format!("'{}'", char::from(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::error;

    #[test]
    fn faults_read_as_go_writes_them() {
        assert_eq!(error(b"not json"), "invalid character 'o' in literal null (expecting 'u')");
        assert_eq!(error(b"<html>"), "invalid character '<' looking for beginning of value");
        assert_eq!(error(b"{\"a\":1"), "unexpected end of JSON input");
        assert_eq!(error(b""), "unexpected end of JSON input");
        assert_eq!(error(b"{a:1}"), "invalid character 'a' looking for beginning of object key string");
        assert_eq!(error(b"{} x"), "invalid character 'x' after top-level value");
        assert_eq!(error(b"{\"a\":[1,{}]}"), "");
        assert_eq!(error(b"[0, -0.5e+1, 10E2, \"\\ud800\"]"), "");
        assert_eq!(error(b"01"), "invalid character '1' after top-level value");
        assert_eq!(error(b"[1.]"), "invalid character ']' after decimal point in numeric literal");
        assert_eq!(error(b"[1e]"), "invalid character ']' in exponent of numeric literal");
        assert_eq!(error(b"\"\\u12g4\""), "invalid character 'g' in \\u hexadecimal character escape");
    }
}
