//! The book of hosts asked, and what is learnt of the quota on the way.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::super::session::{Answer, NoAnswer, Session};
use crate::model::host::{Endpoint, Scheme};
use crate::model::outcome::Failure;
use crate::model::report::{Attempt, Operation};

/// How many requests that a registry counts as a pull may still be spent.
#[derive(Debug)]
pub struct PullBudget(AtomicU32);

impl PullBudget {
    pub const fn new(pulls: u32) -> Self {
        Self(AtomicU32::new(pulls))
    }

    /// Takes one, if one is left.
    pub fn spend(&self) -> bool {
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok()
    }
}

/// Attempts in containerd's order; neighbours that are alike are written once.
#[derive(Debug, Default)]
pub struct Book {
    attempts: Vec<Attempt>,
}

impl Book {
    pub fn answered(
        &mut self,
        session: &Session<'_>,
        operation: Operation,
        answer: &Answer,
        verdict: Verdict<'_>,
        took: Duration,
    ) {
        let (failure, detail) = match verdict {
            Verdict::Good(detail) => (None, detail.to_owned()),
            Verdict::Bad(failure) => (Some(failure.clone()), failure.detail.clone()),
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

    pub fn unanswered(&mut self, session: &Session<'_>, operation: Operation, no_answer: &NoAnswer, took: Duration) {
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
    }

    pub fn into_attempts(self) -> Vec<Attempt> {
        self.attempts
    }
}

/// The host as it was asked: over http where https fell back.
fn asked_at(session: &Session<'_>, answer: &Answer) -> Endpoint {
    let scheme = if answer.url.scheme() == "http" { Scheme::Http } else { Scheme::Https };
    Endpoint::new(scheme, session.host.endpoint.authority.clone())
}

/// What an answer turned out to be.
#[derive(Clone, Copy, Debug)]
pub enum Verdict<'a> {
    Good(&'a str),
    Bad(&'a Failure),
}
