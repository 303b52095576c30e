//! kubelet's login files: reading them, and which key in them matches an image.

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
