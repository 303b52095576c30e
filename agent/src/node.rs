//! The node's containerd, read as a whole from its files and replaced as a whole.
//!
//! A node is read as a whole and replaced as a whole: a file that changes gives a new one.

pub mod containerd;
