//! Starts a plugin inside the node's root, where it finds what it finds with kubelet: the node's authorities,
//! its files and its libraries.
//!
//! Nobody can change the root of another process, so this program is started once more under another name:
//! it changes its own root, and then becomes the plugin.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use rustix::thread::CapabilitySet;
use tokio::process::Command;

use crate::confine;

/// The name under which this program is that process.
pub const NAME: &str = "pullprobe-provider";
/// This very binary, replaced or not.
const SELF: &str = "/proc/self/exe";
/// How it ends when the plugin could not be started, and what it then says.
pub const NOT_STARTED: u8 = 125;
const WORDS: &str = "not started inside the node's root";

/// Where a plugin is, as the node names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inside {
    pub root: PathBuf,
    pub program: PathBuf,
}

impl Inside {
    pub fn command(&self) -> Command {
        let mut command = Command::new(SELF);
        command.arg0(NAME).arg(&self.root).arg(&self.program);
        command
    }
}

/// Whether this process may change its root (`capabilities`(7)).
pub fn is_allowed() -> bool {
    rustix::thread::capabilities(None).is_ok_and(|own| own.effective.contains(CapabilitySet::SYS_CHROOT))
}

/// Whether the plugin never ran: it is then tried outside.
pub fn never_ran(status: ExitStatus, words: &[u8]) -> bool {
    status.code() == Some(NOT_STARTED.into()) && words.starts_with(WORDS.as_bytes())
}

/// Becomes the plugin: root, program and its arguments. What returns is why not.
pub fn enter(mut arguments: impl Iterator<Item = OsString>) -> String {
    let (Some(root), Some(program)) = (arguments.next(), arguments.next()) else {
        return format!("{WORDS}: it is started by pullprobe itself, with a root and a program");
    };
    let arguments: Vec<OsString> = arguments.collect();
    let variables = std::env::vars_os().map(|(_, value)| value);
    let words: Vec<String> =
        arguments.iter().cloned().chain(variables).map(|word| word.to_string_lossy().into_owned()).collect();
    confine::plugin::confine(Path::new(&root), Path::new(&program), &words);
    let entered = rustix::process::chroot(Path::new(&root)).and_then(|()| rustix::process::chdir("/"));
    let error = match entered {
        Ok(()) => std::process::Command::new(program).args(arguments).exec(),
        Err(errno) => io::Error::from(errno),
    };
    format!("{WORDS}: {error}")
}
