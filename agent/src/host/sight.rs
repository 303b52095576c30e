//! What a reading of the node's root opens, and what this process may still open since it gave up the rest.
//!
//! A process gives rights up once and for all its threads, so what is in force is one value of the whole process. This
//! file only knows of it: `confine` is what makes the kernel enforce it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// What a reading opened. The paths are real ones: no component is a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    pub files: BTreeSet<PathBuf>,
    /// Those whose names were listed.
    pub directories: BTreeSet<PathBuf>,
    /// Those of which everything is read later.
    pub trees: BTreeSet<PathBuf>,
    /// Of files that were not there: the nearest directory that is.
    pub missed: BTreeSet<PathBuf>,
}

/// Notes needs while they arise.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Needs>);

impl Recorder {
    pub fn file(&self, real: &Path) {
        self.needs().files.insert(real.to_owned());
    }

    pub fn directory(&self, real: &Path) {
        self.needs().directories.insert(real.to_owned());
    }

    pub fn tree(&self, real: PathBuf) {
        self.needs().trees.insert(real);
    }

    pub fn missed(&self, nearest: PathBuf) {
        self.needs().missed.insert(nearest);
    }

    pub fn needs(&self) -> MutexGuard<'_, Needs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Device and inode: another file of the same name is another one.
pub type Identity = (u64, u64);

/// What may be read below one root. The paths are real ones.
#[derive(Debug, Default)]
pub struct Rules {
    /// The root, as this process sees it.
    pub root: PathBuf,
    /// Directories with everything below them, whatever that is replaced by. The directory itself must stay the same one.
    pub trees: BTreeMap<PathBuf, Identity>,
    /// Single files, where more of their directory is nobody's business.
    pub files: BTreeMap<PathBuf, Identity>,
    /// Files that were needed then too, and stay closed.
    pub refused: BTreeSet<PathBuf>,
    /// Directories of which only the names are known, held open since before the rest was given up.
    pub names: BTreeMap<Identity, Mutex<OwnedFd>>,
}

impl Rules {
    /// Whether the kernel lets this file or directory be opened, as far as these rules go. `now` says what a directory is now.
    pub fn allow(&self, real: &Path, identity: Identity, now: impl Fn(&Path) -> Option<Identity>) -> bool {
        let covers = |above: &Path| self.trees.get(above).is_some_and(|then| now(above) == Some(*then));
        real.ancestors().any(covers) || self.files.get(real) == Some(&identity)
    }
}

/// Whether this process limited itself.
#[derive(Debug)]
pub enum Confinement {
    Limited(Rules),
    /// It wanted to, and why it could not.
    Open(String),
}

/// Whether a new process would have the right to this file of the root, which this one gave up.
pub fn is_gained_anew(root: &Path, real: &Path) -> bool {
    rules_of(root).is_some_and(|rules| !rules.refused.contains(real))
}

static IN_FORCE: OnceLock<Confinement> = OnceLock::new();

/// Says what is in force from now on. Only the first word counts, as with the kernel.
pub fn settle(confinement: Confinement) {
    let _ = IN_FORCE.set(confinement);
}

/// Why nothing was given up, although it should have been.
pub fn open_because() -> Option<&'static str> {
    match IN_FORCE.get() {
        Some(Confinement::Open(why)) => Some(why),
        _ => None,
    }
}

/// The rules for this root. `None`: it is read without any.
pub fn rules_of(root: &Path) -> Option<&'static Rules> {
    match IN_FORCE.get() {
        Some(Confinement::Limited(rules)) if rules.root == root => Some(rules),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_holds_what_comes_later_and_a_file_only_itself() {
        let rules = Rules {
            trees: BTreeMap::from([("/etc/containerd".into(), (1, 2))]),
            files: BTreeMap::from([("/etc/hosts".into(), (1, 7))]),
            ..Rules::default()
        };
        let allow = |path: &str, identity, directory| rules.allow(Path::new(path), identity, |_| Some(directory));
        assert!(allow("/etc/containerd/certs.d/r.example/hosts.toml", (1, 99), (1, 2)));
        assert!(allow("/etc/containerd", (1, 2), (1, 2)));
        assert!(!allow("/etc/containerd/config.toml", (1, 98), (1, 3)), "another directory has its name");
        assert!(allow("/etc/hosts", (1, 7), (1, 1)));
        assert!(!allow("/etc/hosts", (1, 8), (1, 1)), "another file has its name");
        assert!(!allow("/etc/containerd-2/config.toml", (1, 9), (1, 2)));
    }
}
