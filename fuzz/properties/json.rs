//! JSON as Go takes it: what is whole is whole to any reader, and what is broken has one reason.

use go::json::{error, first};
use serde::de::IgnoredAny;

pub fn holds(data: &[u8]) {
    let words = error(data);
    let other = serde_json::from_slice::<IgnoredAny>(data);
    assert_eq!(words.is_empty(), other.is_ok(), "{words:?} against {other:?}");
    assert!(words.len() <= 128 && !words.contains(char::is_control), "{words:?}");
    match first(data) {
        Ok(value) => {
            assert_eq!(error(value), "", "the first value is none");
            assert!(data.starts_with(value));
            assert!(first(value).is_ok_and(|again| again == value));
        }
        Err(words) => {
            assert!(!words.is_empty(), "no value, for no reason");
            assert!(!error(data).is_empty(), "no first value in a whole text");
        }
    }
}
