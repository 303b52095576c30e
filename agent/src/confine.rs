//! Takes from this process every right to files that the node's layout does not need: Landlock, for good.
//!
//! What it needs is not written down here: one reading of the node, made just before, says which files the other
//! rooms open. This room knows what they must not get along with that.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible as _, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};

use crate::environment::layout;
use crate::host::root::{HostRoot, identity};
use crate::host::sight::{Needs, Rules};
use crate::model::finding::{Finding, Severity};

#[cfg(test)]
pub mod layouts;
pub mod plugin;
pub mod widen;

/// The rights that are given up. Newer kernels know of more, such as sockets by path (9).
const KNOWN: ABI = ABI::V7;
/// The code of this room, as docs/findings.md tells it.
pub const GIVEN_UP: &str = "outside_confinement";
pub const UNCONFINED: &str = "not_confined";

/// What nobody asked for by name is never opened along with its directory. `*` is one name.
const PRIVATE: [&str; 40] = [
    "/etc/NetworkManager/system-connections",
    "/etc/cni/net.d/*kubeconfig",
    "/etc/ipsec.d/private",
    "/etc/k0s/k0s.yaml",
    "/etc/kubernetes/admin.conf",
    "/etc/kubernetes/kubelet.conf",
    "/etc/kubernetes/pki",
    "/etc/pki/consumer",
    "/etc/pki/entitlement",
    "/etc/pki/tls/private",
    "/etc/rancher/*/*.yaml",
    "/etc/rancher/node",
    "/etc/shadow",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/sudoers.d",
    "/etc/systemd/network",
    "/etc/default/*",
    "/etc/sysconfig/*",
    "/etc/wireguard",
    "/home",
    "/root",
    "/run/containerd/*",
    "/run/credentials",
    "/run/k3s/containerd/*",
    "/run/k0s/containerd/*",
    "/run/secrets",
    "/run/user",
    "/tmp",
    "/var/home",
    "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs",
    "/var/lib/docker",
    "/var/lib/etcd",
    "/var/lib/k0s/pki",
    "/var/lib/k0s/containerd/io.containerd.snapshotter.v1.overlayfs",
    "/var/lib/rancher/*/agent/containerd/io.containerd.snapshotter.v1.overlayfs",
    "/var/lib/rancher/*/server",
    "/var/snap/*/*/credentials",
    "/var/snap/*/common/run/*",
    "/var/tmp",
];
/// Likewise, below each directory that may be kubelet's.
const PRIVATE_OF_KUBELET: [&str; 3] = ["pki", "plugins", "pods"];
/// Names that no directory with configuration alone has in it.
const TELLTALES: [&str; 7] = ["admin.conf", "credentials", "kubeconfig", "pki", "pods", "private", "secrets"];
/// Directories of these may be opened although they are not deep: nothing else is in them.
const RESOLVER: [&str; 2] = ["/run/netconfig", "/run/resolvconf"];
const PROCESSES: &str = "/proc";

/// What the process needs besides the node, as itself names the paths.
#[derive(Clone, Debug, Default)]
pub struct OwnFiles {
    pub read: Vec<PathBuf>,
    /// Directories in which it makes and replaces files.
    pub write: Vec<PathBuf>,
    /// It starts itself anew, under another name.
    pub starts_itself: bool,
}

