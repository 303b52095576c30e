//! The lab through real sockets: what its servers claim to do is what a client sees.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends where its set-up fails")]

mod client;
mod dns;
mod faults;
mod program;
mod proxy;
mod registry;
mod skopeo;
mod tls;
mod tokens;
