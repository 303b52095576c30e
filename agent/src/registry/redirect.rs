//! Where an answer sends a request on, and what goes along.

pub mod location;
pub mod trail;
