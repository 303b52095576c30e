//! The names of what is pulled: references, platforms, targets.

pub mod platform;
pub mod reference;
pub mod target;
