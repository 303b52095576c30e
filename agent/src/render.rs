//! Pure functions from what was seen to what is shown.

pub mod json;
pub mod metrics;
pub mod page;
pub mod text;