/// What may be read of the root so that `needs` are met, and what else of that cannot be told apart from it.
pub fn rules(root: &HostRoot, kubelet_root: &Path, needs: &Needs) -> Rules {
    let mut rules = Rules { root: root.dir().to_owned(), ..Rules::default() };
    let private = Private::of(root, kubelet_root);
    let tree_of = |directory: &Path| match directory {
        directory if directory.starts_with(PROCESSES) => Some(PathBuf::from(PROCESSES)),
        directory => private.spares(directory).then(|| directory.to_owned()),
    };
    let mut trees: BTreeSet<PathBuf> = needs.trees.clone();
    for file in &needs.files {
        if private.is_of_a_pod(file) {
            rules.refused.insert(file.clone());
        } else if let Some(tree) = file.parent().and_then(tree_of) {
            trees.insert(tree);
        } else if let Some(identity) = root.handle(file).ok().and_then(|handle| identity(&handle)) {
            rules.files.insert(file.clone(), identity);
        }
    }
    for directory in &needs.directories {
        if let Some(tree) = tree_of(directory) {
            trees.insert(tree);
        } else if let Some((identity, open)) = opened(root, directory) {
            rules.names.insert(identity, Mutex::new(open));
        }
    }
    trees.extend(needs.missed.iter().filter(|directory| private.spares(directory)).cloned());
    let known = trees.into_iter().filter_map(|tree| {
        let identity = root.handle(&tree).ok().and_then(|handle| identity(&handle))?;
        Some((tree, identity))
    });
    rules.trees = known.collect();
    rules
}

fn opened(root: &HostRoot, directory: &Path) -> Option<((u64, u64), std::os::fd::OwnedFd)> {
    let handle = root.handle(directory).ok()?;
    let open = crate::host::root::reopen_directory(&handle).ok()?;
    Some((identity(&handle)?, open))
}

/// What is not to be opened along with something else.
struct Private<'a> {
    root: &'a HostRoot,
    /// What was found of each directory: many files lie in one.
    known: Mutex<BTreeMap<PathBuf, bool>>,
    patterns: Vec<PathBuf>,
}

impl<'a> Private<'a> {
    fn of(root: &'a HostRoot, kubelet_root: &Path) -> Self {
        let roots = layout::kubelet_roots().map(PathBuf::from).chain([kubelet_root.to_owned()]);
        let of_kubelet = roots.flat_map(|root| PRIVATE_OF_KUBELET.iter().map(move |name| root.join(name)));
        Self { root, known: Mutex::default(), patterns: PRIVATE.iter().map(PathBuf::from).chain(of_kubelet).collect() }
    }

    /// Whether the directory may be opened with all that is and will be in it.
    fn spares(&self, directory: &Path) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(directory).copied();
        known.unwrap_or_else(|| {
            let spares = self.looked_at(directory);
            self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(directory.to_owned(), spares);
            spares
        })
    }

    fn looked_at(&self, directory: &Path) -> bool {
        let depth = directory.components().count() - 1;
        let deep = if directory.starts_with("/etc") || directory.starts_with("/usr") { 2 } else { 3 };
        let is_deep = depth >= deep || RESOLVER.iter().any(|known| directory == Path::new(known));
        is_deep && !self.patterns.iter().any(|private| overlap(directory, private)) && !self.has_telltale(directory)
    }

    /// Whatever names such a file: containerd has no business there.
    fn is_of_a_pod(&self, file: &Path) -> bool {
        let of_pods = self.patterns.iter().filter(|pattern| pattern.ends_with("pods"));
        of_pods.into_iter().any(|pods| file.starts_with(pods))
    }

    fn has_telltale(&self, directory: &Path) -> bool {
        let is_one = |name: &str| TELLTALES.contains(&name) || name.ends_with(".kubeconfig");
        let entries = self.root.list_some(directory).unwrap_or_default().0;
        entries.iter().any(|entry| is_one(&entry.name.to_string_lossy()))
    }
}

/// Whether one lies in the other.
fn overlap(directory: &Path, private: &Path) -> bool {
    let same = |(name, pattern): (std::path::Component<'_>, std::path::Component<'_>)| {
        let (name, pattern) = (name.as_os_str().to_string_lossy(), pattern.as_os_str().to_string_lossy());
        pattern.strip_prefix('*').map_or(name == pattern, |end| name.ends_with(end))
    };
    directory.components().zip(private.components()).all(same)
}

