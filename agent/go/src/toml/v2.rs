//! Which keys and tables go-toml 2 of containerd 2.x takes for defined twice, and its words for it.
//!
//! The language leaves room here, and the library sees some tables otherwise than others do. It looks at one statement
//! after the other, so that what stands before a syntax error is found first.

use std::collections::HashMap;

use toml_parser::Source;
use toml_parser::parser::{Event, EventKind, RecursionGuard, parse_document};

/// As deep as the reader that comes after looks.
const DEPTH_LIMIT: u32 = 80;

/// The place in bytes, and the library's words; `None` where one release refuses it, and another does not.
pub type Refusal = (usize, Option<String>);

/// Tables that containerd's files have. What is said twice below another one is only noticed by newer releases.
const TABLES: [&str; 11] = [
    "plugins",
    "grpc",
    "ttrpc",
    "debug",
    "metrics",
    "cgroup",
    "timeouts",
    "proxy_plugins",
    "stream_processors",
    "host",
    "header",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Value,
    Table,
    Tables,
}

#[derive(Debug)]
struct Entry {
    kind: Kind,
    /// It has a header, or the section is over in which dotted keys made it.
    closed: bool,
    /// Dotted keys made it.
    dotted: bool,
    /// The section it was made in.
    section: usize,
    children: HashMap<String, usize>,
}

/// A part of a key and its first byte.
type Part = (String, usize);

struct Seen {
    entries: Vec<Entry>,
    current: usize,
    section: usize,
    /// The section is of no table that containerd knows.
    strange: bool,
}

/// The first statement that defines anything twice.
pub fn defined_twice(text: &str) -> Option<Refusal> {
    let source = Source::new(text);
    let tokens = source.lex().into_vec();
    let mut events: Vec<Event> = Vec::new();
    let mut first_error: Option<usize> = None;
    let mut receiver = |event: Event| events.push(event);
    let mut guard = RecursionGuard::new(&mut receiver, DEPTH_LIMIT);
    let mut errors = |error: toml_parser::ParseError| {
        let at = error.unexpected().or_else(|| error.context()).map_or(0, |span| span.start());
        first_error = Some(first_error.map_or(at, |first| first.min(at)));
    };
    parse_document(&tokens, &mut guard, &mut errors);
    let end = first_error.unwrap_or(usize::MAX);
    let mut walk = Walk { source, events: events.into_iter().peekable(), end };
    walk.statements().err()
}

struct Walk<'a, I: Iterator<Item = Event>> {
    source: Source<'a>,
    events: std::iter::Peekable<I>,
    /// Where the text stops to be TOML.
    end: usize,
}

