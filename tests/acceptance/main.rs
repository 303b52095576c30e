//! Everything users see, asked for as users ask for it.

mod agent;
mod agent_files;
mod binary;
mod cli;
mod confined;
mod contradictions;
mod corpus;
mod credentials;
mod deaths;
mod deploy;
mod dry_run;
mod escapes;
mod expiry;
mod exposition;
mod fleet;
mod history;
mod hostile;
mod hosts;
mod http;
mod judge;
mod keyring;
mod kubelet;
mod layers;
mod lint;
mod one_byte;
mod platforms;
mod pod_secrets;
#[path = "../../fuzz/properties/mod.rs"]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is how a test fails")]
mod properties;
mod provider;
mod reach;
mod reading;
mod registries;
mod resolver;
mod restarted;
mod scenario;
mod secrets;
mod security;
mod self_report;
mod space;
mod tokens;
mod unread;
mod web;
mod why;
mod world;
