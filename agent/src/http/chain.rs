//! What went wrong, as the libraries below tell it.

use crate::redact::clip::clip;

/// The error and its sources in one line, without the URL: it may hold a token in its query.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        let text = match error.downcast_ref::<reqwest::Error>() {
            Some(_) => "request failed".to_owned(),
            None => error.to_string(),
        };
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        next = error.source();
    }
    clip(parts.join(": "))
}
