//! Which files of the node a reading read, and what was in them, as hashes: so that the next one can tell what changed.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A file as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    hash: u64,
    /// When anything about the file changed last, its name included: seconds and nanoseconds.
    pub changed: (i64, i64),
}

impl Content {
    pub fn of(bytes: &[u8], changed: (i64, i64)) -> Self {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        Self { hash: hasher.finish(), changed }
    }

    /// The same text written anew is no change.
    pub const fn is_same(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

/// By the path that was asked for: where a link leads elsewhere, the file is another one.
pub type Contents = BTreeMap<PathBuf, Content>;

/// Notes what is read until somebody takes it.
#[derive(Debug)]
pub struct ReadLog(Mutex<Option<Contents>>);

impl Default for ReadLog {
    fn default() -> Self {
        Self(Mutex::new(Some(Contents::new())))
    }
}

impl ReadLog {
    pub fn note(&self, path: &Path, content: impl FnOnce() -> Option<Content>) {
        // The kernel's own files are another at each look.
        if path.starts_with("/proc") || path.starts_with("/sys") {
            return;
        }
        if let Some((contents, content)) = self.contents().as_mut().and_then(|contents| Some((contents, content()?))) {
            contents.insert(path.to_owned(), content);
        }
    }

    /// What was read; nothing more is noted.
    pub fn take(&self) -> Contents {
        self.contents().take().unwrap_or_default()
    }

    fn contents(&self) -> MutexGuard<'_, Option<Contents>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
