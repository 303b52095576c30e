//! Gets content by digest: every host in order for every object, as containerd's fetcher does.
//!
//! Source: containerd `core/remotes/docker/fetcher.go`; capabilities do not count here.

use std::time::Instant;

use http::Method;

use super::super::http::BodyEnd;
use super::super::proxy;
use super::super::session::{Answer, Ask, Session};
use super::super::status::Errors;
use super::super::usage::RequestKind;
use super::attempt::Verdict;
use super::documents::{Descriptor, Kind};
use super::{Phase, Pull, Stop, digest_of};
use crate::model::cause::Cause;
use crate::model::host::Endpoint;
use crate::model::outcome::Failure;
use crate::model::ratelimit::{LimitState, RateLimit};
use crate::model::report::{ContentSource, Operation};
use crate::model::stage::Stage;

/// More pieces than this are no transfer but a leak.
const RESUME_LIMIT: usize = 64;

/// An object that arrived whole and hashes to its digest.
#[derive(Debug)]
pub struct Fetched {
    pub body: Vec<u8>,
    pub source: ContentSource,
    /// `None`: no host was asked.
    pub endpoint: Option<Endpoint>,
    /// Where the bytes came from, when that is another host.
    pub redirect: Option<Endpoint>,
}

/// How one object is asked for.
#[derive(Clone, Copy)]
struct Want<'d> {
    descriptor: &'d Descriptor,
    collection: &'static str,
    kind: RequestKind,
    /// Only that it can be had: one byte.
    touch: bool,
    body_limit: usize,
}

impl Want<'_> {
    fn ask(&self) -> Ask {
        let media_type = &self.descriptor.media_type;
        Ask {
            method: Method::GET,
            collection: self.collection,
            object: self.descriptor.digest.clone(),
            accept: if media_type.is_empty() { "*/*".to_owned() } else { format!("{media_type}, */*") },
            range: self.touch.then(|| "bytes=0-0".to_owned()),
            body_limit: self.body_limit,
            kind: self.kind,
        }
    }
}

/// Whether a manifest that is got there is counted.
const fn announces(limit: &RateLimit) -> bool {
    limit.limit.is_some() || limit.remaining.is_some()
}

