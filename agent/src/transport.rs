//! Connections to an address, with time limits and causes: all addresses of a host at once.

pub mod connection;
pub mod errno;
pub mod step;
pub mod tcp;
