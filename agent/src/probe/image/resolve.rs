//! From a tag or digest to a descriptor: every eligible host in order, as containerd's resolver does.
//!
//! Source: containerd `core/remotes/docker/resolver.go`, `Resolve`.

use std::time::Instant;

use http::{Method, StatusCode};

use super::super::http::BodyEnd;
use super::super::http::body::no_room;
use super::super::session::{Answer, Ask, NoAnswer, Session};
use super::super::status::{self, Errors};
use super::super::usage::RequestKind;
use super::super::{proxy, ratelimit};
use super::attempt::Verdict;
use super::documents::{Kind, MANIFEST_LIMIT};
use super::refusal::Refusal;
use super::{Pull, Stop, digest_of};
use crate::model::cause::Cause;
use crate::model::containerd::Version;
use crate::model::outcome::{Failure, clip};
use crate::model::report::Operation;
use crate::model::stage::Stage;

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

/// How far an attempt got: the error that got furthest is reported by 2.0 and later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Transport,
    NotFound,
    Status,
    Oversized,
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
            let wording = format!("no {} hosts: not found", if by_digest { "pull" } else { "resolve" });
            let detail = "no host of the configuration may be asked: each lacks the capability";
            return Err(Stop::Resolve(Failure::new(Stage::Config, Cause::HostsFileInvalid, detail).worded(wording)));
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
                    Step::End(stop) => return Err(stop),
                }
            }
        }
        let chosen = choose(self.version, &errors, eligible.len(), &self.image.to_string());
        Err(Stop::Resolve(chosen))
    }

    async fn resolve_at(&mut self, index: usize, collection: &'static str) -> Step {
        let began = Instant::now();
        let ask = Ask {
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
                let get = Ask { method: Method::GET, kind: RequestKind::Get, ..ask.clone() };
                match self.get_manifest(index, &get).await {
                    Ok(got) => sent = got,
                    Err(stop) => {
                        let verdict = Verdict::Good("resolved only by a request that counts as a pull");
                        self.book.answered(&self.sessions[index], Operation::Resolve, head, verdict, began.elapsed());
                        return Step::End(stop);
                    }
                }
            }
        }
        let answer = match sent {
            Ok(answer) => answer,
            Err(no_answer) => {
                let no_answer = denied(no_answer);
                self.book.unanswered(&self.sessions[index], Operation::Resolve, &no_answer, began.elapsed());
                return Step::Next(Rank::Transport, no_answer.failure);
            }
        };
        let step = self.judge(index, &ask, &answer).await;
        let session = &self.sessions[index];
        let good;
        let verdict = match &step {
            Step::Found(resolved) => {
                good = format!("{} {}", resolved.digest, resolved.media_type);
                Verdict::Good(&good)
            }
            Step::Next(_, failure) | Step::End(Stop::Resolve(failure)) => Verdict::Bad(failure),
            Step::End(_) => Verdict::Good("resolved only by a request that counts as a pull"),
        };
        self.book.answered(session, Operation::Resolve, &answer, verdict, began.elapsed());
        step
    }

    async fn judge(&mut self, index: usize, ask: &Ask, answer: &Answer) -> Step {
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
    async fn descriptor(&mut self, index: usize, ask: &Ask, answer: &Answer) -> Step {
        let size = answer.response.header("content-length").and_then(|length| length.parse::<u64>().ok());
        let media_type = answer.response.media_type().to_owned();
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
                let wording = format!("\"{digest}\" in header not a valid digest: {fault}");
                let failure = Failure::new(Stage::Manifest, Cause::ResponseInvalid, detail).worded(wording);
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
        } else if answer.response.body_end == BodyEnd::NoRoom {
            return Step::End(Stop::at_limit(Stage::Manifest, no_room()));
        } else {
            of_body(answer, wanted)
        };
        match resolved.size {
            Some(size) if size > MANIFEST_LIMIT as u64 => {
                let wording = format!("rejecting {size} byte manifest for {}: not found", self.image);
                let detail = format!("the manifest has {size} bytes; containerd takes at most {MANIFEST_LIMIT}");
                Step::Next(
                    Rank::Oversized,
                    Failure::new(Stage::Manifest, Cause::ManifestInvalid, detail)
                        .worded(wording)
                        .at(super::party(answer)),
                )
            }
            _ => Step::Found(resolved),
        }
    }

    /// HEAD told no digest or no length: containerd gets the manifest from the same host.
    async fn by_get(&mut self, index: usize, ask: &Ask, wanted: Option<&str>) -> Result<Resolved, Stop> {
        let ask = Ask { method: Method::GET, kind: RequestKind::Get, ..ask.clone() };
        let answer = self.get_manifest(index, &ask).await?.map_err(|no| Stop::Resolve(no.failure))?;
        let failed = answer.response.status.as_u16() >= 400;
        if failed && self.version.checks_get_after_head() {
            return Err(Stop::Resolve(self.refused(index, &answer)));
        }
        if Kind::of(answer.response.media_type()) == Kind::Schema1 || answer.response.body.is_empty() {
            let failure = if failed { self.refused(index, &answer) } else { no_manifest(&answer) };
            let wording = self.signature_wording(&answer);
            return Err(Stop::Resolve(failure.worded(wording)));
        }
        if answer.response.body_end == BodyEnd::NoRoom {
            return Err(Stop::at_limit(Stage::Manifest, no_room()));
        }
        if answer.response.body_end == BodyEnd::Broken {
            let detail = "the manifest's body ended early";
            let failure = Failure::new(Stage::Manifest, Cause::ResponseInvalid, detail).worded("unexpected EOF");
            return Err(Stop::Resolve(failure.at(super::party(&answer))));
        }
        Ok(of_body(&answer, wanted))
    }

    /// An answer of 400 or more, with who asked taken into account.
    pub(super) fn refused(&self, index: usize, answer: &Answer) -> Failure {
        let session = &self.sessions[index];
        let response = &answer.response;
        let errors = Errors::of(response);
        let code = response.status.as_u16();
        if let Some(failure) = proxy::refusal(response, &errors) {
            return failure.worded(self.status_wording(session, answer, &errors));
        }
        let Refusal { reading, cause, others } = self.reading_of(index, answer, &errors);
        let (cause, ended) = match cause {
            Cause::CredentialsRejected => status::refused_login(response, &errors, session.login()),
            Cause::CredentialsExpired => (cause, status::ended(response, session.login()).unwrap_or_default()),
            other => (other, String::new()),
        };
        let (line, words) = (response.line(), status::behind(": ", response, &errors));
        let detail = format!("{} {} answered {line}{ended}{words}", answer.method, path_of(answer));
        let login = matches!(cause, Cause::CredentialsMissing | Cause::CredentialsRejected | Cause::LoginLocked)
            || (cause == Cause::CredentialsExpired && code != 403);
        let failure = Failure::new(if login { Stage::Token } else { Stage::Manifest }, cause, detail)
            .at(super::party(answer))
            .or_maybe(&[others.as_slice(), proxy::or_the_proxy(response, &errors).as_slice()].concat())
            .again_after(ratelimit::pause(response, self.network.clock()))
            .worded(self.status_wording(session, answer, &errors));
        super::refusal::told(&reading, answer, session, failure)
    }

    fn status_wording(&self, session: &Session<'_>, answer: &Answer, errors: &Errors) -> String {
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
            session.shown_of_answer(&answer.final_url)
        )
    }

    /// A body without a better type is read as schema 1, whose signature is looked for.
    fn signature_wording(&self, answer: &Answer) -> String {
        if !self.version.reads_schema_1() {
            return "not implemented: media type \"application/vnd.docker.distribution.manifest.v1+prettyjws\" is no longer \
                supported since containerd v2.0, please rebuild the image as \
                \"application/vnd.docker.distribution.manifest.v2+json\" or \"application/vnd.oci.image.manifest.v1+json\""
                .to_owned();
        }
        let fault = super::super::gojson::error(&answer.response.body);
        if fault.is_empty() { "no signatures".to_owned() } else { fault }
    }
}

