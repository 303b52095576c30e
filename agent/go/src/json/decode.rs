//! Decodes JSON into typed targets as Go's `encoding/json` does: keys in any case, doubled keys one after the
//! other, `null` for nothing, and the first value of another type spoils the whole.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::TOO_DEEP;
use super::target::{Elements, Fields, Target, TypeMismatch};
use crate::release::Go;
use crate::time;

/// How the Go of a build words the same error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Before Go 1.20: a time is read with the quotes around it.
    Quoted,
    Plain,
    /// Since Go 1.24: names the embedded structs too.
    Embedded,
    /// Since Go 1.27: names the outermost struct, and every place on the way.
    Pointer,
}

impl Dialect {
    pub fn of(go: Go) -> Self {
        match () {
            () if go.names_json_places() => Self::Pointer,
            () if go.names_embedded_structs() => Self::Embedded,
            () if go.unquotes_times() => Self::Plain,
            () => Self::Quoted,
        }
    }
}

/// Why a text was not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undecoded {
    /// Go refuses it, in these words.
    Invalid(String),
    /// pullprobe holds no more of it, for this reason; Go would.
    TooMuch(String),
}

/// How many elements of lists are kept of one text, and how many bytes: more than any image has.
pub const ELEMENT_LIMIT: usize = 8_192;
pub const KEPT_LIMIT: usize = 1 << 20;
/// A key or number is known by less.
const SHORT: usize = 1_024;

/// Decodes a text; `go_type` is what Go calls the outermost type. What no target keeps takes no memory.
pub fn decode(text: &[u8], dialect: Dialect, go_type: &str, target: &mut dyn Target) -> Result<(), Undecoded> {
    match super::error(text) {
        fault if fault.is_empty() => decode_valid(text, dialect, go_type, target),
        // Newer Go names no character.
        fault if fault.ends_with(TOO_DEEP) && dialect == Dialect::Pointer => Err(Undecoded::Invalid(TOO_DEEP.into())),
        fault => Err(Undecoded::Invalid(fault)),
    }
}

/// The same for what is known to be JSON.
pub fn decode_valid(text: &[u8], dialect: Dialect, go_type: &str, target: &mut dyn Target) -> Result<(), Undecoded> {
    let (path, fault, end, too_much) = Default::default();
    let mut decoder = Decoder { text, at: 0, dialect, path, fault, end, elements: 0, kept: 0, too_much };
    decoder.value(go_type, target);
    match (decoder.end.or(decoder.fault), decoder.too_much) {
        (Some(words), _) => Err(Undecoded::Invalid(words)),
        (None, Some(words)) => Err(Undecoded::TooMuch(words)),
        (None, None) => Ok(()),
    }
}

enum Step<'t> {
    Field { owner: &'static str, embedded: &'static str, name: &'static str },
    Index(usize),
    Key(Cow<'t, str>),
}

struct Decoder<'t> {
    /// Is known to be JSON.
    text: &'t [u8],
    at: usize,
    dialect: Dialect,
    path: Vec<Step<'t>>,
    /// The first value that did not fit: Go reads on behind it.
    fault: Option<String>,
    /// What Go does not read on behind.
    end: Option<String>,
    elements: usize,
    kept: usize,
    /// Which limit was met: nothing more is kept from there on.
    too_much: Option<String>,
}

impl<'t> Decoder<'t> {
    fn value(&mut self, go_type: &str, target: &mut dyn Target) {
        let start = self.next();
        if target.anything() {
            return self.skip();
        }
        let (kind, fit) = match self.text.get(start) {
            Some(b'{') => match target.object() {
                Some(fields) => return self.object(fields),
                None => ("object", self.skipped(target)),
            },
            Some(b'[') => match target.array() {
                Some(elements) => return self.array(elements),
                None => ("array", self.skipped(target)),
            },
            Some(b'"') => ("string", self.text(target)),
            literal => {
                self.skip();
                match literal {
                    Some(b'n') => return target.null(),
                    Some(b't' | b'f') => ("bool", target.truth()),
                    _ => ("number", target.number(&self.raw(start))),
                }
            }
        };
        if let Err(unfit) = fit {
            self.complain(kind, go_type, &unfit, start);
        }
    }

