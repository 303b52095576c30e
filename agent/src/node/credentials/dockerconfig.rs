//! A `config.json`, `.dockercfg` or pull secret, decoded as kubelet decodes it.
//!
//! Field names are compared without regard to case, as Go does; one bad entry spoils the file.

use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::position::{Position, Positions};
use crate::secret::Secret;

/// Which of the two forms a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `{"auths": {KEY: …}}`
    ConfigJson,
    /// `{KEY: …}`
    Dockercfg,
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
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(Position { line, column }) => write!(f, "line {line}, column {column}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

impl DockerConfig {
    pub fn parse(bytes: &[u8], form: Form) -> Result<Self, Malformed> {
        // Go replaces bytes that are not UTF-8; outside of strings they are an error for it too.
        let text = String::from_utf8_lossy(bytes);
        let fields: Fields = serde_json::from_str(&text).map_err(|error| malformed(&error, &text))?;
        let positions = Positions::of(&text);
        let mut config = Self::default();
        match form {
            Form::Dockercfg => config.add_entries(&positions, None, fields.0)?,
            Form::ConfigJson => {
                for (name, value) in fields.0 {
                    config.add_field(&positions, &name, value)?;
                }
            }
        }
        Ok(config)
    }

    fn add_field(&mut self, positions: &Positions<'_>, name: &str, value: Value) -> Result<(), Malformed> {
        let position = positions.get(None, name);
        if name.eq_ignore_ascii_case("auths") {
            self.has_auths = true;
            return match value {
                Value::Null => {
                    // Go empties the map that an earlier `auths` has filled.
                    self.entries.clear();
                    Ok(())
                }
                Value::Object(entries) => self.add_entries(positions, Some(name), entries),
                other => Err(wrong_type("auths", "an object", &other, position)),
            };
        }
        if name.eq_ignore_ascii_case("httpheaders") {
            return check_headers(&value, position);
        }
        if ["credHelpers", "credsStore"].contains(&name) {
            self.unused.push((name.to_owned(), position));
        }
        Ok(())
    }

    fn add_entries(
        &mut self,
        positions: &Positions<'_>,
        within: Option<&str>,
        entries: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<(), Malformed> {
        let mut places: HashMap<String, usize> = self.entries.iter().map(|e| e.key.clone()).zip(0..).collect();
        for (key, value) in entries {
            let position = positions.get(within, &key);
            let entry = Entry::parse(key, value, position)?;
            // Of two entries with the very same key the last one counts.
            if let Some(place) = places.get(&entry.key) {
                self.entries[*place] = entry;
            } else {
                places.insert(entry.key.clone(), self.entries.len());
                self.entries.push(entry);
            }
        }
        Ok(())
    }
}

impl Entry {
    fn parse(key: String, value: Value, position: Option<Position>) -> Result<Self, Malformed> {
        let mut entry =
            Self { key, position, username: String::new(), password: Secret::default(), unused: Vec::new() };
        let fields = match value {
            Value::Null => return Ok(entry),
            Value::Object(fields) => fields,
            other => return Err(wrong_type(&entry.key, "an object", &other, position)),
        };
        let mut auth = Secret::default();
        for (name, value) in fields {
            let known =
                ["username", "password", "email", "auth"].into_iter().find(|own| own.eq_ignore_ascii_case(&name));
            let Some(known) = known else {
                if ["identitytoken", "registrytoken"].contains(&name.as_str()) {
                    entry.unused.push(name);
                }
                continue;
            };
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text,
                other => return Err(wrong_type(&format!("{}: {known}", entry.key), "a string", &other, position)),
            };
            match known {
                "username" => entry.username = text,
                "password" => entry.password = Secret::new(text),
                "auth" => auth = Secret::new(text),
                _ => {}
            }
        }
        if !auth.is_empty() {
            (entry.username, entry.password) = decode_auth(&auth)
                .map_err(|reason| Malformed { reason: format!("{}: {reason}", entry.key), position })?;
        }
        Ok(entry)
    }
}

/// User and password from base64 of both with a colon between them. Text that ends in `=` must be
/// padded, other text must not be.
fn decode_auth(auth: &Secret) -> Result<(String, Secret), &'static str> {
    let padded = auth.expose().trim().ends_with('=');
    let padding = if padded { DecodePaddingMode::RequireCanonical } else { DecodePaddingMode::RequireNone };
    let rules = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true).with_decode_padding_mode(padding);
    let compact = Secret::new(auth.expose().replace(['\r', '\n'], ""));
    let decoded = GeneralPurpose::new(&alphabet::STANDARD, rules)
        .decode(compact.expose())
        .map_err(|_| "its auth is not base64 (of the standard alphabet)")?;
    let decoded = Secret::new(String::from_utf8_lossy(&decoded).into_owned());
    let (user, password) = decoded.expose().split_once(':').ok_or_else(|| {
        let inner = super::damage::readable(decoded.expose().trim());
        match inner.filter(|inner| inner.expose().contains(':')) {
            Some(_) => "its auth is base64 twice, and so has no colon between user and password",
            None => "its auth has no colon between user and password",
        }
    })?;
    Ok((user.to_owned(), Secret::new(password)))
}

fn check_headers(value: &Value, position: Option<Position>) -> Result<(), Malformed> {
    match value {
        Value::Null => Ok(()),
        Value::Object(headers) => match headers.values().find(|value| !value.is_string() && !value.is_null()) {
            Some(other) => Err(wrong_type("HttpHeaders", "strings", other, position)),
            None => Ok(()),
        },
        other => Err(wrong_type("HttpHeaders", "an object", other, position)),
    }
}

fn wrong_type(what: &str, expected: &str, found: &Value, position: Option<Position>) -> Malformed {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    Malformed { reason: format!("{what} must be {expected}, found {found}"), position }
}

fn malformed(error: &serde_json::Error, text: &str) -> Malformed {
    // The words of a syntax error name no value; those of a data error could.
    let reason = if error.is_data() { "must be an object".to_owned() } else { error.to_string() };
    let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
    Malformed { reason, position: Some(position_of(error, text)) }
}

/// serde counts bytes, everybody else characters.
fn position_of(error: &serde_json::Error, text: &str) -> Position {
    let line = text.split('\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let before = line.char_indices().take_while(|(at, _)| *at < error.column()).count();
    Position { line: error.line().max(1), column: before.max(1) }
}

/// The fields of the outermost object in their order, repeated names kept: Go merges two `auths`.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Outer;
        impl<'de> Visitor<'de> for Outer {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Fields, E> {
                Ok(Fields(Vec::new()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_any(Outer)
    }
}

#[cfg(test)]
mod tests;
