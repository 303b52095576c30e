//! One question, one answer: plan, pull with each login, diagnose.
//!
//! Plan, walk with each of kubelet's candidates in turn as kubelet does, and diagnose. It is used once
//! by `check` and on a schedule by `run`, and knows nothing of either.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio::time::{Instant as Deadline, timeout_at};

use crate::cause::Cause;
use crate::credentials::Credentials;
use crate::diagnose::{self, Evidence, logins, providers};
use crate::image::platform::Platform;
use crate::image::reference::{Reference, ReferenceError};
use crate::keyring::expiry;
use crate::model::credential::Credential;
use crate::model::outcome::{Failure, Skip};
use crate::model::ratelimit::RateLimit;
use crate::model::report::{
    Candidate, CandidatePull, CredentialUsed, EndpointReport, ImageReport, PlatformFacts, Stages,
};
use crate::model::stage::Stage;
use crate::model::verdict::Verdict;
use crate::node::containerd::Containerd;
use crate::observation::distribution::DistributionTerms;
use crate::plan::{Plan, plan};
use crate::pull::attempt::{Journal, PullBudget};
use crate::pull::{PullEnd, PullTrace, Request, trace};
use crate::redact::urls::without_credentials;
use crate::route::dependencies;
use crate::route::network::Network;

mod hosts;

#[cfg(test)]
mod cases_tests;

pub use hosts::{Dependencies, dependents, not_reached, registry};

/// This part of the time is left for the answer by looks that only explain it.
const LEFT_OVER: u32 = 10;

/// What an answer is sought with.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub containerd: &'a Containerd,
    pub credentials: &'a Credentials,
    pub platform: &'a Platform,
    pub network: &'a Network,
    pub budget: &'a PullBudget,
    /// What is to be changed where, on this node.
    pub terms: &'a DistributionTerms,
    /// Of the whole answer.
    pub timeout: Duration,
}

/// One image: its verdict, and every host that it needs with its stages.
pub async fn image(question: &Question<'_>, requested: &str, image: &Reference) -> (ImageReport, Vec<EndpointReport>) {
    let deadline = Deadline::now() + question.timeout;
    let plan = plan(question.containerd, &image.domain);
    let nobody = BTreeSet::new();
    let planned = hosts::planned(question, &image.domain, &plan, &nobody, deadline);
    let (report, mut endpoints) = tokio::join!(Box::pin(verdict(question, requested, image)), planned);
    endpoints.extend(hosts::dependencies(question, &image.domain, &plan, [], deadline).await);
    (report, endpoints)
}

/// One image's verdict alone.
pub async fn verdict(question: &Question<'_>, requested: &str, image: &Reference) -> ImageReport {
    let (began, deadline) = (Instant::now(), Deadline::now() + question.timeout);
    let plan = plan(question.containerd, &image.domain);
    let blank = blank(question, requested, Some(image.clone()));
    let work = async {
        if let Some(verdict) = settled(question, image, &plan) {
            return ImageReport { verdict, ..blank.clone() };
        }
        let asked = question.credentials.ask_providers(image, question.timeout / 2).await;
        let candidates = [question.credentials.candidates(image), asked.credentials.clone()].concat();
        let report = verdict_of(question, image, &plan, &candidates, blank.clone(), deadline).await;
        let verdict = providers::judged(report.verdict, report.credential.as_ref(), &asked);
        let expiries = asked.credentials.iter().filter_map(expiry::known).collect();
        ImageReport { verdict, providers: asked.providers, expiries, ..report }
    };
    let walked =
        tokio::time::timeout(question.timeout, Box::pin(work)).await.inspect(|report| pooled(question, report));
    let report = walked.unwrap_or_else(|_| ImageReport {
        verdict: out_of_time(question.timeout),
        attempts: question.budget.journal.attempts(),
        cut_off: true,
        ..blank
    });
    let (counted_pulls, requests) = (question.budget.spent(), question.budget.requests.sent());
    let verdict = Verdict { fix: question.terms.fix(&report.verdict.fix).into(), ..report.verdict };
    ImageReport { verdict, duration: began.elapsed(), counted_pulls, requests, ..report }
}

