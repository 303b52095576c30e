//! A value held against what its key takes, as the two TOML libraries do it and in their words.

use go::place::Position;
use go::text::duration;
use go::toml::{Data, Dialect, Table, Value};

use super::table::{Key, Kind};
use crate::redact::urls::without_credentials;
use crate::version::Version;

/// More of a value is not shown.
const SHOWN: usize = 80;
const HIDDEN: &str = "***";

pub struct Check<'a> {
    pub version: Version,
    pub section: &'a str,
}

/// A value that ends containerd.
pub struct Mismatch<'t> {
    pub value: &'t Value,
    pub words: String,
}

/// Where go-toml 1 says that a value is: it has lost the places inside of braces.
#[derive(Clone, Copy)]
struct At(usize, usize);

impl Check<'_> {
    const fn one(&self) -> bool {
        self.version.major < 2
    }

    fn dialect(&self) -> Dialect {
        self.version.dialect()
    }

    pub fn section<'t>(&self, value: &'t Value, keys: &[Key]) -> Option<Mismatch<'t>> {
        match value.as_table() {
            Some(table) => self.keys(table, keys, ""),
            // containerd 1.x has refused it before.
            None if self.one() => None,
            None => {
                let words = format!("toml: cannot encode a {} as a document root", go_type(&value.data));
                Some(Mismatch { value, words })
            }
        }
    }

    fn keys<'t>(&self, table: &'t Table, keys: &[Key], above: &str) -> Option<Mismatch<'t>> {
        keys.iter().find_map(|key| {
            let path = format!("{above}{}", key.name);
            if !self.version.has_key(self.section, &path) {
                return None;
            }
            let value = table.field(&key.name, self.dialect())?;
            self.value(value, key, Self::at(table, value), &path)
        })
    }

    fn at(table: &Table, value: &Value) -> At {
        let is_table = matches!(&value.data, Data::Table(_)) || is_tables(&value.data);
        if !table.inline {
            let inline = value.as_table().is_some_and(|inner| inner.inline);
            let place = if is_table { &value.at } else { &value.key };
            return if inline { At(0, 0) } else { At(place.line(), place.start().column) };
        }
        let index = table.entries.iter().position(|(_, entry)| entry.key == value.key).unwrap_or(0);
        if is_table { At(0, 0) } else { At(index + 1, 0) }
    }

    fn value<'t>(&self, value: &'t Value, key: &Key, at: At, path: &str) -> Option<Mismatch<'t>> {
        match (key.kind, &value.data) {
            (Kind::Struct, Data::Table(table)) => self.keys(table, &key.below, &format!("{path}.")),
            (Kind::Map, Data::Table(table)) => {
                let any = key.below.iter().find(|below| below.name == "*")?;
                let path = format!("{path}.*");
                table.entries.iter().find_map(|(_, entry)| self.value(entry, any, Self::at(table, entry), &path))
            }
            (Kind::Structs, Data::Array(items)) => self.structs(value, items, key, at, path),
            (Kind::Texts, Data::Array(items)) if !(self.one() && is_tables(&value.data)) => {
                let item = items.iter().find(|item| item.as_str().is_none())?;
                Some(Mismatch { value: item, words: self.words(&item.data, key, "string", at, path) })
            }
            (Kind::Duration | Kind::Nanoseconds, data) => {
                let words = self.duration(data, key, at, path)?;
                Some(Mismatch { value, words })
            }
            (Kind::Text, Data::String(_))
            | (Kind::Whole, Data::Integer(_))
            | (Kind::Flag, Data::Boolean(_))
            | (Kind::Float, Data::Float(_)) => None,
            // go-toml 2 takes whole numbers for fractions.
            (Kind::Float, Data::Integer(_)) if !self.one() => None,
            (_, data) => Some(Mismatch { value, words: self.words(data, key, key.go, at, path) }),
        }
    }

    fn structs<'t>(&self, value: &'t Value, items: &'t [Value], key: &Key, at: At, path: &str) -> Option<Mismatch<'t>> {
        // An empty list is none of tables for go-toml 1.
        if self.one() && !is_tables(&value.data) {
            return Some(Mismatch { value, words: self.words(&value.data, key, key.go, at, path) });
        }
        let entry = key.below.iter().find(|below| below.name == "[]")?;
        let below = format!("{path}.[].");
        items.iter().find_map(|item| {
            if let Some(table) = item.as_table() {
                return self.keys(table, &entry.below, &below);
            }
            let go = key.go.trim_start_matches("[]");
            Some(Mismatch { value: item, words: self.words(&item.data, key, go, at, path) })
        })
    }

    /// go-toml 1 gives every scalar to the duration as a text, its successor whole numbers as they are.
    fn duration(&self, data: &Data, key: &Key, at: At, path: &str) -> Option<String> {
        let text = match data {
            Data::String(text) => text.clone(),
            Data::Integer(_) if key.kind == Kind::Nanoseconds || !self.one() => return None,
            Data::Integer(_) | Data::Float(_) | Data::Boolean(_) if key.kind == Kind::Duration => {
                shown(data).unwrap_or_default()
            }
            _ => {
                let go = if key.kind == Kind::Duration { "tomlext.Duration" } else { key.go };
                return Some(self.words(data, key, go, at, path));
            }
        };
        let reason = duration(&text).err()?;
        let At(line, column) = at;
        Some(match (self.one(), key.kind) {
            (true, Kind::Duration) => format!("({line}, {column}): unmarshal text: {reason}"),
            (true, _) => {
                let shown = shown(data).unwrap_or_default();
                format!("({line}, {column}): Can't convert {shown}({}) to {}. {reason}", go_type(data), key.go)
            }
            (false, _) if matches!(data, Data::String(_)) => format!("toml: {reason}"),
            (false, _) => reason,
        })
    }

    fn words(&self, data: &Data, key: &Key, go: &str, at: At, path: &str) -> String {
        // A password without quotes is a number, and one in brackets a list: no value is shown there, whatever it is.
        let secret = path.split('.').any(|part| ["configs", "auths", "headers"].contains(&part));
        let value = if secret { Some(HIDDEN.to_owned()) } else { shown(data) };
        let words = match value {
            Some(value) if self.one() => Some(words_showing(&value, data, go, at)),
            _ if self.one() => None,
            _ => words_of_2(data, key.field, go),
        };
        words.unwrap_or_else(|| {
            let name = &key.name;
            format!("it does not read the file: `{name}` is {}, and containerd wants {go}", kind_of(data))
        })
    }
}

