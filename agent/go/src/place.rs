//! A place in a file of the node: the file, and the line and column in it.

use std::fmt;
use std::sync::Arc;

/// A line and a column of a text, both 1-based.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Position {
    pub const START: Self = Self { line: 1, column: 1 };

    /// Where a line begins.
    pub const fn of_line(line: usize) -> Self {
        Self { line, column: 1 }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLocation {
    /// The path as on the node.
    pub file: Arc<str>,
    /// `None`: the whole file.
    pub position: Option<Position>,
}

impl SourceLocation {
    pub fn new(file: impl Into<Arc<str>>, position: Position) -> Self {
        Self { file: file.into(), position: Some(position) }
    }

    /// The file as a whole.
    pub fn whole(file: impl Into<Arc<str>>) -> Self {
        Self { file: file.into(), position: None }
    }

    /// Where it begins.
    pub fn start(&self) -> Position {
        self.position.unwrap_or(Position::START)
    }

    pub fn line(&self) -> usize {
        self.start().line
    }
}

/// `FILE:LINE`, as editors take it.
impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(position) => write!(f, "{}:{}", self.file, position.line),
            None => f.write_str(&self.file),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_as_editors_take_it() {
        assert_eq!(SourceLocation::new("/a:7", Position::of_line(3)).to_string(), "/a:7:3");
        assert_eq!(SourceLocation::whole("/a:7").to_string(), "/a:7");
        assert_eq!(SourceLocation::whole("/a").start(), Position::START);
    }
}