/// From now on this process opens nothing else, for as long as it runs and whatever it becomes. The error says why the
/// kernel does not enforce that.
pub fn enforce(root: &HostRoot, rules: &Rules, own: &OwnFiles, plugin: Option<&plugin::Places>) -> Result<(), String> {
    let restricted = ruleset().and_then(|ruleset| {
        let ruleset = of_node(ruleset, root, rules)?;
        let ruleset = of_process(ruleset, own)?;
        let ruleset = match plugin {
            Some(places) => places.allow(ruleset)?,
            None => ruleset,
        };
        ruleset.restrict_self()
    });
    match restricted {
        Ok(status) if status.ruleset != RulesetStatus::NotEnforced => Ok(()),
        Ok(status) => Err(match status.landlock {
            LandlockStatus::NotEnabled => "Landlock is not switched on in this kernel (`lsm=` at its start)".into(),
            _ => "this kernel has no Landlock (Linux 5.13 and later), or the container runtime's seccomp profile forbids it"
                .into(),
        }),
        Err(error) => Err(format!("Landlock failed: {error}")),
    }
}

/// Whatever the kernel knows of reading, writing and running files; and signals and nameless sockets of others.
fn ruleset() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()
}

fn reading() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

/// Of a device that takes everything.
fn discarding() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate
}

fn of_node(ruleset: RulesetCreated, root: &HostRoot, rules: &Rules) -> Result<RulesetCreated, RulesetError> {
    let trees = rules.trees.keys().map(|tree| (tree, reading()));
    let files = rules.files.keys().map(|file| (file, AccessFs::ReadFile.into()));
    trees.chain(files).try_fold(ruleset, |ruleset, (path, access)| match root.handle(path) {
        Ok(handle) => ruleset.add_rule(PathBeneath::new(handle.as_fd(), access)),
        // It went away a moment ago.
        Err(_) => Ok(ruleset),
    })
}

fn of_process(ruleset: RulesetCreated, own: &OwnFiles) -> Result<RulesetCreated, RulesetError> {
    // Its own state, and names for what is outside the cluster. A static program waits for `random` before it reads `urandom`.
    let always = [
        "/proc",
        "/sys/fs/cgroup",
        "/etc/resolv.conf",
        "/etc/hosts",
        "/etc/nsswitch.conf",
        "/dev/random",
        "/dev/urandom",
    ]
    .map(PathBuf::from);
    let read = own.read.iter().chain(&always).map(|path| (path.clone(), reading()));
    let write =
        own.write.iter().map(|path| (path.clone(), AccessFs::from_all(KNOWN) & !BitFlags::from(AccessFs::Execute)));
    let null = (PathBuf::from("/dev/null"), discarding());
    let itself = own.starts_itself.then(|| (PathBuf::from("/proc/self/exe"), AccessFs::Execute | AccessFs::ReadFile));
    read.chain(write)
        .chain([null])
        .chain(itself)
        .try_fold(ruleset, |ruleset, (path, access)| allow(ruleset, &path, access))
}

/// A file has fewer rights than a directory; what is not there needs none.
fn allow(ruleset: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> Result<RulesetCreated, RulesetError> {
    let Ok(opened) = PathFd::new(path) else { return Ok(ruleset) };
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(KNOWN) };
    ruleset.add_rule(PathBeneath::new(opened, access))
}

/// What was needed and is out of reach, or that nothing is.
pub fn findings(root: &HostRoot) -> Vec<Finding> {
    let given_up = root.given_up().into_iter().map(|path| {
        let message = "pullprobe limited itself at its start to the files that this node's layout needed then, and this one is \
                       not among them: what depends on it is unknown";
        let fix = "wait: `pullprobe run` starts anew by itself to read it, at most once in 10 minutes. Deleting its pod does the same at once";
        Finding::new(Severity::Warning, GIVEN_UP, message, fix).in_file(&*path.to_string_lossy())
    });
    let unconfined = crate::host::sight::open_because().map(|why| {
        let message = format!(
            "pullprobe can read every file of this node, private keys and the volumes of pods too, and write to what is mounted below \
             its root, because it could not limit itself: {why}"
        );
        let fix = "install the chart with `host.mode: narrow`, or use a kernel with Landlock";
        Finding::new(Severity::Warning, UNCONFINED, message, fix)
    });
    given_up.chain(unconfined).collect()
}

#[cfg(test)]
mod tests;
