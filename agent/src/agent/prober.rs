//! The agent as the schedule knows it: its targets, their probes, and what is said of a target whose probe came to no answer.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::probing::Probing;
use super::wanted::{self, Probed};
use super::{Agent, Current};
use crate::fault::{self, Fault};
use crate::model::report::{EndpointReport, ImageReport};
use crate::probe;
use crate::pull::attempt::PullBudget;
use crate::schedule::{Job, Prober};
use crate::state::changes;

impl Prober for Agent {
    type Target = Probed;

    fn targets(&self) -> BoxFuture<'_, Vec<Job<Probed>>> {
        async move {
            self.progress.turned();
            if let Some(before) = self.history_file.before().await {
                self.store.begin_with(before, (self.clock)());
            }
            let node = self.begin_cycle().await;
            // What is probed because of a pod is to be shown with it: both go by one state of the pods.
            let book = self.pods.book();
            let changed = self.store.apply_pods(Arc::clone(&book), (self.clock)());
            self.changes.images(&changed, &self.store.snapshot());
            let waiting = self.pods.probes_waiting().then_some(book.as_ref());
            let (targets, mut jobs) = wanted::of(&self.options.settings, &node, &book, waiting);
            let now = (self.clock)();
            self.store.retain(targets, now);
            self.history_file.keep(&self.store.snapshot().histories, now);
            self.put_off(&node, &mut jobs);
            jobs
        }
        .boxed()
    }

    fn probe(&self, job: Job<Probed>) -> BoxFuture<'static, ()> {
        let probing = Probing {
            current: self.current(),
            store: Arc::clone(&self.store),
            pull_budgets: Arc::clone(&self.pull_budgets),
            back_offs: Arc::clone(&self.back_offs),
            changes: Arc::clone(&self.changes),
            answer: self.answer(),
        };
        probing.probe(job).boxed()
    }

    fn owner(&self, target: &Probed) -> String {
        target.registry()
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        self.pods.changed().boxed()
    }

    fn out_of_time(&self, target: Probed) {
        tracing::warn!(%target, deadline = ?self.deadline(), "the probe did not finish within its deadline");
        self.without_answer(&target, probe::not_reached, probe::image_not_reached);
    }

    fn at_fault(&self, target: Probed, fault: &Fault) {
        let place = fault.to_string();
        self.without_answer(&target, probe::at_fault, |question, image| probe::image_at_fault(question, image, &place));
        tracing::warn!(%target, %place, "its answer is unknown: the probe ended by a fault of pullprobe");
        self.store.apply_faults(fault::count());
    }

    fn round_over(&self, took: Duration) {
        self.store.end_cycle(took);
        if self.progress.cycle_over(took) {
            changes::summary(&self.store.snapshot());
        }
    }
}

impl Agent {
    /// The probe of a target came to no answer: what is said of it instead.
    fn without_answer(
        &self,
        target: &Probed,
        of_registry: impl Fn(&probe::Question<'_>, &str) -> Vec<EndpointReport>,
        of_image: impl Fn(&probe::Question<'_>, &str) -> ImageReport,
    ) {
        let Current { node, network, .. } = self.current();
        let budget = PullBudget::new(0);
        let question = node.question(&network, &budget, self.deadline());
        let now = (self.clock)();
        match target {
            Probed::Registry(name) => {
                for report in of_registry(&question, name) {
                    let change = self.store.not_reached(report.clone(), now);
                    change.into_iter().for_each(|change| self.changes.endpoint(&report, &change));
                }
            }
            Probed::Image(image) => {
                let report = of_image(&question, image);
                let change = self.store.image_not_reached(report.clone(), now);
                change.into_iter().for_each(|change| self.changes.image(&report, &[], &change));
            }
        }
    }
}
