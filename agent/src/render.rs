//! Pure functions from reports and the snapshot to metrics, JSON, text and page.

pub mod json;
pub mod metrics;
pub mod page;
pub mod text;
