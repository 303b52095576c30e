//! Everything that is read from the node's files. No network.
//!
//! A node is read as a whole and replaced as a whole: a file that changes gives a new one.

pub mod containerd;
