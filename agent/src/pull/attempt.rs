//! The book of hosts asked, and what is learnt of the quota on the way.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;

use super::limit_disclosure::LimitDisclosures;
use super::manifest_cache::ManifestCache;
use super::warning;
use crate::model::host::{Endpoint, Scheme};
use crate::model::outcome::Failure;
use crate::model::report::{Attempt, Operation};
use crate::redact::clean::Clean;
use crate::registry::session::{RegistryResponse, RequestError, Session};
use crate::route::requests::Requests;

/// Whether one more request that a registry counts as a pull may be made, and what earlier ones brought.
#[derive(Debug)]
pub struct PullBudget {
    source: BudgetSource,
    manifest_cache: Option<Arc<ManifestCache>>,
    disclosures: Arc<LimitDisclosures>,
    spent: AtomicU32,
    /// What may be sent for it, whether it counts or not.
    pub requests: Requests,
    /// The hosts that were asked so far, kept for a report that ends early.
    pub journal: Journal,
}

/// The attempts of the walk that was begun last.
#[derive(Debug, Default)]
pub struct Journal(Mutex<Vec<Attempt>>);

impl Journal {
    pub fn attempts(&self) -> Vec<Attempt> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, attempts: &[Attempt]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = attempts.to_vec();
    }
}

/// Somebody who keeps count of what several budgets spend.
pub trait Allowance: Send + Sync {
    /// One pull, if one is left, and if that is known in time.
    fn take(&self) -> BoxFuture<'_, bool>;

    /// One was spent before anybody could know that it counts.
    fn record(&self);
}

enum BudgetSource {
    /// So many are left.
    Left(AtomicU32),
    Shared(Box<dyn Allowance>),
}

impl fmt::Debug for BudgetSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left(left) => f.debug_tuple("Left").field(left).finish(),
            Self::Shared(_) => f.write_str("Shared"),
        }
    }
}

impl PullBudget {
    pub fn new(pulls: u32) -> Self {
        Self::knowing(pulls, Arc::default())
    }

    /// `prices`: what was learnt of the hosts so far, and will be.
    pub fn knowing(pulls: u32, disclosures: Arc<LimitDisclosures>) -> Self {
        Self {
            source: BudgetSource::Left(AtomicU32::new(pulls)),
            manifest_cache: None,
            disclosures,
            spent: AtomicU32::new(0),
            requests: Requests::default(),
            journal: Journal::default(),
        }
    }

    /// `allowance` is asked right before each such request, and `purchases` has what they brought.
    pub fn shared(
        allowance: Box<dyn Allowance>,
        manifest_cache: Arc<ManifestCache>,
        disclosures: Arc<LimitDisclosures>,
    ) -> Self {
        Self {
            source: BudgetSource::Shared(allowance),
            manifest_cache: Some(manifest_cache),
            disclosures,
            spent: AtomicU32::new(0),
            requests: Requests::default(),
            journal: Journal::default(),
        }
    }

    pub(super) fn disclosures(&self) -> &LimitDisclosures {
        &self.disclosures
    }

    /// Takes one, if one is left.
    pub async fn spend(&self) -> bool {
        let granted = match &self.source {
            BudgetSource::Left(left) => {
                left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok()
            }
            BudgetSource::Shared(allowance) => allowance.take().await,
        };
        self.spent.fetch_add(u32::from(granted), Ordering::AcqRel);
        granted
    }

    /// One was spent, whether it was left or not.
    pub fn record(&self) {
        match &self.source {
            BudgetSource::Left(left) => {
                let less = |left: u32| Some(left.saturating_sub(1));
                let _ = left.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
            }
            BudgetSource::Shared(allowance) => allowance.record(),
        }
        self.spent.fetch_add(1, Ordering::AcqRel);
    }

    /// How many were spent, whatever became of what they were for.
    pub fn spent(&self) -> u32 {
        self.spent.load(Ordering::Acquire)
    }

    /// What was paid for under this digest.
    pub(super) fn bought(&self, digest: &str) -> Option<Vec<u8>> {
        self.manifest_cache.as_ref()?.get(digest)
    }

    pub(super) fn keep(&self, digest: &str, body: &[u8]) {
        if let Some(manifest_cache) = &self.manifest_cache {
            manifest_cache.put(digest, body);
        }
    }
}

