//! What is looked for in everything that the program says: signs of a fall, of a terminal steered, of a secret.

use serde_json::Value;

use crate::scene::Scene;

/// What no text for people may have, beside ends of lines.
fn steers(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// What is wrong with a text, as text and, where it is JSON, with each string in it.
pub fn faults(place: &str, bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut faults = Vec::new();
    for sign in ["panicked at", "RUST_BACKTRACE", "stack overflow", "memory allocation of"] {
        if text.contains(sign) {
            faults.push(format!("{place}: {sign}"));
        }
    }
    for secret in Scene::secrets() {
        if text.contains(&secret) {
            faults.push(format!("{place}: a secret is shown"));
        }
    }
    let mut strings = vec![text.into_owned()];
    if let Ok(document) = serde_json::from_slice::<Value>(bytes) {
        collect(&document, &mut strings);
    }
    for string in &strings {
        if let Some(at) = string.find(steers) {
            let from = string[..at].char_indices().rev().nth(40).map_or(0, |(at, _)| at);
            let to = string[at..].char_indices().nth(10).map_or(string.len(), |(end, _)| at + end);
            faults.push(format!("{place}: steered by {:?}", &string[from..to]));
            break;
        }
    }
    faults
}

fn collect(value: &Value, strings: &mut Vec<String>) {
    match value {
        Value::String(text) => strings.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, strings)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            strings.push(name.clone());
            collect(value, strings);
        }),
        _ => {}
    }
}