/// What a good pull was sent to is worth watching.
fn pooled(question: &Question<'_>, report: &ImageReport) {
    let Some(image) = report.image.as_ref().filter(|_| report.verdict.pullable == Some(true)) else { return };
    let of = image.to_string();
    for attempt in report.attempts.iter().filter(|attempt| attempt.failure.is_none()) {
        let trace = dependencies::PullOrigin { namespace: &image.domain, of: &of, via: &attempt.endpoint };
        question.network.dependencies.succeeded(trace);
    }
}

/// An image that was not probed before the cycle was over.
pub fn image_not_reached(question: &Question<'_>, requested: &str) -> ImageReport {
    blank(question, requested, Reference::parse(requested).ok())
}

/// An image whose probe ended by a fault of pullprobe.
pub fn image_at_fault(question: &Question<'_>, requested: &str, place: &str) -> ImageReport {
    let failure = Failure { inconclusive: true, ..Failure::new(Stage::Config, Cause::OwnFault, place) };
    ImageReport { verdict: diagnose::of_own_fault(&failure), ..image_not_reached(question, requested) }
}

/// A registry's hosts, likewise.
pub fn at_fault(question: &Question<'_>, domain: &str) -> Vec<EndpointReport> {
    let reports = not_reached(question, domain).into_iter();
    reports.map(|report| EndpointReport { stages: Stages::skipped(Skip::OwnFault), ..report }).collect()
}

/// A text that is no reference.
pub fn unparsable(question: &Question<'_>, requested: &str, error: &ReferenceError) -> ImageReport {
    let failure =
        Failure::new(Stage::Config, Cause::ReferenceInvalid, error.reason.clone()).with_go_message(&*error.words);
    // Whoever writes a password into a reference does not want to read it again.
    let requested = &without_credentials(requested);
    ImageReport { verdict: diagnose::of_reference(&failure, requested), ..blank(question, requested, None) }
}

/// Without any credential and any request: kubelet or containerd does not get that far.
fn settled(question: &Question<'_>, image: &Reference, plan: &Plan) -> Option<Verdict> {
    let (version, mode) = (question.containerd.version, question.containerd.pull_mode);
    let known = plan.fatal.as_ref().filter(|failure| !failure.inconclusive);
    if let (Some(fault), Some(failure)) = (&question.containerd.fatal, known) {
        let socket = fault.kind.stops_containerd().then_some(question.containerd.socket.as_str());
        return Some(diagnose::of_runtime(failure, &diagnose::message::unserved(socket)));
    }
    // kubelet reads the pod's secrets before it asks containerd.
    if let Some(failure) = question.credentials.malformed() {
        return Some(diagnose::of_kubelet(&failure));
    }
    if let Some(failure) = plan.fatal.as_ref() {
        return Some(diagnose::of_files(image, version, mode, failure));
    }
    let error = image.refused_by(version)?;
    let failure = Failure::new(Stage::Config, Cause::ReferenceInvalid, error.reason);
    let go_message = format!("failed to parse image reference \"{image}\": invalid reference format");
    Some(diagnose::of_runtime(&failure, &go_message))
}

async fn verdict_of(
    question: &Question<'_>,
    image: &Reference,
    plan: &Plan,
    candidates: &[Credential],
    blank: ImageReport,
    deadline: Deadline,
) -> ImageReport {
    let (version, mode) = (question.containerd.version, question.containerd.pull_mode);
    let near_miss = question.credentials.near_miss(image).map(|near| near.to_string());
    let anonymous = candidates.is_empty();
    let near_provider = question.credentials.near_provider(image).filter(|_| anonymous);
    let rejected_file = question.credentials.rejected_file().filter(|_| anonymous && near_miss.is_none());
    let tries: Vec<Option<&Credential>> =
        if candidates.is_empty() { vec![None] } else { candidates.iter().map(Some).collect() };
    let mut messages = Vec::new();
    let mut best: Option<ImageReport> = None;
    let mut told: Vec<Candidate> =
        candidates.iter().map(|one| Candidate { credential: used(one), ..one.into() }).collect();
    for (nth, credential) in tries.into_iter().enumerate() {
        let trace = pull_with(question, image, plan, credential, &question.budget.journal).await;
        let pullable_without_login = logins::is_suspect(&trace.ending, credential)
            && is_pullable_without_login(question, image, plan, deadline).await;
        let verdict = diagnose::verdict(Evidence {
            image,
            version,
            mode,
            snapshotter: &question.containerd.snapshotter,
            ending: &trace.ending,
            attempts: &trace.attempts,
            near_miss: near_miss.as_deref().filter(|_| anonymous),
            rejected_file: rejected_file.as_ref(),
            credential,
            pullable_without_login,
            near_provider: near_provider.as_deref(),
            kept_back: question.containerd.anonymous,
            dropped: plan.dropped.as_ref(),
        });
        let succeeded = verdict.pullable != Some(false);
        messages.extend(verdict.kubelet_message.clone());
        if let Some(candidate) = told.get_mut(nth) {
            candidate.pull = Some(CandidatePull { pullable: verdict.pullable, cause: verdict.cause });
        }
        let report = filled(blank.clone(), trace, verdict, credential);
        // kubelet stops at the first success; of failures the first is the one to look at.
        if succeeded || best.is_none() {
            best = Some(report);
        }
        if succeeded {
            break;
        }
    }
    let mut report = best.unwrap_or(blank);
    if report.verdict.pullable == Some(false) {
        report.verdict.kubelet_message = diagnose::message::joined(&messages);
    }
    ImageReport { candidates: told, ..report }
}

