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

    /// The API server says that the account may not do this, in its own words: `events is forbidden: User "…" cannot create …`. It answers
    /// 403 for other reasons too, such as a namespace that ends, an admission policy or a webhook, which have words of their own.
    pub fn is_missing_right(&self) -> bool {
        let Self::Refused { status: 403, message, .. } = self else { return false };
        let said = message.split_once("forbidden: User \"");
        said.is_some_and(|(before, after)| !before.contains(": ") && after.contains("\" cannot "))
    }

    /// It is about the one object and says nothing of others: its namespace ends or is gone.
    pub fn is_about_one(&self) -> bool {
        let Self::Refused { status, message, .. } = self else { return false };
        *status == 404 || (*status == 403 && message.contains("being terminated"))
    }

    /// Whether the same request may be taken later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status, 401 | 408 | 409 | 429 | 500..) || self.is_missing_right(),
            Self::Expired | Self::Unreachable(_) | Self::Silent(_) | Self::Unreadable(_) | Self::Ended(_) => true,
        }
    }

    /// The same in words, of a request that did this: "report the condition".
    pub fn of(&self, doing: &str) -> String {
        match self {
            Self::Refused { status: 403, message, .. } => {
                format!("the Kubernetes API does not let the agent {doing} (403): {message}")
            }
            Self::Ended(why) => format!("the Kubernetes API's answer ended: {why}"),
            other => other.to_string(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_api_servers_own_words_are_a_missing_right() {
        let user = "User \"system:serviceaccount:pullprobe:pullprobe\" cannot";
        for (message, expected) in [
            (format!("events is forbidden: {user} create resource \"events\" in API group \"\" in the namespace \"shop\""), true),
            (format!("nodes \"w\" is forbidden: {user} patch resource \"nodes/status\" in API group \"\" at the cluster scope"), true),
            (format!("events is forbidden: {user} create resource \"events\": RBAC: clusterrole \"x\" not found"), true),
            (format!("admission webhook \"x\" denied the request: events is forbidden: {user} create this"), false),
            ("admission webhook \"x\" denied the request: containers cannot run as root".to_owned(), false),
            ("nodes \"w\" is forbidden: ValidatingAdmissionPolicy 'pullprobe-own-node' with binding 'pullprobe-own-node' denied request: \
              it cannot".to_owned(), false),
            ("events \"e\" is forbidden: unable to create new content in namespace shop because it is being terminated".to_owned(), false),
        ] {
            let trouble = Trouble::Refused { status: 403, message: message.clone(), retry_after: None };
            assert_eq!(trouble.is_missing_right(), expected, "{message}");
            assert_eq!(trouble.may_pass(), expected, "{message}");
        }
    }
}
