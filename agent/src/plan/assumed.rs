//! What the node's files would come to under the other series, where nothing tells which containerd reads them.

use std::collections::BTreeSet;

use super::{are_alike, plan};
use crate::host::root::HostRoot;
use crate::node::containerd::{Containerd, ContainerdOptions, FaultKind};
use crate::version::{Version, VersionSource};

/// Registries that are named one by one.
const NAMES_SHOWN: usize = 3;
/// Stands for all registries that the files do not name.
const NAMELESS: &str = "registry.invalid";

/// Adds to what is said of the assumption what would differ; nothing where it would all be the same.
pub fn compare(assumed: &mut Containerd, root: &HostRoot, options: &ContainerdOptions, before: Option<&Containerd>) {
    if assumed.version_source != VersionSource::Assumed {
        return;
    }
    let Some(at) = assumed.findings.iter().position(|finding| finding.code == "version_assumed") else { return };
    // The same files were compared before.
    let alike = before.filter(|before| before.content_hash == assumed.content_hash);
    let known = alike.and_then(|before| before.findings.iter().find(|finding| finding.code == "version_assumed"));
    if let Some(known) = known {
        assumed.findings[at].message.clone_from(&known.message);
        return;
    }
    let mut groups: Vec<(Vec<String>, String)> = Vec::new();
    for series in Version::SERIES.into_iter().filter(|series| !series.is_release(assumed.version)) {
        let flag = Some(VersionSource::Flag);
        let other = Containerd::load(
            root,
            &ContainerdOptions { version: Some(series), version_source: flag, ..options.clone() },
        );
        let Some(difference) = difference(assumed, &other) else { continue };
        match groups.iter_mut().find(|(_, known)| *known == difference) {
            Some((names, _)) => names.push(series.to_string()),
            None => groups.push((vec![series.to_string()], difference)),
        }
    }
    let told: Vec<String> = groups.iter().map(|(names, what)| format!("{}: {what}", listed(names))).collect();
    let told = match told.as_slice() {
        [] => "those of other versions would give the same".to_owned(),
        told => format!("under {}", told.join("; ")),
    };
    let finding = &mut assumed.findings[at];
    finding.message = format!("{}; {told}", finding.message).into();
}

fn difference(assumed: &Containerd, other: &Containerd) -> Option<String> {
    let state = |containerd: &Containerd| containerd.fatal.as_ref().map(|fault| fault.kind);
    match (state(assumed), state(other)) {
        (_, Some(FaultKind::Unread)) | (Some(_), Some(_)) | (Some(FaultKind::Unread), _) => return None,
        (None, Some(kind)) if kind.stops_containerd() => return Some("it would not start".to_owned()),
        (None, Some(_)) => return Some("it would serve no CRI".to_owned()),
        (Some(_), None) => return Some("it would start and pull".to_owned()),
        (None, None) => {}
    }
    if let Some(words) = unpacking(assumed, other) {
        return Some(words.to_owned());
    }
    let names: BTreeSet<String> =
        assumed.registry.namespaces().into_iter().chain(other.registry.namespaces()).collect();
    let differs = |name: &str| !are_alike(plan(assumed, name), plan(other, name));
    let mut differing: Vec<String> = names.into_iter().filter(|name| differs(name)).collect();
    let more = differing.len().saturating_sub(NAMES_SHOWN);
    if more > 0 {
        differing.truncate(NAMES_SHOWN);
        differing.push(format!("{more} more"));
    }
    if differs(NAMELESS) {
        differing.push("every registry that they do not name".to_owned());
    }
    (!differing.is_empty()).then(|| format!("other hosts, or other settings of them, for {}", listed(&differing)))
}

/// What the transfer service makes of the snapshotter is the same for every image.
fn unpacking(assumed: &Containerd, other: &Containerd) -> Option<&'static str> {
    match (&assumed.unpack_error, &other.unpack_error) {
        (None, Some(_)) => Some("no image would be unpacked"),
        (Some(_), None) => Some("images would be unpacked"),
        _ => None,
    }
}

