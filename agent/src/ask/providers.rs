//! What a credential provider that failed, or that could not be asked, means for a verdict.

use crate::model::cause::Cause;
use crate::model::cause::text::text;
use crate::model::verdict::Verdict;
use crate::node::credentials::Asked;

/// Without a login the registry refused: the plugin that should have given one is why.
const WANTING: [Cause; 3] = [Cause::CredentialsMissing, Cause::NotFoundOrDenied, Cause::AccessDenied];

/// With another login the end may be another one.
const OPEN: [Cause; 9] = [
    Cause::CredentialsMissing,
    Cause::NotFoundOrDenied,
    Cause::AccessDenied,
    Cause::CredentialsRejected,
    Cause::CredentialsExpired,
    Cause::CredentialsShadowAnonymous,
    Cause::CredentialsMalformed,
    Cause::RateLimited,
    Cause::QuotaExceeded,
];

/// kubelet tries every login that it has, those of plugins last: no failure is certain before them.
pub fn judged(verdict: Verdict, asked: &Asked) -> Verdict {
    let fails_for = |causes: &[Cause]| {
        verdict.pullable == Some(false) && verdict.cause.is_some_and(|cause| causes.contains(&cause))
    };
    let unknown = asked.unknown();
    if !unknown.is_empty() && fails_for(&OPEN) {
        return untold(&unknown, verdict);
    }
    let failures = asked.failures();
    let Some(failure) = failures.first().filter(|_| fails_for(&WANTING)) else { return verdict };
    let text = text(failure.cause);
    Verdict {
        cause: Some(failure.cause),
        also_possible: verdict.cause.into_iter().collect(),
        stage: Some(failure.stage),
        owner: Some(failure.cause.owner()),
        summary: format!("{} ({}) {}", text.summary, failure.detail, verdict.summary),
        fix: text.fix.to_owned(),
        ..verdict
    }
}

fn untold(unknown: &[String], verdict: Verdict) -> Verdict {
    let summary =
        format!("It cannot be told from here: {}. Without its credential: {}", unknown.join("; "), verdict.summary);
    Verdict {
        pullable: None,
        cause: None,
        also_possible: Vec::new(),
        stage: None,
        owner: None,
        kubelet_message: None,
        summary,
        ..verdict
    }
}
