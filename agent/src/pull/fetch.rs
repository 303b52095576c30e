//! Gets content by digest: every host in order for every object, as containerd's fetcher does.
//!
//! Source: containerd `core/remotes/docker/fetcher.go`; capabilities do not count here.

use std::time::{Duration, Instant};

use http::Method;
use tokio::time::Instant as TokioInstant;

use super::attempt::AttemptResult;
use super::resolve::refuses_head;
use super::{Phase, Pull, Stop};
use crate::cause::Cause;
use crate::http::BodyEnd;
use crate::http::body::Body;
use crate::manifest::{Descriptor, Kind};
use crate::model::host::Endpoint;
use crate::model::outcome::Failure;
use crate::model::ratelimit::LimitState;
use crate::model::report::{ContentSource, Operation};
use crate::model::stage::Stage;
use crate::redact::clean::Clean;
use crate::redact::clip::clip;
use crate::refusal::Errors;
use crate::registry::session::{ObjectRequest, RegistryResponse, RequestError, Session};
use crate::route::proxy;
use crate::route::usage::RequestKind;

/// So long a piece waits for room among others.
pub(super) const ROOM_WAIT: Duration = Duration::from_secs(10);
/// More pieces than this are no transfer but a leak.
const RESUME_LIMIT: usize = 64;

/// An object that arrived whole and hashes to its digest.
#[derive(Debug)]
pub struct Fetched {
    pub body: Body,
    pub source: ContentSource,
    /// `None`: no host was asked.
    pub endpoint: Option<Endpoint>,
    /// Where the bytes came from, when that is another host.
    pub redirect: Option<Endpoint>,
}

/// How one object is asked for.
#[derive(Clone, Copy)]
pub(super) struct Want<'d> {
    pub descriptor: &'d Descriptor,
    collection: &'static str,
    pub kind: RequestKind,
    /// Only that it can be had: one byte.
    pub touch: bool,
    pub body_limit: usize,
}

