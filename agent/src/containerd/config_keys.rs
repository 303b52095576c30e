//! Every key that the plugins of a containerd know, and what each takes: a value of another type ends containerd,
//! whatever the plugin is for.
//!
//! The tables of 1.6, 1.7 and 2.1 are what daemons said when they were asked (`tests/tools/config_keys.py`). 2.0 has that
//! of 2.1, less what came later ([`SINCE`]); 2.2 and 2.3 have it with what their sources add.

pub mod check;
mod table;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use go::toml::Dialect;

use super::config::migrate::short_name;
use super::config::{ConfigFault, FaultKind, Merged};
use crate::version::Version;
use check::{Check, Mismatch};
use table::Sections;

static SERIES_1_6: LazyLock<Sections> = LazyLock::new(|| table::read(&[include_str!("config_keys/1.6.txt")]));
static SERIES_1_7: LazyLock<Sections> = LazyLock::new(|| table::read(&[include_str!("config_keys/1.7.txt")]));
static SERIES_2_1: LazyLock<Sections> = LazyLock::new(|| table::read(&[OF_2_1]));
static SERIES_2_2: LazyLock<Sections> = LazyLock::new(|| table::read(&[OF_2_1, OF_2_2]));
static SERIES_2_3: LazyLock<Sections> = LazyLock::new(|| table::read(&[OF_2_1, OF_2_2, OF_2_3]));
const OF_2_1: &str = include_str!("config_keys/2.1.txt");
const OF_2_2: &str = include_str!("config_keys/2.2.txt");
const OF_2_3: &str = include_str!("config_keys/2.3.txt");

/// The first release of each series that has something.
type Firsts = &'static [(u32, u32, u32)];

/// Keys that came later than the first release of a table's users: section, key, and the first release of each series that
/// has it. An empty key: the whole section.
const SINCE: [(&str, &str, Firsts); 21] = [
    ("io.containerd.transfer.v1.local", "", &[(1, 7, 1)]),
    ("io.containerd.snapshotter.v1.blockfile", "", &[(1, 7, 4)]),
    ("io.containerd.snapshotter.v1.overlayfs", "mount_options", &[(1, 7, 4)]),
    ("io.containerd.snapshotter.v1.overlayfs", "sync_remove", &[(1, 7, 4)]),
    ("io.containerd.grpc.v1.cri", "ignore_deprecation_warnings", &[(1, 7, 14)]),
    ("io.containerd.grpc.v1.cri", "image_pull_with_sync_fs", &[(1, 7, 14)]),
    ("io.containerd.cri.v1.images", "concurrent_layer_fetch_buffer", &[(2, 1, 0)]),
    ("io.containerd.cri.v1.images", "use_local_image_pull", &[(2, 1, 0)]),
    ("io.containerd.cri.v1.runtime", "cni.bin_dirs", &[(2, 1, 0)]),
    ("io.containerd.cri.v1.runtime", "containerd.runtimes.*.cgroup_writable", &[(2, 1, 0)]),
    ("io.containerd.cri.v1.runtime", "enable_criu", &[(2, 2, 7), (2, 3, 4)]),
    ("io.containerd.cri.v1.runtime", "enable_experimental_restore_via_create", &[(2, 2, 7), (2, 3, 4)]),
    ("io.containerd.differ.v1.erofs", "", &[(2, 1, 0)]),
    ("io.containerd.metadata.v1.bolt", "no_sync", &[(2, 1, 0)]),
    ("io.containerd.nri.v1.nri", "default_validator.reject_sysctl_adjustment", &[(2, 2, 1)]),
    ("io.containerd.snapshotter.v1.erofs", "", &[(2, 1, 0)]),
    ("io.containerd.snapshotter.v1.erofs", "set_immutable", &[(2, 1, 4)]),
    ("io.containerd.transfer.v1.local", "check_platform_supported", &[(2, 1, 0)]),
    ("io.containerd.transfer.v1.local", "concurrent_layer_fetch_buffer", &[(2, 1, 0)]),
    ("io.containerd.transfer.v1.local", "unpack_config.[].config_type", &[(2, 1, 0)]),
    ("io.containerd.transfer.v1.local", "unpack_config.[].layer_types", &[(2, 1, 0)]),
];

impl Version {
    /// `None`: no containerd of this version was asked for its keys.
    fn plugin_keys(self) -> Option<&'static Sections> {
        match (self.major, self.minor) {
            (1, 6) => Some(&SERIES_1_6),
            (1, 7) => Some(&SERIES_1_7),
            (2, 0 | 1) => Some(&SERIES_2_1),
            (2, 2) => Some(&SERIES_2_2),
            (2, 3) => Some(&SERIES_2_3),
            _ => None,
        }
    }

    fn has_key(self, section: &str, path: &str) -> bool {
        let covers = |key: &str| {
            key.is_empty() || path == key || path.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'))
        };
        // Each table has its own: what 1.7 has from some patch on is no question for 2.x.
        let same = |since: &[(u32, u32, u32)]| since.iter().any(|first| first.0 == self.major);
        SINCE
            .iter()
            .filter(|(id, key, since)| *id == section && same(since) && covers(key))
            .all(|(.., since)| self.since(since))
    }
}

/// The first value that a plugin of this containerd does not take.
pub fn fault(merged: &Merged, version: Version) -> Option<ConfigFault> {
    if let Some(fault) = &merged.migration {
        return Some(fault.clone());
    }
    let sections = version.plugin_keys()?;
    let short = version.major < 2 && merged.schema <= 1;
    let is_off = |id: &str| merged.disabled.iter().any(|(disabled, _)| disabled == id);
    let mut found: Vec<Mismatch<'_>> = Vec::new();
    for (id, keys) in sections {
        let name = if short { short_name(id) } else { id.as_str() };
        let Some(section) = merged.plugins.get(name).filter(|_| !is_off(name) && version.has_key(id, "")) else {
            continue;
        };
        let check = Check { version, section: id };
        found.extend(check.section(section, keys));
    }
    let first = found.into_iter().min_by_key(|found| found.value.key.start())?;
    Some(of_mismatch(&first, version.dialect()))
}

fn of_mismatch(found: &Mismatch<'_>, dialect: Dialect) -> ConfigFault {
    let at_key = dialect == Dialect::One || found.value.as_table().is_some();
    let place = if at_key { &found.value.key } else { &found.value.at };
    ConfigFault::new(FaultKind::WrongType, found.words.clone(), &place.file).at(place)
}
