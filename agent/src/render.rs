//! Pure functions from reports and the snapshot to metrics, JSON and text.

pub mod json;
pub mod metrics;
pub mod text;
