//! The node's own files below its root: resolver, hosts file, disk, processor.

pub mod cpu;
pub mod disk;
mod fields;
pub mod hosts_file;
pub mod last_good;
pub mod nsswitch;
pub mod resolv;
pub mod root;
pub mod zone;
