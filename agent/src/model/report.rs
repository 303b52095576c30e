//! What probing saw: of an endpoint, and of an image.

use std::time::Duration;

use jiff::Timestamp;

use super::credential::{Credential, CredentialSource, ProviderReport};
use super::dependency::Dependency;
use super::expiry::{self, CredentialExpiry, Lifetime};
use super::facts::{DnsFacts, PingFacts, ProxyFacts, TcpFacts, TlsFacts, TokenFacts};
use super::finding::Finding;
use super::host::{Endpoint, Role};
use super::outcome::{Failure, Outcome, Skip, Step};
use super::ratelimit::RateLimit;
use super::space::Space;
use super::stage::Stage;
use super::verdict::Verdict;
use crate::cause::Cause;
use crate::image::platform::Platform;
use crate::image::reference::Reference;
use crate::redact::clean::Clean;

/// One probe of one endpoint: all its stages.
#[derive(Clone, Debug)]
pub struct EndpointReport {
    /// The registry's name in image references, `docker.io`.
    pub namespace: String,
    pub endpoint: Endpoint,
    pub role: Role,
    /// `None`: the plan names it.
    pub need: Option<Dependency>,
    pub stages: Stages,
    /// The host's clock minus the node's, in seconds, from the `Date` header. `None` when none was sent.
    pub clock_skew: Option<f64>,
    pub rate_limit: RateLimit,
    pub started_at: Timestamp,
    pub duration: Duration,
}

impl EndpointReport {
    pub fn ended_at(&self) -> Timestamp {
        self.started_at.saturating_add(self.duration).unwrap_or(self.started_at)
    }
}

/// Each stage exactly once, with its own kind of evidence, in the order of the walk.
#[derive(Clone, Debug, Default)]
pub struct Stages {
    pub dns: Step<DnsFacts>,
    pub tcp: Step<TcpFacts>,
    pub proxy: Step<ProxyFacts>,
    pub tls: Step<TlsFacts>,
    pub ping: Step<PingFacts>,
    pub token: Step<TokenFacts>,
}

/// A stage without its evidence, for callers that only count stages.
#[derive(Clone, Copy, Debug)]
pub struct StageLine<'a> {
    pub stage: Stage,
    pub result: StageResult<'a>,
    pub duration: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
pub enum StageResult<'a> {
    Passed,
    Failed(&'a Failure),
    Skipped(Skip),
}

impl<F> Step<F> {
    fn line(&self, stage: Stage) -> StageLine<'_> {
        let result = match &self.outcome {
            Outcome::Passed(_) => StageResult::Passed,
            Outcome::Failed(failure, _) => StageResult::Failed(failure),
            Outcome::Skipped(why) => StageResult::Skipped(*why),
        };
        StageLine { stage, result, duration: self.duration }
    }
}

impl Stages {
    pub fn lines(&self) -> [StageLine<'_>; 6] {
        [
            self.dns.line(Stage::Dns),
            self.tcp.line(Stage::Tcp),
            self.proxy.line(Stage::Proxy),
            self.tls.line(Stage::Tls),
            self.ping.line(Stage::Ping),
            self.token.line(Stage::Token),
        ]
    }

    /// The lines for people: no proxy where the host is reached without one.
    pub fn shown(&self) -> impl Iterator<Item = StageLine<'_>> {
        let is_direct = self.proxy.facts().is_some_and(|facts| facts.proxy.is_none());
        let is_shown = move |line: &StageLine<'_>| {
            line.stage != Stage::Proxy || !is_direct || !matches!(line.result, StageResult::Passed)
        };
        self.lines().into_iter().filter(is_shown)
    }

    /// Why no request could be sent.
    pub fn route_failure(&self) -> Option<&Failure> {
        let path = self.dns.failure().or_else(|| self.tcp.failure());
        path.or_else(|| self.proxy.failure()).or_else(|| self.tls.failure())
    }

    /// Whether a request could be sent: TLS is up, or the path where there is none.
    pub fn reached(&self) -> bool {
        let plain = matches!(self.tls.outcome, Outcome::Skipped(Skip::NotNeeded));
        self.tls.passed() || (plain && self.proxy.passed())
    }

    /// No stage was looked at, for this reason.
    pub fn skipped(why: Skip) -> Self {
        Self {
            dns: Step::skipped(why),
            tcp: Step::skipped(why),
            proxy: Step::skipped(why),
            tls: Step::skipped(why),
            ping: Step::skipped(why),
            token: Step::skipped(why),
        }
    }

    fn out_of_time(&mut self) {
        self.dns.out_of_time();
        self.tcp.out_of_time();
        self.proxy.out_of_time();
        self.tls.out_of_time();
        self.ping.out_of_time();
        self.token.out_of_time();
    }

    /// The first failure on the way up.
    pub fn failure(&self) -> Option<&Failure> {
        self.lines().into_iter().find_map(|line| match line.result {
            StageResult::Failed(failure) => Some(failure),
            StageResult::Passed | StageResult::Skipped(_) => None,
        })
    }
}

