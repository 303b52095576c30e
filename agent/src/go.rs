//! How Go reads and says things: TOML, JSON, URLs, durations, globs, quoting. Nothing about containerd.

pub mod address;
pub mod glob;
pub mod http1;
pub mod json;
pub mod release;
pub mod text;
pub mod time;
pub mod toml;
pub mod url_parse;
