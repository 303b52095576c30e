//! pullprobe: can this node pull this image as containerd would, and if not, why?
//!
//! The map of the house. A value flows one way:
//!
//! ```text
//! files ─load─▶ Node ─plan─▶ Plan ─probe─▶ Walk ─diagnose─▶ Verdict ─apply─▶ Snapshot ─render─▶ metrics | JSON | text | page
//! ```
//!
//! | layer | rooms |
//! |---|---|
//! | 0 | [`file`], [`model`], [`secret`], [`yaml`] |
//! | 1 | [`node`], [`settings`] |
//! | 2 | [`plan`], [`probe`], [`diagnose`], [`explain`], [`render`] |
//! | 3 | [`ask`], `schedule`, [`store`], `server`, [`telemetry`], `shutdown`, [`cli`] |
//! | 4 | [`app`]: the only room that knows every other |
//!
//! A room uses only rooms of lower layers; `tests/acceptance/layers.rs` enforces it. The longer
//! story is docs/architecture.md.

pub mod app;
pub mod ask;
#[cfg(test)]
mod cases;
pub mod cli;
pub mod diagnose;
pub mod explain;
pub mod file;
pub mod model;
pub mod node;
pub mod plan;
pub mod probe;
pub mod render;
pub mod schedule;
pub mod secret;
pub mod server;
pub mod settings;
pub mod shutdown;
pub mod store;
pub mod telemetry;
pub mod yaml;