impl EndpointReport {
    pub fn failure(&self) -> Option<&Failure> {
        self.stages.failure()
    }

    /// As [`Self::ok`], but `None` when the walk ended early without a failure that counts: nothing was
    /// measured, or pullprobe gave up where containerd would not.
    pub fn up(&self) -> Option<bool> {
        if self.ok() { Some(true) } else { self.failure().filter(|failure| !failure.inconclusive).map(|_| false) }
    }

    /// Whether every stage passed: up to an authorised request. For a host that others send pulls to: up to TLS,
    /// because no request is sent there.
    pub fn ok(&self) -> bool {
        let top = if self.role.is_planned() { self.stages.ping.passed() } else { self.stages.reached() };
        let cut = matches!(self.stages.token.outcome, Outcome::Skipped(Skip::NotFollowed));
        top && !cut && self.failure().is_none()
    }

    /// Whether containerd could pull through it: a host of the plan that lets this node in.
    pub fn serves(&self) -> bool {
        self.role.is_planned() && self.ok()
    }

    /// The deadline is over: stages that did not run are marked as out of time, not as unneeded.
    pub fn out_of_time(&mut self) {
        if self.failure().is_none() {
            self.stages.out_of_time();
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Learn the digest: HEAD (or the GET that stands in for it).
    Resolve,
    /// Get the content by digest.
    Fetch,
}

impl Operation {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Fetch => "fetch",
        }
    }
}

/// One host asked for a manifest.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub operation: Operation,
    pub endpoint: Endpoint,
    pub role: Role,
    /// `None` when it answered well.
    pub failure: Option<Failure>,
    pub http_status: Option<u16>,
    /// On success a short summary (`sha256:… application/vnd…`), else the failure's detail.
    pub detail: Clean,
    pub duration: Duration,
    /// Whether a credential went to this host (or to its token service on its behalf).
    pub credential_sent: bool,
}

#[derive(Clone, Debug, Default)]
pub struct PlatformFacts {
    pub selected: Option<Platform>,
    /// What the index lists, or what the config of a single manifest says.
    pub offered: Vec<Platform>,
    /// How many more it lists.
    pub left_out: usize,
}

impl PlatformFacts {
    /// Real indexes list fewer.
    const OFFERED_LIMIT: usize = 64;

    /// For people: what is offered, and that there is more.
    pub fn shown(&self) -> Vec<String> {
        let more = (self.left_out > 0).then(|| format!("and {} more", self.left_out));
        self.offered.iter().map(ToString::to_string).chain(more).collect()
    }

    /// Takes in what an index lists; of a long list only its beginning.
    pub fn offer(&mut self, offered: impl IntoIterator<Item = Platform>) {
        for platform in offered {
            if self.offered.len() < Self::OFFERED_LIMIT {
                self.offered.push(platform.clipped());
            } else {
                self.left_out += 1;
            }
        }
    }
}

/// Where an image's manifest was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentSource {
    Registry,
    /// The node has it: containerd would not ask for it either.
    ContentStore,
    /// An earlier counted pull fetched it. This time a host only confirmed that it still has it.
    Remembered,
}

impl ContentSource {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::ContentStore => "content-store",
            Self::Remembered => "remembered",
        }
    }
}

