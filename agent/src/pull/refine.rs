//! Asks once more about the failure that decides: a HEAD has no body, and a 404 has several reasons.
//!
//! These requests are pullprobe's own. A registry that counts one of them counts a pull: where that is
//! known, it is made only if one may be spent, and the answer stays less precise otherwise.

use http::Method;

use super::refused::{self, Refusal};
use super::{Pull, Stop};
use crate::cause::Cause;
use crate::model::outcome::{Failure, Mark};
use crate::model::stage::Stage;
use crate::redact::clip::clip;
use crate::refusal::evidence::Party;
use crate::refusal::{self, Errors};
use crate::registry::session::{Base, ObjectRequest, RegistryResponse, Session};
use crate::route::proxy;
use crate::route::usage::RequestKind;

/// Error bodies are small.
const BODY_LIMIT: usize = 64_000;

/// Registries that fetch from another one, and say of a failure there that the image is missing: how their
/// `Server` header begins, and what the failure may have been.
const HIDES_UPSTREAM: [(&str, &[Cause]); 1] = [
    // Docker Hub's 429 becomes a 404 (support.sonatype.com, 33993902899731).
    ("Nexus/", &[Cause::RateLimited]),
];

/// What a HEAD was refused with, and a GET may explain. A limit would only be drawn on further.
const EXPLAINED: [Cause; 15] = [
    Cause::ManifestUnknown,
    Cause::AccessDenied,
    Cause::NotFoundOrDenied,
    Cause::PolicyBlocked,
    Cause::LegallyBlocked,
    Cause::QuotaExceeded,
    Cause::FilterBlocked,
    Cause::StorageRefused,
    Cause::RequestTooLarge,
    Cause::StatusUnexpected,
    Cause::RegistryError,
    Cause::ChallengeInvalid,
    Cause::TokenInvalid,
    Cause::NotARegistry,
    Cause::TlsClientCertificateRequired,
];