    fn text(&mut self, target: &mut dyn Target) -> Result<(), TypeMismatch> {
        if !target.reads() {
            self.skip_string();
            return target.text("");
        }
        let start = self.at;
        self.skip_string();
        let length = self.at - start;
        if target.keeps() {
            self.kept += length;
            if self.kept > KEPT_LIMIT {
                let words = format!("pullprobe keeps at most {KEPT_LIMIT} bytes of a document");
                self.too_much.get_or_insert(words);
                return Ok(());
            }
        }
        self.at = start;
        target.text(&self.string())
    }

    fn skipped(&mut self, target: &dyn Target) -> Result<(), TypeMismatch> {
        self.skip();
        Err(target.unfit())
    }

    fn object(&mut self, fields: &mut dyn Fields) {
        self.at += 1;
        while self.has_next(b'}') {
            let key = self.key();
            self.next();
            self.at += 1;
            let owner = fields.struct_name();
            let Some(place) = fields.field(&folded(&key)) else {
                self.next();
                self.skip();
                continue;
            };
            self.path.push(match owner {
                "" => Step::Key(key),
                owner => Step::Field { owner, embedded: place.embedded, name: place.name },
            });
            self.value(place.go_type, place.target);
            self.path.pop();
        }
    }

    fn array(&mut self, elements: &mut dyn Elements) {
        self.at += 1;
        let mut count = 0;
        while self.has_next(b']') {
            if self.has_too_many(elements) {
                self.skip();
                continue;
            }
            self.path.push(Step::Index(count));
            self.value(elements.go_type(), elements.element(count));
            self.path.pop();
            count += 1;
        }
        elements.end(count);
    }

    fn has_too_many(&mut self, elements: &dyn Elements) -> bool {
        if !elements.keeps() {
            return false;
        }
        self.elements += 1;
        if self.elements > ELEMENT_LIMIT {
            self.too_much
                .get_or_insert_with(|| format!("pullprobe keeps at most {ELEMENT_LIMIT} entries of a document"));
        }
        self.too_much.is_some()
    }

    /// Before the next member, or behind the end.
    fn has_next(&mut self, end: u8) -> bool {
        let mut at = self.next();
        if self.text.get(at) == Some(&b',') {
            self.at += 1;
            at = self.next();
        }
        let more = self.text.get(at).is_some_and(|c| *c != end);
        self.at += usize::from(!more);
        more
    }

    /// Over white space to what comes next.
    fn next(&mut self) -> usize {
        while self.text.get(self.at).is_some_and(|c| b" \t\r\n".contains(c)) {
            self.at += 1;
        }
        self.at
    }

