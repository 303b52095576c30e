//! The agent's own port: who may read what, over which addresses, with TLS and passwords or without.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

mod clients;
mod healthcheck;
mod outside;
mod passwords;
mod prometheus;
mod readers;
mod serving;
mod tls;
