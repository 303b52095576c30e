//! Which findings affect the targets of a check: findings about other registries are not shown.

use std::collections::BTreeSet;

use super::plan;
use crate::mirrors::certs_d::{self, Selection};
use crate::model::finding::Finding;
use crate::model::host::Scheme;
use crate::node::containerd::{Containerd, HostSource};
use crate::redact::clean::Clean;

/// Findings about a directory's name, which is not the one that images lead to.
const OF_NAMES: [&str; 5] =
    [OF_PORTS, "host_dir_unreachable", "host_dir_hidden", "host_dir_dangling", "hosts_file_too_deep"];
/// Findings that affect only images that are named with another port.
const OF_PORTS: &str = "registry_port_differs";
/// What is wrong for hosts with TLS alone.
const OF_TLS: &str = "https_proxy_unset";
/// What Docker Hub is called, by image references and otherwise.
const HUB: [&str; 5] =
    ["docker.io", "registry-1.docker.io", "index.docker.io", "registry.hub.docker.com", "hub.docker.com"];

/// What the targets of a check use.
pub struct Relevance {
    /// The registries of the targets, as their images name them.
    domains: BTreeSet<String>,
    /// The same and their hosts, without ports.
    names: BTreeSet<String>,
    /// The directories of `config_path`.
    roots: Vec<String>,
    /// Those in them that a lookup finds, or would.
    directories: BTreeSet<String>,
    /// Whether a registry has no directory of its own.
    by_default: bool,
    /// Whether one of the hosts has TLS.
    has_tls: bool,
}

impl Relevance {
    /// `domains`: the registries of the targets, as their images name them.
    pub fn of(containerd: &Containerd, domains: &BTreeSet<&str>) -> Self {
        let mut relevance = Self {
            domains: domains.iter().map(|domain| domain.to_ascii_lowercase()).collect(),
            names: domains.iter().map(|domain| plain(domain)).collect(),
            roots: Vec::new(),
            directories: BTreeSet::new(),
            by_default: false,
            has_tls: false,
        };
        for domain in domains {
            let hosts = plan(containerd, domain).hosts;
            relevance.has_tls |= hosts.iter().any(|host| host.endpoint.scheme == Scheme::Https);
            relevance.names.extend(hosts.iter().map(|host| plain(host.endpoint.host())));
        }
        if let HostSource::CertsD { roots } = &containerd.registry.source {
            relevance.roots = roots.iter().map(|root| root.path.clone()).collect();
            for domain in domains {
                let own = certs_d::candidates(domain).into_iter().filter(|name| name != "_default");
                let own = own.flat_map(|name| roots.iter().map(move |root| format!("{}/{name}", root.path)));
                relevance.directories.extend(own);
                match certs_d::select(roots, domain) {
                    Selection::Directory(found) if !found.path.ends_with("/_default") => {}
                    _ => relevance.by_default = true,
                }
            }
        }
        relevance
    }

    /// A finding that is about no particular registry affects all of them.
    pub fn holds(&self, finding: &Finding) -> bool {
        // Whose own port it is finds the directory: only who has the other one is passed over.
        if finding.code == OF_PORTS
            && let Some(other) = finding.about.first()
        {
            return self.domains.contains(&other.to_ascii_lowercase());
        }
        // What is for all registries without hosts of their own may be for any: who has some now may have had none.
        let is_ours = |about: &Clean| *about == "_default" || self.names.contains(&plain(about));
        if !finding.about.is_empty() && !finding.about.iter().any(is_ours) {
            return false;
        }
        if finding.code == OF_TLS && !self.has_tls {
            return false;
        }
        let Some(file) = &finding.file else { return true };
        let below = |root: &&String| file.strip_prefix(root.as_str()).is_some_and(|rest| rest.starts_with('/'));
        let Some(root) = self.roots.iter().find(below) else { return true };
        let rest = &file[root.len() + 1..];
        let name = rest.split('/').next().unwrap_or_default();
        let of_names = || rest.split('/').any(|part| self.names.contains(&plain(part)));
        match name {
            // It says itself what it is about.
            "_backup" => true,
            "hosts.toml" | "_default" | "default" | "_default_" | "*" | "_all" | "_" => self.by_default,
            _ if OF_NAMES.contains(&finding.code) && of_names() => true,
            // A file that lies beside the directories was meant for one of them.
            name if !rest.contains('/') && finding.code == "hosts_file_misplaced" => !name.is_empty(),
            name if name.contains('*') => self.by_default,
            name => self.directories.contains(&format!("{root}/{name}")),
        }
    }
}