/// Then containerd asks with GET.
pub(super) fn refuses_head(ask: &Ask, answer: &Answer) -> bool {
    ask.method == Method::HEAD
        && ask.collection == "manifests"
        && answer.response.status == StatusCode::METHOD_NOT_ALLOWED
}

/// `GET /blobs/`-style place of a request for a person.
fn path_of(answer: &Answer) -> String {
    answer.url.path().to_owned()
}

/// A good status with nothing behind it that could be a manifest.
fn no_manifest(answer: &Answer) -> Failure {
    let detail = format!("{} answers {} bytes that are no manifest", path_of(answer), answer.response.body.len());
    Failure::new(Stage::Manifest, Cause::ManifestInvalid, detail).at(super::party(answer))
}

/// The digest, type and size out of a body.
fn of_body(answer: &Answer, wanted: Option<&str>) -> Resolved {
    let body = &answer.response.body;
    Resolved {
        digest: wanted.map_or_else(|| digest_of(body), str::to_owned),
        media_type: answer.response.media_type().to_owned(),
        // Of a longer one the rest was not read: it is too long, whatever it says of itself.
        size: Some(body.len() as u64 + u64::from(answer.response.body_end == BodyEnd::Cut)),
    }
}

/// An authorization that failed for good: the resolver puts this before it.
fn denied(no_answer: NoAnswer) -> NoAnswer {
    let wording = &no_answer.failure.wording;
    if !wording.contains("authorization failed") {
        return no_answer;
    }
    let text = format!("pull access denied, repository does not exist or may require authorization: {wording}");
    NoAnswer { failure: no_answer.failure.worded(text), ..no_answer }
}

