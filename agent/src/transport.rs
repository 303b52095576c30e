//! Bytes to an address: sockets, their time limits, and the words of their errors.

pub mod connection;
pub mod errno;
pub mod step;
pub mod tcp;