impl Pull<'_> {
    /// An index or manifest (or what its media type makes containerd look for among the blobs).
    pub(super) async fn fetch_manifest(&mut self, descriptor: &Descriptor) -> Result<Fetched, Stop> {
        let collection = match descriptor.kind() {
            Kind::Index | Kind::Manifest | Kind::Schema1 => "manifests",
            Kind::Other => "blobs",
        };
        let body_limit = super::documents::MANIFEST_LIMIT;
        self.fetch(Want { descriptor, collection, kind: RequestKind::Get, touch: false, body_limit }).await
    }

    pub(super) async fn fetch_config(&mut self, descriptor: &Descriptor) -> Result<Fetched, Stop> {
        let body_limit = super::documents::CONFIG_LIMIT;
        self.fetch(Want { descriptor, collection: "blobs", kind: RequestKind::Blob, touch: false, body_limit }).await
    }

    /// Whether a layer can be had, at the price of one byte.
    pub(super) async fn touch_blob(&mut self, descriptor: &Descriptor) -> Result<Fetched, Stop> {
        self.fetch(Want { descriptor, collection: "blobs", kind: RequestKind::Blob, touch: true, body_limit: 1 }).await
    }

    /// Whether a manifest may be got from a host: it counts nothing, or a pull may be spent.
    pub(super) fn may_get(&mut self, index: usize) -> bool {
        if !announces(&self.limits[index]) {
            return true;
        }
        if !self.budget.spend() {
            return false;
        }
        self.network.usage.counted_pull(&self.sessions[index].host.endpoint);
        true
    }

    /// A host that has not answered yet may count what it is asked for: a HEAD counts nothing and tells.
    async fn learn_price(&mut self, index: usize, want: &Want<'_>) {
        if !self.priced.insert(index) {
            return;
        }
        let ask = Ask { method: Method::HEAD, kind: RequestKind::Head, ..want.ask() };
        match self.sessions[index].ask(&ask).await {
            Ok(answer) => self.learn_limit(index, &answer),
            // The GET is to meet its refusal itself: it is what containerd reports.
            Err(_) => self.sessions[index].forget_refusals().await,
        }
    }

    async fn fetch(&mut self, want: Want<'_>) -> Result<Fetched, Stop> {
        if let Some(body) = self.held(want.descriptor, want.touch, want.body_limit).await {
            return Ok(Fetched { body, source: ContentSource::ContentStore, endpoint: None, redirect: None });
        }
        if !self.sessions.iter().any(|session| session.host.capabilities.pull) {
            let detail = "no host of the configuration has the capability `pull`";
            let failure =
                Failure::new(Stage::Config, Cause::HostsFileInvalid, detail).worded("no pull hosts: not found");
            return Err(Stop::Fetch(Phase::Open, failure));
        }
        let mut first: Option<Failure> = None;
        for index in 0..self.sessions.len() {
            match self.fetch_at(index, want).await {
                Ok(fetched) => return Ok(fetched),
                Err(Miss::Next(failure)) => {
                    first.get_or_insert(failure);
                }
                Err(Miss::End(stop)) => return Err(stop),
            }
        }
        let failure = first.unwrap_or_else(|| Failure::new(Stage::Manifest, Cause::Unclassified, "no host was asked"));
        Err(Stop::Fetch(Phase::Open, failure))
    }

    async fn fetch_at(&mut self, index: usize, want: Want<'_>) -> Result<Fetched, Miss> {
        let is_manifest = want.kind == RequestKind::Get;
        if is_manifest && self.limits[index].state == LimitState::Unknown {
            self.learn_price(index, &want).await;
        }
        if is_manifest && self.limits[index].state == LimitState::Blocked && self.limits[index].remaining == Some(0) {
            return Err(Miss::Next(self.nothing_left(index)));
        }
        let counts = is_manifest && announces(&self.limits[index]);
        let bought = counts.then(|| self.budget.bought(&want.descriptor.digest)).flatten();
        if is_manifest && bought.is_none() && !self.may_get(index) {
            return Err(Miss::End(Stop::OverBudget));
        }
        let began = Instant::now();
        let ask = match &bought {
            None => want.ask(),
            // What it says is known; whether it can still be had is told for nothing.
            Some(_) => Ask { method: Method::HEAD, kind: RequestKind::Head, ..want.ask() },
        };
        let session = &self.sessions[index];
        let answer = match session.ask(&ask).await {
            Ok(answer) => resume(session, &ask, answer).await,
            Err(no_answer) => {
                if want.collection == "manifests" {
                    self.book.unanswered(session, Operation::Fetch, &no_answer, began.elapsed());
                }
                return Err(Miss::Next(no_answer.failure));
            }
        };
        if is_manifest {
            self.learn_limit(index, &answer);
        }
        let judged = self.judge_content(index, &want, &answer, bought.is_some());
        if want.collection == "manifests" {
            let session = &self.sessions[index];
            let verdict = match &judged {
                Ok(()) => Verdict::Good(&want.descriptor.digest),
                Err(Miss::Next(failure) | Miss::End(Stop::Fetch(_, failure))) => Verdict::Bad(failure),
                Err(Miss::End(_)) => Verdict::Good(""),
            };
            self.book.answered(session, Operation::Fetch, &answer, verdict, began.elapsed());
        }
        judged?;
        let source = if bought.is_some() { ContentSource::Remembered } else { ContentSource::Registry };
        let body = bought.unwrap_or(answer.response.body);
        if counts {
            self.budget.keep(&want.descriptor.digest, &body);
        }
        let endpoint = Some(self.sessions[index].host.endpoint.clone());
        Ok(Fetched { body, source, endpoint, redirect: answer.redirect })
    }

    fn judge_content(&self, index: usize, want: &Want<'_>, answer: &Answer, known: bool) -> Result<(), Miss> {
        let status = answer.response.status;
        if !status.is_success() {
            return Err(Miss::Next(self.not_served(index, want, answer)));
        }
        if want.touch || known {
            return Ok(());
        }
        let at = |phase, failure: Failure| Err(Miss::End(Stop::Fetch(phase, failure.at(super::party(answer)))));
        let got = content_length(answer);
        let expected = u64::try_from(want.descriptor.size).unwrap_or(got);
        let detail = format!("{got} of {expected} bytes of {} arrived", want.descriptor.digest);
        let fault = |cause, detail: String| Failure::new(stage_of(want), cause, detail);
        if answer.response.body_end == BodyEnd::Stalled {
            return at(Phase::Copy, fault(Cause::RegistryTimeout, detail).worded("context canceled"));
        }
        if answer.response.body_end == BodyEnd::Broken || got < expected {
            let wording = if self.version.words_short_read_anew() {
                format!("short read: expected {expected} bytes but got {got}: unexpected EOF")
            } else {
                "failed to read expected number of bytes: unexpected EOF".to_owned()
            };
            return at(Phase::Copy, fault(Cause::ResponseInvalid, detail).worded(wording));
        }
        let reference = Self::ingest_of(want);
        if got > expected {
            let wording = format!(
                "failed commit on ref \"{reference}\": \"{reference}\" failed size validation: {got} != {expected}: failed precondition"
            );
            return at(Phase::Commit, fault(Cause::DigestMismatch, detail).worded(wording));
        }
        let digest = &want.descriptor.digest;
        let actual = digest_of(&answer.response.body);
        if digest.starts_with("sha256:") && actual != *digest {
            let wording = format!(
                "failed commit on ref \"{reference}\": unexpected commit digest {actual}, expected {digest}: failed precondition"
            );
            let detail = format!("the content of {digest} hashes to {actual}");
            return at(Phase::Commit, fault(Cause::DigestMismatch, detail).worded(wording));
        }
        Ok(())
    }

    /// The reference of the ingest, as commit errors name it.
    fn ingest_of(want: &Want<'_>) -> String {
        let prefix = match (want.kind, want.descriptor.kind()) {
            (RequestKind::Blob, _) if super::documents::is_image_config(&want.descriptor.media_type) => "config-",
            (RequestKind::Blob, _) => "layer-",
            (_, kind) => kind.ingest_prefix(),
        };
        format!("{prefix}{}", want.descriptor.digest)
    }

    fn not_served(&self, index: usize, want: &Want<'_>, answer: &Answer) -> Failure {
        let response = &answer.response;
        let errors = Errors::of(response);
        let code = response.status.as_u16();
        if let Some(failure) = proxy::refusal(response, &errors) {
            return failure.worded(self.get_wording(&self.sessions[index], want, answer, &errors));
        }
        let from_storage = answer.redirect.is_some();
        let (cause, others) = match (want.collection, code) {
            ("blobs", 404) if want.kind == RequestKind::Blob => (Cause::BlobUnknown, Vec::new()),
            ("manifests", 404) => (Cause::ManifestUnknown, Vec::new()),
            (_, 401 | 403) if from_storage => (Cause::AccessDenied, Vec::new()),
            _ => {
                let failure = self.refused(index, answer);
                (failure.cause, failure.also_possible)
            }
        };
        let detail = format!(
            "GET {} {} answered {}{}",
            want.collection,
            want.descriptor.digest,
            response.line(),
            errors.behind(": ")
        );
        let wording = self.get_wording(&self.sessions[index], want, answer, &errors);
        let failure = Failure::new(stage_of(want), cause, detail).at(super::party(answer)).or_maybe(&others);
        failure.again_after(super::super::ratelimit::pause(response, self.now)).worded(wording)
    }

    fn get_wording(&self, session: &Session<'_>, want: &Want<'_>, answer: &Answer, errors: &Errors) -> String {
        let line = answer.response.line();
        let url = session.shown_of_answer(&answer.url);
        if answer.response.status.as_u16() == 404 {
            if want.collection == "blobs" {
                let Descriptor { digest, media_type, .. } = want.descriptor;
                return format!("could not fetch content descriptor {digest} ({media_type}) from remote: not found");
            }
            return format!("content at {url} not found: not found");
        }
        if self.version.words_get_status_anew() {
            return format!(
                "unexpected status from GET request to {}: {line}{}",
                session.shown_of_answer(&answer.final_url),
                errors.lines()
            );
        }
        let server = if errors.is_empty() {
            String::new()
        } else {
            format!(" - Server message: {}", errors.lines().trim_start())
        };
        format!("unexpected status code {url}: {line}{server}")
    }

    /// The registry said that nothing is left: a GET would be answered 429.
    fn nothing_left(&self, index: usize) -> Failure {
        let host = &self.sessions[index].host;
        let limit = self.limits[index].limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
        let detail = format!("no pull{limit} is left at {}", host.endpoint);
        let url = format!("{}/v2/{}/manifests/{}", host.endpoint, self.image.repository, self.image.object());
        let line = "429 Too Many Requests\ntoomanyrequests: You have reached your pull rate limit.";
        let wording = if self.version.words_get_status_anew() {
            format!("unexpected status from GET request to {url}: {line}")
        } else {
            format!("unexpected status code {url}: {}", line.replace('\n', " - Server message: "))
        };
        Failure::new(Stage::Manifest, Cause::RateLimited, detail).at(host.endpoint.host_port()).worded(wording)
    }
}