impl Pull<'_> {
    pub(super) async fn refine(&mut self, stop: Stop) -> Stop {
        match stop {
            Stop::Resolve(failure) => Stop::Resolve(self.explain(failure).await),
            other => other,
        }
    }

    async fn explain(&mut self, failure: Failure) -> Failure {
        // An answer of the registry, not one of its token service or of the way there.
        let of_registry = failure.stage == Stage::Manifest && !failure.is_marked(Mark::AuthorizationFailed);
        let status = self.record.met(&failure).and_then(|attempt| attempt.http_status);
        // Whoever struggles is not asked more than containerd would ask.
        let is_overloaded = matches!(status, Some(503 | 504));
        // What a bad request is about stands in its body alone.
        let is_mute = status == Some(400) && failure.cause == Cause::CredentialsRejected;
        let may_explain = (of_registry && EXPLAINED.contains(&failure.cause)) || is_mute;
        if !may_explain || is_overloaded {
            return failure;
        }
        let before = failure.clone();
        let explained = self.why(failure).await;
        self.record.explain(&before, &explained);
        explained
    }

    async fn why(&mut self, failure: Failure) -> Failure {
        let Some((index, answer)) = self.body_of(&failure).await else { return failure };
        if answer.response.status.is_success() {
            return self.head_refused(index, failure, &answer).await;
        }
        let of_head = self.record.met(&failure).and_then(|attempt| attempt.http_status);
        let explained = match (failure.cause, answer.response.status.as_u16()) {
            // What befell the look itself says nothing of what HEAD met.
            (_, code @ (408 | 429 | 500..)) if of_head != Some(code) => return failure,
            (Cause::ManifestUnknown, 404) => return self.why_not_found(index, &answer, failure).await,
            (Cause::ManifestUnknown, 400..500) if refusal::is_web_page(&answer.response) => {
                return refused::or_filter(&answer, failure);
            }
            (Cause::ManifestUnknown, _) => return failure,
            (_, 401 | 403 | 412) => self.why_forbidden(index, &answer, failure),
            _ => {
                let by_get = self.refused(index, &answer);
                Failure { go_message: failure.go_message, ..by_get }
            }
        };
        self.or_no_registry(index, &answer, explained).await
    }

    /// The same request by GET, to the host that failed: the host of the plan, or where it redirects.
    async fn body_of(&mut self, failure: &Failure) -> Option<(usize, RegistryResponse)> {
        let met = self.record.met(failure).map(|attempt| attempt.endpoint.authority.clone());
        let met_it = |session: &Session<'_>| Some(&session.host.endpoint.authority) == met.as_ref();
        let is_host = |session: &Session<'_>| failure.host.as_deref() == Some(&session.host.endpoint.host_port());
        let sessions = &self.sessions;
        let index = sessions.iter().position(is_host).or_else(|| sessions.iter().position(met_it));
        let index = index.or(self.sessions.len().checked_sub(1))?;
        let answer = self.get_manifest(index, &get("manifests", self.image.object())).await.ok()?.ok()?;
        let is_it = failure.host.as_deref() == Some(&super::party(&answer));
        (is_it || answer.response.status.is_success()).then_some((index, answer))
    }

    /// GET is answered. If HEAD is still refused, the method makes the difference. Otherwise the refusal was temporary.
    async fn head_refused(&mut self, index: usize, failure: Failure, got: &RegistryResponse) -> Failure {
        if refusal::is_web_page(&got.response) {
            return refused::of_page(got, no_registry(failure, "GET brings a web page"));
        }
        let head =
            ObjectRequest { method: Method::HEAD, kind: RequestKind::Head, ..get("manifests", self.image.object()) };
        let refused_again =
            self.sessions[index].ask(&head).await.is_ok_and(|again| again.response.status.as_u16() >= 400);
        if !refused_again {
            return failure;
        }
        let detail = clip(format!("{}; GET of the same is answered {}", failure.detail, got.response.line()));
        let explained = Failure {
            cause: Cause::HeadRefused,
            detail: detail.into(),
            also_possible: Vec::new(),
            particulars: None,
            ..failure
        };
        let registry = self.sessions[index].host.endpoint.host_port();
        match explained.host.clone().filter(|host| *host != registry) {
            Some(storage) => explained.summarized(format!(
                "HEAD is refused at {storage}, to which {registry} sends the node on, and GET of the very same is answered."
            )),
            None => explained,
        }
    }

    /// The repository, the tag, or no registry at all?
    async fn why_not_found(&mut self, index: usize, answer: &RegistryResponse, failure: Failure) -> Failure {
        let errors = Errors::of(&answer.response);
        if errors.has("NAME_UNKNOWN") || errors.has("NAME_INVALID") {
            return self.repository_unknown(failure, &errors);
        }
        if answer.party() == Party::Storage {
            let by_storage = self.refused(index, answer);
            if by_storage.cause == Cause::StorageRefused {
                return Failure { go_message: failure.go_message, ..by_storage };
            }
        }
        if errors.is_empty() && refusal::is_web_page(&answer.response) {
            let seen = format!("{} answers web pages", super::party(answer));
            return refused::of_page(answer, no_registry(failure, &seen));
        }
        let failure = self.or_no_registry(index, answer, failure).await;
        if failure.cause == Cause::NotARegistry {
            return failure;
        }
        if let Ok(tags) = self.sessions[index].ask(&get("tags", "list")).await {
            let about_tags = Errors::of(&tags.response);
            if tags.response.status.as_u16() == 404 && about_tags.has("NAME_UNKNOWN") {
                return self.repository_unknown(failure, &about_tags);
            }
        }
        let failure = match hidden_upstream(answer) {
            [] => failure,
            others => failure.or_maybe(others),
        };
        let words = refusal::behind(": ", &answer.response, &errors);
        Failure { detail: clip(format!("{}{words}", failure.detail)).into(), ..failure }
    }

    /// Where the answer has nothing of a registry's, the base of the API tells whether there is one.
    async fn or_no_registry(&self, index: usize, answer: &RegistryResponse, failure: Failure) -> Failure {
        let session = &self.sessions[index];
        let is_api = Errors::of(&answer.response).has_code()
            || answer.response.headers.contains_key("docker-distribution-api-version")
            || answer.party() == Party::Storage;
        let is_open =
            matches!(failure.cause, Cause::ManifestUnknown | Cause::ChallengeInvalid | Cause::StatusUnexpected);
        if is_api || !is_open {
            return failure;
        }
        let below_v2 = session.host.path.trim_matches('/').split('/').next() == Some("v2");
        match session.base("v2").await {
            Base::Other { said, reading } if below_v2 => {
                let failure = no_registry(failure, &format!("/v2/ answers {said}, too"));
                match reading {
                    Some(reading) => reading.tell(Failure { cause: reading.cause, ..failure }),
                    None => failure,
                }
            }
            Base::Registry | Base::Other { .. } if !below_v2 => no_api_at_path(failure, session),
            _ => failure,
        }
    }

    fn repository_unknown(&self, failure: Failure, errors: &Errors) -> Failure {
        let detail = format!("the registry knows no repository {}{}", self.image.repository, errors.behind(": "));
        Failure { cause: Cause::RepositoryUnknown, detail: clip(detail).into(), ..failure }
    }

    /// The body of a GET often tells what the bodyless refusal of a HEAD meant.
    fn why_forbidden(&self, index: usize, answer: &RegistryResponse, failure: Failure) -> Failure {
        let code = answer.response.status.as_u16();
        let errors = Errors::of(&answer.response);
        if refusal::says_no_such_place(&errors.text()) {
            let unknown = self.repository_unknown(failure, &errors);
            return Failure { also_possible: Vec::new(), ..unknown };
        }
        // What a token service gave a token for is good, whatever its date.
        let login = self.sessions[index].login().filter(|_| answer.token.is_none() && answer.credential_sent);
        let ended = refusal::ended(&answer.response, login);
        let note = ended.as_deref().unwrap_or_default();
        let words = refusal::behind(": ", &answer.response, &errors);
        let detail = clip(format!("{}{note}{words}", failure.detail));
        let go_message =
            if code == 403 { self.with_body(&failure, answer, &errors) } else { failure.go_message.to_string() };
        let Refusal { reading, cause, others } = self.reading_of(index, answer, &errors);
        if code == 401 && !reading.is_by_words() {
            return Failure { detail: detail.into(), ..failure };
        }
        let failure = Failure { detail: detail.into(), particulars: None, ..failure }.with_go_message(go_message);
        let failure = if ended.is_some() && words.is_empty() && cause == Cause::AccessDenied {
            // Refused without a reason, and past its time: that comes first.
            Failure { cause: Cause::CredentialsExpired, ..failure }.or_maybe(&[Cause::AccessDenied])
        } else {
            let proxy = proxy::or_the_proxy(&answer.response, &errors);
            Failure { cause, ..failure }.or_maybe(&[others.as_slice(), proxy.as_slice()].concat())
        };
        refused::with_evidence(&reading, answer, &self.sessions[index], failure)
    }

    /// Newer versions make the same GET and show its errors.
    fn with_body(&self, failure: &Failure, answer: &RegistryResponse, errors: &Errors) -> String {
        let shows = self.version.explains_forbidden_head() && answer.method == Method::GET;
        if shows { format!("{}{}", failure.go_message, errors.lines()) } else { failure.go_message.to_string() }
    }
}

