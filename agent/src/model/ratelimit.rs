//! What an endpoint said of its pull quota.

use std::time::Duration;

use crate::redact::clean::Clean;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LimitState {
    /// It announces a limit and pulls are left.
    Limited,
    /// It answered an authorised request without announcing any limit.
    Unlimited,
    /// Not learnt yet.
    #[default]
    Unknown,
    /// Nothing is left, or it answered 429.
    Blocked,
}

impl LimitState {
    pub const ALL: [Self; 4] = [Self::Limited, Self::Unlimited, Self::Unknown, Self::Blocked];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Limited => "limited",
            Self::Unlimited => "unlimited",
            Self::Unknown => "unknown",
            Self::Blocked => "blocked",
        }
    }
}

/// Which limit refuses the request, if the answer says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limiter {
    /// The quota of pulls in a window of hours is used up.
    Quota,
    /// Too many requests at once.
    Burst,
}

impl Limiter {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::Burst => "burst",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateLimit {
    pub state: LimitState,
    /// Pulls per window. `None` when not announced; likewise the next three.
    pub limit: Option<u64>,
    pub remaining: Option<u64>,
    pub window: Option<Duration>,
    /// What the registry counts pulls by: the public address of the node, or an account.
    pub source: Option<Clean>,
    pub retry_after: Option<Duration>,
    /// `None`: no limit refuses, or the answer does not say which one.
    pub blocked_by: Option<Limiter>,
}
