//! What a credential provider's plugin may open: programs and libraries, authorities and names, and what its own
//! configuration names. Nothing of containerd, of kubelet's logins or of pullprobe.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use landlock::{Access as _, AccessFs, BitFlags, PathBeneath, RulesetCreated, RulesetCreatedAttr as _, RulesetError};

use super::{KNOWN, allow, discarding, ruleset};
use crate::host::root::HostRoot;

/// With the loader, interpreters and what they start.
const PROGRAMS: [&str; 6] = ["/bin", "/lib", "/lib64", "/opt/bin", "/sbin", "/usr"];
const NULL: &str = "/dev/null";
const FILES: [&str; 21] = [
    "/dev/random",
    "/dev/urandom",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/machine-id",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/proc",
    "/sys",
    "/var/lib/ca-certificates",
];

/// Resolved before anything was given up.
#[derive(Debug, Default)]
pub struct Places {
    run: Vec<Arc<OwnedFd>>,
    read: Vec<(Arc<OwnedFd>, bool)>,
    null: Option<Arc<OwnedFd>>,
    /// It starts in the process's own root, where it does not start inside the node's.
    outside: bool,
}

impl Places {
    /// `programs`: directories of plugins. `named`: what their arguments and variables name.
    pub fn of(root: &HostRoot, programs: &[PathBuf], named: &[PathBuf], outside: bool) -> Self {
        let find = |path: &Path| root.handle(path).ok();
        let run = PROGRAMS.iter().map(Path::new).chain(programs.iter().map(PathBuf::as_path)).filter_map(find);
        let read = FILES.iter().map(Path::new).chain(named.iter().map(PathBuf::as_path)).filter_map(|path| {
            let is_directory = root.stat(path).ok()?.kind == crate::host::root::EntryKind::Directory;
            Some((find(path)?, is_directory))
        });
        Self { run: run.collect(), read: read.collect(), null: find(Path::new(NULL)), outside }
    }

    pub(super) fn allow(&self, ruleset: RulesetCreated) -> Result<RulesetCreated, RulesetError> {
        let running: BitFlags<AccessFs> = AccessFs::Execute | AccessFs::ReadFile | AccessFs::ReadDir;
        let reading: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
        let mut ruleset = ruleset;
        for place in &self.run {
            ruleset = ruleset.add_rule(PathBeneath::new(place.as_fd(), running))?;
        }
        for (place, is_directory) in &self.read {
            let access = if *is_directory { reading } else { AccessFs::ReadFile.into() };
            ruleset = ruleset.add_rule(PathBeneath::new(place.as_fd(), access))?;
        }
        if let Some(null) = &self.null {
            ruleset = ruleset.add_rule(PathBeneath::new(null.as_fd(), discarding()))?;
        }
        // Of the process's own root there is next to nothing in a pod; temporary files may be mounted there.
        let temporary = [("/tmp", AccessFs::from_all(KNOWN))];
        let outside = PROGRAMS.iter().map(|path| (*path, running)).chain(FILES.iter().map(|path| (*path, reading)));
        for (path, access) in outside.chain(temporary).filter(|_| self.outside) {
            ruleset = allow(ruleset, Path::new(path), access)?;
        }
        Ok(ruleset)
    }
}

/// The paths among words such as `--config=/etc/kubernetes/azure.json`.
pub fn named<'a>(words: impl Iterator<Item = &'a str>) -> Vec<PathBuf> {
    let value = |word: &'a str| word.split_once('=').map_or(word, |(_, value)| value);
    words.map(value).filter(|value| value.len() > 1 && value.starts_with('/')).map(PathBuf::from).collect()
}

/// Called by the process that is about to become the plugin. Where the kernel has no Landlock, the agent said so
/// at its start.
pub fn confine(root: &Path, program: &Path, words: &[String]) {
    let Ok(root) = HostRoot::open(root) else { return };
    let directory = program.parent().map(Path::to_owned);
    let places = Places::of(&root, directory.as_slice(), &named(words.iter().map(String::as_str)), false);
    let restricted = ruleset().and_then(|ruleset| places.allow(ruleset)).and_then(RulesetCreated::restrict_self);
    drop(restricted);
}
