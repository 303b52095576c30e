//! From a tag or digest to a descriptor: every eligible host in order, as containerd's resolver does.
//!
//! Source: containerd `core/remotes/docker/resolver.go`, `Resolve`.

use std::time::Instant;

use go::text::quote;
use http::{Method, StatusCode};

use super::attempt::AttemptResult;
use super::refused::Refusal;
use super::{Pull, Stop, digest_of};
use crate::cause::Cause;
use crate::http::body::no_room;
use crate::http::{BodyEnd, Response};
use crate::manifest::{Kind, MANIFEST_LIMIT};
use crate::model::limit::LimitReached;
use crate::model::outcome::{Failure, Mark};
use crate::model::report::Operation;
use crate::model::stage::Stage;
use crate::refusal::{self, Errors, ratelimit};
use crate::registry::session::{ObjectRequest, RegistryResponse, RequestError, Session};
use crate::route::proxy;
use crate::route::usage::RequestKind;

mod reported;

use reported::{Rank, choose};

/// One line, in containerd's order.
pub(super) const ACCEPT: &str = "application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, */*";

/// What a reference leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    pub digest: String,
    pub media_type: String,
    pub size: Option<u64>,
}

/// What one host's answer means for the walk.
enum Step {
    Found(Resolved),
    Next(Rank, Failure),
    End(Stop),
}

