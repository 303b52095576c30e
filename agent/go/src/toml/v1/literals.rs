//! Strings, numbers and times as go-toml 1 takes them.

use super::lexer::Lexer;
use super::token::Kind;

impl Lexer {
    pub(super) fn string(&mut self, quote: char) -> Result<(), String> {
        self.skip();
        let twice = [quote, quote].iter().collect::<String>();
        let long = self.follows(&twice);
        let terminator = if long { format!("{quote}{twice}") } else { quote.to_string() };
        if long {
            self.skip();
            self.skip();
            self.leave_out_first_line_end();
        }
        let text = if quote == '"' { self.quoted(&terminator, long) } else { self.literal(&terminator) }?;
        self.emit_text(Kind::String, text);
        self.advance(terminator.len());
        self.ignore();
        Ok(())
    }

    fn leave_out_first_line_end(&mut self) {
        if self.follows("\r\n") {
            self.skip();
            self.skip();
        } else if self.peek() == Some('\n') {
            self.skip();
        }
    }

    pub(super) fn literal(&mut self, terminator: &str) -> Result<String, String> {
        let mut text = String::new();
        while !self.follows(terminator) {
            text.push(self.next().ok_or("unclosed string")?);
        }
        Ok(text)
    }

    pub(super) fn quoted(&mut self, terminator: &str, takes_line_ends: bool) -> Result<String, String> {
        let mut text = String::new();
        while !self.follows(terminator) {
            match self.peek() {
                Some('\\') => {
                    self.next();
                    self.escape(&mut text)?;
                }
                Some(c) => {
                    let allowed = c == '\t' || (takes_line_ends && matches!(c, '\n' | '\r'));
                    if c < ' ' && !allowed {
                        return Err(format!("unescaped control character U+{:04X}", u32::from(c)));
                    }
                    text.push(c);
                    self.next();
                }
                None => return Err("unclosed string".into()),
            }
            if self.peek().is_none() {
                return Err("unclosed string".into());
            }
        }
        Ok(text)
    }

    fn escape(&mut self, text: &mut String) -> Result<(), String> {
        let c = self.peek();
        match c {
            Some('\r' | '\n' | '\t' | ' ') => {
                while self.peek().is_some_and(|c| matches!(c, '\r' | '\n' | '\t' | ' ')) {
                    self.next();
                }
                return Ok(());
            }
            Some('u') => return self.code_point(4, text),
            Some('U') => return self.code_point(8, text),
            Some('"' | '/' | '\\') => text.extend(c),
            Some('n') => text.push('\n'),
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            c => return Err(format!("invalid escape sequence: \\{}", Self::shown(c))),
        }
        self.next();
        Ok(())
    }

    fn code_point(&mut self, digits: usize, text: &mut String) -> Result<(), String> {
        self.next();
        let mut code = 0_u32;
        for _ in 0..digits {
            let digit = self.peek().and_then(|c| c.to_digit(16)).ok_or("unfinished unicode escape")?;
            code = (code << 4) | digit;
            self.next();
        }
        text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        Ok(())
    }

    pub(super) fn number_or_time(&mut self, first: char) -> Result<(), String> {
        let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let leading = (0..5).take_while(|at| is_digit(self.behind(*at))).count();
        match self.behind(leading) {
            Some(':') if leading == 2 => {
                self.clock()?;
                self.emit(Kind::Time);
                Ok(())
            }
            Some('-') if leading == 4 => self.date(),
            _ if first == '0' && self.behind(1).is_some_and(|c| c.is_ascii_alphabetic()) => self.of_base(),
            _ => self.number(first),
        }
    }

    fn of_base(&mut self) -> Result<(), String> {
        let base = match self.behind(1) {
            Some('x') => 16,
            Some('o') => 8,
            Some('b') => 2,
            other => {
                return Err(format!(
                    "unknown number base: {}. possible options are x (hex) o (octal) b (binary)",
                    Self::shown(other)
                ));
            }
        };
        self.next();
        self.next();
        let mut seen = false;
        while self.peek().is_some_and(|c| c == '_' || c.is_digit(base)) {
            seen = true;
            self.next();
        }
        if !seen {
            return Err("number needs at least one digit".into());
        }
        self.emit(Kind::Integer);
        Ok(())
    }

