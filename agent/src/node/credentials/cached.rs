//! What kubelet keeps in its process: the outcome of its search for files, and its providers' answers.

use jiff::{SignedDuration, Timestamp};

use super::{CredentialOptions, Credentials};
use crate::node::in_force;
use crate::node::root::HostRoot;

/// kubelet searches its files again when what it has is this old; how old it is cannot be seen.
const CACHED: SignedDuration = SignedDuration::from_mins(5);

impl Credentials {
    /// Another look: a provider's answer is kept for as long as kubelet keeps it, and a file that was used
    /// and does not parse any more counts only once kubelet has looked again for certain.
    #[must_use]
    pub fn reload(&self, root: &HostRoot, options: &CredentialOptions, now: Timestamp) -> Self {
        let mut fresh = Self::load(root, options);
        if let (Some(providers), Some(before)) = (&mut fresh.providers, &self.providers) {
            providers.remember(before);
        }
        let file = self.node_file.as_ref().filter(|file| fresh.rejected.iter().any(|(rejected, _)| rejected == *file));
        match file {
            Some(file) if now.duration_since(self.broken.since(file, now)) < CACHED => {
                fresh.with_cached(self, file, now)
            }
            _ => fresh,
        }
    }

    fn with_cached(mut self, before: &Self, file: &str, now: Timestamp) -> Self {
        let since = before.broken.since(file, now);
        self.broken.note(file, since);
        let fix = "write the whole file beside and rename it into place; `jq . FILE` shows faults of syntax";
        let consequence =
            format!("kubelet caches its logins for up to {CACHED:#}, and then skips the file without a word");
        let (broken, other): (Vec<_>, Vec<_>) = self.rejected.into_iter().partition(|(rejected, _)| rejected == file);
        self.rejected = other;
        self.findings.retain(|finding| finding.code != super::lint::REJECTED || finding.file.as_deref() != Some(file));
        for (_, malformed) in broken {
            let mut finding = in_force::finding(file, since, &malformed.reason, &consequence, fix);
            (finding.line, finding.column) = malformed.position.map(|at| (at.line, at.column)).unzip();
            self.findings.push(finding);
        }
        self.node = before.node.clone();
        self.node_file.clone_from(&before.node_file);
        self
    }
}
