//! TOML as go-toml 1 of containerd 1.x reads it, rewritten as TOML that everybody reads alike: it knows less of the
//! language's later additions, and overlooks much that the language forbids.

mod values;

#[cfg(test)]
mod tests;

use values::{closing, foreign, is_of_no_base, newer_escape, plain_number, unread_time};

/// The text in a form that means the same to a newer parser.
pub struct Rewritten {
    pub text: String,
    /// Where a stretch of the text begins, and where it stands in the file.
    stretches: Vec<(usize, usize)>,
}

/// What go-toml 1 does not read: the place in bytes, and its words.
pub type Refusal = (usize, String);

impl Rewritten {
    /// The place in the file of a place in the text.
    pub fn original(&self, offset: usize) -> usize {
        let after = self.stretches.partition_point(|(start, _)| *start <= offset);
        let before = after.checked_sub(1).and_then(|last| self.stretches.get(last));
        before.map_or(offset, |(start, at)| at + (offset - start))
    }
}

pub fn rewrite(source: &str) -> Result<Rewritten, Refusal> {
    let rewritten = Rewritten { text: String::with_capacity(source.len()), stretches: Vec::new() };
    let mut scanner = Scanner { source, at: 0, written: rewritten, open: Vec::new(), line: Line::Start };
    while let Some(c) = scanner.peek() {
        scanner.step(c)?;
    }
    Ok(scanner.written)
}

/// How far the statement has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Start,
    Key,
    /// `[` at the start of a line.
    Header,
    HeaderDone,
    Value,
    Done,
}

/// A bracket that is not closed yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Array,
    Table(Inline),
}

/// How far an inline table has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inline {
    Empty,
    Key,
    Equals,
    Value,
    /// A line ended behind a value.
    Wrapped,
    Comma,
}