impl Want<'_> {
    fn ask(&self) -> ObjectRequest {
        let media_type = &self.descriptor.media_type;
        ObjectRequest {
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

impl Pull<'_> {
    /// An index or manifest (or what its media type makes containerd look for among the blobs).
    pub(super) async fn fetch_manifest(&mut self, descriptor: &Descriptor) -> Result<Fetched, Stop> {
        let collection = match descriptor.kind() {
            Kind::Index | Kind::Manifest | Kind::Schema1 => "manifests",
            Kind::Other => "blobs",
        };
        let body_limit = crate::manifest::MANIFEST_LIMIT;
        self.fetch(Want { descriptor, collection, kind: RequestKind::Get, touch: false, body_limit }).await
    }

    pub(super) async fn fetch_config(&mut self, descriptor: &Descriptor) -> Result<Fetched, Stop> {
        let body_limit = crate::manifest::CONFIG_LIMIT;
        self.fetch(Want { descriptor, collection: "blobs", kind: RequestKind::Blob, touch: false, body_limit }).await
    }

    /// Whether a layer can be had, at the price of one byte.
    pub(super) async fn touch_blob(&mut self, descriptor: &Descriptor) -> Result<Fetched, Stop> {
        self.fetch(Want { descriptor, collection: "blobs", kind: RequestKind::Blob, touch: true, body_limit: 1 }).await
    }

    /// A host that has not answered yet may count what it is asked for: a HEAD counts nothing and tells.
    async fn learn_price(&mut self, index: usize, want: &Want<'_>) {
        if !self.priced.insert(index) {
            return;
        }
        let ask = ObjectRequest { method: Method::HEAD, kind: RequestKind::Head, ..want.ask() };
        match self.sessions[index].ask(&ask).await {
            Ok(answer) => self.learn_limit(index, &answer),
            // The GET is to meet its refusal itself: it is what containerd reports.
            Err(_) => self.sessions[index].forget_refusals().await,
        }
    }

    async fn fetch(&mut self, want: Want<'_>) -> Result<Fetched, Stop> {
        let stored = if want.touch {
            self.has_layer(want.descriptor).await.then(Body::default)
        } else {
            self.stored(want.descriptor, want.body_limit).await
        };
        if let Some(body) = stored {
            return Ok(Fetched { body, source: ContentSource::ContentStore, endpoint: None, redirect: None });
        }
        if let Some(body) = self.embedded_data(&want)? {
            return Ok(Fetched { body, source: ContentSource::Registry, endpoint: None, redirect: None });
        }
        if !self.sessions.iter().any(|session| session.host.capabilities.pull) {
            let detail = "no host of the configuration has the capability `pull`";
            let failure = Failure::new(Stage::Config, Cause::HostsFileInvalid, detail)
                .with_go_message("no pull hosts: not found");
            return Err(Stop::Fetch(Phase::Open, failure));
        }
        let mut first: Option<Failure> = None;
        for index in 0..self.sessions.len() {
            match self.fetch_at(index, want).await {
                Ok(fetched) => return Ok(fetched),
                Err(FetchError::Next(failure)) if self.waits_on(&failure) => {
                    return Err(Stop::Fetch(Phase::Open, failure));
                }
                // A host whose answer is unknown may have it, whatever the others say.
                Err(FetchError::Next(failure))
                    if failure.inconclusive && first.as_ref().is_none_or(|first| !first.inconclusive) =>
                {
                    first = Some(failure);
                }
                Err(FetchError::Next(failure)) => {
                    first.get_or_insert(failure);
                }
                Err(FetchError::End(stop)) => return Err(stop.after(first.iter())),
            }
        }
        let failure = first.unwrap_or_else(|| Failure::new(Stage::Manifest, Cause::Unclassified, "no host was asked"));
        Err(Stop::Fetch(Phase::Open, failure))
    }

    async fn fetch_at(&mut self, index: usize, want: Want<'_>) -> Result<Fetched, FetchError> {
        let is_manifest = want.kind == RequestKind::Get;
        if is_manifest && self.limits[index].state == LimitState::Unknown && !self.counts[index] {
            self.learn_price(index, &want).await;
        }
        if is_manifest && self.limits[index].state == LimitState::Blocked && self.limits[index].remaining == Some(0) {
            return Err(FetchError::Next(self.nothing_left(index)));
        }
        let counts = is_manifest && self.is_counted(index).await;
        let bought = counts.then(|| self.budget.bought(&want.descriptor.digest)).flatten();
        let began = Instant::now();
        let answer = match self.obtain(index, &want, bought.is_some()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(no_answer)) => {
                if want.collection == "manifests" {
                    let session = &self.sessions[index];
                    self.record.unanswered(session, Operation::Fetch, &no_answer, began.elapsed());
                }
                return Err(FetchError::Next(no_answer.failure));
            }
            Err(stop) => return Err(FetchError::End(stop)),
        };
        // Where HEAD was refused it was got anew.
        let bought = bought.filter(|_| answer.method == Method::HEAD);
        let judged = if answer.response.status.is_success() {
            self.judge_arrival(&want, &answer, bought.is_some())
        } else {
            Err(FetchError::Next(self.not_served(index, &want, &answer)))
        };
        if want.collection == "manifests" {
            let session = &self.sessions[index];
            let verdict = match &judged {
                Ok(()) => AttemptResult::Good(&want.descriptor.digest),
                Err(FetchError::Next(failure) | FetchError::End(Stop::Fetch(_, failure))) => {
                    AttemptResult::Bad(failure)
                }
                Err(FetchError::End(_)) => AttemptResult::Good(""),
            };
            self.record.answered(session, Operation::Fetch, &answer, verdict, began.elapsed());
        }
        judged?;
        let source = if bought.is_some() { ContentSource::Remembered } else { ContentSource::Registry };
        let body = bought.map_or(answer.response.body, Body::from);
        if is_manifest && self.counts[index] {
            self.budget.keep(&want.descriptor.digest, &body);
        }
        let endpoint = Some(self.sessions[index].host.endpoint.clone());
        Ok(Fetched { body, source, endpoint, redirect: answer.redirect })
    }

    /// `known`: an earlier counted pull fetched the content. To ask whether it is still there costs no counted pull.
    async fn obtain(
        &mut self,
        index: usize,
        want: &Want<'_>,
        known: bool,
    ) -> Result<Result<RegistryResponse, RequestError>, Stop> {
        let get = want.ask();
        if known {
            let head = ObjectRequest { method: Method::HEAD, kind: RequestKind::Head, ..get.clone() };
            let sent = self.sessions[index].ask(&head).await;
            if let Ok(answer) = &sent {
                self.learn_limit(index, answer);
            }
            if !sent.as_ref().is_ok_and(|answer| refuses_head(&head, answer)) {
                return Ok(sent);
            }
        }
        match self.get(index, want, &get).await? {
            Ok(answer) => self.resume(index, want, &get, answer).await.map(Ok),
            Err(no_answer) => Ok(Err(no_answer)),
        }
    }

    async fn get(
        &mut self,
        index: usize,
        want: &Want<'_>,
        ask: &ObjectRequest,
    ) -> Result<Result<RegistryResponse, RequestError>, Stop> {
        match want.kind {
            RequestKind::Get => self.get_manifest(index, ask).await,
            RequestKind::Blob | RequestKind::Head | RequestKind::Ping | RequestKind::Token => {
                Ok(self.sessions[index].ask(ask).await)
            }
        }
    }

    /// A body whose connection ends early is asked for from there on, as containerd does: it gives up
    /// after more than three answers in a row without progress. Each is a request of its own.
    async fn resume(
        &mut self,
        index: usize,
        want: &Want<'_>,
        ask: &ObjectRequest,
        mut answer: RegistryResponse,
    ) -> Result<RegistryResponse, Stop> {
        let began = Instant::now();
        let mut fruitless = 0;
        for pieces in 1.. {
            if answer.response.body_end != BodyEnd::Broken || !answer.response.status.is_success() || fruitless > 3 {
                break;
            }
            if pieces > RESUME_LIMIT {
                let words = format!("pullprobe puts a document together out of {RESUME_LIMIT} pieces at most");
                return Err(Stop::at_limit(stage_of(want), words));
            }
            let have = answer.response.body.len();
            let rest = ObjectRequest { range: Some(format!("bytes={have}-")), ..ask.clone() };
            let sent = self.get(index, want, &rest).await.inspect_err(|_| {
                let verdict = AttemptResult::Good("the rest is had only by a request that counts as a pull");
                let session = &self.sessions[index];
                self.record.answered(session, Operation::Fetch, &answer, verdict, began.elapsed());
            })?;
            let more = match sent {
                Ok(more) => more,
                Err(no_answer) if no_answer.failure.inconclusive => {
                    return Err(Stop::Fetch(Phase::Copy, no_answer.failure));
                }
                Err(_) => break,
            };
            let new: &[u8] = match more.response.status.as_u16() {
                206 => &more.response.body,
                200 => more.response.body.get(have..).unwrap_or_default(),
                _ => break,
            };
            fruitless = if new.is_empty() { fruitless + 1 } else { 0 };
            let body = &mut answer.response.body;
            let had_room = body.append(new, ask.body_limit, TokioInstant::now() + ROOM_WAIT).await;
            answer.response.body_end = if had_room { more.response.body_end } else { BodyEnd::NoRoom };
        }
        Ok(answer)
    }

    fn not_served(&self, index: usize, want: &Want<'_>, answer: &RegistryResponse) -> Failure {
        let response = &answer.response;
        let errors = Errors::of(response);
        let code = response.status.as_u16();
        if let Some(failure) = proxy::refusal(response, &errors) {
            return failure.with_go_message(self.get_wording(&self.sessions[index], want, answer, &errors));
        }
        if (want.kind, want.collection, code) == (RequestKind::Get, "blobs", 404) {
            let go_message = self.get_wording(&self.sessions[index], want, answer, &errors);
            return self.looked_for_among_blobs(want.descriptor).with_go_message(go_message);
        }
        let missing = match (want.collection, code) {
            ("blobs", 404) if want.kind == RequestKind::Blob => Some(Cause::BlobUnknown),
            ("manifests", 404) => Some(Cause::ManifestUnknown),
            _ => None,
        };
        let refused = self.refused(index, answer);
        let words = crate::refusal::behind(": ", response, &errors);
        let (collection, digest) = (want.collection, &want.descriptor.digest);
        let detail = format!("GET {collection} {digest} answered {}{words}", response.line());
        let go_message = self.get_wording(&self.sessions[index], want, answer, &errors);
        let failure = match missing.filter(|_| refused.cause == Cause::ManifestUnknown) {
            Some(cause) => Failure::new(stage_of(want), cause, detail).at(super::party(answer)),
            None => Failure { detail: clip(detail).into(), ..refused },
        };
        Failure { stage: stage_of(want), ..failure }.with_go_message(go_message)
    }

    /// It is a manifest, or nothing at all: what is wrong is the type with which it was announced.
    fn looked_for_among_blobs(&self, descriptor: &Descriptor) -> Failure {
        let Descriptor { digest, media_type, .. } = descriptor;
        let detail = format!(
            "the image is said to be of the media type `{media_type}`, so containerd looks for {digest} among the blobs, and it is not there"
        );
        let cause = cause_of_other(media_type);
        let failure = Failure::new(Stage::Manifest, cause, detail);
        match self.record.announced_by() {
            Some(endpoint) => failure.at(endpoint.host_port()),
            None => failure,
        }
    }

    fn get_wording(
        &self,
        session: &Session<'_>,
        want: &Want<'_>,
        answer: &RegistryResponse,
        errors: &Errors,
    ) -> String {
        let line = answer.response.line();
        let url = session.redacted_url_of_answer(&answer.url);
        if answer.response.status.as_u16() == 404 {
            if want.collection == "blobs" {
                let Descriptor { digest, media_type, .. } = want.descriptor;
                let (digest, media_type) = (Clean::line(digest), Clean::line(media_type));
                return format!("could not fetch content descriptor {digest} ({media_type}) from remote: not found");
            }
            return format!("content at {url} not found: not found");
        }
        if self.version.words_get_status_anew() {
            return format!(
                "unexpected status from GET request to {}: {line}{}",
                session.redacted_url_of_answer(&answer.final_url),
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
        let go_message = if self.version.words_get_status_anew() {
            format!("unexpected status from GET request to {url}: {line}")
        } else {
            format!("unexpected status code {url}: {}", line.replace('\n', " - Server message: "))
        };
        Failure::new(Stage::Manifest, Cause::RateLimited, detail)
            .at(host.endpoint.host_port())
            .with_go_message(go_message)
    }
}

/// What it comes to that the media type of an image is none of an image.
pub(super) fn cause_of_other(media_type: &str) -> Cause {
    if media_type == "text/html" { Cause::NotARegistry } else { Cause::ManifestUnsupported }
}

/// Why a host did not give an object.
pub(super) enum FetchError {
    Next(Failure),
    End(Stop),
}

pub(super) const fn stage_of(want: &Want<'_>) -> Stage {
    match want.kind {
        RequestKind::Blob => Stage::Blob,
        RequestKind::Get | RequestKind::Head | RequestKind::Ping | RequestKind::Token => Stage::Manifest,
    }
}
