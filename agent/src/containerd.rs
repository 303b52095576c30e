//! containerd's config.toml: imports, schemas, keys and settings, and what keeps it from starting.

pub mod config;
pub mod config_keys;
pub mod configured;
pub mod cri_plugins;
pub mod cri_values;
pub mod evidence;
pub mod options;
pub mod pull_mode;
pub mod reader;
pub mod settings;