impl<I: Iterator<Item = Event>> Walk<'_, I> {
    fn statements(&mut self) -> Result<(), Refusal> {
        let mut seen = Seen::new();
        while let Some(event) = self.events.next() {
            if event.span().start() >= self.end {
                return Ok(());
            }
            match event.kind() {
                EventKind::StdTableOpen => {
                    let key = self.key();
                    seen.header(&key)?;
                }
                EventKind::ArrayTableOpen => {
                    let key = self.key();
                    seen.array_header(&key)?;
                }
                EventKind::SimpleKey => {
                    let key = self.key_from(event);
                    self.key_value(&mut seen, &key)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The value is looked at before its key is: a statement counts when it is whole.
    fn key_value(&mut self, seen: &mut Seen, key: &[Part]) -> Result<(), Refusal> {
        let mut inner: Vec<Seen> = Vec::new();
        let mut fault = None;
        while let Some(next) = self.events.peek() {
            if next.span().start() >= self.end {
                return Ok(());
            }
            match next.kind() {
                EventKind::Newline if inner.is_empty() => break,
                EventKind::StdTableOpen | EventKind::ArrayTableOpen => break,
                _ => {}
            }
            let Some(event) = self.events.next() else { break };
            match event.kind() {
                EventKind::InlineTableOpen | EventKind::ArrayOpen => inner.push(Seen::new()),
                EventKind::InlineTableClose | EventKind::ArrayClose => drop(inner.pop()),
                EventKind::SimpleKey => {
                    let part = self.key_from(event);
                    if let Some(table) = inner.last_mut() {
                        // The library places it at the statement's own key.
                        let at = key.first().map_or(0, |(_, at)| *at);
                        fault = fault.or(table.key_value(&part).err().map(|(_, words)| (at, words)));
                    }
                }
                _ => {}
            }
        }
        seen.key_value(key)?;
        fault.map_or(Ok(()), Err)
    }

    fn key(&mut self) -> Vec<Part> {
        while let Some(event) = self.events.next() {
            match event.kind() {
                EventKind::SimpleKey => return self.key_from(event),
                EventKind::Whitespace => {}
                _ => break,
            }
        }
        Vec::new()
    }

    fn key_from(&mut self, first: Event) -> Vec<Part> {
        let mut parts = vec![self.part(first)];
        while let Some(event) = self
            .events
            .next_if(|e| matches!(e.kind(), EventKind::SimpleKey | EventKind::KeySep | EventKind::Whitespace))
        {
            if event.kind() == EventKind::SimpleKey {
                parts.push(self.part(event));
            }
        }
        parts
    }

    fn part(&self, event: Event) -> Part {
        let mut name = String::new();
        if let Some(raw) = self.source.get(event) {
            raw.decode_key(&mut name, &mut ());
        }
        (name, event.span().start())
    }
}

impl Seen {
    fn new() -> Self {
        let root = Entry { kind: Kind::Table, closed: false, dotted: false, section: 0, children: HashMap::new() };
        Self { entries: vec![root], current: 0, section: 0, strange: false }
    }

    fn begin(&mut self, key: &[Part]) {
        self.section += 1;
        self.strange =
            key.first().is_some_and(|(name, _)| !TABLES.iter().any(|table| name.eq_ignore_ascii_case(table)));
    }

    fn find(&self, parent: usize, name: &str) -> Option<usize> {
        self.entries.get(parent)?.children.get(name).copied()
    }

    fn create(&mut self, parent: usize, name: &str, kind: Kind, closed: bool, dotted: bool) -> usize {
        let new = self.entries.len();
        let section = self.section;
        self.entries.push(Entry { kind, closed, dotted, section, children: HashMap::new() });
        if let Some(entry) = self.entries.get_mut(parent) {
            entry.children.insert(name.to_owned(), new);
        }
        new
    }

    fn entry(&self, at: usize) -> (Kind, bool, bool) {
        self.entries.get(at).map_or((Kind::Value, true, false), |entry| {
            (entry.kind, entry.closed || (entry.dotted && entry.section != self.section), entry.dotted)
        })
    }

    /// The table above a header's last part, made where it is not there.
    fn above(&mut self, key: &[Part]) -> Result<usize, Refusal> {
        let at = key.first().map_or(0, |(_, at)| *at);
        let mut parent = 0;
        for (name, _) in key.split_last().map_or(&[] as &[Part], |(_, above)| above) {
            parent = match self.find(parent, name) {
                None => self.create(parent, name, Kind::Table, false, false),
                Some(found) if self.entry(found).0 == Kind::Value => {
                    return Err((at, Some(format!("key {name} already exists as a value"))));
                }
                Some(found) => found,
            };
        }
        Ok(parent)
    }

    fn header(&mut self, key: &[Part]) -> Result<(), Refusal> {
        self.begin(key);
        let Some((last, _)) = key.last() else { return Ok(()) };
        let at = key.first().map_or(0, |(_, at)| *at);
        let parent = self.above(key)?;
        self.current = match self.find(parent, last) {
            None => self.create(parent, last, Kind::Table, true, false),
            Some(found) => match self.entry(found) {
                (Kind::Value, ..) => return Err((at, Some(format!("key {last} should be a table, not a value")))),
                (Kind::Tables, ..) => {
                    return Err((at, Some(format!("table {last} already exists as an array of tables"))));
                }
                (Kind::Table, true, true) => {
                    return Err((at, Some(format!("table {last} already exists as defined by a dotted key"))));
                }
                (Kind::Table, true, false) => return Err((at, Some(format!("table {last} already exists")))),
                (Kind::Table, false, _) => {
                    if let Some(entry) = self.entries.get_mut(found) {
                        entry.closed = true;
                    }
                    found
                }
            },
        };
        Ok(())
    }

    fn array_header(&mut self, key: &[Part]) -> Result<(), Refusal> {
        self.begin(key);
        let Some((last, _)) = key.last() else { return Ok(()) };
        let at = key.first().map_or(0, |(_, at)| *at);
        let parent = self.above(key)?;
        self.current = match self.find(parent, last) {
            None => self.create(parent, last, Kind::Tables, true, false),
            Some(found) => {
                let kind = match self.entry(found).0 {
                    Kind::Tables => None,
                    Kind::Table => Some("table"),
                    Kind::Value => Some("value"),
                };
                if let Some(kind) = kind {
                    return Err((
                        at,
                        Some(format!("key {last} already exists as a {kind}, but should be an array table")),
                    ));
                }
                if let Some(entry) = self.entries.get_mut(found) {
                    entry.children.clear();
                }
                found
            }
        };
        Ok(())
    }

    fn key_value(&mut self, key: &[Part]) -> Result<(), Refusal> {
        let at = key.first().map_or(0, |(_, at)| *at);
        let mut parent = self.current;
        for (index, (name, _)) in key.iter().enumerate() {
            parent = match self.find(parent, name) {
                None => self.create(parent, name, Kind::Table, false, true),
                Some(found) => {
                    let (kind, closed, dotted) = self.entry(found);
                    if index + 1 == key.len() || kind != Kind::Table || closed {
                        let words = format!("key {name} is already defined");
                        return Err((at, Some(words).filter(|_| !self.strange)));
                    }
                    // A header below made it.
                    if !dotted {
                        return Err((at, None));
                    }
                    found
                }
            };
        }
        if let Some(entry) = self.entries.get_mut(parent) {
            entry.kind = Kind::Value;
        }
        Ok(())
    }
}
