//! The node's root, and what lies there beside the daemons' files: resolver, hosts file, disks, processor.

pub mod cpu;
pub mod disk;
mod fields;
pub mod hosts_file;
pub mod last_good;
pub mod nsswitch;
pub mod reads;
pub mod resolv;
pub mod root;
pub mod sight;
pub mod zone;
