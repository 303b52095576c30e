//! What is said where pullprobe lacks what containerd has, or stops where containerd waits on.

use crate::cause::Cause;
use crate::model::outcome::{Failure, Mark};
use crate::model::verdict::Verdict;
use crate::pull::PullEnd;
use crate::version::Version;

/// Makes the verdict unknown if the failure is inconclusive: pullprobe does not know what containerd would see.
pub fn unless_conclusive(version: Version, ending: &PullEnd, verdict: Verdict) -> Verdict {
    let PullEnd::Failed(_, failure) = ending else { return verdict };
    if !failure.inconclusive {
        return verdict;
    }
    let place = failure.host.as_ref().map(|host| format!("{host}: ")).unwrap_or_default();
    let what = failure.particulars.as_ref().and_then(|known| known.summary.as_deref());
    let what = what.map(|what| format!(" {what}")).unwrap_or_default();
    let summary = format!("The answer is unknown: {place}{}.{what}{}", failure.detail, outcome(version, failure));
    Verdict::unknown(&summary, fix(failure))
}

/// What containerd does if the silence lasts longer than pullprobe waits.
fn outcome(version: Version, failure: &Failure) -> String {
    // Of a body that comes to no end the header was there in time.
    if failure.cause != Cause::RegistryTimeout || !failure.is_marked(Mark::NoHeader) {
        return String::new();
    }
    match version.response_header_timeout() {
        Some(patience) => format!(" containerd {version} gives up after {patience:?}, and asks the next host."),
        None => format!(
            " containerd {version} goes on waiting and asks no other host meanwhile: {}.",
            version.end_of_silence()
        ),
    }
}

/// The fix: what to change so that pullprobe can answer.
fn fix(failure: &Failure) -> &str {
    if let Some(fix) = failure.particulars.as_ref().and_then(|known| known.fix.as_deref()) {
        return fix;
    }
    match failure.cause {
        Cause::TlsProtocol | Cause::TlsClosed | Cause::TlsTimeout => {
            "Let the server take a cipher suite with AES-GCM or ChaCha20 and a key of at least 2048 bits, which newer \
             containerds will need too."
        }
        Cause::RegistryTimeout => {
            "Give it longer: `--timeout 5m` with `check`, `probe.timeouts.http` in the settings of `run` (`timeouts: \
             {http: 60s}`). If it answers then, it is slow and good: a proxy cache may ask its upstream first. If not, \
             look for an overloaded registry in its log."
        }
        Cause::LimitReached => failure.fix(),
        _ => "Pull the image once on the node to find out. The summary says why pullprobe cannot.",
    }
}
