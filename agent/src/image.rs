//! How images are named: references, platforms, and the targets that users write.

pub mod platform;
pub mod reference;
pub mod target;
