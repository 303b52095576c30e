//! go-toml 1's way through the characters of a file: where a key may stand and where a value, and what it stumbles over.

use super::token::{At, Kind, Token};

/// What may come next.
#[derive(Clone, Copy)]
enum Next {
    Statement,
    Value,
    End,
}

pub struct Lexer {
    input: Vec<char>,
    /// The next character to be read.
    pub(super) index: usize,
    /// Where the token begins that is being read, and the place that goes with it.
    from: usize,
    begin: At,
    start: At,
    pub(super) here: At,
    brackets: Vec<char>,
    tokens: Vec<Token>,
}

/// All tokens; the last is the end of the file, or what stopped the library.
pub fn tokens(text: &str) -> Vec<Token> {
    let first = At { line: 1, column: 1 };
    let mut lexer = Lexer {
        input: text.chars().collect(),
        index: 0,
        from: 0,
        begin: first,
        start: first,
        here: first,
        brackets: Vec::new(),
        tokens: Vec::new(),
    };
    let mut next = Next::Statement;
    loop {
        lexer.start = lexer.here;
        let step = match next {
            Next::Statement => lexer.statement(),
            Next::Value => lexer.value(),
            Next::End => return lexer.tokens,
        };
        next = step.unwrap_or_else(|words| {
            lexer.tokens.push(Token { kind: Kind::Error, text: words, at: lexer.begin, start: lexer.begin });
            Next::End
        });
    }
}

pub const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

pub const fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

impl Lexer {
    pub(super) fn peek(&self) -> Option<char> {
        self.input.get(self.index).copied()
    }

    /// How the library prints a character, or the want of one.
    pub(super) fn shown(c: Option<char>) -> String {
        c.map_or_else(|| '\u{fffd}'.to_string(), |c| c.to_string())
    }