/// `a, b and c`.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(files: &[(&str, &str)]) -> String {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let root = HostRoot::open(dir.path()).unwrap();
        let options = ContainerdOptions::default();
        let mut found = Containerd::load(&root, &options);
        compare(&mut found, &root, &options, None);
        let finding = found.findings.into_iter().find(|finding| finding.code == "version_assumed");
        finding.map(|finding| finding.message.into_string()).unwrap_or_default()
    }

    const OLD: &str =
        "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry]\nconfig_path = '/etc/containerd/certs.d'\n";
    const HOSTS: &str = "/etc/containerd/certs.d/r.example/hosts.toml";

    #[test]
    fn files_that_every_series_reads_alike_are_said_to_be() {
        let hosts =
            "server = 'https://r.example'\n[host.'https://mirror.example']\ncapabilities = ['pull', 'resolve']\n";
        let told = told(&[("/etc/containerd/config.toml", OLD), (HOSTS, hosts)]);
        assert!(told.starts_with("the version of containerd is unknown: the rules of 2.3 are used; "), "{told}");
        assert!(told.ends_with("those of other versions would give the same"), "{told}");
    }

    #[test]
    fn a_file_that_only_newer_ones_take_is_named_by_its_registry() {
        let hosts =
            "server = 'https://r.example'\n[host.'https://mirror.example']\ncapabilities = ['pull', 'referrers']\n";
        let told = told(&[("/etc/containerd/config.toml", OLD), (HOSTS, hosts)]);
        assert!(
            told.ends_with("under 1.6, 1.7, 2.0 and 2.1: other hosts, or other settings of them, for r.example"),
            "{told}"
        );
    }

    #[test]
    fn settings_of_the_same_hosts_are_compared_too() {
        let of = |directory: &str, hosts: &str| {
            told(&[
                ("/etc/containerd/config.toml", OLD),
                (&format!("/etc/containerd/certs.d/{directory}/hosts.toml"), hosts),
            ])
        };
        let limit = of("r.example", "server = 'https://r.example'\n[host.'https://m.example']\ndial_timeout = '1s'\n");
        assert!(limit.ends_with("under 1.6 and 1.7: other hosts, or other settings of them, for r.example"), "{limit}");
        // Newer ones overlook case.
        let ca = of("r.example", "server = 'https://r.example'\n[host.'https://m.example']\nSkip_Verify = true\n");
        assert!(ca.ends_with("under 1.6 and 1.7: other hosts, or other settings of them, for r.example"), "{ca}");
        let all = of("_default", "[host.'https://m.example']\nSkip_Verify = true\n");
        assert!(
            all.ends_with(
                "under 1.6 and 1.7: other hosts, or other settings of them, for every registry that they do not name"
            ),
            "{all}"
        );
    }

    #[test]
    fn what_only_the_transfer_service_would_not_unpack_is_told() {
        let other = "version = 2\n[[plugins.'io.containerd.transfer.v1.local'.unpack_config]]\nplatform = 'windows/amd64'\nsnapshotter = 'windows'\n";
        let told = told(&[("/etc/containerd/config.toml", other)]);
        assert!(told.ends_with("under 1.6, 1.7 and 2.0: images would be unpacked"), "{told}");
    }

    #[test]
    fn series_that_would_not_serve_are_told_apart() {
        let mirrors = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry.configs.'r.example'.tls]\ninsecure_skip_verify = true\n\
            [plugins.'io.containerd.grpc.v1.cri'.registry]\nconfig_path = '/etc/containerd/certs.d'\n";
        let told = told(&[("/etc/containerd/config.toml", mirrors)]);
        assert!(told.ends_with("under 1.6 and 1.7: it would serve no CRI"), "{told}");
    }

    /// The transfer service takes the two default directories for one, and finds nothing.
    #[test]
    fn default_directories_are_read_by_none() {
        let hosts = "server = 'https://r.example'\n[host.'https://mirror.example']\n";
        let told = told(&[("/etc/containerd/config.toml", "version = 2\n"), (HOSTS, hosts)]);
        assert!(told.ends_with("those of other versions would give the same"), "{told}");
    }
}
