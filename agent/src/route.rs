//! The way to a host, once a cycle for all who ask: DNS, TCP, proxy, TLS.

pub mod dependencies;
pub mod named;
pub mod network;
pub mod proxy;
pub mod requests;
pub mod usage;