/// Which credential decided, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialUsed {
    pub source: CredentialSource,
    pub key: Clean,
    pub kind: &'static str,
    /// `None`: its end cannot be known.
    pub lifetime: Option<Lifetime>,
    /// When kubelet asks its provider again. `None`: nobody renews it.
    pub renews: Option<Timestamp>,
}

impl CredentialUsed {
    /// `, expires in 2 h, renewed in 30 min`; nothing where no end is known.
    pub fn end(&self, now: Timestamp) -> String {
        let Some(lifetime) = self.lifetime else { return String::new() };
        let renewed = match self.renews {
            None => String::new(),
            Some(at) if at <= now => ", requested again at every pull".to_owned(),
            Some(at) => format!(", requested again in {}", expiry::span(at.duration_since(now))),
        };
        format!(", {}{renewed}", lifetime.words(now))
    }
}

/// Without its end, which only `node` can read.
impl From<&Credential> for CredentialUsed {
    fn from(credential: &Credential) -> Self {
        Self {
            source: credential.source.clone(),
            key: Clean::line(&credential.key),
            kind: credential.kind(),
            lifetime: None,
            renews: credential.renews,
        }
    }
}

/// One of kubelet's candidates, in its order, and what became of the pull with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub credential: CredentialUsed,
    /// containerd asks anonymously with it.
    pub anonymous: bool,
    /// `None`: kubelet does not try it, because an earlier candidate decides.
    pub pull: Option<CandidatePull>,
}

/// The result of one of the pulls that kubelet makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CandidatePull {
    /// `None`: it is unknown.
    pub pullable: Option<bool>,
    pub cause: Option<Cause>,
}

impl From<&Credential> for Candidate {
    fn from(credential: &Credential) -> Self {
        Self { credential: credential.into(), anonymous: credential.login().is_none(), pull: None }
    }
}

#[derive(Clone, Debug)]
pub struct BlobFacts {
    pub endpoint: Endpoint,
    /// `host:port` of where the registry sends for the bytes. `None`: it serves them itself.
    pub redirect_host: Option<Clean>,
    pub failure: Option<Failure>,
}

/// One image, walked as containerd would.
#[derive(Clone, Debug)]
pub struct ImageReport {
    /// As the user wrote it.
    pub requested: Clean,
    /// `None` when it does not parse.
    pub image: Option<Reference>,
    pub verdict: Verdict,
    pub attempts: Vec<Attempt>,
    pub digest: Option<Clean>,
    pub media_type: Option<Clean>,
    pub wanted: Platform,
    pub platform: PlatformFacts,
    /// `None`: anonymous.
    pub credential: Option<CredentialUsed>,
    /// Of what credential providers gave for it, where its end can be known.
    pub expiries: Vec<CredentialExpiry>,
    /// What kubelet would try in turn. Empty: one anonymous pull, or none at all.
    pub candidates: Vec<Candidate>,
    /// The credential providers that kubelet would ask for it, in its order.
    pub providers: Vec<ProviderReport>,
    /// `None` when it was not reached.
    pub blob: Option<BlobFacts>,
    pub rate_limit: RateLimit,
    /// Which host told of [`Self::rate_limit`]. `None`: none did.
    pub limited_by: Option<Endpoint>,
    /// What the registry has to say to its users, in the header `Warning`.
    pub warnings: Vec<Clean>,
    /// Requests spent that the registry counts as a pull.
    pub counted_pulls: u32,
    /// All that were sent for it: to hosts of the plan, token services and where redirects led.
    pub requests: u32,
    /// Where the manifest was read. `None`: it was not.
    pub source: Option<ContentSource>,
    /// `None`: what it needs is not known, or containerd's file system is out of sight.
    pub space: Option<Space>,
    /// The deadline was over before the probe of the image was complete.
    pub cut_off: bool,
    pub started_at: Timestamp,
    pub duration: Duration,
}

impl ImageReport {
    /// No failure is known, but the image may not fit on the disk.
    pub fn finding(&self) -> Option<Finding> {
        let space = self.space.filter(|_| self.verdict.pullable != Some(false))?;
        space.finding(&self.image.as_ref()?.to_string())
    }
}
