//! Connections to an address: Go's dialer, time limits, and the words of socket errors.

pub mod connection;
pub mod errno;
pub mod step;
pub mod tcp;
