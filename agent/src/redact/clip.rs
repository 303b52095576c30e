//! How much of a text is shown.

use super::clean::Clean;

/// The longest detail that is kept, in bytes: enough for an error chain, too little for a page of HTML.
pub const DETAIL_LIMIT: usize = 512;

/// Cut at a character boundary and clean, so that a hostile answer can neither flood nor steer a terminal: for
/// what becomes part of a longer text.
#[expect(clippy::needless_pass_by_value, reason = "every caller has just made it")]
pub fn clip(text: String) -> String {
    clip_to(&text, DETAIL_LIMIT)
}

/// The same for another length in bytes.
pub fn clip_to(text: &str, limit: usize) -> String {
    Clean::clipped(text, limit).into_string()
}
