//! One verdict about a container, and what of it another login could change.

use crate::cause::Cause;
use crate::cause::text::kubelet;
use crate::redact::clean::Clean;

#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub pullable: Option<bool>,
    pub unknown_because: Option<Clean>,
    pub cause: Option<Clean>,
    pub also_possible: Vec<Clean>,
    pub owner: Option<Clean>,
    pub summary: Clean,
    pub evidence: Vec<Clean>,
    pub fix: Clean,
    pub predicted: Option<Clean>,
}

impl Verdict {
    /// What is in the container's way, in the words of metrics and reports. They know less, so theirs may be another.
    pub fn waiting_cause(&self) -> &str {
        match (self.cause.as_deref(), self.pullable) {
            (Some(kubelet::OWN_LIMIT_NAME), _) => kubelet::PULL_LIMIT_NAME,
            (Some(cause), _) => cause,
            (None, Some(true)) => kubelet::RETRY_NAME,
            (None, _) => kubelet::UNKNOWN_NAME,
        }
    }
}

/// Whether another login could change it.
pub fn is_about_login(cause: &str) -> bool {
    let of_login = [
        Cause::CredentialsMissing,
        Cause::CredentialsRejected,
        Cause::CredentialsExpired,
        Cause::NotFoundOrDenied,
        Cause::AccessDenied,
        Cause::CredentialsShadowAnonymous,
    ];
    of_login.iter().any(|one| one.as_str() == cause)
}