struct Scanner<'a> {
    source: &'a str,
    at: usize,
    written: Rewritten,
    open: Vec<Open>,
    line: Line,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Writes something for the next bytes of the file.
    fn write(&mut self, text: &str, length: usize) {
        self.written.stretches.push((self.written.text.len(), self.at));
        self.written.text.push_str(text);
        self.at += length;
        self.written.stretches.push((self.written.text.len(), self.at));
    }

    fn copy(&mut self, length: usize) {
        let text = self.rest().get(..length).unwrap_or_default();
        self.written.text.push_str(text);
        self.at += length;
    }

    fn step(&mut self, c: char) -> Result<(), Refusal> {
        match c {
            '#' => self.comment(),
            '\n' => {
                self.copy(1);
                self.end_line()?;
            }
            '\r' if self.rest().starts_with("\r\n") => self.copy(1),
            '\r' => self.lone_return()?,
            ' ' | '\t' => self.copy(1),
            '"' | '\'' => self.string(c)?,
            '{' | '[' | '}' | ']' | ',' | '=' => self.punctuation(c)?,
            _ => self.bare()?,
        }
        Ok(())
    }

    fn comment(&mut self) {
        let length = self.rest().find('\n').unwrap_or(self.rest().len());
        let comment = self.rest().get(..length).unwrap_or_default();
        let kept = comment.strip_suffix('\r').filter(|_| length < self.rest().len()).unwrap_or(comment);
        if kept.chars().any(|c| c.is_control() && c != '\t') {
            self.write("#", kept.len());
        } else {
            self.copy(kept.len());
        }
    }

    /// Between statements and in arrays it counts as the end of a line.
    fn lone_return(&mut self) -> Result<(), Refusal> {
        let between =
            self.open.last().map_or(!matches!(self.line, Line::Key | Line::Header), |open| *open == Open::Array);
        let before_value = self.line == Line::Value && self.open.is_empty();
        if !between || before_value {
            return Err((self.at, "carriage return where a key or a value belongs".into()));
        }
        self.write("\n", 1);
        self.end_line()
    }

    fn end_line(&mut self) -> Result<(), Refusal> {
        let at = self.at - 1;
        match self.open.last_mut() {
            Some(Open::Table(Inline::Key)) => {
                return Err((at, "unexpected token type in inline table: keys cannot contain new lines".into()));
            }
            Some(Open::Table(Inline::Equals)) => return Err((at, "unhandled token".into())),
            Some(Open::Table(state @ Inline::Value)) => *state = Inline::Wrapped,
            Some(_) => {}
            None => self.line = Line::Start,
        }
        Ok(())
    }

    /// A header may have a statement, or another header, behind it on its line.
    fn begin(&mut self) {
        if self.line == Line::HeaderDone && self.open.is_empty() {
            self.write("\n", 0);
            self.line = Line::Start;
        }
    }

    fn punctuation(&mut self, c: char) -> Result<(), Refusal> {
        if self.open.is_empty() && c == '[' {
            self.begin();
        }
        match (c, self.open.last().copied()) {
            ('[', None) if self.line == Line::Start => self.line = Line::Header,
            ('[', None) if self.line == Line::Header => {}
            (']', None) if self.line == Line::Header && !self.rest().starts_with("]]") => self.line = Line::HeaderDone,
            ('=', None) => self.line = Line::Value,
            ('{', _) => self.open.push(Open::Table(Inline::Empty)),
            ('[', _) => self.open.push(Open::Array),
            ('=', Some(Open::Table(_))) => self.inline(Inline::Equals),
            (',', Some(Open::Table(Inline::Wrapped))) => {
                return Err((self.at, "unexpected token type in inline table: keys cannot contain , character".into()));
            }
            (',', Some(Open::Table(_))) => self.inline(Inline::Comma),
            ('}', Some(Open::Table(Inline::Comma))) => {
                return Err((self.at, "trailing comma at the end of inline table".into()));
            }
            ('}' | ']', Some(_)) => {
                self.open.pop();
                self.value_ends();
            }
            _ => {}
        }
        self.copy(1);
        Ok(())
    }

    fn inline(&mut self, state: Inline) {
        if let Some(Open::Table(now)) = self.open.last_mut() {
            *now = state;
        }
    }

    fn value_ends(&mut self) {
        match self.open.last_mut() {
            Some(Open::Table(state)) => *state = Inline::Value,
            Some(Open::Array) => {}
            None => self.line = Line::Done,
        }
    }

    /// Whether what comes next is a value; else it is a key, which is then begun.
    fn expects_value(&mut self) -> bool {
        match self.open.last_mut() {
            Some(Open::Table(Inline::Equals) | Open::Array) => true,
            Some(Open::Table(state)) => {
                *state = Inline::Key;
                false
            }
            None if self.line == Line::Value => true,
            None => {
                self.begin();
                if self.line == Line::Start {
                    self.line = Line::Key;
                }
                false
            }
        }
    }

    fn bare(&mut self) -> Result<(), Refusal> {
        let is_value = self.expects_value();
        let ends =
            |c: char| matches!(c, '#' | '\n' | '\r' | ' ' | '\t' | '"' | '\'' | '{' | '[' | '}' | ']' | ',' | '=');
        let length = self.rest().find(ends).unwrap_or(self.rest().len());
        let word = self.rest().get(..length).unwrap_or_default();
        if !is_value {
            self.copy(length);
            return Ok(());
        }
        let next = self.rest().get(length..).and_then(|rest| rest.chars().next());
        if let Some(why) = unread_time(word, next) {
            return Err((self.at, format!("parsing error: {why}")));
        }
        if is_of_no_base(word) {
            return Err((self.at, "invalid base".into()));
        }
        match plain_number(word) {
            Some(number) => self.write(&number, length),
            None => self.copy(length),
        }
        self.value_ends();
        Ok(())
    }

    fn string(&mut self, quote: char) -> Result<(), Refusal> {
        let is_value = self.expects_value();
        let three = if quote == '"' { "\"\"\"" } else { "'''" };
        let long = self.rest().starts_with(three);
        let opening = if long { 3 } else { 1 };
        let inside = self.rest().get(opening..).unwrap_or_default();
        let Some(length) = closing(inside, quote, long) else {
            // The end is missing: the parser has the words for it.
            self.copy(self.rest().len());
            return Ok(());
        };
        let content = inside.get(..length).unwrap_or_default();
        if quote == '"'
            && let Some(escape) = newer_escape(content)
        {
            return Err((self.at + opening, format!("invalid escape sequence: \\{escape}")));
        }
        let raw =
            |c: &char| c.is_ascii_control() && !matches!(c, '\t' | '\u{7f}') && !(long && matches!(c, '\n' | '\r'));
        if quote == '"'
            && let Some(c) = content.chars().find(raw)
        {
            return Err((self.at + opening, format!("unescaped control character U+{:04X}", u32::from(c))));
        }
        let whole = length + 2 * opening;
        let behind = self.rest().get(whole..).and_then(|rest| rest.chars().next());
        if long && is_value && behind == Some(quote) {
            return Err((self.at + whole, "unclosed string".into()));
        }
        match foreign(content, quote, long, is_value) {
            Some(text) => self.write(&text, whole),
            None => self.copy(whole),
        }
        if is_value {
            self.value_ends();
        }
        Ok(())
    }
}
