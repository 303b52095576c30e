//! TOML as go-toml 1 and go-toml 2 read it, with the line and column of every key and value.
//!
//! Trees of several files can be merged and still tell where each value came from. It knows nothing
//! of containerd's keys.

pub mod v1;
pub mod v2;
pub mod weight;

use std::cell::Cell;
use std::sync::Arc;

use toml_edit::{Document, Item, TableLike};

use crate::place::{Position, SourceLocation};
use v1::Why;

/// Which library read the file: go-toml 1 (containerd 1.x) or 2 (containerd 2.x).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    One,
    Two,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime,
    Array(Vec<Value>),
    Table(Table),
}

/// A value with the place of its key and its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    pub data: Data,
    /// Of an array's item: the item's own place.
    pub key: SourceLocation,
    pub at: SourceLocation,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// In the order of the file.
    pub entries: Vec<(String, Value)>,
    /// The rank of its `[header]` among the file's. `None`: inline, dotted, or only implied by
    /// the header of a table below it.
    pub header: Option<isize>,
    /// `{ … }`: go-toml 1 forgets where it stands.
    pub inline: bool,
}

/// Why a file is no TOML, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    pub at: Position,
    pub message: String,
    pub certainty: Certainty,
}

/// What the reader of TOML in pullprobe says where it gives up. go-toml 2 has no such limits.
const OWN_LIMITS: [&str; 2] = ["recursion limit", "max recursion depth"];

/// How much of a refusal is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// The message has the library's words.
    Words,
    /// The library refuses the file, and the message is ours.
    Refused,
    /// One build of the library reads it, and another does not; or nobody has asked one.
    Unknown,
}

impl Dialect {
    /// Whether a key is taken for a field of that name: go-toml 2 overlooks case, go-toml 1 knows
    /// capitals only throughout.
    fn takes(self, key: &str, field: &str) -> bool {
        match self {
            Self::One => key == field || key == field.to_ascii_uppercase(),
            Self::Two => key.eq_ignore_ascii_case(field),
        }
    }
}

impl Table {
    /// The value of a key, spelt exactly: how maps are read.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The value of a field, spelt as the dialect allows: how structs are read.
    pub fn field(&self, name: &str, dialect: Dialect) -> Option<&Value> {
        self.get(name).or_else(|| self.entries.iter().find(|(key, _)| dialect.takes(key, name)).map(|(_, value)| value))
    }

    pub fn table(&self, key: &str) -> Option<&Self> {
        self.get(key).and_then(Value::as_table)
    }

    /// Walks down tables by exact keys.
    pub fn path(&self, keys: &[&str]) -> Option<&Value> {
        let (last, above) = keys.split_last()?;
        above.iter().try_fold(self, |table, key| table.table(key))?.get(last)
    }

    pub fn set(&mut self, key: &str, value: Value) {
        match self.entries.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value,
            None => self.entries.push((key.to_owned(), value)),
        }
    }

    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let index = self.entries.iter().position(|(name, _)| name == key)?;
        Some(self.entries.remove(index).1)
    }

    /// Lays another table over this one: tables key by key, all else replaced.
    pub fn merge(&mut self, over: Self) {
        for (key, value) in over.entries {
            let old = self.entries.iter_mut().find(|(name, _)| *name == key).map(|(_, old)| &mut old.data);
            match (old, value) {
                (Some(Data::Table(below)), Value { data: Data::Table(table), .. }) => below.merge(table),
                (_, value) => self.set(&key, value),
            }
        }
    }
}

impl Value {
    pub const fn as_table(&self) -> Option<&Table> {
        match &self.data {
            Data::Table(table) => Some(table),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.data {
            Data::String(text) => Some(text),
            _ => None,
        }
    }

    /// The word for the value's type in go-toml 2's messages.
    pub const fn kind(&self) -> &'static str {
        match self.data {
            Data::String(_) => "string",
            Data::Integer(_) => "integer",
            Data::Float(_) => "float",
            Data::Boolean(_) => "boolean",
            Data::Datetime => "datetime",
            Data::Array(_) => "array",
            Data::Table(_) => "table",
        }
    }
}