    pub(super) fn follows(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(at, c)| self.input.get(self.index + at) == Some(&c))
    }

    pub(super) fn behind(&self, ahead: usize) -> Option<char> {
        self.input.get(self.index + ahead).copied()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.index += 1;
        if c == '\n' {
            self.here = At { line: self.here.line + 1, column: 1 };
        } else {
            self.here.column += 1;
        }
        Some(c)
    }

    pub(super) fn advance(&mut self, length: usize) {
        for _ in 0..length {
            self.next();
        }
    }

    /// What was read so far is no part of the token.
    pub(super) fn ignore(&mut self) {
        self.from = self.index;
        self.begin = self.here;
    }

    pub(super) fn skip(&mut self) {
        self.next();
        self.ignore();
    }

    pub(super) fn emit_text(&mut self, kind: Kind, text: String) {
        self.tokens.push(Token { kind, text, at: self.begin, start: self.start });
        self.ignore();
        self.start = self.here;
    }

    pub(super) fn emit(&mut self, kind: Kind) {
        let text = self.input.get(self.from..self.index).into_iter().flatten().collect();
        self.emit_text(kind, text);
    }

    fn take(&mut self, kind: Kind, length: usize) -> Next {
        self.advance(length);
        self.emit(kind);
        Next::Value
    }

    fn statement(&mut self) -> Result<Next, String> {
        let Some(c) = self.peek() else {
            self.emit(Kind::Eof);
            return Ok(Next::End);
        };
        match c {
            '}' => self.right_brace(),
            '[' => self.header(),
            '#' => Ok(self.comment(Next::Statement)),
            '=' => Ok(self.take(Kind::Equal, 1)),
            '\r' | '\n' | ' ' | '\t' => {
                self.skip();
                Ok(Next::Statement)
            }
            _ => self.key(),
        }
    }

    fn value(&mut self) -> Result<Next, String> {
        let Some(c) = self.peek() else {
            self.emit(Kind::Eof);
            return Ok(Next::End);
        };
        for (word, kind) in
            [("true", Kind::True), ("false", Kind::False), ("inf", Kind::Infinite), ("nan", Kind::NotANumber)]
        {
            if self.follows(word) {
                return Ok(self.take(kind, word.len()));
            }
        }
        match c {
            '.' => Err("cannot start float with a dot".into()),
            '=' => Ok(self.take(Kind::Equal, 1)),
            '[' | '{' => {
                self.brackets.push(c);
                self.take(if c == '[' { Kind::LeftBracket } else { Kind::LeftBrace }, 1);
                Ok(if c == '[' { Next::Value } else { Next::Statement })
            }
            ']' => {
                self.take(Kind::RightBracket, 1);
                self.close('[', "cannot have ']' here")
            }
            '}' => self.right_brace(),
            '#' => Ok(self.comment(Next::Value)),
            '"' | '\'' => {
                self.string(c)?;
                Ok(Next::Value)
            }
            ',' => {
                self.take(Kind::Comma, 1);
                Ok(if self.brackets.last() == Some(&'{') { Next::Statement } else { Next::Value })
            }
            '\r' | '\n' => {
                self.skip();
                Ok(if self.brackets.last() == Some(&'[') { Next::Value } else { Next::Statement })
            }
            c if is_space(c) => {
                self.skip();
                Ok(Next::Value)
            }
            '+' | '-' | '0'..='9' => {
                self.number_or_time(c)?;
                Ok(Next::Value)
            }
            c => Err(format!("no value can start with {c}")),
        }
    }

    fn close(&mut self, opened: char, words: &str) -> Result<Next, String> {
        if self.brackets.last() != Some(&opened) {
            return Err(words.into());
        }
        self.brackets.pop();
        Ok(Next::Value)
    }

    fn right_brace(&mut self) -> Result<Next, String> {
        self.take(Kind::RightBrace, 1);
        self.close('{', "cannot have '}' here")
    }

    fn comment(&mut self, then: Next) -> Next {
        while self.peek().is_some_and(|c| c != '\n') && !self.follows("\r\n") {
            self.next();
        }
        self.ignore();
        then
    }

    /// What is between the brackets of a header is taken as it is, up to the first bracket, quotes or none.
    fn header(&mut self) -> Result<Next, String> {
        let array = self.behind(1) == Some('[');
        let (opening, kind, what) = if array {
            (Kind::DoubleLeftBracket, Kind::ArrayHeader, "table array key")
        } else {
            (Kind::LeftBracket, Kind::Header, "table key")
        };
        self.take(opening, if array { 2 } else { 1 });
        while let Some(c) = self.peek() {
            match c {
                ']' => {
                    if self.index > self.from {
                        self.emit(kind);
                    }
                    self.next();
                    if !array {
                        self.emit(Kind::RightBracket);
                        return Ok(Next::Statement);
                    }
                    if self.peek() == Some(']') {
                        self.next();
                        self.emit(Kind::DoubleRightBracket);
                        return Ok(Next::Statement);
                    }
                }
                '[' => return Err(format!("{what} cannot contain ']'")),
                _ => drop(self.next()),
            }
        }
        Err(format!("unclosed {what}"))
    }

    /// A key without its escapes, but with its quotes.
    fn key(&mut self) -> Result<Next, String> {
        let mut key = String::new();
        while let Some(c) = self.peek().filter(|c| *c != '=') {
            match c {
                '"' | '\'' => {
                    self.next();
                    let text = if c == '"' { self.quoted("\"", true) } else { self.literal("'") }?;
                    key.extend([c].into_iter().chain(text.chars()).chain([c]));
                    self.next();
                }
                '\n' => return Err("keys cannot contain new lines".into()),
                c if is_space(c) => {
                    let Some(dot) = self.spaces_around_dot() else { break };
                    key.push_str(&dot);
                }
                c if c == '.' || is_bare(c) => {
                    key.push(c);
                    self.next();
                }
                c => return Err(format!("keys cannot contain {c} character")),
            }
        }
        self.emit_text(Kind::Key, key);
        Ok(Next::Statement)
    }

    /// `None`: the key ends before the blanks.
    fn spaces_around_dot(&mut self) -> Option<String> {
        let mut text = String::new();
        while let Some(c) = self.peek().filter(|c| is_space(*c)) {
            text.push(c);
            self.next();
        }
        if self.peek() != Some('.') {
            return None;
        }
        text.push('.');
        self.next();
        while let Some(c) = self.peek().filter(|c| is_space(*c)) {
            text.push(c);
            self.next();
        }
        Some(text)
    }
}