fn no_registry(failure: Failure, seen: &str) -> Failure {
    let detail = clip(format!("{}; {seen}", failure.detail));
    Failure {
        cause: Cause::NotARegistry,
        detail: detail.into(),
        also_possible: Vec::new(),
        particulars: None,
        ..failure
    }
}

/// `override_path` takes `/v2` out of the way, and the API is not where the path leads.
fn no_api_at_path(failure: Failure, session: &Session<'_>) -> Failure {
    let path = match session.host.path.trim_matches('/') {
        "" => "/".to_owned(),
        path => format!("/{path}"),
    };
    let origin = &session.host.origin;
    let detail = clip(format!("{}; `override_path` of {origin} leaves no /v2 before the repository", failure.detail));
    Failure {
        cause: Cause::NotARegistry,
        detail: detail.into(),
        also_possible: Vec::new(),
        particulars: None,
        ..failure
    }
    .summarized(format!(
        "No registry's API is at `{path}` of this host, where `override_path = true` makes containerd ask."
    ))
    .fixed_by(format!(
        "Take `override_path = true` out at {origin}, or write the whole path of the API there, as in \
             `https://HOST/v2/PROJECT`; containerd reads the file at every pull."
    ))
}

fn hidden_upstream(answer: &RegistryResponse) -> &'static [Cause] {
    let server = answer.response.header("server").unwrap_or_default();
    HIDES_UPSTREAM.iter().find(|(name, _)| server.starts_with(name)).map_or(&[], |(_, causes)| *causes)
}

fn get(collection: &'static str, object: &str) -> ObjectRequest {
    ObjectRequest {
        method: Method::GET,
        collection,
        object: object.to_owned(),
        accept: super::resolve::ACCEPT.to_owned(),
        range: None,
        body_limit: BODY_LIMIT,
        kind: RequestKind::Get,
    }
}
