//! Asks once more about the failure that decides: a HEAD has no body, and a 404 has several reasons.
//!
//! These requests are pullprobe's own. A registry that counts one of them counts a pull: where that is
//! known, it is made only if one may be spent, and the answer stays less precise otherwise.

use http::Method;

use super::super::proxy;
use super::super::session::{Answer, Ask, Session};
use super::super::status::{self, Errors};
use super::super::usage::RequestKind;
use super::{Pull, Stop};
use crate::model::cause::Cause;
use crate::model::outcome::Failure;

/// Error bodies are small.
const BODY_LIMIT: usize = 64_000;

/// Registries that fetch from another one, and say of a failure there that the image is missing: how their
/// `Server` header begins, and what the failure may have been.
const HIDES_UPSTREAM: [(&str, &[Cause]); 1] = [
    // Docker Hub's 429 becomes a 404 (support.sonatype.com, 33993902899731).
    ("Nexus/", &[Cause::RateLimited]),
];

impl Pull<'_> {
    pub(super) async fn refine(&mut self, stop: Stop) -> Stop {
        match stop {
            Stop::Resolve(failure) => Stop::Resolve(self.explain(failure).await),
            other => other,
        }
    }

    async fn explain(&mut self, failure: Failure) -> Failure {
        let before = failure.clone();
        let explained = match failure.cause {
            Cause::ManifestUnknown => self.why_not_found(failure).await,
            Cause::AccessDenied | Cause::NotFoundOrDenied | Cause::PolicyBlocked => self.why_forbidden(failure).await,
            _ => return failure,
        };
        self.book.explain(&before, &explained);
        explained
    }

    /// The same request by GET, to the host that failed: the host of the plan, or where it redirects.
    async fn body_of(&mut self, failure: &Failure) -> Option<(usize, Answer)> {
        let is_host = |session: &Session<'_>| failure.host.as_deref() == Some(&session.host.endpoint.host_port());
        let index = self.sessions.iter().position(is_host).or(self.sessions.len().checked_sub(1))?;
        let answer = self.get_manifest(index, &get("manifests", self.image.object())).await.ok()?.ok()?;
        (failure.host.as_deref() == Some(&super::party(&answer))).then_some((index, answer))
    }

    /// The repository, the tag, or no registry at all?
    async fn why_not_found(&mut self, failure: Failure) -> Failure {
        let Some((index, answer)) = self.body_of(&failure).await else { return failure };
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
        if let Ok(tags) = self.sessions[index].ask(&get("tags", "list")).await {
            let about_tags = Errors::of(&tags.response);
            if tags.response.status.as_u16() == 404 && about_tags.has("NAME_UNKNOWN") {
                return self.repository_unknown(failure, &about_tags);
            }
        }
        let failure = match hidden_upstream(&answer) {
            [] => failure,
            others => failure.or_maybe(others),
        };
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

    /// The body of a GET often tells what the bodyless refusal of a HEAD meant.
    async fn why_forbidden(&mut self, failure: Failure) -> Failure {
        let Some((index, answer)) = self.body_of(&failure).await else { return failure };
        let code = answer.response.status.as_u16();
        if !matches!(code, 401 | 403 | 412) {
            return failure;
        }
        let errors = Errors::of(&answer.response);
        let text = errors.text();
        if status::says_no_such_place(&text) {
            let unknown = self.repository_unknown(failure, &errors);
            return Failure { also_possible: Vec::new(), ..unknown };
        }
        // What a token service gave a token for is good, whatever its date.
        let login = self.sessions[index].login().filter(|_| answer.token.is_none() && answer.credential_sent);
        let ended = status::ended(&answer.response, login);
        let note = ended.as_deref().unwrap_or_default();
        let detail = crate::model::outcome::clip(format!("{}{note}{}", failure.detail, errors.behind(": ")));
        if code == 401 {
            return Failure { detail, ..failure };
        }
        let cause = status::cause_of_status(code, &answer.response, &errors);
        let wording = if code == 403 { self.with_body(&failure, &answer, &errors) } else { failure.wording.clone() };
        let mut failure = Failure { detail, wording, ..failure };
        if proxy::or_the_proxy(&answer.response, &errors).is_none() {
            failure.also_possible.retain(|other| *other != Cause::ProxyDenied);
        }
        match cause {
            // Refused without a reason, and past its time: that comes first.
            Cause::AccessDenied if ended.is_some() && errors.is_empty() && !status::is_web_page(&answer.response) => {
                Failure { cause: Cause::CredentialsExpired, ..failure }.or_maybe(&[Cause::AccessDenied])
            }
            Cause::AccessDenied if !status::says_address_refused(&text) => failure,
            cause => Failure { cause, also_possible: Vec::new(), ..failure },
        }
    }

    /// Newer versions make the same GET and show its errors.
    fn with_body(&self, failure: &Failure, answer: &Answer, errors: &Errors) -> String {
        let shows = self.version.explains_forbidden_head() && answer.method == Method::GET;
        if shows { format!("{}{}", failure.wording, errors.lines()) } else { failure.wording.clone() }
    }
}

fn hidden_upstream(answer: &Answer) -> &'static [Cause] {
    let server = answer.response.header("server").unwrap_or_default();
    HIDES_UPSTREAM.iter().find(|(name, _)| server.starts_with(name)).map_or(&[], |(_, causes)| *causes)
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
