//! Why the API tells nothing, in a sentence's end: "…: ".

use std::fmt;
use std::time::Duration;

/// What went wrong with one request.
#[derive(Debug)]
pub enum Trouble {
    /// 410: it does not know that version any more. A new list helps.
    Expired,
    /// It answered, and refused.
    Refused { status: u16, message: String, retry_after: Option<Duration> },
    /// There is no way to it, or the credentials cannot be read.
    Unreachable(String),
    /// No answer, or no more of it, in time.
    Silent(Duration),
    /// What came is not what the API says.
    Unreadable(String),
    /// A watch that was open ended.
    Ended(String),
}

impl Trouble {
    pub const fn retry_after(&self) -> Option<Duration> {
        if let Self::Refused { retry_after, .. } = self { *retry_after } else { None }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("the Kubernetes API has forgotten that version of the pods"),
            Self::Refused { status: 401, .. } => {
                f.write_str("the Kubernetes API does not take the agent's token (401)")
            }
            Self::Refused { status: 403, message, .. } => {
                write!(f, "the agent's service account may not list and watch pods (403): {message}")
            }
            Self::Refused { status, message, .. } => write!(f, "the Kubernetes API answers {status}: {message}"),
            Self::Unreachable(why) => write!(f, "the Kubernetes API cannot be reached: {why}"),
            Self::Silent(limit) => write!(f, "the Kubernetes API says nothing within {} s", limit.as_secs()),
            Self::Unreadable(why) => write!(f, "the Kubernetes API's answer cannot be read: {why}"),
            Self::Ended(why) => write!(f, "the watch of the pods ended: {why}"),
        }
    }
}
