//! What the running containerd cannot know yet: it reads its configuration, its environment and the node's root
//! certificates once, and these files were written after it had started. So does a distribution that starts it.
//!
//! When it started is told by its socket, which it makes anew each time.

use std::path::Path;

use jiff::Timestamp;

use super::DaemonEnvironment;
use crate::cri;
use crate::host::root::HostRoot;
use crate::model::finding::{Finding, Severity};
use crate::model::trust::TrustStore;

/// The code of this room, as docs/findings.md tells it.
pub const CODE: &str = "newer_than_containerd";

/// What is read once, and by which file.
pub struct ReadOnce<'a> {
    /// config.toml and its imports.
    pub config: &'a [String],
    pub environment: &'a DaemonEnvironment,
    pub trust: &'a TrustStore,
}

/// One finding for each kind of file, at the newest. None without a containerd that has a socket.
pub fn findings(root: &HostRoot, socket: &str, read_once: &ReadOnce<'_>) -> Vec<Finding> {
    let Some(started) = cri::listens_since(root, socket) else { return Vec::new() };
    let ReadOnce { config, environment, trust } = read_once;
    // What was read off the process is what it has, whatever the files say by now.
    let of_unit = environment.that_matter().filter(|_| environment.pid.is_none());
    let of_unit: Vec<&str> = of_unit.map(|variable| &*variable.origin.file).collect();
    let config: Vec<&str> = config.iter().map(String::as_str).collect();
    let trust: Vec<&str> = trust.sources.iter().map(String::as_str).collect();
    let service = environment.unit.unwrap_or("containerd");
    let kinds = [
        (config, "containerd", "its configuration"),
        (of_unit, "containerd", "its environment, proxies included,"),
        (trust, "containerd", "the node's root certificates"),
        (
            registries_yaml(service),
            service.trim_end_matches(".service"),
            "the file that it makes containerd's files from",
        ),
    ];
    let modified = |file: &&str| Some((root.stat(Path::new(file)).ok()?.modified, (*file).to_owned()));
    let newest = |(files, who, what): &(Vec<&str>, &str, &str)| {
        let (written, file) = files.iter().filter_map(modified).max().filter(|(written, _)| *written > started)?;
        let message = format!(
            "written at {}, after containerd started at {}: {who} reads {what} only at its start, so changes to this file \
             may take effect only after a restart",
            utc(written),
            utc(started),
        );
        Some(Finding::new(Severity::Warning, CODE, message, restart(service)).in_file(file))
    };
    kinds.iter().filter_map(newest).collect()
}

pub fn restart(service: &str) -> String {
    format!("`systemctl restart {service}`, which leaves running containers alone")
}

/// k3s and RKE2 write containerd's configuration and certs.d from this file when they start.
fn registries_yaml(service: &str) -> Vec<&'static str> {
    match service {
        _ if service.starts_with("k3s") => vec!["/etc/rancher/k3s/registries.yaml"],
        _ if service.starts_with("rke2") => vec!["/etc/rancher/rke2/registries.yaml"],
        _ => Vec::new(),
    }
}

fn utc(second: i64) -> String {
    Timestamp::from_second(second).map(|at| at.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::time::{Duration, SystemTime};

    use go::place::{Position, SourceLocation};

    use super::*;

    const SOCKET: &str = "/run/containerd/containerd.sock";
    const CONFIG: &str = "/etc/containerd/config.toml";
    const UNIT: &str = "/etc/systemd/system/containerd.service";
    const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
    const REGISTRIES: &str = "/etc/rancher/k3s/registries.yaml";

    struct Node(tempfile::TempDir);

    impl Node {
        /// With a containerd that has started now.
        fn started() -> Self {
            let node = Self(tempfile::tempdir().unwrap());
            std::fs::create_dir_all(node.path("/run/containerd")).unwrap();
            drop(UnixListener::bind(node.path(SOCKET)).unwrap());
            node
        }

        fn path(&self, on_node: &str) -> std::path::PathBuf {
            self.0.path().join(on_node.trim_start_matches('/'))
        }

        fn write(&self, on_node: &str, at: SystemTime) {
            let path = self.path(on_node);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::File::create(path).unwrap().set_modified(at).unwrap();
        }

        /// Where something is newer, when all three kinds are as in these files.
        fn newer(&self, pid: Option<u32>) -> Vec<(String, String)> {
            let variable = super::super::EnvVar {
                name: "HTTPS_PROXY".to_owned(),
                value: crate::redact::secret::Secret::new("http://proxy:1"),
                origin: SourceLocation::new(UNIT, Position::of_line(7)),
            };
            let environment = DaemonEnvironment {
                unit: Some("k3s.service"),
                pid,
                variables: vec![variable],
                ..DaemonEnvironment::default()
            };
            let trust = TrustStore { sources: vec![BUNDLE.to_owned()], ..TrustStore::default() };
            let config = [CONFIG.to_owned(), "/not/there".to_owned()];
            let read_once = ReadOnce { config: &config, environment: &environment, trust: &trust };
            let found = findings(&HostRoot::open(self.0.path()).unwrap(), SOCKET, &read_once);
            found
                .into_iter()
                .map(|finding| (finding.file.unwrap().into(), format!("{}{}", finding.message, finding.fix)))
                .collect()
        }
    }

    fn files(found: &[(String, String)]) -> Vec<&str> {
        found.iter().map(|(file, _)| file.as_str()).collect()
    }

    #[test]
    fn what_was_written_after_the_start_is_told_with_both_times() {
        let node = Node::started();
        let [before, after] =
            [SystemTime::now() - Duration::from_secs(60), SystemTime::now() + Duration::from_secs(60)];
        [CONFIG, UNIT, BUNDLE, REGISTRIES].iter().for_each(|file| node.write(file, before));
        assert_eq!(node.newer(None), []);
        for file in [CONFIG, UNIT, BUNDLE, REGISTRIES] {
            node.write(file, after);
            assert_eq!(files(&node.newer(None)), [file]);
            node.write(file, before);
        }
        [CONFIG, UNIT, BUNDLE, REGISTRIES].iter().for_each(|file| node.write(file, after));
        let found = node.newer(None);
        assert_eq!(files(&found), [CONFIG, UNIT, BUNDLE, REGISTRIES]);
        assert!(found.iter().all(|(_, said)| said.contains("systemctl restart k3s.service")), "{found:?}");
        assert!(found[2].1.contains("containerd reads the node's root certificates only at its start"), "{found:?}");
        assert!(
            found[3].1.contains("k3s reads the file that it makes containerd's files from only at its start"),
            "{found:?}"
        );
    }

    #[test]
    fn a_process_that_may_be_looked_at_has_the_environment_that_was_read() {
        let node = Node::started();
        node.write(UNIT, SystemTime::now() + Duration::from_secs(60));
        assert_eq!(files(&node.newer(None)), [UNIT]);
        assert_eq!(node.newer(Some(7)), []);
    }

    #[test]
    fn without_a_running_containerd_nothing_is_in_force() {
        let node = Node::started();
        node.write(CONFIG, SystemTime::now() + Duration::from_secs(60));
        std::fs::remove_file(node.path(SOCKET)).unwrap();
        assert_eq!(node.newer(None), []);
    }

    #[test]
    fn it_is_told_in_the_published_page() {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/findings.md")).unwrap();
        assert!(text.contains(&format!("\n**`{CODE}`**")));
    }
}
