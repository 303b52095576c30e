//! The way to a host: DNS, TCP, proxy and TLS in order, once a cycle for everyone who asks.

pub mod dependencies;
pub mod named;
pub mod network;
pub mod proxy;
pub mod requests;
pub mod usage;
