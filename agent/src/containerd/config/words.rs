//! What is said of a file that containerd does not read: its own words where they are known, else ours.

use go::place::{Position, SourceLocation};
use go::toml::{Certainty, Dialect, SyntaxError, Value};

use super::{ConfigFault, FaultKind};
use crate::containerd::config_keys::check;
use crate::version::Version;

/// Only what is known to be containerd's own words is given as such.
pub fn not_toml(path: &str, error: &SyntaxError, version: Version) -> ConfigFault {
    let SyntaxError { at: Position { line, column }, message, certainty } = error;
    let place = SourceLocation::new(path, error.at);
    let (kind, words) = match (certainty, version.dialect()) {
        (Certainty::Words, Dialect::One) => (FaultKind::Syntax, format!("failed to load TOML: {path}: {message}")),
        (Certainty::Words, Dialect::Two) => {
            (FaultKind::Syntax, format!("failed to unmarshal TOML at row {line} column {column}: {message}"))
        }
        (Certainty::Refused, _) => {
            (FaultKind::Syntax, format!("it does not read {path} at line {line}, column {column}: {message}"))
        }
        (Certainty::Unknown, _) => (FaultKind::Unread, format!("{path}, line {line}, column {column}: {message}")),
    };
    ConfigFault::new(kind, words, path).at(&place)
}

/// A key of the file itself has the wrong type.
pub fn top_level_type(value: &Value, version: Version, field: &str, wanted: &str) -> ConfigFault {
    let message = match (type_words(value, version.dialect(), field, wanted), version.dialect()) {
        (Some(words), Dialect::One) => format!("failed to unmarshal TOML: {words}"),
        (Some(words), Dialect::Two) => {
            format!(
                "failed to unmarshal TOML at row {} column {}: {words}",
                value.at.start().line,
                value.at.start().column
            )
        }
        (None, _) => other_type(value, wanted),
    };
    ConfigFault::new(FaultKind::WrongType, message, &value.at.file).at(&value.at)
}

/// How the two TOML libraries word a value of the wrong type, where that is known.
pub fn type_words(value: &Value, dialect: Dialect, field: &str, wanted: &str) -> Option<String> {
    if dialect == Dialect::Two {
        return check::words_of_2(&value.data, Some(field).filter(|field| !field.is_empty()), wanted);
    }
    let place = if value.as_table().is_some() { &value.at } else { &value.key };
    // A password without quotes is a number, one in brackets a list, and one key too high a table.
    let is_secret = ["Auth", "Configs", "Headers"].iter().any(|part| field.contains(part));
    check::words_of_1(&value.data, wanted, place.start(), is_secret)
}

/// The same in our words.
pub fn other_type(value: &Value, wanted: &str) -> String {
    let file = &value.key.file;
    let Position { line, column } = value.key.start();
    format!("it does not read {file} at line {line}, column {column}: containerd wants {wanted} there")
}
