//! How much of an answer that leads somewhere else is read: its body says nothing.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use tokio::time::Instant;

/// Go reads so much of it, to use the connection once more.
const BODY: usize = 2_048;
/// Nothing depends on it: what does not come at once is left, and with it the connection.
const PATIENCE: Duration = Duration::from_millis(250);

/// The bounds of the body of this answer: those that were given, or less.
pub fn bounds(status: StatusCode, headers: &HeaderMap, limit: usize, deadline: Instant) -> (usize, Instant) {
    let is_redirect = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let leads = headers.get(header::LOCATION).is_some_and(|location| !location.is_empty());
    if is_redirect && leads { (BODY.min(limit), deadline.min(Instant::now() + PATIENCE)) } else { (limit, deadline) }
}