/// Attempts in containerd's order. Equal attempts in a row are listed once.
#[derive(Debug)]
pub struct AttemptRecord<'a> {
    attempts: Vec<Attempt>,
    warnings: Vec<String>,
    journal: &'a Journal,
}

impl<'a> AttemptRecord<'a> {
    pub fn begin(journal: &'a Journal) -> Self {
        journal.note(&[]);
        Self { attempts: Vec::new(), warnings: Vec::new(), journal }
    }

    pub fn answered(
        &mut self,
        session: &Session<'_>,
        operation: Operation,
        answer: &RegistryResponse,
        verdict: AttemptResult<'_>,
        took: Duration,
    ) {
        let (failure, detail) = match verdict {
            AttemptResult::Good(detail) => (None, Clean::line(detail)),
            AttemptResult::Bad(failure) => (Some(failure.clone()), failure.detail.clone()),
        };
        self.add(Attempt {
            operation,
            endpoint: asked_at(session, answer),
            role: session.host.role,
            failure,
            http_status: Some(answer.response.status.as_u16()),
            detail,
            duration: took,
            credential_sent: answer.credential_sent,
        });
    }

    pub fn unanswered(
        &mut self,
        session: &Session<'_>,
        operation: Operation,
        no_answer: &RequestError,
        took: Duration,
    ) {
        if no_answer.known {
            // Nothing was sent this time.
            return;
        }
        self.add(Attempt {
            operation,
            endpoint: session.host.endpoint.clone(),
            role: session.host.role,
            failure: Some(no_answer.failure.clone()),
            http_status: no_answer.http_status,
            detail: no_answer.failure.detail.clone(),
            duration: took,
            credential_sent: no_answer.credential_sent,
        });
    }

    fn add(&mut self, attempt: Attempt) {
        let alike = self.attempts.last_mut().filter(|last| {
            last.operation == attempt.operation
                && last.endpoint == attempt.endpoint
                && last.role == attempt.role
                && last.http_status == attempt.http_status
                && last.failure.as_ref().map(|f| f.cause) == attempt.failure.as_ref().map(|f| f.cause)
        });
        match alike {
            Some(last) => {
                last.duration += attempt.duration;
                last.credential_sent |= attempt.credential_sent;
            }
            None => self.attempts.push(attempt),
        }
        self.journal.note(&self.attempts);
    }

    /// The attempt that met this failure.
    pub fn met(&self, failure: &Failure) -> Option<&Attempt> {
        self.attempts.iter().rev().find(|attempt| met(attempt, failure))
    }

    /// The host that said what the name of the image stands for.
    pub fn announced_by(&self) -> Option<&Endpoint> {
        let mut attempts = self.attempts.iter();
        let told = attempts.find(|attempt| attempt.operation == Operation::Resolve && attempt.failure.is_none());
        told.map(|attempt| &attempt.endpoint)
    }

    /// Puts what was learnt about a failure later into the attempt that met it.
    pub fn explain(&mut self, before: &Failure, explained: &Failure) {
        if let Some(attempt) = self.attempts.iter_mut().rev().find(|attempt| met(attempt, before)) {
            attempt.detail.clone_from(&explained.detail);
            attempt.failure = Some(explained.clone());
        }
        self.journal.note(&self.attempts);
    }

    /// What the registry wants its users to know.
    pub fn warned(&mut self, answer: &RegistryResponse) {
        warning::read(&answer.response, &mut self.warnings);
    }

    pub fn into_parts(self) -> (Vec<Attempt>, Vec<String>) {
        (self.attempts, self.warnings)
    }
}

fn met(attempt: &Attempt, known: &Failure) -> bool {
    attempt.failure.as_ref().is_some_and(|failure| failure.host == known.host && failure.cause == known.cause)
}

/// The host as it was asked: over http where https fell back.
fn asked_at(session: &Session<'_>, answer: &RegistryResponse) -> Endpoint {
    let scheme = if answer.url.scheme() == "http" { Scheme::Http } else { Scheme::Https };
    Endpoint::new(scheme, session.host.endpoint.authority.clone())
}

/// What an answer turned out to be.
#[derive(Clone, Copy, Debug)]
pub enum AttemptResult<'a> {
    Good(&'a str),
    Bad(&'a Failure),
}
