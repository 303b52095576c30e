//! What a token service answers: the same token whatever stands beside it, or Go's reason.

use go::json;
use go::json::decode::Undecoded;
use pullprobe::registry::token::answer::{Form, RegistryResponse, decode};

pub fn holds(data: &[u8]) {
    for form in [Form::Fetch, Form::OAuth] {
        let read = decode(data, form);
        match &read {
            Ok(RegistryResponse { token, access_token, .. }) => {
                // Bytes that are not UTF-8 become three each.
                assert!(token.len() + access_token.len() <= 3 * data.len());
            }
            Err(Undecoded::Invalid(words) | Undecoded::TooMuch(words)) => {
                assert!(!words.is_empty() && words.len() <= 4096, "{words:?}");
            }
        }
        // Only the first value counts.
        let Ok(first) = json::first(data) else { continue };
        assert_eq!(decode(first, form), read);
        assert_eq!(decode(&[first, b" {\"token\":5}"].concat(), form), read);
        // A field that nobody knows changes nothing.
        if let Some(fields) = first.trim_ascii().strip_prefix(b"{") {
            let comma = if fields.trim_ascii_start().starts_with(b"}") { "" } else { "," };
            let more = [format!("{{\"unheard-of\":[{{}},null]{comma}").as_bytes(), fields].concat();
            assert_eq!(decode(&more, form), read, "a field more");
        }
    }
}