/// A body whose connection ends early is asked for from there on, as containerd does: it gives up
/// after more than three answers in a row without progress.
async fn resume(session: &Session<'_>, ask: &Ask, mut answer: Answer) -> Answer {
    let mut fruitless = 0;
    for _ in 0..RESUME_LIMIT {
        if answer.response.body_end != BodyEnd::Broken || !answer.response.status.is_success() || fruitless > 3 {
            break;
        }
        let have = answer.response.body.len();
        let rest = Ask { range: Some(format!("bytes={have}-")), ..ask.clone() };
        let Ok(more) = session.ask(&rest).await else { break };
        let new: &[u8] = match more.response.status.as_u16() {
            206 => &more.response.body,
            200 => more.response.body.get(have..).unwrap_or_default(),
            _ => break,
        };
        fruitless = if new.is_empty() { fruitless + 1 } else { 0 };
        answer.response.body.extend_from_slice(new);
        answer.response.body.truncate(ask.body_limit);
        answer.response.body_end = more.response.body_end;
    }
    answer
}

/// Why a host did not give an object.
enum Miss {
    Next(Failure),
    End(Stop),
}

/// How long the body is, also where it was too long to be kept.
fn content_length(answer: &Answer) -> u64 {
    let kept = answer.response.body.len() as u64;
    match answer.response.body_end {
        BodyEnd::Cut => {
            answer.response.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(kept + 1)
        }
        BodyEnd::Whole | BodyEnd::Broken | BodyEnd::Stalled => kept,
    }
}

const fn stage_of(want: &Want<'_>) -> Stage {
    match want.kind {
        RequestKind::Blob => Stage::Blob,
        RequestKind::Get | RequestKind::Head | RequestKind::Ping | RequestKind::Token => Stage::Manifest,
    }
}
