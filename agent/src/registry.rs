//! Requests to a registry: `/v2/`, the challenge, the token, redirects.

pub mod authority;
pub mod challenge;
pub mod endpoint;
pub mod redirect;
mod request;
pub mod session;
pub mod token;
