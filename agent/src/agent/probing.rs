//! One probe of the agent: a registry's hosts or an image, and where what was seen goes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Current;
use super::back_off::{BackOffs, OfferedCredentials, Pace};
use super::pull_budget::PullBudgets;
use super::wanted::Probed;
use crate::image::target::Target;
use crate::model::report::{EndpointReport, ImageReport};
use crate::model::urgency::Urgency;
use crate::probe;
use crate::pull::attempt::PullBudget;
use crate::schedule::Job;
use crate::state::changes::Changes;
use crate::state::store::Store;
use crate::state::waiting::full_name;

/// What a probe works with, however long it takes.
pub struct Probing {
    pub current: Current,
    pub store: Arc<Store>,
    pub pull_budgets: Arc<PullBudgets>,
    pub back_offs: Arc<BackOffs>,
    pub changes: Arc<Changes>,
    /// How long one answer may take.
    pub answer: Duration,
}

impl Probing {
    #[tracing::instrument(level = "trace", skip_all, fields(target = %job.target))]
    pub async fn probe(self, job: Job<Probed>) {
        let pace = Pace { began: Instant::now(), interval: job.interval };
        match &job.target {
            Probed::Registry(name) => self.registry(name, pace).await,
            Probed::Image(image) => self.image(image, pace, job.urgency == Urgency::Background).await,
        }
        self.store.apply_cost(&self.current.network.usage.take());
        self.store.apply_back_offs(self.back_offs.shown());
    }

    /// Hosts that are left alone keep their last report.
    async fn registry(&self, name: &str, pace: Pace) {
        let budget = PullBudget::new(0);
        let question = self.current.node.question(&self.current.network, &budget, self.answer);
        let left_alone = self.back_offs.left_alone(name);
        for report in probe::registry(&question, name, &self.store.needs(name), &left_alone).await {
            self.back_offs.saw_endpoint(&report, pace, |subject| OfferedCredentials::of(&self.current.node, subject));
            self.apply(report);
        }
    }

    fn apply(&self, report: EndpointReport) {
        let key = (report.namespace.clone(), report.endpoint.clone());
        let Some(change) = self.store.apply_endpoint(report) else { return };
        if let Some(report) = self.store.snapshot().endpoints.get(&key) {
            self.changes.endpoint(report, &change);
        }
    }

    async fn image(&self, requested: &str, pace: Pace, is_free: bool) {
        self.pull_budgets.opened().await;
        // What nobody waits for costs no counted pull.
        let budget = if is_free { PullBudget::new(0) } else { self.pull_budgets.budget() };
        let question = self.current.node.question(&self.current.network, &budget, self.answer);
        let report = about(&question, requested).await;
        self.back_offs.saw_image(&report, pace, |subject| OfferedCredentials::of(&self.current.node, subject));
        let (domain, name) = (report.image.as_ref().map(|image| image.domain.clone()), report.requested.clone());
        let change = self.store.apply_image(report);
        let snapshot = self.store.snapshot();
        if let Some((change, shown)) = change.zip(snapshot.images.get(name.as_str())) {
            let needs = snapshot.needs_by_image();
            let needs = needs.get(&full_name(&name)).map_or(&[][..], Vec::as_slice);
            self.changes.image(shown, needs, &change);
        }
        if let Some(domain) = domain {
            let dependents = probe::dependents(&question, &domain).await;
            dependents.into_iter().for_each(|report| self.apply(report));
        }
    }
}

async fn about(question: &probe::Question<'_>, requested: &str) -> ImageReport {
    match Target::parse(requested) {
        Ok(Target::Image(image)) => Box::pin(probe::verdict(question, requested, &image)).await,
        Ok(Target::Registry(name)) => {
            let error = crate::image::reference::ReferenceError {
                found: name,
                reason: "this names a registry, not an image".to_owned(),
                words: String::new(),
            };
            probe::unparsable(question, requested, &error)
        }
        Err(error) => probe::unparsable(question, requested, &error),
    }
}
