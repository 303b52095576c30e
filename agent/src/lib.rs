//! pullprobe: can this node pull this image as containerd would, and if not, why?
//!
//! The map of the rooms is docs/architecture.md; a test holds the source against it.

pub mod access;
pub mod agent;
pub mod app;
#[cfg(test)]
mod cases;
pub mod cause;
pub mod cli;
pub mod cluster;
pub mod confine;
pub mod containerd;
pub mod credentials;
pub mod cri;
pub mod diagnose;
pub mod dns;
pub mod environment;
pub mod explain;
pub mod fault;
pub mod file;
pub mod fleet;
pub mod host;
pub mod http;
pub mod image;
pub mod keyring;
pub mod lint;
pub mod lookup;
pub mod manifest;
pub mod mirrors;
pub mod model;
pub mod node;
pub mod observation;
pub mod page;
pub mod plan;
pub mod pods;
pub mod probe;
pub mod provider;
pub mod pull;
pub mod pull_secrets;
pub mod reading;
pub mod redact;
pub mod refusal;
pub mod registry;
pub mod render;
pub mod route;
pub mod schedule;
pub mod server;
pub mod settings;
pub mod shutdown;
pub mod state;
pub mod telemetry;
pub mod tls;
pub mod transport;
pub mod version;
pub mod web_config;
pub mod why;
pub mod yaml;
