//! Where an answer sends a request on, and what goes along.

pub mod location;
pub mod shown;
pub mod trail;

use http::{HeaderName, header};

/// The headers that Go's client does not repeat to another host, `Cookie2` and `Www-Authenticate` aside,
/// which no request has.
pub const OF_ONE_HOST: [HeaderName; 2] = [header::AUTHORIZATION, header::COOKIE];
