//! Everything that is read from the node's files. No network.
//!
//! A node is read as a whole and replaced as a whole: a file that changes gives a new one.

pub mod containerd;
pub mod content;
pub mod cpu;
pub mod credentials;
pub mod cri;
pub mod disk;
pub mod hosts_file;
pub mod in_force;
pub mod kubelet;
pub mod layout;
pub mod maker;
pub mod nsswitch;
pub mod proxy;
pub mod resolv;
pub mod root;
pub mod since_start;
pub mod trust;
mod zone;