/// Only explains a failure that is certain already: it ends in time to tell of that one.
async fn is_pullable_without_login(
    question: &Question<'_>,
    image: &Reference,
    plan: &Plan,
    deadline: Deadline,
) -> bool {
    let (nobody, aside) = (Credential::empty(), Journal::default());
    let look = pull_with(question, image, plan, Some(&nobody), &aside);
    let without = timeout_at(deadline - question.timeout / LEFT_OVER, look).await;
    without.is_ok_and(|trace| trace.digest.is_some() && !matches!(trace.ending, PullEnd::Failed(..)))
}

async fn pull_with(
    question: &Question<'_>,
    image: &Reference,
    plan: &Plan,
    credential: Option<&Credential>,
    journal: &Journal,
) -> PullTrace {
    Box::pin(trace(Request {
        network: question.network,
        hosts: &plan.hosts,
        image,
        credential,
        mode: question.containerd.pull_mode,
        wanted: question.platform,
        budget: question.budget,
        journal,
        unpack_error: question.containerd.unpack_error.as_deref(),
        snapshotter: &question.containerd.snapshotter,
        store: &question.containerd.content,
    }))
    .await
}

fn used(credential: &Credential) -> CredentialUsed {
    CredentialUsed { lifetime: expiry::of(credential), ..credential.into() }
}

fn filled(blank: ImageReport, trace: PullTrace, verdict: Verdict, credential: Option<&Credential>) -> ImageReport {
    ImageReport {
        verdict,
        attempts: trace.attempts,
        digest: trace.digest.map(Into::into),
        media_type: trace.media_type.map(Into::into),
        platform: trace.platform,
        credential: credential.map(used),
        blob: trace.blob,
        rate_limit: trace.rate_limit,
        limited_by: trace.limited_by,
        warnings: trace.warnings.into_iter().map(Into::into).collect(),
        source: trace.source,
        space: trace.space,
        ..blank
    }
}

fn blank(question: &Question<'_>, requested: &str, image: Option<Reference>) -> ImageReport {
    ImageReport {
        requested: requested.into(),
        image,
        verdict: out_of_time(question.timeout),
        attempts: Vec::new(),
        digest: None,
        media_type: None,
        wanted: question.platform.clone(),
        platform: PlatformFacts::default(),
        credential: None,
        expiries: Vec::new(),
        candidates: Vec::new(),
        providers: Vec::new(),
        blob: None,
        rate_limit: RateLimit::default(),
        limited_by: None,
        warnings: Vec::new(),
        counted_pulls: 0,
        requests: 0,
        source: None,
        space: None,
        cut_off: false,
        started_at: question.network.clock(),
        duration: Duration::ZERO,
    }
}

/// An image that was never probed, for its registry is left alone.
pub fn image_held_back(question: &Question<'_>, requested: &str) -> ImageReport {
    let summary =
        "Not asked yet: its registry is left alone for a while, because it failed, or turned others away by a limit.";
    let verdict =
        Verdict::unknown(summary, "Wait for its first probe, or ask at once with `pullprobe check` on the node.");
    ImageReport { verdict, ..image_not_reached(question, requested) }
}

fn out_of_time(timeout: Duration) -> Verdict {
    let summary =
        format!("No answer within {timeout:?}: the hosts are slow or silent; the stages below show how far each got.");
    Verdict::unknown(&summary, "Give it longer with `--timeout`, or look at the slowest stage first.")
}