/// The host alone, however it is written.
fn plain(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    let name = ["https://", "http://", "https:", "http:", "https_", "http_"]
        .iter()
        .find_map(|scheme| name.strip_prefix(scheme))
        .unwrap_or(&name)
        .trim_start_matches(['/', '_']);
    let name = name.split('/').next().unwrap_or_default().trim_end_matches('_');
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let without_port = name.rsplit_once([':', '_']).filter(|(host, port)| is_port(port) && !host.is_empty());
    let host = without_port.map_or(name, |(host, _)| host).trim_end_matches('.');
    if HUB.contains(&host) { HUB[0].to_owned() } else { host.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::Severity;

    fn of(by_default: bool) -> Relevance {
        let names = ["docker.io", "mirror.example"];
        Relevance {
            domains: names.iter().map(|name| (*name).to_owned()).collect(),
            names: names.iter().map(|name| plain(name)).collect(),
            roots: vec!["/c".into()],
            directories: ["/c/docker.io".to_owned()].into(),
            by_default,
            has_tls: true,
        }
    }

    fn finding(code: &'static str, file: &str) -> Finding {
        Finding::new(Severity::Warning, code, "of docker.io", "fix").in_file(file)
    }

    #[test]
    fn a_proxy_for_tls_alone_is_no_matter_of_plain_hosts() {
        let unset = Finding::new(Severity::Warning, OF_TLS, "of HTTPS_PROXY", "fix");
        assert!(of(false).holds(&unset));
        assert!(!Relevance { has_tls: false, ..of(false) }.holds(&unset));
    }

    #[test]
    fn another_port_matters_to_images_that_have_it() {
        let told = |other: &str| of(false).holds(&finding(OF_PORTS, "/c/docker.io").about(other));
        assert!(told("mirror.example") && !told("mirror.example:5000") && !told("docker.io:5000"));
    }

    #[test]
    fn names_are_compared_however_they_are_written() {
        for (written, host) in [
            ("docker.io", "docker.io"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("registry-1.docker.io:443", "docker.io"),
            ("R.example:5000", "r.example"),
            ("r.example_5000_", "r.example"),
            ("r.example_5000", "r.example"),
            ("https:__r.example", "r.example"),
            ("10.2.3.4:5000", "10.2.3.4"),
            ("r.example.", "r.example"),
        ] {
            assert_eq!(plain(written), host, "{written}");
        }
    }

    #[test]
    fn what_other_registries_have_does_not_bear() {
        let relevance = of(false);
        for (code, file) in [
            ("config_type", "/etc/containerd/config.toml"),
            ("skip_verify", "/c/docker.io/hosts.toml"),
            ("host_dir_unreachable", "/c/registry-1.docker.io"),
            ("hosts_file_too_deep", "/c/certs.d/docker.io/hosts.toml"),
            ("spegel_backup", "/c/_backup"),
            ("certs_d_too_large", "/c"),
            ("proxy_url_invalid", "/etc/default/containerd"),
        ] {
            assert!(relevance.holds(&finding(code, file)), "{code} {file}");
        }
        for (code, file) in [
            ("skip_verify", "/c/quay.io/hosts.toml"),
            ("skip_verify", "/c/_default/hosts.toml"),
            ("skip_verify", "/c/docker.io.example/hosts.toml"),
            ("skip_verify", "/c/docker.io:5000/hosts.toml"),
            ("host_dir_unreachable", "/c/R.example"),
        ] {
            assert!(!relevance.holds(&finding(code, file)), "{code} {file}");
        }
        assert!(of(true).holds(&finding("skip_verify", "/c/_default/hosts.toml")));
    }

    #[test]
    fn what_was_moved_aside_bears_on_the_registries_that_it_was_for() {
        let of_backup = |registries: &[&str]| {
            let backup = finding("spegel_backup", "/c/_backup");
            of(false).holds(&registries.iter().fold(backup, |backup, registry| backup.about(*registry)))
        };
        assert!(of_backup(&["quay.io", "docker.io"]) && of_backup(&["mirror.example_5000_"]));
        assert!(of_backup(&["_default"]) && of_backup(&["quay.io", "_default"]));
        assert!(!of_backup(&["quay.io"]) && !of_backup(&["docker.io.example"]));
    }

    #[test]
    fn what_is_about_one_host_bears_where_it_is_asked() {
        let told =
            |about: &str| of(false).holds(&finding("configs_tls_ignored", "/etc/containerd/config.toml").about(about));
        assert!(told("mirror.example:5000") && told("registry-1.docker.io") && told("https://index.docker.io/v1/"));
        assert!(!told("quay.io") && !told("other.mirror.example"));
    }
}
