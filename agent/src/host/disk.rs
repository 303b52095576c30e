//! How full the file system is that containerd keeps images on.

use std::path::Path;

use super::root::HostRoot;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    pub size_bytes: u64,
    /// To root, which containerd is.
    pub free_bytes: u64,
    /// To others: what kubelet's eviction looks at.
    pub available_bytes: u64,
    /// 0: the file system makes them as needed.
    pub inodes: u64,
    pub inodes_free: u64,
}

/// `None`: the directory is out of sight.
pub fn of(root: &HostRoot, directory: &Path) -> Option<Disk> {
    let space = root.statvfs(directory).ok()?;
    Some(Disk {
        size_bytes: space.f_blocks.saturating_mul(space.f_frsize),
        free_bytes: space.f_bfree.saturating_mul(space.f_frsize),
        available_bytes: space.f_bavail.saturating_mul(space.f_frsize),
        inodes: space.f_files,
        inodes_free: space.f_ffree,
    })
}
