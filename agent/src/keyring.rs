//! kubelet's keyring: login files, the keys in them, and which of them match an image.

pub mod damage;
pub mod dockerconfig;
pub mod expiry;
pub mod inaccessible;
pub mod key;
pub mod keyring;
pub mod kubelet;
pub mod lint;
pub mod near;
pub mod position;