/// Reads a file as the given library would: go-toml 1 takes any bytes, its successor only UTF-8. Neither has a limit.
pub fn read(bytes: &[u8], file: &str, dialect: Dialect) -> Result<Table, SyntaxError> {
    if weight::weight(bytes) > weight::MOST {
        let message = "it has more keys and values than pullprobe keeps of a file".into();
        return Err(SyntaxError { at: Position::START, message, certainty: Certainty::Unknown });
    }
    let bytes = if dialect == Dialect::One { without_mark(bytes) } else { bytes };
    let text = match (std::str::from_utf8(bytes), dialect) {
        (Ok(text), _) => text.into(),
        (Err(_), Dialect::One) => String::from_utf8_lossy(bytes),
        (Err(error), Dialect::Two) => {
            let before = String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
            let place = Source::new(&before, file).place(before.len());
            return Err(SyntaxError {
                at: place.start(),
                message: "it holds bytes that are no UTF-8".into(),
                certainty: Certainty::Refused,
            });
        }
    };
    parse(&text, file, dialect)
}

/// go-toml 1 passes over the byte order mark of any encoding, and reads on as if it were UTF-8.
fn without_mark(bytes: &[u8]) -> &[u8] {
    let marks: [&[u8]; 4] = [&[0, 0, 0xfe, 0xff], &[0xff, 0xfe, 0, 0], &[0xfe, 0xff], &[0xff, 0xfe]];
    marks.iter().find_map(|mark| bytes.strip_prefix(*mark)).unwrap_or(bytes)
}

/// Reads a text as the given library would.
pub fn parse(text: &str, file: &str, dialect: Dialect) -> Result<Table, SyntaxError> {
    if dialect == Dialect::One {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        return v1::read(text, &Arc::from(file)).map_err(of_go_toml_1);
    }
    let refused =
        |place: SourceLocation, message: String, certainty| SyntaxError { at: place.start(), message, certainty };
    let source = Source::new(text, file);
    if text.starts_with('\u{feff}') {
        let message = "the file starts with a byte order mark".to_owned();
        return Err(refused(source.place(0), message, Certainty::Refused));
    }
    if let Some((at, words)) = v2::defined_twice(text) {
        let place = source.place(at);
        if let Some(words) = words {
            return Err(refused(place, format!("toml: {words}"), Certainty::Words));
        }
        let message = "it defines a key of a table again, which only some builds of this containerd read";
        return Err(refused(place, message.into(), Certainty::Unknown));
    }
    let document = Document::parse(text).map_err(|error| {
        let place = source.place(error.span().map_or(0, |span| span.start));
        if OWN_LIMITS.iter().any(|words| error.message().contains(words)) {
            return refused(place, "it nests deeper than pullprobe looks".into(), Certainty::Unknown);
        }
        refused(place, error.message().replace('\n', ", "), Certainty::Refused)
    })?;
    source.refuse_newer_syntax(document.as_item())?;
    Ok(source.table(document.as_table()))
}

fn of_go_toml_1(refusal: v1::Refusal) -> SyntaxError {
    let (message, certainty) = match refusal.why {
        Why::Words(words) => (words, Certainty::Words),
        Why::Told(what) => (what, Certainty::Refused),
        Why::Unknown(why) => (why, Certainty::Unknown),
    };
    SyntaxError { at: refusal.place.start(), message, certainty }
}

struct Source<'a> {
    text: &'a str,
    file: Arc<str>,
    /// Where each line begins.
    lines: Vec<usize>,
    /// Where the last place was, and its column: a long line with many values is counted through once.
    last: Cell<(usize, usize)>,
}

impl<'a> Source<'a> {
    fn new(text: &'a str, file: &str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, file: file.into(), lines, last: Cell::new((0, 1)) }
    }

    fn place(&self, offset: usize) -> SourceLocation {
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        let (known, column) =
            Some(self.last.get()).filter(|(at, _)| (start..=offset).contains(at)).unwrap_or((start, 1));
        let column = self.text.get(known..offset).map_or(0, |between| between.chars().count()) + column;
        self.last.set((offset, column));
        SourceLocation::new(Arc::clone(&self.file), Position { line, column })
    }