/// Which of the hosts' errors is reported. `hosts`: how many were asked for the manifest.
fn choose(version: Version, errors: &[(Rank, Failure)], hosts: usize, image: &str) -> Failure {
    // What pullprobe could not see at one host may have been all that containerd needs.
    if let Some((_, doubtful)) = errors.iter().find(|(_, failure)| failure.doubtful) {
        return doubtful.clone();
    }
    let first_of_highest = || errors.iter().rev().max_by_key(|(rank, _)| *rank);
    let first_but_404 = || errors.iter().find(|(rank, _)| *rank != Rank::NotFound).or_else(|| errors.first());
    let chosen = if version.ranks_resolve_errors() { first_of_highest() } else { first_but_404() };
    match chosen {
        // The words name no host. What counts is what the last one says: a mirror need not have it.
        Some((Rank::NotFound, first)) => {
            let asked = &errors[..hosts.min(errors.len())];
            let last = asked.iter().rev().find(|(rank, _)| *rank == Rank::NotFound);
            let missing = last.map_or(first, |(_, failure)| failure);
            let words = format!("{image}: not found");
            match asked.last().filter(|(rank, _)| *rank != Rank::NotFound) {
                Some((_, upstream)) => behind_mirrors(upstream, missing).worded(words),
                None => missing.clone().worded(words),
            }
        }
        Some((rank, failure)) => to_be_mended(errors, *rank, failure),
        None => Failure::new(Stage::Manifest, Cause::Unclassified, "no host was asked"),
    }
}

/// Mirrors need not have an image. The last host would have decided, and failed: that is what has to be mended.
fn behind_mirrors(upstream: &Failure, missing: &Failure) -> Failure {
    let mirror = missing.host.as_deref().unwrap_or("a mirror");
    let detail = clip(format!("{}; kubelet's message is that of {mirror}, which has not the image", upstream.detail));
    Failure { detail: detail.into(), ..upstream.clone() }.or_maybe(&[missing.cause])
}

/// containerd reports an error of the repetition of a host that got further the time before: it is that one's
/// that has to be mended, for the repetition is there for nobody's sake.
fn to_be_mended(errors: &[(Rank, Failure)], rank: Rank, shown: &Failure) -> Failure {
    let of_host =
        |(other, failure): &&(Rank, Failure)| *other > rank && failure.host.is_some() && failure.host == shown.host;
    let before = errors.iter().take_while(|(_, failure)| failure != shown).find(of_host);
    let Some((_, first)) = before else { return shown.clone() };
    let host = shown.host.as_deref().unwrap_or_default();
    let detail = clip(format!("{}; kubelet's message is that of asking {host} again: {}", first.detail, shown.cause));
    Failure { detail: detail.into(), ..first.clone() }.worded(shown.wording.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::containerd::cases_tests::releases;

    /// An outcome of a case, worded as the case's answer names it.
    fn error(word: &str) -> (Rank, Failure) {
        let (rank, wording) = match word {
            "404" => (Rank::NotFound, "not found"),
            "refused" => (Rank::Transport, "connection refused"),
            "401-denied" => (Rank::Transport, "pull access denied"),
            "500" => (Rank::Status, "status 500"),
            "403" => (Rank::Status, "status 403"),
            other => panic!("a case has an outcome that this test does not know: {other}"),
        };
        (rank, Failure::new(Stage::Manifest, Cause::Unclassified, word).worded(wording))
    }

    #[test]
    fn a_mirror_without_the_image_does_not_hide_a_dead_upstream() {
        let at = |rank, cause, host: &str| (rank, Failure::new(Stage::Manifest, cause, "why").at(host));
        let missing = at(Rank::NotFound, Cause::RepositoryUnknown, "mirror.example:443");
        let dead = at(Rank::Transport, Cause::TcpRefused, "registry.example:443");
        let newest = Version::NEWEST;
        let chosen = choose(newest, &[missing.clone(), dead.clone()], 2, "REF");
        assert_eq!((chosen.cause, chosen.host.as_deref()), (Cause::TcpRefused, Some("registry.example:443")));
        assert_eq!(
            (chosen.wording.as_str(), &*chosen.also_possible),
            ("REF: not found", &[Cause::RepositoryUnknown][..])
        );
        assert!(chosen.detail.contains("mirror.example:443"), "{}", chosen.detail);
        // The other way round the registry itself has spoken.
        let chosen = choose(newest, &[dead, missing], 2, "REF");
        assert_eq!(chosen.cause, Cause::RepositoryUnknown);
    }

    #[test]
    fn the_reported_error_is_the_one_containerd_reports() {
        for case in crate::cases::Cases::of_kind("resolve_error_selection") {
            let outcomes = case.input["host_outcomes"].as_array().unwrap();
            let errors: Vec<_> = outcomes.iter().map(|outcome| error(outcome.as_str().unwrap())).collect();
            // Behind what is returned a case may say in brackets why.
            let expected = case.expected["returned"].as_str().unwrap().split(" (").next().unwrap();
            let expected = if expected == "not found" { "REF: not found" } else { expected };
            for version in releases(&case.versions) {
                let chosen = choose(version, &errors, errors.len(), "REF");
                assert_eq!(chosen.wording, expected, "{} on {version}: {outcomes:?}", case.id);
            }
        }
    }
}