impl Pull<'_> {
    pub(super) async fn resolve(&mut self) -> Result<Resolved, Stop> {
        let by_digest = self.image.digest().is_some();
        let eligible: Vec<usize> = (0..self.sessions.len())
            .filter(|index| {
                let can = self.sessions[*index].host.capabilities;
                can.pull && (by_digest || can.resolve)
            })
            .collect();
        if eligible.is_empty() {
            let go_message = format!("no {} hosts: not found", if by_digest { "pull" } else { "resolve" });
            let detail = "no host of the configuration may be asked: each lacks the capability";
            return Err(Stop::Resolve(
                Failure::new(Stage::Config, Cause::HostsFileInvalid, detail).with_go_message(go_message),
            ));
        }
        let mut errors = Vec::new();
        for collection in if by_digest { &["manifests", "blobs"][..] } else { &["manifests"][..] } {
            if *collection == "blobs"
                && self.version.spares_blob_lookup()
                && errors.iter().any(|(rank, _)| *rank > Rank::NotFound)
            {
                break;
            }
            for index in &eligible {
                match self.resolve_at(*index, collection).await {
                    Step::Found(resolved) => return Ok(resolved),
                    Step::Next(_, failure) if self.waits_on(&failure) => return Err(Stop::Resolve(failure)),
                    Step::Next(rank, failure) => errors.push((rank, failure)),
                    Step::End(stop) => return Err(stop.after(errors.iter().map(|(_, failure)| failure))),
                }
            }
        }
        let chosen = choose(self.version, &errors, eligible.len(), &self.image.to_string());
        Err(Stop::Resolve(chosen))
    }

    async fn resolve_at(&mut self, index: usize, collection: &'static str) -> Step {
        let began = Instant::now();
        let ask = ObjectRequest {
            method: Method::HEAD,
            collection,
            object: self.image.object().to_owned(),
            accept: ACCEPT.to_owned(),
            range: None,
            body_limit: MANIFEST_LIMIT,
            kind: RequestKind::Head,
        };
        let mut sent = self.sessions[index].ask(&ask).await;
        if let Ok(head) = &sent {
            self.learn_limit(index, head);
            if refuses_head(&ask, head) {
                let get = ObjectRequest { method: Method::GET, kind: RequestKind::Get, ..ask.clone() };
                match self.get_manifest(index, &get).await {
                    Ok(got) => sent = got,
                    Err(stop) => {
                        let verdict = AttemptResult::Good("resolved only by a request that counts as a pull");
                        self.record.answered(&self.sessions[index], Operation::Resolve, head, verdict, began.elapsed());
                        return Step::End(stop);
                    }
                }
            }
        }
        let answer = match sent {
            Ok(answer) => answer,
            Err(no_answer) => {
                let no_answer = denied(no_answer);
                self.record.unanswered(&self.sessions[index], Operation::Resolve, &no_answer, began.elapsed());
                return Step::Next(Rank::Transport, no_answer.failure);
            }
        };
        let step = self.judge(index, &ask, &answer).await;
        let session = &self.sessions[index];
        let good;
        let verdict = match &step {
            Step::Found(resolved) => {
                good = format!("{} {}", resolved.digest, resolved.media_type);
                AttemptResult::Good(&good)
            }
            Step::Next(_, failure) | Step::End(Stop::Resolve(failure)) => AttemptResult::Bad(failure),
            Step::End(_) => AttemptResult::Good("resolved only by a request that counts as a pull"),
        };
        self.record.answered(session, Operation::Resolve, &answer, verdict, began.elapsed());
        step
    }

    async fn judge(&mut self, index: usize, ask: &ObjectRequest, answer: &RegistryResponse) -> Step {
        let status = answer.response.status;
        if status.as_u16() == 404 {
            let detail = format!("{} {} answered 404", answer.method, path_of(answer));
            return Step::Next(
                Rank::NotFound,
                Failure::new(Stage::Manifest, Cause::ManifestUnknown, detail).at(super::party(answer)),
            );
        }
        if status.as_u16() >= 400 {
            return Step::Next(Rank::Status, self.refused(index, answer));
        }
        if !status.is_success() {
            return Step::End(Stop::Resolve(self.refused(index, answer)));
        }
        self.descriptor(index, ask, answer).await
    }

    /// The descriptor out of a good answer: from its headers, else from the body of a GET.
    async fn descriptor(&mut self, index: usize, ask: &ObjectRequest, answer: &RegistryResponse) -> Step {
        let size = answer.response.header("content-length").and_then(|length| length.parse::<u64>().ok());
        let media_type = announced_type(&answer.response);
        let announced = answer.response.header("docker-content-digest").unwrap_or_default();
        let wanted = self.image.digest();
        let digest = match (wanted, announced) {
            (Some(digest), _) => digest.to_owned(),
            (None, "") => String::new(),
            (None, digest) if super::is_digest(digest) => digest.to_owned(),
            (None, digest) => {
                let fault = super::digest_fault(digest);
                let digest = answer.response.repeated(digest);
                let detail = format!("the header Docker-Content-Digest is no digest: `{digest}`");
                let go_message = format!("{} in header not a valid digest: {fault}", quote(&digest));
                let failure = Failure::new(Stage::Manifest, Cause::ResponseInvalid, detail).with_go_message(go_message);
                return Step::End(Stop::Resolve(failure.at(super::party(answer))));
            }
        };
        let is_head = answer.method == Method::HEAD;
        let resolved = if !digest.is_empty() && size.is_some() {
            Resolved { digest, media_type, size }
        } else if is_head {
            match self.by_get(index, ask, wanted).await {
                Ok(resolved) => resolved,
                Err(stop) => return Step::End(stop),
            }
        } else {
            match whole(answer) {
                Ok(()) => of_body(answer, wanted).await,
                Err(stop) => return Step::End(stop),
            }
        };
        match resolved.size {
            Some(size) if size > MANIFEST_LIMIT as u64 => {
                let go_message = format!("rejecting {size} byte manifest for {}: not found", self.image);
                let detail = format!("the manifest has {size} bytes; containerd takes at most {MANIFEST_LIMIT}");
                Step::Next(
                    Rank::Oversized,
                    Failure::new(Stage::Manifest, Cause::ManifestInvalid, detail)
                        .with_go_message(go_message)
                        .at(super::party(answer)),
                )
            }
            _ => Step::Found(resolved),
        }
    }

    /// HEAD gave no digest or no length: containerd gets the manifest from the same host.
    async fn by_get(&mut self, index: usize, ask: &ObjectRequest, wanted: Option<&str>) -> Result<Resolved, Stop> {
        let ask = ObjectRequest { method: Method::GET, kind: RequestKind::Get, ..ask.clone() };
        let answer = self.get_manifest(index, &ask).await?.map_err(|no| Stop::Resolve(no.failure))?;
        let failed = answer.response.status.as_u16() >= 400;
        if failed && self.version.checks_get_after_head() {
            return Err(Stop::Resolve(self.refused(index, &answer)));
        }
        whole(&answer)?;
        if Kind::of(answer.response.media_type()) == Kind::Schema1 || answer.response.body.is_empty() {
            let failure = if failed { self.refused(index, &answer) } else { no_manifest(&answer) };
            let go_message = self.signature_wording(&answer).await;
            return Err(Stop::Resolve(failure.with_go_message(go_message)));
        }
        Ok(of_body(&answer, wanted).await)
    }

    /// An answer of 400 or more, with who asked taken into account.
    pub(super) fn refused(&self, index: usize, answer: &RegistryResponse) -> Failure {
        let session = &self.sessions[index];
        let response = &answer.response;
        let errors = Errors::of(response);
        let code = response.status.as_u16();
        if let Some(failure) = proxy::refusal(response, &errors) {
            return failure.with_go_message(self.status_wording(session, answer, &errors));
        }
        let Refusal { reading, cause, others } = self.reading_of(index, answer, &errors);
        let (cause, ended) = match cause {
            Cause::CredentialsRejected => refusal::refused_login(response, &errors, session.login()),
            Cause::CredentialsExpired => (cause, refusal::ended(response, session.login()).unwrap_or_default()),
            other => (other, String::new()),
        };
        let (line, words) = (response.line(), refusal::behind(": ", response, &errors));
        let detail = format!("{} {} answered {line}{ended}{words}", answer.method, path_of(answer));
        let login = matches!(cause, Cause::CredentialsMissing | Cause::CredentialsRejected | Cause::LoginLocked)
            || (cause == Cause::CredentialsExpired && code != 403);
        let failure = Failure::new(if login { Stage::Token } else { Stage::Manifest }, cause, detail)
            .at(super::party(answer))
            .or_maybe(&[others.as_slice(), proxy::or_the_proxy(response, &errors).as_slice()].concat())
            .again_after(ratelimit::pause(response, self.network.clock()))
            .with_go_message(self.status_wording(session, answer, &errors));
        super::refused::with_evidence(&reading, answer, session, failure)
    }

    fn status_wording(&self, session: &Session<'_>, answer: &RegistryResponse, errors: &Errors) -> String {
        let line = answer.response.line();
        if !self.version.words_head_status_anew() {
            let place = format!("[manifests {}]", self.image.object());
            let unexpected = if answer.response.status.as_u16() < 400 { "unexpected " } else { "" };
            let host = &session.host.endpoint.authority;
            return format!("pulling from host {host} failed with {unexpected}status code {place}: {line}");
        }
        let lines = if answer.method == Method::HEAD { String::new() } else { errors.lines() };
        format!(
            "unexpected status from {} request to {}: {line}{lines}",
            answer.method,
            session.redacted_url_of_answer(&answer.final_url)
        )
    }

    /// A body without a better type is read as schema 1, whose signature is looked for.
    async fn signature_wording(&self, answer: &RegistryResponse) -> String {
        if !self.version.reads_schema_1() {
            return "not implemented: media type \"application/vnd.docker.distribution.manifest.v1+prettyjws\" is no longer \
                supported since containerd v2.0, please rebuild the image as \
                \"application/vnd.docker.distribution.manifest.v2+json\" or \"application/vnd.oci.image.manifest.v1+json\""
                .to_owned();
        }
        let fault = answer.response.body.decoded(go::json::error).await;
        if fault.is_empty() { "no signatures".to_owned() } else { fault }
    }
}

