//! Which build of pullprobe this is.

pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit, given by whoever builds a release as `PULLPROBE_REVISION`. `None`: nobody did.
pub const REVISION: Option<&str> = match option_env!("PULLPROBE_REVISION") {
    Some(revision) if !revision.is_empty() => Some(revision),
    _ => None,
};
