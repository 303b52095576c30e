//! What a reading opened, for who notes that, and what this process may not open any more since it limited itself.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use rustix::io::Errno;

use super::{HostRoot, identity};
use crate::host::reads::{Content, Contents};
use crate::host::sight::{self, Needs};

impl HostRoot {
    /// The same root, which notes what is in the files that are read, until [`take_reads`](Self::take_reads).
    #[must_use]
    pub fn noting_reads(self) -> Self {
        Self { reads: Some(Arc::default()), ..self }
    }

    /// What was read so far. Later reads are not noted: a root lives on in what was read of it.
    pub fn take_reads(&self) -> Contents {
        self.reads.as_ref().map(|reads| reads.take()).unwrap_or_default()
    }

    pub(super) fn note_read(&self, path: &Path, file: impl AsFd, bytes: &[u8]) {
        let content = || {
            let stat = rustix::fs::fstat(file).ok()?;
            Some(Content::of(bytes, (stat.st_ctime, i64::try_from(stat.st_ctime_nsec).unwrap_or(0))))
        };
        if let Some(reads) = &self.reads {
            reads.note(path, content);
        }
    }

    /// What was opened since the root notes it.
    pub fn needs(&self) -> Needs {
        self.recorder.as_ref().map(|recorder| recorder.needs().clone()).unwrap_or_default()
    }

    /// Notes that everything in this directory is read later, for who notes that.
    pub fn will_read(&self, directory: &Path) {
        if let (Some(recorder), Ok((_, real))) = (&self.recorder, self.follow(directory)) {
            recorder.tree(real);
        }
    }

    /// What was asked for since this root was opened, and this process may not open any more.
    pub fn given_up(&self) -> BTreeSet<PathBuf> {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes on with what an earlier reading was refused, as far as it is still refused.
    pub fn inherit(&self, before: &Self) {
        let Some(rules) = sight::rules_of(&self.dir) else { return };
        let is_refused = |real: &PathBuf| {
            let identity = self.handle(real).ok().and_then(|handle| identity(&handle));
            identity.is_some_and(|identity| !self.is_allowed(rules, real, identity))
        };
        let refused: Vec<PathBuf> = before.given_up().into_iter().filter(is_refused).collect();
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner).extend(refused);
    }

    fn is_allowed(&self, rules: &sight::Rules, real: &Path, file: sight::Identity) -> bool {
        rules.allow(real, file, |directory| self.handle(directory).ok().and_then(|handle| identity(&handle)))
    }

    /// Permissions of the node say the same word; what is within the rules is refused by those.
    pub(super) fn note_given_up(&self, handle: &OwnedFd, real: &Path, error: Errno) {
        let outside =
            |rules: &sight::Rules| identity(handle).is_some_and(|identity| !self.is_allowed(rules, real, identity));
        if error == Errno::ACCESS && sight::rules_of(&self.dir).is_some_and(outside) {
            self.given_up.lock().unwrap_or_else(PoisonError::into_inner).insert(real.to_owned());
        }
    }
}
