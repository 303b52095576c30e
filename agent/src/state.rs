//! The snapshot that everything is rendered from, its only writer, and what is remembered over time.

pub mod back_off;
pub mod bucket;
pub mod changes;
pub mod dependents;
pub mod host_dependencies;
pub mod image_list;
mod lru;
pub mod memory;
pub mod own_login;
pub mod snapshot;
pub mod store;
pub mod targets;
pub mod waiting;
