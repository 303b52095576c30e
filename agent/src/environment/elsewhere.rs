//! A proxy that others on the node have and containerd has not: where a shell's `curl` gets through, a pull does not.

use std::path::Path;

use super::{DaemonEnvironment, EnvVar, FILE_LIMIT, env_file};
use go::place::{Position, SourceLocation};

use crate::host::root::HostRoot;
use crate::model::finding::{Finding, Severity};
use crate::redact::secret::Secret;

/// What a login gets (`pam_env`(8)).
const LOGINS: &str = "/etc/environment";
/// The variable that decides about registries with TLS, in the order in which Go looks.
const NAMES: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];

/// Where nothing is known of containerd's environment there is nothing to hold against others'.
pub(super) fn finding(root: &HostRoot, containerd: &DaemonEnvironment) -> Option<Finding> {
    let is_known = containerd.unit.is_some() || containerd.pid.is_some();
    let is_told = containerd.findings.iter().any(|finding| finding.code == "https_proxy_unset");
    if !is_known || is_told || containerd.https_proxy().is_some() {
        return None;
    }
    let of_kubelet = DaemonEnvironment::of_kubelet(root).variables;
    let has = |variables: &[EnvVar]| {
        let set = variables.iter().find(|variable| NAMES.contains(&&*variable.name) && !variable.value.is_empty());
        set.cloned()
    };
    let (who, variable) = has(&of_kubelet)
        .map(|variable| ("kubelet", variable))
        .or_else(|| has(&of_logins(root)).map(|variable| ("a login shell", variable)))?;
    let name = &variable.name;
    let unit = containerd.unit.unwrap_or("containerd.service");
    let message = format!(
        "{who} has {name} and containerd has not: pulls connect directly, even where this network has no direct way out"
    );
    let fix = format!(
        "if the node has no other way out, set HTTPS_PROXY and NO_PROXY in a drop-in of {unit} (`systemctl edit {unit}`) \
         and restart it"
    );
    Some(Finding::new(Severity::Warning, "proxy_not_for_containerd", message, fix).located(&variable.origin))
}

fn of_logins(root: &HostRoot) -> Vec<EnvVar> {
    let text = root.read_text(Path::new(LOGINS), FILE_LIMIT).unwrap_or_default();
    let variable = |assignment: env_file::Assignment| EnvVar {
        name: assignment.name.trim_start_matches("export ").trim().to_owned(),
        value: Secret::new(assignment.value),
        origin: SourceLocation::new(LOGINS, Position::of_line(assignment.line)),
    };
    env_file::parse(&text).into_iter().map(variable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: (&str, &str) =
        ("/usr/lib/systemd/system/containerd.service", "[Service]\nExecStart=/usr/bin/containerd\n");
    const PROXIED: (&str, &str) = (
        "/etc/systemd/system/containerd.service.d/proxy.conf",
        "[Service]\nEnvironment=https_proxy=http://proxy.example:3128\n",
    );
    const KUBELET: (&str, &str) = (
        "/usr/lib/systemd/system/kubelet.service",
        "[Service]\nExecStart=/usr/bin/kubelet\nEnvironment=HTTPS_PROXY=http://ann:hunter2@proxy.example:3128\n",
    );
    const SHELL: (&str, &str) = (LOGINS, "# all\nPATH=\"/bin\"\nexport https_proxy=\"http://proxy.example:3128\"\n");

    fn told(files: &[(&str, &str)]) -> Option<(String, Option<usize>, String)> {
        let node = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = node.path().join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let root = HostRoot::open(node.path()).unwrap();
        let environment = DaemonEnvironment::load(&root, None);
        let found = environment.findings.into_iter().find(|finding| finding.code == "proxy_not_for_containerd")?;
        let line = found.line();
        Some((found.file.unwrap().into(), line, format!("{}{}", found.message, found.fix)))
    }

    #[test]
    fn a_proxy_that_only_others_have_is_told_with_its_place_and_without_its_value() {
        let (file, line, said) = told(&[UNIT, KUBELET, SHELL]).unwrap();
        assert_eq!((file.as_str(), line), (KUBELET.0, Some(3)));
        assert!(said.starts_with("kubelet has HTTPS_PROXY and containerd has not"), "{said}");
        assert!(said.contains("systemctl edit containerd.service") && !said.contains("proxy.example"), "{said}");
        let (file, line, said) = told(&[UNIT, SHELL]).unwrap();
        assert_eq!((file.as_str(), line), (LOGINS, Some(3)));
        assert!(said.starts_with("a login shell has https_proxy"), "{said}");
    }

    #[test]
    fn nothing_is_told_where_containerd_has_one_or_nobody_has_or_nothing_is_known() {
        for files in [&[UNIT, PROXIED, KUBELET, SHELL][..], &[UNIT], &[KUBELET, SHELL]] {
            assert_eq!(told(files), None, "{files:?}");
        }
        let plain = (LOGINS, "HTTP_PROXY=http://proxy.example:3128\nHTTPS_PROXY=\n");
        assert_eq!(told(&[UNIT, plain]), None);
    }
}
