//! Out of an index what this node would run, and down from there.

use super::select::{self, Matcher, Selection};
use super::{Phase, Pull, Stop};
use crate::cause::Cause;
use crate::manifest::{Descriptor, Document};
use crate::model::outcome::Failure;
use crate::model::stage::Stage;
use crate::version::PullMode;

impl Pull<'_> {
    pub(super) async fn choose(
        &mut self,
        index: &Descriptor,
        document: Document,
        depth: usize,
    ) -> Result<Option<Failure>, Stop> {
        let entries = document.manifests;
        self.platform.offer(select::offered(&entries, &self.wanted.os));
        let matcher = Matcher { node: self.wanted, mode: self.mode, version: self.version };
        self.agreed_by_builds(&matcher, &entries)?;
        let chosen = match matcher.select(&entries) {
            Selection::Entries(chosen) => chosen,
            Selection::NoMatch { compatible } => return Err(self.no_match(index, compatible)),
        };
        let says = |entry: &Descriptor| entry.platform(&self.wanted.os);
        let used = chosen.iter().position(|entry| says(entry).is_some()).unwrap_or(0);
        let mut outcome = None;
        // The transfer service fetches every match; the best one that names a platform is used.
        for (nth, entry) in chosen.into_iter().enumerate() {
            let known = self.walked.get(&(entry.digest.clone(), entry.media_type.clone())).cloned();
            let one = match known {
                // containerd has it by then.
                Some(known) => known,
                None => Box::pin(self.descend(entry, depth + 1)).await?,
            };
            self.walked.insert((entry.digest.clone(), entry.media_type.clone()), one.clone());
            if nth != used {
                continue;
            }
            let named = entry.platform(&self.wanted.os);
            let misfit = one.as_ref().filter(|failure| failure.cause == Cause::PlatformMismatch && named.is_none());
            if let Some(failure) = misfit {
                // An entry that says nothing is checked against its config once it is there.
                let go_message = format!("no match for platform in manifest {}: not found", self.root_digest(index));
                return Err(Stop::Fetch(Phase::Config, failure.clone().with_go_message(go_message)));
            }
            self.platform.selected = self.platform.selected.take().or(named);
            outcome = one;
        }
        Ok(outcome)
    }

    /// Where nothing tells whose build this containerd is, one may take an entry that the other passes over.
    fn agreed_by_builds(&self, matcher: &Matcher<'_>, entries: &[Descriptor]) -> Result<(), Stop> {
        let Some(version) = self.version.other_build() else { return Ok(()) };
        let other = Matcher { version, ..*matcher };
        if other.select(entries) == matcher.select(entries) {
            return Ok(());
        }
        let detail = self.version.differing_builds("entries of the index ask for features of the operating system");
        let failure = Failure::new(Stage::Platform, Cause::PlatformMismatch, detail);
        Err(Stop::Fetch(Phase::Config, Failure { inconclusive: true, ..failure }))
    }

    /// The digest that the reference leads to: what CRI speaks of after the pull.
    fn root_digest(&self, index: &Descriptor) -> String {
        self.resolved.as_ref().map_or_else(|| index.digest.clone(), |resolved| resolved.digest.clone())
    }

    fn no_match(&self, index: &Descriptor, compatible: Option<&Descriptor>) -> Stop {
        let detail = format!("{} is wanted, the index offers {}", self.wanted, or_nothing(&self.platform.shown()));
        let failure = Failure::new(Stage::Platform, Cause::PlatformMismatch, detail);
        match (self.mode, compatible) {
            (PullMode::Local, _) => {
                Stop::Fetch(Phase::Commit, failure.with_go_message("no match for platform in manifest: not found"))
            }
            (PullMode::Transfer, None) => Stop::Fetch(
                Phase::Config,
                failure.with_go_message(format!(
                    "no match for platform in manifest {}: not found",
                    self.root_digest(index)
                )),
            ),
            (PullMode::Transfer, Some(entry)) => Stop::Fetch(
                Phase::Config,
                failure.with_go_message(format!("content digest {}: not found", entry.digest)),
            ),
        }
    }
}

fn or_nothing(list: &[String]) -> String {
    if list.is_empty() { "nothing that names a platform".to_owned() } else { list.join(", ") }
}
