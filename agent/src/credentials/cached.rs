//! What kubelet still offers when its files break: what it read and was told is kept in the process.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{CredentialOptions, Credentials};
use crate::host::last_good;
use crate::host::root::HostRoot;
use crate::model::finding::Finding;
use crate::provider;

/// kubelet searches its files again when what it has is this old; how old it is cannot be seen.
const CACHED: SignedDuration = SignedDuration::from_mins(5);

impl Credentials {
    /// Another look: a provider's answer is kept for as long as kubelet keeps it, and a file that was used
    /// and does not parse any more counts only once kubelet has looked again for certain.
    #[must_use]
    pub fn reload(&self, root: &HostRoot, options: &CredentialOptions, now: Timestamp) -> Self {
        let fresh = Self::load(root, options).with_providers_of(self, now);
        let file = self.node_file.as_ref().filter(|file| fresh.rejected.iter().any(|(rejected, _)| rejected == *file));
        match file {
            Some(file) if now.duration_since(self.broken.since(file, now)) < CACHED => {
                fresh.with_cached(self, file, now)
            }
            _ => fresh,
        }
    }

    /// kubelet reads the configuration of its providers once, at its start: what it is told later it
    /// does not know, and what a plugin said before still holds.
    fn with_providers_of(mut self, before: &Self, now: Timestamp) -> Self {
        let Some(known) = &before.providers else { return self };
        if let Some(fresh) = &self.providers {
            self.providers = Some(Arc::new(fresh.after(known)));
            return self;
        }
        let is_refused = self.refused_providers.take().is_some();
        if !is_refused && self.unseen_providers.take().is_none() {
            return self;
        }
        self.providers = Some(Arc::clone(known));
        let findings = std::mem::take(&mut self.findings);
        self.findings = findings.into_iter().map(|finding| self.as_kept(before, finding, now)).collect();
        self
    }

    /// The finding about the configuration of providers, told of a kubelet that runs.
    fn as_kept(&mut self, before: &Self, finding: Finding, now: Timestamp) -> Finding {
        let Some(file) = &finding.file else { return finding };
        if !provider::is_refusal(&finding) {
            return finding;
        }
        let since = before.broken.since(file, now);
        self.broken.note(file, since);
        let consequence = "kubelet reads it at its start, and its next start fails";
        let kept = last_good::finding(file, since, &finding.message, consequence, &finding.fix);
        Finding { position: finding.position, ..kept }
    }

    fn with_cached(mut self, before: &Self, file: &str, now: Timestamp) -> Self {
        let since = before.broken.since(file, now);
        self.broken.note(file, since);
        let fix = "write the whole file beside and rename it into place; `jq . FILE` shows faults of syntax";
        let consequence =
            format!("kubelet caches its logins for up to {CACHED:#}, and then skips the file without a word");
        let (broken, other): (Vec<_>, Vec<_>) = self.rejected.into_iter().partition(|(rejected, _)| rejected == file);
        self.rejected = other;
        self.findings
            .retain(|finding| finding.code != crate::keyring::lint::REJECTED || finding.file.as_deref() != Some(file));
        for (_, malformed) in broken {
            let finding = last_good::finding(file, since, &malformed.reason, &consequence, fix);
            self.findings.push(Finding { position: malformed.position, ..finding });
        }
        self.node = before.node.clone();
        self.node_file.clone_from(&before.node_file);
        self
    }
}
