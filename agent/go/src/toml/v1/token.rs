//! What go-toml 1 takes a file apart into.

use crate::place::Position;

/// In the library's own order and under its own names, which show in its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Error,
    Eof,
    Key,
    String,
    Integer,
    True,
    False,
    Float,
    Infinite,
    NotANumber,
    Equal,
    LeftBracket,
    RightBracket,
    LeftBrace,
    RightBrace,
    DoubleLeftBracket,
    DoubleRightBracket,
    Date,
    Time,
    Offset,
    Header,
    ArrayHeader,
    Comma,
}

impl Kind {
    /// The two double brackets have each other's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "Error",
            Self::Eof => "EOF",
            Self::Key => "Key",
            Self::String => "String",
            Self::Integer => "Integer",
            Self::True => "True",
            Self::False => "False",
            Self::Float => "Float",
            Self::Infinite => "Inf",
            Self::NotANumber => "NaN",
            Self::Equal => "=",
            Self::LeftBracket => "[",
            Self::RightBracket => "]",
            Self::LeftBrace => "{",
            Self::RightBrace => "}",
            Self::DoubleLeftBracket => "]]",
            Self::DoubleRightBracket => "[[",
            Self::Date => "LocalDate",
            Self::Time => "LocalTime",
            Self::Offset => "TimeOffset",
            Self::Header => "KeyGroup",
            Self::ArrayHeader => "KeyGroupArray",
            Self::Comma => ",",
        }
    }
}

/// A line and a column, 1-based; 0 where the library keeps none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    pub line: usize,
    pub column: usize,
}

impl At {
    /// The first where the library keeps none.
    pub fn position(self) -> Position {
        Position { line: self.line.max(1), column: self.column.max(1) }
    }
}

#[derive(Clone, Debug)]
pub struct Token {
    pub kind: Kind,
    pub text: String,
    /// Where the library says it is.
    pub at: At,
    /// Where it begins, quotes and all.
    pub start: At,
}

impl Token {
    /// As the library's messages show it.
    pub fn shown(&self) -> String {
        match self.kind {
            Kind::Eof => "EOF".into(),
            Kind::Error => self.text.clone(),
            _ => crate::text::quote(&self.text),
        }
    }
}
