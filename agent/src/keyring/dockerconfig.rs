//! A `config.json`, `.dockercfg` or pull secret, decoded as kubelet decodes it.
//!
//! Field names are compared without regard to case, as Go does; one bad entry spoils the file, also one that a
//! later entry with the same key would replace.

use std::collections::HashMap;
use std::fmt;

use super::position::Positions;
use crate::redact::secret::Secret;
use go::place::Position;

mod auth;
mod json;

use json::{Depth, Json, folds_to};

/// Which of the two forms a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `{"auths": {KEY: …}}`
    ConfigJson,
    /// `{KEY: …}`
    Dockercfg,
}

/// The most fields, of all objects together, that are read of a file: each takes half a KiB while it is read. kubelet
/// has no such limit.
pub const FIELDS: usize = 32_768;

/// Whether there are more. Told by the text, before anything is built of it.
pub fn has_too_many_fields(text: &[u8]) -> bool {
    let (mut fields, mut at) = (0, 0);
    let mut within = false;
    while let Some(&byte) = text.get(at) {
        at += if within && byte == b'\\' { 2 } else { 1 };
        within ^= byte == b'"';
        fields += usize::from(byte == b':' && !within);
    }
    fields > FIELDS
}

/// A file that kubelet accepts.
#[derive(Clone, Debug, Default)]
pub struct DockerConfig {
    pub entries: Vec<Entry>,
    /// Settings of the docker client that kubelet does not know: the name and the position.
    pub unused: Vec<(String, Option<Position>)>,
    /// `config.json` has an `auths` table.
    pub has_auths: bool,
}

#[derive(Clone, Debug)]
pub struct Entry {
    /// As written.
    pub key: String,
    pub position: Option<Position>,
    pub username: String,
    pub password: Secret,
    /// Fields of the entry that kubelet does not know and that somebody may rely on.
    pub unused: Vec<String>,
}

/// Why kubelet rejects a file. The reason never holds anything of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    pub reason: String,
    pub position: Option<Position>,
    /// kubelet's own, which a pod's events show where it is a pull secret. Empty: the fault is one of syntax, and
    /// the API server does not take such a secret.
    pub words: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(Position { line, column }) => write!(f, "line {line}, column {column}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// The struct of kubelet that an entry is decoded into, and that of the whole file.
const ENTRY_STRUCT: &str = "dockerConfigEntryWithAuth";
const FILE_STRUCT: &str = "DockerConfigJSON";

/// What goes into the places of a file while it is read.
struct Reader<'t> {
    form: Form,
    positions: Positions<'t>,
    /// How often each key came before, in the object of which name.
    seen: HashMap<(Option<String>, String), usize>,
    config: DockerConfig,
    /// A value of the wrong type: Go reads on behind it, and a bad entry behind it is what it tells.
    wrong: Option<Malformed>,
}

impl DockerConfig {
    pub fn parse(bytes: &[u8], form: Form) -> Result<Self, Malformed> {
        // Go replaces bytes that are not UTF-8; outside of strings they are an error for it too.
        let text = json::with_whole_characters(&String::from_utf8_lossy(bytes));
        let depth = if form == Form::ConfigJson { Depth::File } else { Depth::Entries };
        let document = json::parse(&text, depth).map_err(|error| unreadable(&error, &text))?;
        let (fields, place) = match document {
            Json::Object(fields) => (fields, ""),
            Json::Null => (Vec::new(), ""),
            other => (Vec::new(), other.kind()),
        };
        let positions = Positions::of(&text);
        let mut reader = Reader { form, positions, seen: HashMap::new(), config: Self::default(), wrong: None };
        if !place.is_empty() {
            let go_type = if form == Form::ConfigJson { FILE_STRUCT } else { "DockerConfig" };
            return Err(Malformed {
                reason: "must be an object".into(),
                position: Some(Position { line: 1, column: 1 }),
                words: format!("json: cannot unmarshal {place} into Go value of type credentialprovider.{go_type}"),
            });
        }
        match form {
            Form::Dockercfg => reader.add_entries(None, fields)?,
            Form::ConfigJson => reader.add_fields(fields)?,
        }
        reader.wrong.map_or(Ok(reader.config), Err)
    }
}