    fn table(&self, table: &dyn TableLike) -> Table {
        let entry = |(name, item): (&str, &Item)| {
            let key = table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span());
            let key = self.place(key.map_or(0, |span| span.start));
            Some((name.to_owned(), self.value(item, key)?))
        };
        // Of a file with very many small tables most would be room that nothing comes into.
        let mut entries = Vec::with_capacity(table.len());
        entries.extend(table.iter().filter_map(entry));
        Table { entries, header: None, inline: false }
    }

    fn header_table(&self, table: &toml_edit::Table) -> Table {
        let header = if table.is_implicit() || table.is_dotted() { None } else { table.position() };
        Table { header, ..self.table(table) }
    }

    /// `None` for an item that stands for nothing.
    fn value(&self, item: &Item, key: SourceLocation) -> Option<Value> {
        let at = item.span().map_or_else(|| key.clone(), |span| self.place(span.start));
        let data = match item {
            Item::None => return None,
            Item::Table(table) => Data::Table(self.header_table(table)),
            Item::ArrayOfTables(tables) => {
                let one = |table: &toml_edit::Table| Value {
                    data: Data::Table(self.header_table(table)),
                    key: key.clone(),
                    at: table.span().map_or_else(|| key.clone(), |span| self.place(span.start)),
                };
                Data::Array(tables.iter().map(one).collect())
            }
            Item::Value(value) => self.data(value),
        };
        Some(Value { data, key, at })
    }

    fn data(&self, value: &toml_edit::Value) -> Data {
        match value {
            toml_edit::Value::String(text) => Data::String(text.value().clone()),
            toml_edit::Value::Integer(number) => Data::Integer(*number.value()),
            toml_edit::Value::Float(number) => Data::Float(*number.value()),
            toml_edit::Value::Boolean(flag) => Data::Boolean(*flag.value()),
            toml_edit::Value::Datetime(_) => Data::Datetime,
            toml_edit::Value::InlineTable(table) => {
                Data::Table(Table { inline: !table.is_dotted(), ..self.table(table) })
            }
            toml_edit::Value::Array(array) => {
                let item = |value: &toml_edit::Value| {
                    let at = self.place(value.span().map_or(0, |span| span.start));
                    Value { data: self.data(value), key: at.clone(), at }
                };
                Data::Array(array.iter().map(item).collect())
            }
        }
    }

    /// TOML 1.1 lets an inline table span lines and end in a comma. The go-toml that containerd 2.0 to 2.3 name in
    /// their go.mod reads neither; a distribution that builds them with a newer one reads both.
    fn refuse_newer_syntax(&self, item: &Item) -> Result<(), SyntaxError> {
        if let Some(table) = item.as_inline_table() {
            let span = table.span().unwrap_or(0..0);
            let inner = self.text.get(span.clone()).unwrap_or_default();
            let refused = if table.trailing_comma() {
                Some("a comma ends an inline table")
            } else if self.spans_lines(table) {
                Some("an inline table spans lines")
            } else {
                None
            };
            if let Some(message) = refused {
                let newline = inner.find('\n').filter(|_| !table.trailing_comma()).unwrap_or(0);
                let place = self.place(span.start + newline);
                let message = format!("{message}, which only some builds of this containerd read");
                return Err(SyntaxError { at: place.start(), message, certainty: Certainty::Unknown });
            }
        }
        if let Some(table) = item.as_table_like() {
            table.iter().try_for_each(|(_, item)| self.refuse_newer_syntax(item))?;
        }
        if let Some(tables) = item.as_array_of_tables() {
            for table in tables {
                table.iter().try_for_each(|(_, item)| self.refuse_newer_syntax(item))?;
            }
        }
        let values = item.as_array().into_iter().flatten().cloned().map(Item::Value);
        values.into_iter().try_for_each(|value| self.refuse_newer_syntax(&value))
    }

    /// Whether a line ends between the keys and values of an inline table, strings and arrays aside.
    fn spans_lines(&self, table: &toml_edit::InlineTable) -> bool {
        let ends = |raw: &toml_edit::RawString| {
            raw.span().and_then(|span| self.text.get(span)).is_some_and(|text| text.contains('\n'))
        };
        let around = |decor: &toml_edit::Decor| [decor.prefix(), decor.suffix()].into_iter().flatten().any(ends);
        let beside = |(name, value): (&str, &toml_edit::Value)| {
            let key = table.key(name);
            let decors =
                [key.map(toml_edit::Key::leaf_decor), key.map(toml_edit::Key::dotted_decor), Some(value.decor())];
            decors.into_iter().flatten().any(around)
        };
        table.iter().any(beside) || ends(table.trailing())
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_no_room_that_nothing_comes_into() {
        let table = parse("[a.b.c]\nd = 1\n[a.e]\n", "x", Dialect::Two).unwrap();
        let mut tables = vec![&table];
        while let Some(table) = tables.pop() {
            assert_eq!(table.entries.capacity(), table.entries.len(), "{table:?}");
            tables.extend(table.entries.iter().filter_map(|(_, value)| value.as_table()));
        }
    }
}