/// Then containerd asks with GET.
pub(super) fn refuses_head(ask: &ObjectRequest, answer: &RegistryResponse) -> bool {
    ask.method == Method::HEAD
        && ask.collection == "manifests"
        && answer.response.status == StatusCode::METHOD_NOT_ALLOWED
}

/// `GET /blobs/`-style place of a request for a person.
fn path_of(answer: &RegistryResponse) -> String {
    answer.url.path().to_owned()
}

/// A good status with nothing behind it that could be a manifest.
fn no_manifest(answer: &RegistryResponse) -> Failure {
    let detail = format!("{} answers {} bytes that are no manifest", path_of(answer), answer.response.body.len());
    Failure::new(Stage::Manifest, Cause::ManifestInvalid, detail).at(super::party(answer))
}

/// Whether the body came to its end: of a part nobody knows the digest. One that is too long is known to be it.
fn whole(answer: &RegistryResponse) -> Result<(), Stop> {
    let got = answer.response.body.len();
    let failure = match answer.response.body_end {
        BodyEnd::Whole | BodyEnd::Cut => return Ok(()),
        BodyEnd::NoRoom => LimitReached::new(Stage::Manifest, no_room()).into(),
        BodyEnd::Broken => {
            let detail = format!("the manifest's body ended early, after {got} bytes");
            Failure::new(Stage::Manifest, Cause::ResponseInvalid, detail).with_go_message("unexpected EOF")
        }
        BodyEnd::Stalled => {
            let detail = format!(
                "{got} bytes of the manifest arrived, and then nothing more came in pullprobe's time; containerd waits for \
                 longer"
            );
            let failure =
                Failure::new(Stage::Manifest, Cause::RegistryTimeout, detail).with_go_message("context canceled");
            Failure { inconclusive: true, ..failure }
        }
    };
    Err(Stop::Resolve(failure.at(super::party(answer))))
}

