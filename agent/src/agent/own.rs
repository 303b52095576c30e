//! What the agent reads of itself once, at its start: the key of its hashes, and how much memory it may take.

use std::path::{Path, PathBuf};

use crate::file;
use crate::redact::secret::Secret;
use crate::settings::MetricSettings;
use crate::state::bucket::BucketKey;

/// A key has a line.
const KEY_LIMIT: u64 = 4096;
const GROUP_LIMIT: u64 = 64 << 10;
/// Version 1 of control groups writes "no limit" as nearly 2^63.
const NO_LIMIT: u64 = 1 << 60;

/// `Ok(None)`: none is set. A key that cannot be had is an error: without it some alerts would fire once for each node.
pub fn bucket_key(settings: &MetricSettings) -> Result<Option<BucketKey>, String> {
    let Some(path) = &settings.bucket_key_file else { return Ok(None) };
    let problem = |why: &str| format!("metrics.bucket_key_file: {}: {why}", path.display());
    let text = file::read_text(path, KEY_LIMIT).map_err(|error| problem(&error.to_string()))?;
    let key = BucketKey::new(Secret::new(text).expose());
    let too_short = || problem(&format!("the key is shorter than {} characters", BucketKey::SHORTEST));
    key.map(Some).ok_or_else(too_short)
}

/// The smallest limit of the agent's control group and those above it, as far as they are seen.
pub fn memory_limit() -> Option<u64> {
    limit_of(Path::new("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"))
}

fn limit_of(own: &Path, groups: &Path) -> Option<u64> {
    let text = file::read_text(own, GROUP_LIMIT).ok()?;
    let (base, name, group) = text.lines().find_map(|line| memory_group(line, groups))?;
    let inside = base.join(group.trim_start_matches('/'));
    let limits =
        inside.ancestors().take_while(|path| path.starts_with(&base)).filter_map(|path| read(&path.join(name)));
    limits.min()
}

/// Of a line of /proc/PID/cgroup: where the groups that limit memory are, the name of their limit, and the group.
fn memory_group<'a>(line: &'a str, groups: &Path) -> Option<(PathBuf, &'static str, &'a str)> {
    let mut fields = line.splitn(3, ':').skip(1);
    match (fields.next()?, fields.next()?) {
        ("", group) => Some((groups.to_owned(), "memory.max", group)),
        (controllers, group) if controllers.split(',').any(|one| one == "memory") => {
            Some((groups.join("memory"), "memory.limit_in_bytes", group))
        }
        _ => None,
    }
}

/// `None`: no limit is written there, `max` among others.
fn read(path: &Path) -> Option<u64> {
    file::read_text(path, GROUP_LIMIT).ok()?.trim().parse().ok().filter(|limit| *limit < NO_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Groups(tempfile::TempDir);

    impl Groups {
        fn of(own: &str, files: &[(&str, &str)]) -> Self {
            let groups = Self(tempfile::tempdir().unwrap());
            groups.write("self", own);
            files.iter().for_each(|(name, text)| groups.write(name, text));
            groups
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.0.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn limit(&self) -> Option<u64> {
            limit_of(&self.0.path().join("self"), &self.0.path().join("fs"))
        }
    }

    #[test]
    fn the_limit_of_memory_is_the_smallest_on_the_way_up() {
        let nested = [("fs/pod/container/memory.max", "max\n"), ("fs/pod/memory.max", "134217728\n")];
        assert_eq!(Groups::of("0::/pod/container\n", &nested).limit(), Some(134_217_728));
        let inside = [("fs/memory.max", "67108864\n")];
        assert_eq!(Groups::of("0::/\n", &inside).limit(), Some(67_108_864), "as a container sees itself");
        assert_eq!(Groups::of("0::/\n", &[("fs/memory.max", "max\n")]).limit(), None);
        assert_eq!(Groups::of("0::/\n", &[]).limit(), None);
    }

    #[test]
    fn a_node_with_the_first_version_of_control_groups_has_limits_too() {
        let own = "12:cpu,cpuacct:/a\n4:memory:/kubepods/x\n0::/system.slice\n";
        let limited = [("fs/memory/memory.limit_in_bytes", "134217728\n")];
        assert_eq!(Groups::of(own, &limited).limit(), Some(134_217_728), "only the container's own group is mounted");
        let unlimited = [("fs/memory/memory.limit_in_bytes", "9223372036854771712\n")];
        assert_eq!(Groups::of(own, &unlimited).limit(), None);
    }

    #[test]
    fn a_key_is_read_or_refused_with_its_file() {
        let groups = Groups::of("", &[("good", "0123456789abcdef\n"), ("short", "0123\n")]);
        let of = |name: &str| {
            bucket_key(&MetricSettings {
                bucket_key_file: Some(groups.0.path().join(name)),
                ..MetricSettings::default()
            })
        };
        assert!(bucket_key(&MetricSettings::default()).unwrap().is_none());
        assert!(of("good").unwrap().is_some());
        let short = of("short").unwrap_err();
        assert!(short.ends_with("short: the key is shorter than 16 characters"), "{short}");
        assert!(of("absent").unwrap_err().contains("metrics.bucket_key_file"));
    }
}
