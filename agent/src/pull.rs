//! containerd's pull in small: resolve, fetch, select the platform, touch the layers.
//!
//! Each step asks the hosts of the plan in containerd's order and stops where containerd stops. What
//! the outcome means for a person is said by `diagnose`.

use crate::manifest;
use crate::registry::authority::host_port;
use std::collections::{BTreeMap, BTreeSet};

use crate::cause::Cause;
use crate::cri::content::ContentStore;
use crate::http::body::Body;
use crate::image::platform::Platform;
use crate::image::reference::Reference;
use crate::model::credential::Credential;
use crate::model::host::{Endpoint, RegistryHost};
use crate::model::limit::LimitReached;
use crate::model::outcome::Failure;
use crate::model::ratelimit::{LimitState, RateLimit};
use crate::model::report::{Attempt, BlobFacts, ContentSource, PlatformFacts};
use crate::model::space::Space;
use crate::model::stage::Stage;
use crate::registry::session::{RegistryResponse, Session};
use crate::route::network::Network;
use crate::version::{PullMode, Version};

pub mod attempt;
mod choose;
mod content;
mod fetch;
pub mod limit_disclosure;
mod local;
pub mod manifest_cache;
mod refine;
mod refused;
mod resolve;
mod schema1;
pub mod select;
mod verify_body;
mod warning;

pub(crate) use crate::manifest::digest::digest_of;
use crate::manifest::digest::{digest_fault, is_digest};
use crate::manifest::{Descriptor, Document, Invalid, Kind};
use attempt::{AttemptRecord, Journal, PullBudget};
use local::Downloads;
use resolve::Resolved;

/// An index in an index in an index is followed this deep: real ones have two levels at most.
const NESTING_LIMIT: usize = 8;

/// What one walk needs.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub network: &'a Network,
    /// The hosts of the plan, in containerd's order.
    pub hosts: &'a [RegistryHost],
    pub image: &'a Reference,
    pub credential: Option<&'a Credential>,
    pub mode: PullMode,
    pub wanted: &'a Platform,
    pub budget: &'a PullBudget,
    /// What it notes its attempts in as it goes, for a report that ends early.
    pub journal: &'a Journal,
    /// containerd's words for every image that it could fetch but not unpack.
    pub unpack_error: Option<&'a str>,
    pub snapshotter: &'a str,
    /// What the node already has is neither asked for nor needs room.
    pub store: &'a ContentStore,
}

/// What came of a walk.
#[derive(Debug)]
pub struct PullTrace {
    pub ending: PullEnd,
    pub attempts: Vec<Attempt>,
    pub digest: Option<String>,
    pub media_type: Option<String>,
    pub platform: PlatformFacts,
    pub blob: Option<BlobFacts>,
    pub rate_limit: RateLimit,
    /// Which host told of it.
    pub limited_by: Option<Endpoint>,
    pub warnings: Vec<String>,
    /// Where the manifest was read. `None`: it was not.
    pub source: Option<ContentSource>,
    /// `None`: the manifest was not read, or the file system is out of sight.
    pub space: Option<Space>,
}

#[derive(Debug)]
pub enum PullEnd {
    /// containerd would have pulled it. `runnable`: why it would not start, when it would not.
    Pulled { unrunnable: Option<Failure> },
    /// containerd's pull ends with this, met in this phase.
    Failed(Phase, Failure),
    /// Unknown: finding it out takes a request that counts as a pull.
    OverBudget,
}

/// Where in containerd's pull an error arises: decides the words around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Resolve,
    /// Opening an object for reading.
    Open,
    /// Reading its body.
    Copy,
    /// Storing it.
    Commit,
    /// Turning it into a snapshot (1.x speaks of it).
    Unpack,
    /// After the pull, when CRI looks for the image's config.
    Config,
    /// After that, when CRI takes the image into its list.
    Store,
}

/// Why a walk ends early.
#[derive(Debug)]
enum Stop {
    Resolve(Failure),
    Fetch(Phase, Failure),
    OverBudget,
}

impl Stop {
    /// Unknown: finding it out takes more than pullprobe does.
    fn at_limit(stage: Stage, words: impl Into<String>) -> Self {
        Self::Fetch(Phase::Copy, LimitReached::new(stage, words).into())
    }

    /// Met after `earlier` hosts. An earlier host whose answer is unknown may have served. Then containerd never got
    /// here, and it is not certain what ends the pull.
    fn after<'f>(self, mut earlier: impl Iterator<Item = &'f Failure>) -> Self {
        let doubt = earlier.find(|failure| failure.inconclusive).cloned();
        match (self, doubt) {
            (Self::Resolve(failure), Some(doubt)) if !failure.inconclusive => Self::Resolve(doubt),
            (Self::Fetch(_, failure), Some(doubt)) if !failure.inconclusive => Self::Fetch(Phase::Open, doubt),
            (stop, _) => stop,
        }
    }
}

