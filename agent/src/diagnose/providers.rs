//! What credentials that kubelet may have and that are not known here mean for a verdict.

use crate::cause::Cause;
use crate::credentials::Asked;
use crate::model::credential::CredentialSource;
use crate::model::report::CredentialUsed;
use crate::model::verdict::Verdict;

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
pub fn judged(verdict: Verdict, used: Option<&CredentialUsed>, asked: &Asked) -> Verdict {
    let fails_for = |causes: &[Cause]| {
        verdict.pullable == Some(false) && verdict.cause.is_some_and(|cause| causes.contains(&cause))
    };
    let unknown = asked.unknown();
    let is_doubtful = verdict.pullable == Some(true) && is_of_file_behind(used, asked);
    if !unknown.is_empty() && (fails_for(&OPEN) || is_doubtful) {
        let fix = fix(asked);
        return Verdict { fix: fix.into(), ..unknown_verdict(&unknown, verdict) };
    }
    let failures = asked.failures();
    let Some(failure) = failures.first().filter(|_| fails_for(&WANTING)) else { return verdict };
    Verdict {
        cause: Some(failure.cause),
        also_possible: verdict.cause.into_iter().collect(),
        stage: Some(failure.stage),
        owner: Some(failure.owner()),
        summary: format!("{} ({}) {}", failure.summary(), failure.detail, verdict.summary).into(),
        fix: failure.fix().into(),
        ..verdict
    }
}

/// kubelet uses one file: the login that was tried is not its own if an earlier one holds any.
fn is_of_file_behind(used: Option<&CredentialUsed>, asked: &Asked) -> bool {
    used.is_some_and(|used| used.source == CredentialSource::KubeletConfigJson)
        && asked.unread.iter().any(|unread| unread.comes_first)
}

fn fix(asked: &Asked) -> String {
    match asked.unread.first() {
        Some(unread) => {
            format!(
                "Let pullprobe read {}: it must run as root, as kubelet does, and see what links lead to.",
                unread.file
            )
        }
        None => "Try a pull by a pod of the node, or run `pullprobe check` on the node itself, as root and without --host-root."
            .into(),
    }
}

fn unknown_verdict(unknown: &[String], verdict: Verdict) -> Verdict {
    let summary = format!("The answer is unknown: {}. Without its credential: {}", unknown.join("; "), verdict.summary);
    Verdict {
        pullable: None,
        cause: None,
        also_possible: Vec::new(),
        stage: None,
        owner: None,
        kubelet_message: None,
        summary: summary.into(),
        ..verdict
    }
}
