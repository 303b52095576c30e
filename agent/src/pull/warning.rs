//! Reads the header `Warning` of a registry's answers: what it wants its users to know.
//!
//! Source: the OCI distribution specification 1.1, "Warnings": `299 - "text"`, 4096 bytes at most.

use http::header::WARNING;

use crate::http::Response;
use crate::redact::clip::clip;

/// More are not shown to anybody.
const LIMIT: usize = 8;

/// Adds what is not known yet.
pub fn read(response: &Response, known: &mut Vec<String>) {
    for line in response.headers.get_all(WARNING) {
        let text = text_of(&String::from_utf8_lossy(line.as_bytes())).map(|text| clip(response.repeated(&text)));
        if let Some(text) = text.filter(|text| known.len() < LIMIT && !known.contains(text)) {
            known.push(text);
        }
    }
}

/// The text of `299 - "text"`. Other numbers are about caches.
fn text_of(line: &str) -> Option<String> {
    let quoted = line.trim().strip_prefix("299 ")?.trim_start().split_once(' ')?.1.trim();
    let inner = quoted.strip_prefix('"')?;
    let mut text = String::new();
    let mut chars = inner.chars();
    loop {
        match chars.next()? {
            '"' => return (!text.is_empty()).then_some(text),
            '\\' => text.extend(chars.next()),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &[&str]) -> Vec<String> {
        let mut response = Response::empty();
        for line in lines {
            response.headers.append(WARNING, line.parse().unwrap());
        }
        let mut known = Vec::new();
        read(&response, &mut known);
        known
    }

    #[test]
    fn each_text_is_kept_once_and_unquoted() {
        let twice = r#"299 - "Tag \"1.0\" goes, soon""#;
        assert_eq!(all(&[twice, twice, "299 registry.example \"b\""]), [r#"Tag "1.0" goes, soon"#, "b"]);
    }

    #[test]
    fn what_is_no_warning_to_users_is_left() {
        assert!(
            all(&["110 - \"Response is Stale\"", "299", "299 - unquoted", "299 - \"open", "299 - \"\""]).is_empty()
        );
        let many: Vec<String> = (0..20).map(|n| format!("299 - \"{n}\"")).collect();
        assert_eq!(all(&many.iter().map(String::as_str).collect::<Vec<_>>()).len(), LIMIT);
    }
}
