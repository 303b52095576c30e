//! What a registry is asked before an image is: `/v2/`, the challenge, the token, each request of a session.

pub mod authority;
pub mod challenge;
pub mod endpoint;
pub mod redirect;
pub mod session;
pub mod token;
