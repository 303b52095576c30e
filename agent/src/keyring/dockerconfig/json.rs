//! JSON as Go reads it: every field in its order, repeated ones kept, and what nobody asks for not looked at.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Of a value that kubelet has no place for only the kind is known.
#[derive(Debug)]
pub enum Json {
    Null,
    Bool,
    Number,
    Text(String),
    Array,
    Object(Vec<(String, Json)>),
}

impl Json {
    /// As Go names it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Number => "number",
            Self::Text(_) => "string",
            Self::Array => "array",
            Self::Object(_) => "object",
        }
    }
}

/// What an object at a place holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// `auths` and `HttpHeaders`, and what is nothing to kubelet.
    File,
    /// Entries by key.
    Entries,
    /// The fields of one entry, or headers.
    Fields,
    /// Nothing of interest.
    Nothing,
}

impl Depth {
    /// What an object under this name holds. `None`: the value is passed over, whatever it is.
    fn below(self, name: &str) -> Option<Self> {
        match self {
            Self::File if folds_to(name, "auths") => Some(Self::Entries),
            Self::File if folds_to(name, "httpheaders") => Some(Self::Fields),
            Self::Entries => Some(Self::Fields),
            Self::Fields => Some(Self::Nothing),
            Self::File | Self::Nothing => None,
        }
    }
}

pub fn parse(text: &str, depth: Depth) -> Result<Json, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = depth.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// As Go compares the names of fields: two letters beyond ASCII fold to letters of it.
pub fn folds_to(name: &str, own: &str) -> bool {
    name.chars().map(folded).eq(own.chars())
}

const fn folded(c: char) -> char {
    match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    }
}

/// The text with half a surrogate pair replaced as Go replaces it, every other character at its place.
pub fn with_whole_characters(text: &str) -> String {
    let mut whole = text.to_owned();
    let bytes = text.as_bytes();
    let unit = |at: usize| {
        let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        match (unit(at), unit(at + 6)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => at += 12,
            (Some(0xd800..0xe000), _) => {
                whole.replace_range(at..at + 6, "\\ufffd");
                at += 6;
            }
            (Some(_), _) => at += 6,
            (None, _) => at += 2,
        }
    }
    whole
}

impl<'de> DeserializeSeed<'de> for Depth {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Depth {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Bool)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Json::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut fields = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = if let Some(below) = self.below(&name) {
                map.next_value_seed(below)?
            } else {
                map.next_value::<IgnoredAny>()?;
                Json::Null
            };
            fields.push((name, value));
        }
        // Most have one, and room for four.
        fields.shrink_to_fit();
        Ok(Json::Object(fields))
    }
}
