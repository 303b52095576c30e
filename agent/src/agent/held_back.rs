//! Images whose turn has come and that are not asked for, because their registry wants to be left alone.

use tokio::time::Instant;

use super::Agent;
use super::back_off::OfferedCredentials;
use super::wanted::{Probed, domain_of};
use crate::probe;
use crate::pull::attempt::PullBudget;
use crate::reading::Node;
use crate::schedule::Job;

impl Agent {
    /// An image waits for the hosts that it would be asked from; a registry's own hosts are left out one by
    /// one, when it is their turn.
    pub(super) fn put_off(&self, node: &Node, jobs: &mut [Job<Probed>]) {
        let snapshot = self.store.snapshot();
        self.back_offs.retain(&snapshot.targets);
        self.back_offs.try_new_logins(|subject| OfferedCredentials::of(node, subject));
        let (network, budget) = (self.current().network, PullBudget::new(0));
        let question = node.question(&network, &budget, self.deadline());
        let now = Instant::now();
        for job in jobs {
            let Probed::Image(image) = &job.target else { continue };
            let domain = domain_of(image).unwrap_or_default();
            job.not_before = self.back_offs.image_gate(&snapshot.targets, &domain, image);
            // Who looks for it in the report is to find it, with who needs it and until when it is put off.
            if job.not_before.is_some_and(|at| at > now) && !snapshot.images.contains_key(image) {
                self.store.image_held_back(probe::image_held_back(&question, image));
            }
        }
    }
}
