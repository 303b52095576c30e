//! Files that kubelet reads and pullprobe cannot: nothing that hangs on them is certain.

use std::path::Path;

use rustix::fs::FileType;
use rustix::io::Errno;

use super::lint;
use crate::host::root::{HostRoot, ReadError};
use crate::model::finding::Finding;

/// A file, or a directory, of which kubelet may know more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inaccessible {
    pub file: String,
    /// Said of the file.
    pub why: String,
    /// kubelet looks here before the file that is used instead.
    pub comes_first: bool,
}

impl Inaccessible {
    pub fn new(file: impl Into<String>, error: &ReadError) -> Self {
        let why = format!("cannot be read here ({})", error.reason());
        Self { file: file.into(), why, comes_first: false }
    }

    pub fn finding(&self) -> Finding {
        lint::unreadable(&self.file, &self.why)
    }
}

/// Whether it is pullprobe alone that cannot read it. What is no file, or leads in a circle, is so for
/// kubelet as well.
pub fn is_closed(error: &ReadError) -> bool {
    match error {
        ReadError::NotFound(_) | ReadError::IsDirectory(_) => false,
        ReadError::Os(_, errno) => ![Errno::NOTDIR, Errno::LOOP].contains(errno),
        ReadError::NotAFile(_) | ReadError::TooLarge { .. } | ReadError::TooMany { .. } | ReadError::NotText(_) => true,
    }
}

/// Whether what was not found is a link to a place of the node that is not mounted here.
pub fn is_link_out_of_sight(root: &HostRoot, path: &Path) -> bool {
    !is_whole(root) && names(root, path).is_some_and(|names| names.contains_name)
}

/// Whether what was not found may be on the node: of its directory nothing is to be seen here. One that is
/// not mounted may be there as a mount point's parent or below an empty cover, without any file.
pub fn is_out_of_sight(root: &HostRoot, path: &Path) -> bool {
    !is_whole(root) && names(root, path).is_none_or(|names| names.contains_name || !names.has_files)
}

/// Nothing of the node is left out.
pub fn is_whole(root: &HostRoot) -> bool {
    root.dir() == Path::new("/")
}

struct Names {
    contains_name: bool,
    has_files: bool,
}

fn names(root: &HostRoot, path: &Path) -> Option<Names> {
    // No link is followed, and nothing that is mounted here is asked: it may hang. Of a mount point's parent there are directories only,
    // and a file system that does not say what is what is no such parent.
    let names = root.own_kinds(path.parent()?).ok()?;
    Some(Names {
        contains_name: names.iter().any(|(name, _)| Some(name.as_os_str()) == path.file_name()),
        has_files: names
            .iter()
            .any(|(_, kind)| matches!(kind, FileType::RegularFile | FileType::Symlink | FileType::Unknown)),
    })
}