/// The media type. One that nobody knows is only repeated: what the host was told is taken out of it.
fn announced_type(response: &Response) -> String {
    let media_type = response.media_type();
    if Kind::of(media_type) == Kind::Other { response.redactor.hide(media_type) } else { media_type.to_owned() }
}

/// The digest, type and size out of a body.
async fn of_body(answer: &RegistryResponse, wanted: Option<&str>) -> Resolved {
    let body = &answer.response.body;
    let digest = match wanted {
        Some(digest) => digest.to_owned(),
        None => body.decoded(digest_of).await,
    };
    Resolved {
        digest,
        media_type: announced_type(&answer.response),
        // Of a longer one the rest was not read: it is too long, whatever it says of itself.
        size: Some(body.len() as u64 + u64::from(answer.response.body_end == BodyEnd::Cut)),
    }
}

/// An authorization that failed for good: the resolver puts this before it.
fn denied(no_answer: RequestError) -> RequestError {
    if !no_answer.failure.is_marked(Mark::AuthorizationFailed) {
        return no_answer;
    }
    let go_message = &no_answer.failure.go_message;
    let text = format!("pull access denied, repository does not exist or may require authorization: {go_message}");
    RequestError { failure: no_answer.failure.with_go_message(text), ..no_answer }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_is_denied_where_the_registry_refuses_for_good_and_not_where_somebody_says_so() {
        let words = |failure: Failure| {
            let failure = failure.with_go_message("server message: invalid_token: authorization failed");
            let no_answer = RequestError { http_status: Some(401), ..RequestError::new(failure, true) };
            denied(no_answer).failure.go_message.to_string()
        };
        let failure = Failure::new(Stage::Manifest, Cause::NotFoundOrDenied, "x");
        assert!(words(failure.clone().marked(Mark::AuthorizationFailed)).starts_with("pull access denied, "));
        assert!(words(failure).starts_with("server message"));
    }
}
