//! kubelet's login files: reading them, which key in them matches an image, when a login ends, what is wrong with it.

pub mod damage;
pub mod dockerconfig;
pub mod expiry;
pub mod inaccessible;
pub mod key;
pub mod kubelet;
pub mod lint;
pub mod lookup;
pub mod near;
pub mod position;
