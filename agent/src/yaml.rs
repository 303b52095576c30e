//! YAML as a tree whose every key and value knows its line and column.
//!
//! Anchors, aliases, tags and several documents are refused: what we read needs none of them, and
//! without them a small file cannot become a large tree.

use std::borrow::Cow;

use go::place::Position;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};

/// The longest file, in bytes.
pub const SIZE_LIMIT: usize = 1 << 20;
/// The deepest nesting: that of the settings is five.
const DEPTH_LIMIT: usize = 16;
/// The most pieces in all: some hundred targets have a thousand.
const NODE_LIMIT: usize = 10_000;
/// The most keys of one mapping.
const KEY_LIMIT: usize = 100;

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub at: Position,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `plain`: written without quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    pub at: Position,
    pub name: String,
}

/// Why there is no tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub at: Position,
    pub found: String,
    pub allowed: &'static str,
}

impl Node {
    /// Nothing was written: `key:`, `~` or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"))
    }
}

/// The one document of a file. `None`: there is none.
pub fn load(text: &str) -> Result<Option<Node>, Fault> {
    if text.len() > SIZE_LIMIT {
        return Err(Fault {
            at: Position::START,
            found: format!("{} bytes", text.len()),
            allowed: "at most 1048576 bytes",
        });
    }
    let text = &*with_line_feeds(text);
    build(text).map_err(|fault| Fault { at: within(fault.at, text), ..fault })
}

/// A carriage return alone ends a line, too (YAML 1.2, section 5.4); the parser counts it as one in some places only.
fn with_line_feeds(text: &str) -> Cow<'_, str> {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n").into() } else { text.into() }
}

fn build(text: &str) -> Result<Option<Node>, Fault> {
    let mut builder = Builder::default();
    let end = end_of(text);
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| malformed(&error))?;
        builder.take(event, not_behind(end, position_of(span.start)))?;
    }
    Ok(builder.root)
}

fn malformed(error: &ScanError) -> Fault {
    Fault { at: position_of(*error.marker()), found: error.info().to_owned(), allowed: "well-formed YAML" }
}

fn position_of(marker: Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

/// Behind the last character.
fn end_of(text: &str) -> Position {
    let last = text.rsplit('\n').next().unwrap_or_default();
    Position { line: text.split('\n').count(), column: last.chars().count() + 1 }
}

/// The parser counts a line behind the end of a text that ends without a line break.
const fn not_behind(end: Position, at: Position) -> Position {
    if at.line > end.line { end } else { at }
}

/// It also takes more characters than editors do for the end of a line.
fn within(at: Position, text: &str) -> Position {
    let at = not_behind(end_of(text), at);
    let length = text.split('\n').nth(at.line.saturating_sub(1)).map_or(0, |line| line.chars().count());
    Position { column: at.column.min(length + 1), ..at }
}

fn fault(at: Position, found: impl Into<String>, allowed: &'static str) -> Fault {
    Fault { at, found: found.into(), allowed }
}

/// Puts events together, without recursion.
#[derive(Default)]
struct Builder {
    root: Option<Node>,
    /// Collections that are still open, outermost first.
    open: Vec<Open>,
    nodes: usize,
}

struct Open {
    at: Position,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    /// The key that waits for its value, last.
    Map(Vec<(Key, Node)>, Option<Key>),
}

impl Builder {
    fn take(&mut self, event: Event<'_>, at: Position) -> Result<(), Fault> {
        match event {
            Event::Alias(_) => Err(fault(at, "an alias (`*name`)", "the value itself, written out")),
            Event::Scalar(_, _, anchor, _) | Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _)
                if anchor > 0 =>
            {
                Err(fault(at, "an anchor (`&name`)", "the value itself"))
            }
            Event::Scalar(_, _, _, Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                Err(fault(at, "a tag (`!name`)", "the value itself"))
            }
            Event::Scalar(text, style, ..) => {
                let plain = style == ScalarStyle::Plain;
                self.add(Node { at, value: Value::Scalar { text: text.into_owned(), plain } })
            }
            Event::SequenceStart(..) => self.open(at, Items::List(Vec::new())),
            Event::MappingStart(..) => self.open(at, Items::Map(Vec::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::DocumentStart(_) if self.root.is_some() => Err(fault(at, "a second document", "one document")),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn open(&mut self, at: Position, items: Items) -> Result<(), Fault> {
        if self.open.len() >= DEPTH_LIMIT {
            return Err(fault(at, "deeper nesting", "at most 16 levels"));
        }
        self.open.push(Open { at, items });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Fault> {
        let Some(Open { at, items }) = self.open.pop() else { return Ok(()) };
        let value = match items {
            Items::List(list) => Value::List(list),
            Items::Map(map, _) => Value::Map(map),
        };
        self.add(Node { at, value })
    }

    fn add(&mut self, node: Node) -> Result<(), Fault> {
        self.nodes += 1;
        if self.nodes > NODE_LIMIT {
            return Err(fault(node.at, "more pieces", "at most 10000 keys, values and items in all"));
        }
        match self.open.last_mut().map(|open| &mut open.items) {
            None => self.root = Some(node),
            Some(Items::List(list)) => list.push(node),
            Some(Items::Map(map, waiting)) => match waiting.take() {
                Some(key) => map.push((key, node)),
                None => *waiting = Some(key(node, map)?),
            },
        }
        Ok(())
    }
}

fn key(node: Node, others: &[(Key, Node)]) -> Result<Key, Fault> {
    let Value::Scalar { text, .. } = node.value else {
        return Err(fault(node.at, "a list or mapping as a key", "a name"));
    };
    if others.len() >= KEY_LIMIT {
        return Err(fault(node.at, "more keys", "at most 100 in one mapping"));
    }
    match others.iter().find(|(other, _)| other.name == text) {
        Some((other, _)) => {
            let shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
            let found = format!("`{shown}` again, first in line {}", other.at.line);
            Err(fault(node.at, found, "each key once"))
        }
        None => Ok(Key { at: node.at, name: text }),
    }
}