    /// Over one value, however deep.
    fn skip(&mut self) {
        let mut depth = 0_usize;
        loop {
            let at = self.next();
            match self.text.get(at) {
                None => return,
                Some(b'"') => self.skip_string(),
                Some(b'{' | b'[') => {
                    self.at += 1;
                    depth += 1;
                    continue;
                }
                Some(b',' | b':') => {
                    self.at += 1;
                    continue;
                }
                Some(b'}' | b']') => {
                    self.at += 1;
                    depth = depth.saturating_sub(1);
                }
                Some(_) => {
                    let rest = &self.text[at..];
                    self.at +=
                        rest.iter().take_while(|c| c.is_ascii_alphanumeric() || b"+-.".contains(c)).count().max(1);
                }
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn skip_string(&mut self) {
        self.at += 1;
        while let Some(c) = self.text.get(self.at) {
            self.at += if *c == b'\\' { 2 } else { 1 };
            if *c == b'"' {
                return;
            }
        }
    }

    fn string(&mut self) -> Cow<'t, str> {
        let start = self.next() + 1;
        self.skip_string();
        let quoted = self.text.get(start..self.at.saturating_sub(1)).unwrap_or_default();
        if quoted.contains(&b'\\') { Cow::Owned(unquoted(quoted)) } else { String::from_utf8_lossy(quoted) }
    }

    /// Of a long one only its beginning: no field has such a name, and no error shows more.
    fn key(&mut self) -> Cow<'t, str> {
        let start = self.next();
        self.skip_string();
        if self.at - start > SHORT {
            let beginning = &self.text[start + 1..start + SHORT];
            return String::from_utf8_lossy(beginning);
        }
        self.at = start;
        self.string()
    }

    /// Likewise.
    fn raw(&self, start: usize) -> String {
        let end = self.at.min(start + SHORT);
        String::from_utf8_lossy(&self.text[start..end]).into_owned()
    }

    fn complain(&mut self, kind: &str, go_type: &str, unfit: &TypeMismatch, start: usize) {
        let pointer = self.dialect == Dialect::Pointer;
        let (value, behind) = match unfit {
            TypeMismatch::Kind | TypeMismatch::Time if kind == "number" && matches!(go_type, "int" | "int64") => {
                (format!("number {}", self.raw(start)), String::new())
            }
            TypeMismatch::Kind => (kind.to_owned(), String::new()),
            TypeMismatch::Base64(at) if pointer => {
                (kind.to_owned(), format!(": illegal base64 data at input byte {at}"))
            }
            TypeMismatch::Base64(at) => {
                self.fault.get_or_insert_with(|| format!("illegal base64 data at input byte {at}"));
                return;
            }
            TypeMismatch::Time if pointer && kind != "string" => (kind.to_owned(), String::new()),
            TypeMismatch::Time => {
                let words = self.time_words(start);
                self.end.get_or_insert(words);
                return;
            }
        };
        if self.fault.is_none() {
            let place = if pointer { self.pointer() } else { self.innermost() };
            self.fault = Some(format!("json: cannot unmarshal {value} into {place} of type {go_type}{behind}"));
        }
    }

    fn time_words(&self, start: usize) -> String {
        let raw = String::from_utf8_lossy(&self.text[start..self.at]);
        if self.dialect == Dialect::Quoted {
            return time::fault_of_quoted(&raw).unwrap_or_default();
        }
        let text = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'));
        text.map_or_else(|| Some("Time.UnmarshalJSON: input is not a JSON string".to_owned()), time::fault)
            .unwrap_or_default()
    }

    /// The innermost struct, and the names of the fields that lead to it and out of it.
    fn innermost(&self) -> String {
        let mut innermost = "";
        let mut names = String::new();
        for step in &self.path {
            let Step::Field { owner, embedded, name } = step else { continue };
            innermost = owner;
            names.push('.');
            if self.dialect == Dialect::Embedded && !embedded.is_empty() {
                let _ = write!(names, "{embedded}.");
            }
            names.push_str(name);
        }
        if names.is_empty() { "Go value".to_owned() } else { format!("Go struct field {innermost}{names}") }
    }

    /// The outermost struct, and every step from there.
    fn pointer(&self) -> String {
        let Some(Step::Field { owner, .. }) = self.path.first() else { return "Go value".to_owned() };
        let is_element = matches!(self.path.last(), Some(Step::Index(_)));
        let mut place = format!("{}{owner}", if is_element { "" } else { "Go struct field " });
        for step in &self.path {
            let _ = match step {
                Step::Field { name, .. } => write!(place, ".{name}"),
                Step::Index(index) => write!(place, ".{index}"),
                Step::Key(key) => write!(place, ".{}", key.replace('~', "~0").replace('/', "~1")),
            };
        }
        place
    }
}

/// As Go compares keys: two letters beyond ASCII fold to letters of it.
fn folded(key: &str) -> String {
    key.to_ascii_lowercase().replace('\u{17f}', "s").replace('\u{212a}', "k")
}

fn unquoted(quoted: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(quoted.len());
    let mut rest = quoted;
    while let Some((c, after)) = rest.split_first() {
        rest = after;
        let Some((escape, after)) = rest.split_first().filter(|_| *c == b'\\') else {
            bytes.push(*c);
            continue;
        };
        rest = after;
        match escape {
            b'u' => {
                let (character, after) = character(rest);
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = after;
            }
            b'b' => bytes.push(8),
            b'f' => bytes.push(12),
            b'n' => bytes.push(b'\n'),
            b'r' => bytes.push(b'\r'),
            b't' => bytes.push(b'\t'),
            other => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What the digits behind `\u` are, and what follows; half of a pair is a replacement character.
fn character(rest: &[u8]) -> (char, &[u8]) {
    let unit = |digits: Option<&[u8]>| u32::from_str_radix(std::str::from_utf8(digits?).ok()?, 16).ok();
    let after = rest.get(4..).unwrap_or_default();
    let Some(first) = unit(rest.get(..4)) else { return (char::REPLACEMENT_CHARACTER, after) };
    let second = after.strip_prefix(b"\\u").and_then(|after| unit(after.get(..4)));
    match (first, second) {
        (0xd800..0xdc00, Some(second @ 0xdc00..0xe000)) => {
            let scalar = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            (char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER), after.get(6..).unwrap_or_default())
        }
        _ => (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), after),
    }
}
