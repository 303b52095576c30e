//! Where pullprobe runs plugins, and what a failure there proves about kubelet's own runs.

use std::path::Path;

use rustix::thread::CapabilitySet;

use super::{BINARY_MISSING, CONFIG_INVALID, CONFIG_UNSEEN, Said};
use crate::host::root::{HostRoot, ReadError};
use crate::keyring::inaccessible;
use crate::model::finding::{Finding, Severity};
use go::place::Position;

/// Why a plugin does not fare here as it does with kubelet. `None`: it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunConditions(Option<&'static str>);

impl RunConditions {
    /// `unread`: a file that gives kubelet, and so its plugins, more of their environment.
    pub fn of(root: &HostRoot, unread: Option<&ReadError>) -> Self {
        if !inaccessible::is_whole(root) {
            return Self(Some("where it may not find all that the node has"));
        }
        if unread.is_some() {
            return Self(Some("without a part of kubelet's environment, which pullprobe does not read"));
        }
        if !rustix::process::geteuid().is_root() {
            return Self(Some("without the rights of root, which kubelet has"));
        }
        Self(is_confined().then_some("under limits that kubelet does not have"))
    }

    pub const fn is_kubelets(self) -> bool {
        self.0.is_none()
    }

    /// Certain only where kubelet would see the same.
    pub fn failed(self, why: String) -> Said {
        match self.0 {
            None => Said::Failed(why),
            Some(place) => Said::Unknown(format!("failed when pullprobe ran it from here, {place}: {why}")),
        }
    }
}

/// Whether root is not quite root here: a plugin has the limits of this process. Of what a sandbox sets (systemd's, a container's) these
/// are the two that a process can always see of itself.
fn is_confined() -> bool {
    let has_rights =
        rustix::thread::capabilities(None).is_ok_and(|own| own.effective.contains(CapabilitySet::DAC_OVERRIDE));
    !has_rights || rustix::thread::no_new_privs().unwrap_or(true)
}

/// The configuration cannot be read.
pub fn no_config(root: &HostRoot, path: &Path, error: &ReadError) -> Finding {
    if error.is_too_large() {
        let message = format!(
            "pullprobe does not read it ({}): which credential providers kubelet has is unknown",
            error.reason()
        );
        let fix = "keep the file smaller; a provider takes a few lines of it";
        return Finding::new(Severity::Warning, CONFIG_UNSEEN, message, fix).in_file(path.display().to_string());
    }
    if is_unseen(root, path, error) {
        return unseen_finding(path, &error.reason(), "which credential providers kubelet has is unknown");
    }
    invalid(&path.display().to_string(), None, &error.reason())
}

/// kubelet refuses the configuration.
pub fn invalid(file: &str, at: Option<Position>, message: &str) -> Finding {
    let message = format!("kubelet does not start with this credential provider configuration: {message}");
    let fix = format!("correct {file}, then `systemctl restart kubelet`");
    let finding = Finding::new(Severity::Error, CONFIG_INVALID, message, fix).in_file(file);
    Finding { position: at, ..finding }
}

/// A binary is not there.
pub fn no_binary(path: &Path, reason: &str) -> Finding {
    let message = format!("kubelet does not start without this credential provider: {reason}");
    let fix = "put the binary there, or take the provider out of the configuration";
    Finding::new(Severity::Error, BINARY_MISSING, message, fix).in_file(path.display().to_string())
}

/// `None`: it is certain that kubelet does not find the binary either.
pub fn unseen_binary(root: &HostRoot, path: &Path, error: &ReadError) -> Option<Finding> {
    let consequence = "what this credential provider gives is unknown";
    is_unseen(root, path, error).then(|| unseen_finding(path, &error.reason(), consequence))
}

/// kubelet does not start.
pub fn is_refusal(finding: &Finding) -> bool {
    [CONFIG_INVALID, BINARY_MISSING].contains(&finding.code)
}

fn is_unseen(root: &HostRoot, path: &Path, error: &ReadError) -> bool {
    inaccessible::is_closed(error) && !matches!(error, ReadError::NotText(_))
        || error.is_not_found() && inaccessible::is_out_of_sight(root, path)
}

fn unseen_finding(path: &Path, reason: &str, consequence: &str) -> Finding {
    let message = format!("pullprobe cannot see it from here ({reason}): {consequence}");
    let fix = "mount its directory for pullprobe and let pullprobe run as root, or run pullprobe on the node itself";
    Finding::new(Severity::Warning, CONFIG_UNSEEN, message, fix).in_file(path.display().to_string())
}
