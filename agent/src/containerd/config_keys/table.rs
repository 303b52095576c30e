//! The tables as they are kept: a section in brackets, below it a key, its field and its type a line.

/// Sections by their plugin's name.
pub type Sections = Vec<(String, Vec<Key>)>;

/// A key of a table, with the keys below it.
#[derive(Clone, Debug)]
pub struct Key {
    /// `*`: any name; `[]`: an entry of a list.
    pub name: String,
    pub field: Option<&'static str>,
    pub kind: Kind,
    /// As Go writes it.
    pub go: &'static str,
    pub below: Vec<Self>,
}

/// What a Go type takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Whole,
    Float,
    Flag,
    /// A text that is a duration.
    Duration,
    /// The same, or its nanoseconds.
    Nanoseconds,
    Texts,
    Map,
    Struct,
    Structs,
}

/// What a later table says of a key counts.
pub fn read(texts: &[&'static str]) -> Sections {
    let mut sections = Sections::new();
    let mut current = 0;
    for line in texts.iter().flat_map(|text| text.lines()).filter(|line| !line.starts_with('#')) {
        if let Some(id) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            current = sections.iter().position(|(known, _)| known == id).unwrap_or_else(|| {
                sections.push((id.to_owned(), Vec::new()));
                sections.len() - 1
            });
            continue;
        }
        let mut columns = line.split('\t');
        let (Some(path), Some(field), Some(go)) = (columns.next(), columns.next(), columns.next()) else { continue };
        if let Some((_, keys)) = sections.get_mut(current) {
            add(keys, path, Some(field).filter(|field| *field != "-"), go);
        }
    }
    sections
}

fn add(keys: &mut Vec<Key>, path: &str, field: Option<&'static str>, go: &'static str) {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let at = keys.iter().position(|key| key.name == first).unwrap_or_else(|| {
        // What has keys below it and no line of its own is a table.
        keys.push(Key { name: first.to_owned(), field: None, kind: Kind::Struct, go: "", below: Vec::new() });
        keys.len() - 1
    });
    let Some(key) = keys.get_mut(at) else { return };
    if let Some(rest) = rest {
        add(&mut key.below, rest, field, go);
    } else {
        (key.field, key.go, key.kind) = (field, go, kind(go));
    }
}

/// Types with a name of their own are structs, but for one that is a text.
fn kind(go: &str) -> Kind {
    match go {
        "string" | "devmapper.fsType" => Kind::Text,
        "int" => Kind::Whole,
        "float64" => Kind::Float,
        "bool" | "*bool" => Kind::Flag,
        "duration" => Kind::Duration,
        "time.Duration" => Kind::Nanoseconds,
        "[]string" => Kind::Texts,
        go if go.starts_with("map[") => Kind::Map,
        go if go.starts_with("[]") => Kind::Structs,
        _ => Kind::Struct,
    }
}