/// go-toml 1's words. `None`: it prints the whole of the value, over several lines.
pub fn words_of_1(data: &Data, go: &str, at: Position, is_secret: bool) -> Option<String> {
    let value = if is_secret { HIDDEN.to_owned() } else { shown(data)? };
    Some(words_showing(&value, data, go, At(at.line, at.column)))
}

fn words_showing(value: &str, data: &Data, go: &str, At(line, column): At) -> String {
    let found = go_type(data);
    let to = match data {
        Data::Array(_) => "a slice".to_owned(),
        _ if go.starts_with("[]") => format!("{go}(slice)"),
        _ if go.starts_with("map[") => format!("{go}(map)"),
        _ => go.to_owned(),
    };
    format!("({line}, {column}): Can't convert {value}({found}) to {to}")
}

/// go-toml 2's words, where they are known.
pub fn words_of_2(data: &Data, field: Option<&str>, go: &str) -> Option<String> {
    let kind = match data {
        Data::Table(_) | Data::Datetime => return None,
        data if is_tables(data) => return None,
        Data::String(_) => "string",
        Data::Integer(_) => "integer",
        Data::Float(_) => "float",
        Data::Boolean(_) => "boolean",
        Data::Array(_) => "array",
    };
    Some(match field {
        Some(field) => format!("toml: cannot decode TOML {kind} into struct field {field} of type {go}"),
        None => format!("toml: cannot decode TOML {kind} into {go}"),
    })
}

/// An array of tables, however it is written.
fn is_tables(data: &Data) -> bool {
    matches!(data, Data::Array(items) if !items.is_empty() && items.iter().all(|item| item.as_table().is_some()))
}

pub fn go_type(data: &Data) -> &'static str {
    match data {
        Data::String(_) => "string",
        Data::Integer(_) => "int64",
        Data::Float(_) => "float64",
        Data::Boolean(_) => "bool",
        Data::Datetime => "time.Time",
        Data::Array(_) => "[]interface {}",
        Data::Table(_) => "map[string]interface {}",
    }
}

const fn kind_of(data: &Data) -> &'static str {
    match data {
        Data::String(_) => "a string",
        Data::Integer(_) => "a whole number",
        Data::Float(_) => "a number",
        Data::Boolean(_) => "true or false",
        Data::Datetime => "a time",
        Data::Array(_) => "a list",
        Data::Table(_) => "a table",
    }
}

/// As Go prints it; `None` for what takes several lines or is not kept.
fn shown(data: &Data) -> Option<String> {
    let text = match data {
        Data::String(text) => without_credentials(text),
        Data::Integer(number) => number.to_string(),
        Data::Float(number) => float(*number)?,
        Data::Boolean(flag) => flag.to_string(),
        Data::Datetime | Data::Table(_) => return None,
        Data::Array(_) if is_tables(data) => return None,
        Data::Array(items) => {
            let items = items.iter().map(|item| shown(&item.data)).collect::<Option<Vec<_>>>()?;
            format!("[{}]", items.join(" "))
        }
    };
    (text.chars().count() <= SHOWN && !text.contains('\n')).then_some(text)
}

/// `None`: Go would write it with an exponent.
fn float(number: f64) -> Option<String> {
    let size = number.abs();
    if number.is_infinite() {
        return Some(if number > 0.0 { "+Inf".into() } else { "-Inf".into() });
    }
    let plain = number.is_nan() || size == 0.0 || (1e-4..1e21).contains(&size);
    plain.then(|| number.to_string())
}