    fn number(&mut self, first: char) -> Result<(), String> {
        if matches!(first, '+' | '-') {
            self.next();
            for (word, kind) in [("inf", Kind::Infinite), ("nan", Kind::NotANumber)] {
                if self.follows(word) {
                    self.advance(3);
                    self.emit(kind);
                    return Ok(());
                }
            }
        }
        let (mut point, mut exponent, mut digit) = (false, false, false);
        loop {
            match self.peek() {
                Some('.') if point => return Err("cannot have two dots in one float".into()),
                Some('.') => {
                    self.next();
                    if !self.peek().is_some_and(|c| c.is_ascii_digit()) {
                        return Err("float cannot end with a dot".into());
                    }
                    point = true;
                }
                Some('e' | 'E') => {
                    exponent = true;
                    self.next();
                    if matches!(self.peek(), Some('+' | '-')) {
                        self.next();
                    }
                }
                Some(c) if c.is_ascii_digit() || c == '_' => {
                    digit |= c != '_';
                    self.next();
                }
                _ => break,
            }
            if point && !digit {
                return Err("cannot start float with a dot".into());
            }
        }
        if !digit {
            return Err("no digit in that number".into());
        }
        self.emit(if point || exponent { Kind::Float } else { Kind::Integer });
        Ok(())
    }

    fn two_digits(&mut self, what: &str) -> Result<(), String> {
        for _ in 0..2 {
            let c = self.next();
            if !c.is_some_and(|c| c.is_ascii_digit()) {
                return Err(format!("invalid {what}: {}", Self::shown(c)));
            }
        }
        Ok(())
    }

    fn colon(&mut self, what: &str) -> Result<(), String> {
        match self.next() {
            Some(':') => Ok(()),
            c => Err(format!("{what} separator should be :, not {}", Self::shown(c))),
        }
    }

    /// `07:32:00` and its fraction.
    fn clock(&mut self) -> Result<(), String> {
        self.two_digits("hour digit in time")?;
        self.colon("time hour/minute")?;
        self.two_digits("minute digit in time")?;
        self.colon("time minute/second")?;
        self.two_digits("second digit in time")?;
        if self.peek() == Some('.') {
            self.next();
            let c = self.next();
            if !c.is_some_and(|c| c.is_ascii_digit()) {
                return Err(format!("expected at least one digit in time's fraction, not {}", Self::shown(c)));
            }
            while self.peek().is_some_and(|c| c.is_ascii_digit()) {
                self.next();
            }
        }
        Ok(())
    }

    fn date(&mut self) -> Result<(), String> {
        self.advance(5);
        self.two_digits("month digit in date")?;
        match self.next() {
            Some('-') => {}
            c => return Err(format!("expected - to separate month of a date, not {}", Self::shown(c))),
        }
        self.two_digits("day digit in date")?;
        self.emit(Kind::Date);
        match self.peek() {
            None => return Ok(()),
            Some('T') => {}
            Some(' ') => {
                let time = [1, 2].iter().all(|at| self.behind(*at).is_some_and(|c| c.is_ascii_digit()));
                if !time {
                    return Ok(());
                }
            }
            c => return Err(format!("incorrect date/time separation character: {}", Self::shown(c))),
        }
        self.skip();
        self.clock()?;
        self.emit(Kind::Time);
        match self.peek() {
            Some('Z') => drop(self.next()),
            Some('+' | '-') => {
                self.next();
                self.two_digits("hour digit in time offset")?;
                match self.next() {
                    Some(':') => {}
                    c => {
                        return Err(format!("time offset hour/minute separator should be :, not {}", Self::shown(c)));
                    }
                }
                self.two_digits("minute digit in time offset")?;
            }
            _ => return Ok(()),
        }
        self.emit(Kind::Offset);
        Ok(())
    }
}
