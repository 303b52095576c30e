//! The names in a directory of the node, and what kind each is.
//!
//! What is mounted below a directory may hang, and whoever asks what it is hangs too. So a name that the directory itself
//! calls a directory is not asked: nothing but a directory can be mounted there.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::sync::PoisonError;

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use super::{Entry, EntryKind, HostRoot, ReadError, identity, reopen, sight, wrap};

/// No directory that we list has a reason to be larger.
pub(super) const ENTRY_LIMIT: usize = 10_000;

/// A name with its own kind: of a link, that it is one.
type Named = (OsString, FileType);

impl HostRoot {
    /// The names in a directory, sorted as Go sorts them: by bytes. All of them, or none.
    pub fn list(&self, path: &Path) -> Result<Vec<Entry>, ReadError> {
        match self.list_some(path)? {
            (entries, false) => Ok(entries),
            (_, true) => Err(ReadError::TooMany { path: path.into(), limit: ENTRY_LIMIT }),
        }
    }

    /// The same, and whether there are more, whichever those are: for who can do without them.
    pub fn list_some(&self, path: &Path) -> Result<(Vec<Entry>, bool), ReadError> {
        let mut names = self.some_kinds(path)?;
        let more = names.len() > ENTRY_LIMIT;
        names.truncate(ENTRY_LIMIT);
        names.sort_by(|(one, _), (other, _)| one.cmp(other));
        let kind = |(name, own): &Named| match own {
            FileType::Directory => EntryKind::Directory,
            // A file may be covered by a device, and a link leads somewhere.
            _ => self.stat(&path.join(name)).map_or(EntryKind::Other, |stat| stat.kind),
        };
        Ok((names.into_iter().map(|named| Entry { kind: kind(&named), name: named.0 }).collect(), more))
    }

    /// All names in a directory, in no order, without following a link or asking what is mounted there.
    pub fn own_kinds(&self, path: &Path) -> Result<Vec<Named>, ReadError> {
        let names = self.some_kinds(path)?;
        if names.len() > ENTRY_LIMIT {
            return Err(ReadError::TooMany { path: path.into(), limit: ENTRY_LIMIT });
        }
        Ok(names)
    }

    /// At most one more than the limit.
    fn some_kinds(&self, path: &Path) -> Result<Vec<Named>, ReadError> {
        let (handle, real) = self.follow(path)?;
        if let Some(recorder) = &self.recorder {
            recorder.directory(&real);
        }
        self.names_in(&handle, &real).map_err(|error| wrap(path, error))
    }

    /// Opens the directory, or takes the one that was opened before this process limited itself.
    fn names_in(&self, handle: &OwnedFd, real: &Path) -> Result<Vec<Named>, Errno> {
        let error = match reopen(handle, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(dir) => return names_of(dir),
            Err(error) => error,
        };
        let held = sight::rules_of(&self.dir).zip(identity(handle));
        if let Some(held) = held.and_then(|(rules, identity)| rules.names.get(&identity)) {
            // Who reads moves its place in the directory for all who hold it.
            let held = held.lock().unwrap_or_else(PoisonError::into_inner);
            return names_of(rustix::io::fcntl_dupfd_cloexec(&*held, 0)?);
        }
        self.note_given_up(handle, real, error);
        Err(error)
    }
}

/// At most one more than the limit.
fn names_of(dir: OwnedFd) -> Result<Vec<Named>, Errno> {
    let mut dir = rustix::fs::Dir::new(dir)?;
    dir.rewind();
    let entries = dir.flatten().map(|entry| (entry.file_name().to_owned(), entry.file_type()));
    let entries = entries.filter(|(name, _)| name.as_bytes() != b"." && name.as_bytes() != b"..").take(ENTRY_LIMIT + 1);
    Ok(entries.map(|(name, kind)| (OsString::from_vec(name.into_bytes()), kind)).collect())
}
