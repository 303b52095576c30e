//! A pull quota as Docker Hub announces and enforces it: manifest GETs count, HEADs do not.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::record::Request;
use super::reply::Reply;
use super::route::Kind;

/// How many pulls are left, and how the registry says so.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimit {
    /// Pulls per window.
    pub limit: u64,
    /// Pulls left at the start.
    pub remaining: u64,
    /// The window, in seconds; it does not end while the lab runs.
    pub window_seconds: u64,
    /// Value of `docker-ratelimit-source`; empty = not sent.
    pub source: String,
    /// What the headers look like.
    pub announce: Announce,
    /// `Retry-After` of the 429.
    pub retry_after: RetryAfter,
    /// Message of the 429.
    pub message: String,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            limit: 100,
            remaining: 100,
            window_seconds: 21600,
            source: "192.0.2.10".to_owned(),
            announce: Announce::Always,
            retry_after: RetryAfter::Absent,
            message: "the pull quota of this address is used up".to_owned(),
        }
    }
}

/// When `ratelimit-limit` and `ratelimit-remaining` are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Announce {
    /// With every answer about a manifest.
    #[default]
    Always,
    /// Only with the answer to a GET, when it is spent.
    OnGet,
    /// Never.
    Never,
    /// With the numbers left out: `;w=21600`.
    Malformed,
    /// Without the window: `100`.
    NoWindow,
}

/// Forms of `Retry-After`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// Not sent.
    #[default]
    Absent,
    /// So many seconds, as a number.
    Seconds(u32),
    /// The date in so many seconds, as HTTP writes dates.
    DateIn(u32),
}

impl RetryAfter {
    pub(crate) fn value(self) -> Option<String> {
        match self {
            Self::Absent => None,
            Self::Seconds(seconds) => Some(seconds.to_string()),
            Self::DateIn(seconds) => {
                let then = Timestamp::now() + SignedDuration::from_secs(i64::from(seconds));
                Some(then.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
            }
        }
    }
}

/// The quota's state.
#[derive(Debug)]
pub(crate) struct Meter {
    limit: RateLimit,
    counted: u64,
}

impl Meter {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self { limit, counted: 0 }
    }

    pub(crate) fn counted(&self) -> u64 {
        self.counted
    }

    /// Passes `reply`, the registry's answer to `request`, through the quota; `true` = it was
    /// counted as a pull.
    pub(crate) fn apply(&mut self, request: &Request, reply: Reply) -> (Reply, bool) {
        if request.kind != Kind::Manifest {
            return (reply, false);
        }
        if reply.status != 200 {
            return (self.sourced(reply), false);
        }
        if request.method != "GET" {
            return (self.announced(request, reply), false);
        }
        if self.counted >= self.limit.remaining {
            let mut refusal = Reply::error(429, "TOOMANYREQUESTS", &self.limit.message);
            if let Some(value) = self.limit.retry_after.value() {
                refusal = refusal.with("retry-after", &value);
            }
            return (self.announced(request, refusal), false);
        }
        self.counted += 1;
        (self.announced(request, reply), true)
    }

    fn announced(&self, request: &Request, reply: Reply) -> Reply {
        let reply = self.sourced(reply);
        let window = format!(";w={}", self.limit.window_seconds);
        let total = self.limit.limit.to_string();
        let left = self.limit.remaining.saturating_sub(self.counted).to_string();
        let (limit, remaining) = match self.limit.announce {
            Announce::Never => return reply,
            Announce::OnGet if request.method != "GET" => return reply,
            Announce::Malformed => (window.clone(), window),
            Announce::NoWindow => (total, left),
            Announce::Always | Announce::OnGet => (total + &window, left + &window),
        };
        reply.with("ratelimit-limit", &limit).with("ratelimit-remaining", &remaining)
    }

    fn sourced(&self, reply: Reply) -> Reply {
        if self.limit.source.is_empty() {
            return reply;
        }
        reply.with("docker-ratelimit-source", &self.limit.source)
    }
}
