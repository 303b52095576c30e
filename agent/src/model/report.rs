//! What probing saw: of an endpoint, and of an image.

use std::time::Duration;

use jiff::Timestamp;

use super::credential::CredentialSource;
use super::facts::{DnsFacts, PingFacts, ProxyFacts, TcpFacts, TlsFacts, TokenFacts};
use super::host::{Endpoint, Role};
use super::outcome::{Failure, Skip, Step};
use super::platform::Platform;
use super::ratelimit::RateLimit;
use super::reference::Reference;
use super::stage::Stage;
use super::verdict::Verdict;

/// One walk up the ladder of one endpoint.
#[derive(Clone, Debug)]
pub struct EndpointReport {
    /// The registry's name in image references, `docker.io`.
    pub namespace: String,
    pub endpoint: Endpoint,
    pub role: Role,
    pub stages: Stages,
    /// The far clock minus ours, in seconds, from the `Date` header. `None` when none was sent.
    pub clock_skew: Option<f64>,
    pub rate_limit: RateLimit,
    pub started_at: Timestamp,
    pub duration: Duration,
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

/// A stage without its evidence, for those who only count.
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
        use super::outcome::Outcome;
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

    /// As [`Self::ok`], but `None` when the walk ended early without a failure: nothing was measured.
    pub fn up(&self) -> Option<bool> {
        if self.ok() { Some(true) } else { self.failure().map(|_| false) }
    }

    /// Whether the whole ladder was climbed, to an authorised request.
    pub fn ok(&self) -> bool {
        self.failure().is_none() && self.stages.ping.passed()
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
    /// A short good news (`sha256:… application/vnd…`) or the failure's detail.
    pub detail: String,
    pub duration: Duration,
    /// Whether a credential went to this host (or to its token service on its behalf).
    pub credential_sent: bool,
}

#[derive(Clone, Debug, Default)]
pub struct PlatformFacts {
    pub selected: Option<Platform>,
    /// What the index lists, or what the config of a single manifest says.
    pub offered: Vec<Platform>,
}

/// Which credential decided, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialUsed {
    pub source: CredentialSource,
    pub key: String,
    pub kind: &'static str,
}

#[derive(Clone, Debug)]
pub struct BlobFacts {
    pub endpoint: Endpoint,
    /// `host:port` of where the registry sends for the bytes. `None`: it serves them itself.
    pub redirect_host: Option<String>,
    pub failure: Option<Failure>,
}

/// One image, walked as containerd would.
#[derive(Clone, Debug)]
pub struct ImageReport {
    /// As the user wrote it.
    pub requested: String,
    /// `None` when it does not parse.
    pub image: Option<Reference>,
    pub verdict: Verdict,
    pub attempts: Vec<Attempt>,
    pub digest: Option<String>,
    pub media_type: Option<String>,
    pub wanted: Platform,
    pub platform: PlatformFacts,
    /// `None`: anonymous.
    pub credential: Option<CredentialUsed>,
    /// `None` when it was not reached.
    pub blob: Option<BlobFacts>,
    pub rate_limit: RateLimit,
    /// Requests spent that the registry counts as a pull.
    pub counted_pulls: u32,
    pub started_at: Timestamp,
    pub duration: Duration,
}