impl From<Stop> for PullEnd {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Resolve(failure) => Self::Failed(Phase::Resolve, failure),
            Stop::Fetch(phase, failure) => Self::Failed(phase, failure),
            Stop::OverBudget => Self::OverBudget,
        }
    }
}

struct Pull<'a> {
    network: &'a Network,
    sessions: Vec<Session<'a>>,
    image: &'a Reference,
    version: Version,
    mode: PullMode,
    wanted: &'a Platform,
    budget: &'a PullBudget,
    record: AttemptRecord<'a>,
    /// What each host said of its quota last.
    limits: Vec<RateLimit>,
    /// Whether it counts manifests that are got there, as far as is known.
    counts: Vec<bool>,
    /// The hosts that were asked with HEAD before a GET.
    priced: BTreeSet<usize>,
    store: &'a ContentStore,
    source: Option<ContentSource>,
    need: Downloads,
    space: Option<Space>,
    unpack_error: Option<&'a str>,
    snapshotter: &'a str,
    resolved: Option<Resolved>,
    platform: PlatformFacts,
    blob: Option<BlobFacts>,
    /// What was walked down from already, by digest and media type, and what came of it.
    walked: BTreeMap<(String, String), Option<Failure>>,
    /// The layers that were asked for.
    touched: BTreeSet<String>,
}

/// Walks one image with one credential.
#[tracing::instrument(name = "pull", level = "trace", skip_all, fields(hosts = request.hosts.len()))]
pub async fn trace(request: Request<'_>) -> PullTrace {
    let last = request.hosts.len().saturating_sub(1);
    let session = |(index, host)| {
        let (network, allowed) = (request.network, &request.budget.requests);
        Session::new(network, host, request.image, request.credential, request.mode, index == last, allowed)
    };
    request.budget.requests.begin();
    let mut pull = Pull {
        network: request.network,
        sessions: request.hosts.iter().enumerate().map(session).collect(),
        image: request.image,
        version: request.network.version,
        mode: request.mode,
        wanted: request.wanted,
        budget: request.budget,
        record: AttemptRecord::begin(request.journal),
        priced: BTreeSet::new(),
        limits: vec![RateLimit::default(); request.hosts.len()],
        counts: vec![false; request.hosts.len()],
        store: request.store,
        source: None,
        need: Downloads::default(),
        space: None,
        unpack_error: request.unpack_error,
        snapshotter: request.snapshotter,
        resolved: None,
        platform: PlatformFacts::default(),
        blob: None,
        walked: BTreeMap::new(),
        touched: BTreeSet::new(),
    };
    let ending = match pull.run().await {
        Ok(unrunnable) => PullEnd::Pulled { unrunnable },
        Err(stop) => {
            let stop = pull.refine(stop).await;
            stop.into()
        }
    };
    pull.finish(ending)
}

