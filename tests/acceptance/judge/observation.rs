//! What one containerd did with one scenario: its answer to the CRI, and the requests it made.

use serde::{Deserialize, Serialize};

use super::cri::Refusal;
use pullprobe_lab::registry::Request as Received;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Observation {
    /// The daemon's own version, in numbers; empty when it serves no CRI.
    pub version: String,
    /// The same with what tells whose build it is, for instance `1.7.24~ds1`.
    pub build: String,
    pub outcome: Outcome,
    pub requests: Vec<Request>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Pulled(String),
    Refused(Refusal),
    /// The daemon did not start, or started without its CRI service.
    NoService(NoService),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoService {
    /// What the daemon said of it.
    pub reason: String,
    /// What a client of the CRI meets that asks for an image.
    pub message: String,
}

impl Outcome {
    pub fn pulled(&self) -> bool {
        matches!(self, Self::Pulled(_))
    }

    /// What kubelet is told. `None`: it pulled.
    pub fn message(&self) -> Option<&str> {
        match self {
            Self::Pulled(_) => None,
            Self::Refused(refusal) => Some(&refusal.message),
            Self::NoService(without) => Some(&without.message),
        }
    }
}

/// One request as a registry of the lab received it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// `scheme://host:port` under which the scenario names the server.
    pub endpoint: String,
    pub method: String,
    /// With its query.
    pub path: String,
    pub accept: String,
    /// The scheme of the credential (`Basic`, `Bearer`) and nothing else of it.
    pub credential: Option<String>,
    /// What the server answered; `None` when it closed the connection instead.
    pub status: Option<u16>,
    /// A redirect led to it; Go's client then names where it came from, unless that was https and this is not.
    pub redirected: bool,
}

/// A step of a pull at one host, as `attempts` of pullprobe's report names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Step {
    pub operation: String,
    pub endpoint: String,
}

/// `scheme://host:port` without the port that its scheme implies.
pub fn canonical(endpoint: &str) -> String {
    let implied = if endpoint.starts_with("https://") { ":443" } else { ":80" };
    endpoint.strip_suffix(implied).unwrap_or(endpoint).to_owned()
}

impl Request {
    pub fn new(endpoint: &str, received: &Received) -> Self {
        let query = if received.query.is_empty() { String::new() } else { format!("?{}", received.query) };
        let scheme = |value: &str| value.split(' ').next().unwrap_or_default().to_owned();
        Self {
            endpoint: canonical(endpoint),
            method: received.method.clone(),
            path: format!("{}{query}", received.path),
            accept: received.header("accept").unwrap_or_default().to_owned(),
            credential: received.header("authorization").map(scheme),
            status: received.status,
            redirected: received.header("referer").is_some(),
        }
    }

    /// Which operation a manifest request belongs to; `None` for blobs and tokens.
    ///
    /// Resolving asks for every kind of manifest, fetching for the one kind that was resolved: that tells a
    /// resolver's GET (after a 405, or for want of a digest) from the fetcher's.
    pub fn operation(&self) -> Option<&'static str> {
        let path = self.path.split('?').next().unwrap_or_default();
        if !path.contains("/manifests/") {
            return None;
        }
        let any_kind = self.accept.contains("manifest.list.v2") && self.accept.contains("image.index.v1");
        Some(if self.method == "HEAD" || any_kind { "resolve" } else { "fetch" })
    }
}

/// Marks what Go's client does not: a redirect from https to http, which comes at once and for the same path.
pub fn mark_downgrades(requests: &mut [Request]) {
    for at in 1..requests.len() {
        let before = &requests[at - 1];
        let redirected = before.status.is_some_and(|status| (300..400).contains(&status));
        let downgraded = before.endpoint.starts_with("https:") && requests[at].endpoint.starts_with("http:");
        if redirected && downgraded && before.path == requests[at].path {
            requests[at].redirected = true;
        }
    }
}

/// The hosts that were asked for manifests, in order, neighbours alike once; where a host redirects to is
/// not a host that was chosen.
pub fn steps(requests: &[Request]) -> Vec<Step> {
    let mut steps: Vec<Step> = requests
        .iter()
        .filter(|request| !request.redirected)
        .filter_map(|request| {
            let operation = request.operation()?.to_owned();
            Some(Step { operation, endpoint: request.endpoint.clone() })
        })
        .collect();
    steps.dedup();
    steps
}

/// Which credentials manifest requests carried, and where: sorted, each once.
pub fn credentials(requests: &[Request]) -> Vec<(String, String)> {
    let mut sent: Vec<(String, String)> = requests
        .iter()
        .filter(|request| request.operation().is_some())
        .filter_map(|request| Some((request.endpoint.clone(), request.credential.clone()?)))
        .collect();
    sent.sort();
    sent.dedup();
    sent
}
