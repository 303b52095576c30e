//! Asks once more about the failure that decides: a HEAD has no body, and a 404 has several reasons.
//!
//! These requests are pullprobe's own; none of them is counted by a registry as a pull.

use http::Method;

use super::super::session::{Answer, Ask, Session};
use super::super::status::{self, Errors};
use super::super::usage::RequestKind;
use super::{Pull, Stop};
use crate::model::cause::Cause;
use crate::model::outcome::Failure;

/// Error bodies are small.
const BODY_LIMIT: usize = 64_000;

impl Pull<'_> {
    pub(super) async fn refine(&mut self, stop: Stop) -> Stop {
        match stop {
            Stop::Resolve(failure) => Stop::Resolve(self.explain(failure).await),
            other => other,
        }
    }

    async fn explain(&self, failure: Failure) -> Failure {
        let hides = matches!(failure.cause, Cause::ManifestUnknown | Cause::AccessDenied | Cause::NotFoundOrDenied);
        let asked =
            self.sessions.iter().find(|session| failure.host.as_deref() == Some(&session.host.endpoint.host_port()));
        let (Some(session), true) = (asked, hides) else { return failure };
        match failure.cause {
            Cause::ManifestUnknown => self.why_not_found(session, failure).await,
            _ => self.why_forbidden(session, failure).await,
        }
    }

    /// The repository, the tag, or no registry at all?
    async fn why_not_found(&self, session: &Session<'_>, failure: Failure) -> Failure {
        let Ok(answer) = session.ask(&get("manifests", self.image.object())).await else { return failure };
        if answer.response.status.as_u16() != 404 {
            return failure;
        }
        let errors = Errors::of(&answer.response);
        if errors.has("NAME_UNKNOWN") || errors.has("NAME_INVALID") {
            return self.repository_unknown(failure, &errors);
        }
        if errors.is_empty() && status::is_web_page(&answer.response) {
            let detail = format!("{} answers web pages, not the distribution API", super::party(&answer));
            return Failure { cause: Cause::NotARegistry, detail, ..failure };
        }
        if let Ok(tags) = session.ask(&get("tags", "list")).await {
            let about_tags = Errors::of(&tags.response);
            if tags.response.status.as_u16() == 404 && about_tags.has("NAME_UNKNOWN") {
                return self.repository_unknown(failure, &about_tags);
            }
        }
        if errors.is_empty() {
            failure
        } else {
            Failure { detail: format!("{}{}", failure.detail, errors.behind(": ")), ..failure }
        }
    }

    fn repository_unknown(&self, failure: Failure, errors: &Errors) -> Failure {
        let detail = format!("the registry knows no repository {}{}", self.image.repository, errors.behind(": "));
        Failure { cause: Cause::RepositoryUnknown, detail: crate::model::outcome::clip(detail), ..failure }
    }

    /// The body of a GET often tells what the bodyless 403 of a HEAD meant.
    async fn why_forbidden(&self, session: &Session<'_>, failure: Failure) -> Failure {
        let Ok(answer) = session.ask(&get("manifests", self.image.object())).await else { return failure };
        if answer.response.status.as_u16() != 403 {
            return failure;
        }
        let errors = Errors::of(&answer.response);
        let cause = status::cause_of_status(403, &answer.response, &errors);
        let detail = format!("{}{}", failure.detail, errors.behind(": "));
        let wording = self.with_body(&failure, &answer, &errors);
        let failure = Failure { detail: crate::model::outcome::clip(detail), wording, ..failure };
        if cause == Cause::AccessDenied { failure } else { Failure { cause, also_possible: Vec::new(), ..failure } }
    }

    /// Newer versions make the same GET and show its errors.
    fn with_body(&self, failure: &Failure, answer: &Answer, errors: &Errors) -> String {
        let shows = self.version.explains_forbidden_head() && answer.method == Method::GET;
        if shows { format!("{}{}", failure.wording, errors.lines()) } else { failure.wording.clone() }
    }
}

fn get(collection: &'static str, object: &str) -> Ask {
    Ask {
        method: Method::GET,
        collection,
        object: object.to_owned(),
        accept: super::resolve::ACCEPT.to_owned(),
        range: None,
        body_limit: BODY_LIMIT,
        kind: RequestKind::Get,
    }
}