impl Pull<'_> {
    async fn run(&mut self) -> Result<Option<Failure>, Stop> {
        let resolved = self.resolve().await?;
        self.resolved = Some(resolved.clone());
        for session in &self.sessions {
            session.forget_refusals().await;
        }
        if let Some(words) = self.unpack_error {
            let detail =
                format!("the transfer service is not configured to unpack for snapshotter {}", self.snapshotter);
            let failure = Failure::new(Stage::Config, Cause::ConfigInvalid, detail).with_go_message(words);
            return Err(Stop::Fetch(Phase::Commit, failure));
        }
        self.refuse_unsupported(&resolved)?;
        let size = resolved.size.and_then(|size| i64::try_from(size).ok()).unwrap_or(-1);
        let root = Descriptor::root(resolved.media_type, resolved.digest, size);
        self.descend(&root, 0).await
    }

    /// Down from a descriptor to what would be unpacked. `Some`: it is pulled, and would not start.
    async fn descend(&mut self, descriptor: &Descriptor, depth: usize) -> Result<Option<Failure>, Stop> {
        not_empty(descriptor)?;
        self.make_room(std::slice::from_ref(descriptor), &[]).await?;
        let fetched = self.fetch_manifest(descriptor).await?;
        self.source = Some(fetched.source);
        let body = fetched.body;
        match descriptor.kind() {
            Kind::Index if depth < NESTING_LIMIT => {
                let document = parse(&body, descriptor, self.version).await?;
                // What is kept of it is little; the rest would wait for all that is below.
                drop(body);
                self.choose(descriptor, document, depth).await
            }
            Kind::Index => {
                let words = format!("pullprobe follows indexes in indexes {NESTING_LIMIT} deep");
                Err(Stop::at_limit(Stage::Manifest, words))
            }
            Kind::Manifest => {
                let document = parse(&body, descriptor, self.version).await?;
                drop(body);
                self.image_of(document, descriptor, depth).await
            }
            Kind::Schema1 => schema1::convert(&body, descriptor).await,
            Kind::Other => {
                let (phase, failure) = self.no_image(descriptor);
                Err(Stop::Fetch(phase, failure))
            }
        }
    }

    /// Stored as a blob, and then no image: the classic client says so when it unpacks, CRI when it reads the config.
    fn no_image(&self, descriptor: &Descriptor) -> (Phase, Failure) {
        let Descriptor { digest, media_type, .. } = descriptor;
        let cause = fetch::cause_of_other(media_type);
        let failure =
            Failure::new(Stage::Manifest, cause, format!("{digest} is no image: its media type is `{media_type}`"));
        let go_message = format!("unexpected media type {media_type} for {digest}: not found");
        let phase = match self.mode {
            PullMode::Local => Phase::Unpack,
            PullMode::Transfer => Phase::Config,
        };
        (phase, failure.with_go_message(go_message))
    }

    /// Whether containerd still waits for this answer, and asks no other host meanwhile.
    fn waits_on(&self, failure: &Failure) -> bool {
        failure.inconclusive
            && failure.cause == Cause::RegistryTimeout
            && self.version.response_header_timeout().is_none()
    }

    /// The host whose quota counts: one that refuses, one that announces a limit, the last that answered.
    fn who_limits(&self) -> Option<usize> {
        let refuses = |limit: &RateLimit| limit.state == LimitState::Blocked;
        let announces = |limit: &RateLimit| limit.limit.is_some() || limit.remaining.is_some();
        let answers = |limit: &RateLimit| limit.state != LimitState::Unknown;
        let limits = &self.limits;
        limits
            .iter()
            .position(refuses)
            .or_else(|| limits.iter().position(announces))
            .or_else(|| limits.iter().rposition(answers))
    }

    fn finish(self, ending: PullEnd) -> PullTrace {
        let told = self.who_limits();
        let rate_limit = told.map(|index| self.limits[index].clone()).unwrap_or_default();
        let limited_by = told.map(|index| self.sessions[index].host.endpoint.clone());
        let (attempts, warnings) = self.record.into_parts();
        let (digest, media_type) = match self.resolved {
            Some(resolved) => (Some(resolved.digest), Some(resolved.media_type)),
            None => (None, None),
        };
        PullTrace {
            ending,
            attempts,
            digest,
            media_type,
            platform: self.platform,
            blob: self.blob,
            rate_limit,
            limited_by,
            warnings,
            source: self.source,
            space: self.space,
        }
    }
}

/// containerd's first step with any descriptor.
fn not_empty(descriptor: &Descriptor) -> Result<(), Stop> {
    if descriptor.size != 0 {
        return Ok(());
    }
    let go_message = format!(
        "unable to fetch descriptor ({}) which reports content size of zero: invalid argument",
        descriptor.digest
    );
    let detail = "a descriptor says that its content is empty";
    Err(Stop::Fetch(
        Phase::Commit,
        Failure::new(Stage::Manifest, Cause::ManifestInvalid, detail).with_go_message(go_message),
    ))
}

async fn parse(body: &Body, descriptor: &Descriptor, version: Version) -> Result<Document, Stop> {
    let media_type = descriptor.media_type.clone();
    body.decoded(move |bytes| manifest::parse(bytes, &media_type, version)).await.map_err(|invalid| {
        let (reason, go_message) = match invalid {
            Invalid::TooMuch(reason) => {
                return Stop::at_limit(Stage::Manifest, format!("{}: {reason}", descriptor.digest));
            }
            Invalid::Shape(reason) => {
                let go_message = format!("children: invalid desc {}: {reason}", descriptor.digest);
                (reason, go_message)
            }
            Invalid::Field(reason) => (reason.clone(), reason),
        };
        let detail = format!("the document {} is not what its media type says: {reason}", descriptor.digest);
        Stop::Fetch(
            Phase::Commit,
            Failure::new(Stage::Manifest, Cause::ManifestInvalid, detail).with_go_message(go_message),
        )
    })
}

/// Who gave an answer: `host:port`, after redirects.
fn party(answer: &RegistryResponse) -> String {
    host_port(&answer.final_url)
}
