//! The control group of all pods of one run. It lies outside of every namespace, so it is made and removed by name.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Result;

const ROOT: &str = "/sys/fs/cgroup";
/// How long the kernel may take to let go of processes that it has ended.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(50);

/// Its name below each hierarchy: another run beside this one has another.
pub fn of(id: &str) -> String {
    format!("/pullprobe-e2e-{id}")
}

/// Makes it in every hierarchy that the machine has: kubelet wants to find it.
pub fn make(id: &str) -> Result {
    for hierarchy in hierarchies()? {
        let own = own(&hierarchy, id);
        fs::create_dir(&own).map_err(|error| format!("{}: {error}", own.display()))?;
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if let Ok(value) = fs::read(hierarchy.join(file)) {
                fs::write(own.join(file), value)?;
            }
        }
    }
    Ok(())
}

/// Removes it with all that lies in it, as soon as nothing runs in there any more.
pub async fn remove(id: &str) -> Result {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut look = tokio::time::interval(LOOK);
    for hierarchy in hierarchies()? {
        let own = own(&hierarchy, id);
        while own.exists() {
            look.tick().await;
            match remove_tree(&own) {
                Err(error) if tokio::time::Instant::now() > deadline => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

fn own(hierarchy: &Path, id: &str) -> PathBuf {
    hierarchy.join(of(id).trim_start_matches('/'))
}

/// A group goes with its directory, whatever files it seems to have.
fn remove_tree(group: &Path) -> Result {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(group).map_err(|error| format!("{}: {error}", group.display()).into())
}

/// The directories of cgroup v1's controllers; of v2 the one root.
fn hierarchies() -> Result<Vec<PathBuf>> {
    let root = Path::new(ROOT);
    if root.join("cgroup.controllers").exists() {
        return Ok(vec![root.to_owned()]);
    }
    let mut hierarchies = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() && entry.path().join("cgroup.procs").exists() {
            hierarchies.push(entry.path());
        }
    }
    Ok(hierarchies)
}