impl Reader<'_> {
    fn add_fields(&mut self, fields: Vec<(String, Json)>) -> Result<(), Malformed> {
        for (name, value) in fields {
            let position = self.place(None, &name);
            if folds_to(&name, "auths") {
                self.add_auths(&name, value, position)?;
            } else if folds_to(&name, "httpheaders") {
                self.check_headers(&value, position);
            } else if ["credHelpers", "credsStore"].contains(&&*name) {
                self.config.unused.push((name, position));
            }
        }
        Ok(())
    }

    fn add_auths(&mut self, name: &str, value: Json, position: Option<Position>) -> Result<(), Malformed> {
        self.config.has_auths = true;
        match value {
            // Go empties the map that an earlier `auths` has filled.
            Json::Null => self.config.entries.clear(),
            Json::Object(entries) => return self.add_entries(Some(name), entries),
            other => {
                let words = cannot_unmarshal(&other, ".auths", "credentialprovider.DockerConfig");
                self.complain(must_be("auths", "an object", &other, position, words));
            }
        }
        Ok(())
    }

    fn check_headers(&mut self, value: &Json, position: Option<Position>) {
        let wrong = match value {
            Json::Null => None,
            Json::Object(headers) => headers
                .iter()
                .map(|(_, value)| value)
                .find(|value| !matches!(value, Json::Text(_) | Json::Null))
                .map(|other| (other, "strings", "string")),
            other => Some((other, "an object", "map[string]string")),
        };
        if let Some((found, expected, go_type)) = wrong {
            let words = cannot_unmarshal(found, ".HttpHeaders", go_type);
            self.complain(must_be("HttpHeaders", expected, found, position, words));
        }
    }

    /// Of the next key of this name.
    fn place(&mut self, within: Option<&str>, key: &str) -> Option<Position> {
        let times = self.seen.entry((within.map(str::to_owned), key.to_owned())).or_default();
        *times += 1;
        self.positions.get(within, key, *times - 1)
    }

    fn complain(&mut self, malformed: Malformed) {
        self.wrong.get_or_insert(malformed);
    }

    fn add_entries(&mut self, within: Option<&str>, entries: Vec<(String, Json)>) -> Result<(), Malformed> {
        let mut places: HashMap<String, usize> = self.config.entries.iter().map(|e| e.key.clone()).zip(0..).collect();
        for (key, value) in entries {
            let position = self.place(within, &key);
            let entry = Entry::parse(key, value, position, self.form)?;
            // Of two entries with the very same key the last one counts.
            if let Some(place) = places.get(&entry.key) {
                self.config.entries[*place] = entry;
            } else {
                places.insert(entry.key.clone(), self.config.entries.len());
                self.config.entries.push(entry);
            }
        }
        Ok(())
    }
}

impl Entry {
    fn parse(key: String, value: Json, position: Option<Position>, form: Form) -> Result<Self, Malformed> {
        let mut entry =
            Self { key, position, username: String::new(), password: Secret::default(), unused: Vec::new() };
        let fields = match value {
            Json::Null => return Ok(entry),
            Json::Object(fields) => fields,
            other => return Err(must_be(&entry.key, "an object", &other, position, words_of_entry(form, &other, ""))),
        };
        let mut auth = Secret::default();
        let mut wrong = None;
        for (name, value) in fields {
            let known = ["username", "password", "email", "auth"].into_iter().find(|own| folds_to(&name, own));
            let Some(known) = known else {
                if ["identitytoken", "registrytoken"].contains(&name.as_str()) && !entry.unused.contains(&name) {
                    entry.unused.push(name);
                }
                continue;
            };
            let text = match value {
                Json::Null => continue,
                Json::Text(text) => text,
                other => {
                    let what = format!("{}: {known}", entry.key);
                    let words = words_of_entry(form, &other, known);
                    wrong.get_or_insert_with(|| must_be(&what, "a string", &other, position, words));
                    continue;
                }
            };
            match known {
                "username" => entry.username = text,
                "password" => entry.password = Secret::new(text),
                "auth" => auth = Secret::new(text),
                _ => {}
            }
        }
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        if !auth.is_empty() {
            (entry.username, entry.password) = auth::decode(&auth).map_err(|fault| Malformed {
                reason: format!("{}: {}", entry.key, fault.reason()),
                position,
                words: fault.words(),
            })?;
        }
        Ok(entry)
    }
}

/// Go names the struct of the whole file, and the fields on the way, but not the key. `field`: of the entry.
fn words_of_entry(form: Form, found: &Json, field: &str) -> String {
    let dotted = if field.is_empty() { String::new() } else { format!(".{field}") };
    let go_type = if field.is_empty() { format!("credentialprovider.{ENTRY_STRUCT}") } else { "string".into() };
    match form {
        Form::ConfigJson => cannot_unmarshal(found, &format!(".auths{dotted}"), &go_type),
        Form::Dockercfg if field.is_empty() => {
            format!("json: cannot unmarshal {} into Go value of type {go_type}", found.kind())
        }
        Form::Dockercfg => {
            format!(
                "json: cannot unmarshal {} into Go struct field {ENTRY_STRUCT}{dotted} of type {go_type}",
                found.kind()
            )
        }
    }
}

fn cannot_unmarshal(found: &Json, field: &str, go_type: &str) -> String {
    format!("json: cannot unmarshal {} into Go struct field {FILE_STRUCT}{field} of type {go_type}", found.kind())
}

fn must_be(what: &str, expected: &str, found: &Json, position: Option<Position>, words: String) -> Malformed {
    let found = match found {
        Json::Null => "null",
        Json::Bool => "a boolean",
        Json::Number => "a number",
        Json::Text(_) => "a string",
        Json::Array => "an array",
        Json::Object(_) => "an object",
    };
    Malformed { reason: format!("{what} must be {expected}, found {found}"), position, words }
}

fn unreadable(error: &serde_json::Error, text: &str) -> Malformed {
    // The words of a syntax error name no value.
    let reason = error.to_string();
    let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
    Malformed { reason, position: Some(position_of(error, text)), words: String::new() }
}

/// serde counts bytes, everybody else characters.
fn position_of(error: &serde_json::Error, text: &str) -> Position {
    let line = text.split('\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let before = line.char_indices().take_while(|(at, _)| *at < error.column()).count();
    Position { line: error.line().max(1), column: before.max(1) }
}

#[cfg(test)]
mod tests;
