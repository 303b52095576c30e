//! The head of an answer that is no HTTP, or hardly: reading ends, and what Go refuses has its words.

use go::http1::head::{BROKEN, go_message, may_go_on};

pub fn holds(data: &[u8]) {
    let mut goes_on = true;
    for length in 0..=data.len().min(512) {
        let more = may_go_on(&data[..length]);
        assert!(goes_on || !more, "an end that is none, after {length} bytes");
        goes_on = more;
    }
    if let Some(words) = go_message(data) {
        assert!(words.len() > BROKEN.len() && words.starts_with(BROKEN), "{words:?}");
        assert!(words.len() <= BROKEN.len() + 128 + 4 * data.len(), "{} bytes of {}", words.len(), data.len());
    } else {
        assert!(data.starts_with(b"HTTP/"), "{data:?} is no HTTP, and is not refused");
    }
}
