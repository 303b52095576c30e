//! From the trace of a pull to the verdict, and to the words that kubelet shows. Pure.

mod dropped;
mod inconclusive;
pub mod logins;
pub mod message;
pub mod providers;

use go::text::quote;

use crate::cause::Cause;
use crate::image::reference::Reference;
use crate::mirrors::hosts_toml::Rejection;
use crate::model::credential::Credential;
use crate::model::outcome::Failure;
use crate::model::report::Attempt;
use crate::model::verdict::Verdict;
use crate::pull::{Phase, PullEnd};
use crate::redact::clean::Clean;
use crate::version::{PullMode, Version};

/// What is known about one pull when it ends. The verdict follows from it.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    pub image: &'a Reference,
    pub version: Version,
    pub mode: PullMode,
    pub snapshotter: &'a str,
    pub ending: &'a PullEnd,
    pub attempts: &'a [Attempt],
    /// Why kubelet's own candidates came to nothing: the nearest key and the reason.
    pub near_miss: Option<&'a str>,
    /// A credentials file that kubelet skips because it does not parse, where nothing else is offered.
    pub rejected_file: Option<&'a Failure>,
    /// What was pulled with. `None`: nothing.
    pub credential: Option<&'a Credential>,
    /// The same pull without a login succeeds; asked where [`logins::is_suspect`] says so.
    pub pullable_without_login: bool,
    /// A credential provider that is nearly for this image.
    pub near_provider: Option<&'a str>,
    /// The node's own logins are kept back, by wish.
    pub kept_back: bool,
    /// The `hosts.toml` of the registry, where containerd cannot read it.
    pub dropped: Option<&'a Rejection>,
}

/// The answer for an image whose hosts were asked with one login.
pub fn verdict(evidence: Evidence<'_>) -> Verdict {
    let mut verdict = of_pull(&evidence);
    if let (PullEnd::Failed(_, failure), Some(used), true) =
        (evidence.ending, evidence.credential, evidence.pullable_without_login)
    {
        verdict = logins::shadowed(failure, used, verdict);
    }
    let verdict = logins::with_login(logins::provider_meant(verdict, evidence.near_provider), evidence.credential);
    dropped::with_dropped_file(
        inconclusive::unless_conclusive(evidence.version, evidence.ending, verdict),
        evidence.dropped,
    )
}

fn of_pull(evidence: &Evidence<'_>) -> Verdict {
    match evidence.ending {
        PullEnd::Pulled { unrunnable: None } => pulled(evidence),
        PullEnd::Pulled { unrunnable: Some(failure) } => {
            let summary = format!("The pull succeeds, but the image will not start: {}.", failure.detail);
            Verdict { pullable: Some(true), runnable: Some(false), ..failed(failure, summary, None) }
        }
        PullEnd::Failed(phase, failure) => {
            let message = message::of(&message::Frame::of(evidence), *phase, failure);
            let kept_back = evidence.kept_back && evidence.credential.is_none() && wants_login(failure);
            let failure = &if kept_back { logins::asked_anonymously(failure) } else { failure.clone() };
            let mut summary = sentence(failure);
            if let (Cause::CredentialsMissing, Some(near)) = (failure.cause, evidence.near_miss) {
                summary = format!("{summary} {near}");
            }
            if let Some(hidden) = hidden_by(evidence.attempts, failure) {
                summary = format!("{summary} {hidden}");
            }
            match evidence.rejected_file.filter(|_| wants_login(failure)) {
                Some(file) => unread(file, failure, failed(failure, summary, Some(&message))),
                None => failed(failure, summary, Some(&message)),
            }
        }
        PullEnd::OverBudget => Verdict::unknown(
            "The registry answers for this tag. The rest is unknown: finding it out takes a request that the registry counts as a pull.",
            "Allow more with `--counted-pulls` (check; an index and its manifest are two) or `probe.counted_pulls_per_hour` (run).",
        ),
    }
}

/// The answer where no host was ever asked: the node's files decide.
pub fn of_files(image: &Reference, version: Version, mode: PullMode, failure: &Failure) -> Verdict {
    if failure.inconclusive {
        const FIX: &str =
            "Let pullprobe read it: run it as root, as containerd is, and keep within the limit that is named.";
        return Verdict {
            also_possible: failure.also_possible.clone(),
            host: failure.host.clone(),
            ..Verdict::unknown(&format!("The answer is unknown: {}.", failure.detail), FIX)
        };
    }
    let frame = message::Frame { image, version, mode, snapshotter: "" };
    failed(failure, sentence(failure), Some(&message::of(&frame, Phase::Resolve, failure)))
}

/// The answer where containerd refuses before it looks at any host; `message` is its own.
pub fn of_runtime(failure: &Failure, message: &str) -> Verdict {
    failed(failure, sentence(failure), Some(message))
}

/// The answer where pullprobe itself failed: nothing is known.
pub fn of_own_fault(failure: &Failure) -> Verdict {
    Verdict { pullable: None, ..failed(failure, sentence(failure), None) }
}

/// The answer for a text that is no reference.
pub fn of_reference(failure: &Failure, requested: &str) -> Verdict {
    let words = if failure.go_message.is_empty() { "invalid reference format" } else { &failure.go_message };
    let requested = quote(requested);
    let message =
        format!("Failed to apply default image tag {requested}: couldn't parse image name {requested}: {words}");
    failed(failure, sentence(failure), Some(&message))
}

/// The answer where kubelet does not get as far as asking containerd. Its words are those of the failure, where known.
pub fn of_kubelet(failure: &Failure) -> Verdict {
    failed(failure, sentence(failure), Some(failure.go_message.as_str()).filter(|words| !words.is_empty()))
}

fn pulled(evidence: &Evidence<'_>) -> Verdict {
    let dead: Vec<String> = evidence
        .attempts
        .iter()
        .filter_map(|attempt| Some(format!("{} ({})", attempt.endpoint, attempt.failure.as_ref()?.cause)))
        .fold(Vec::new(), |mut list, entry| {
            if !list.contains(&entry) {
                list.push(entry);
            }
            list
        });
    let by = evidence.attempts.iter().rev().find(|attempt| attempt.failure.is_none());
    let from = by.map(|attempt| format!(" from {}", attempt.endpoint)).unwrap_or_default();
    let summary = if dead.is_empty() {
        format!("This node can pull it{from}.")
    } else {
        format!("This node can pull it{from}, but not as configured: {} failed first.", dead.join(", "))
    };
    Verdict { pullable: Some(true), runnable: Some(true), summary: summary.into(), ..Verdict::default() }
}

fn failed(failure: &Failure, summary: String, kubelet_message: Option<&str>) -> Verdict {
    Verdict {
        pullable: Some(false),
        runnable: None,
        cause: Some(failure.cause),
        also_possible: failure.also_possible.clone(),
        stage: Some(failure.stage),
        host: failure.host.clone(),
        owner: Some(failure.owner()),
        summary: summary.into(),
        fix: failure.fix().into(),
        kubelet_message: kubelet_message.map(Clean::lines),
    }
}

/// Whether a credential may be all that is wanting.
fn wants_login(failure: &Failure) -> bool {
    let missing = Cause::CredentialsMissing;
    failure.cause == missing || failure.also_possible.contains(&missing)
}

/// The login that is wanting may stand in a file that kubelet does not read. That it skips the file is
/// certain, and comes before what the registry hides.
fn unread(file: &Failure, failure: &Failure, verdict: Verdict) -> Verdict {
    let others = if failure.also_possible.is_empty() { &[failure.cause][..] } else { &failure.also_possible };
    Verdict {
        cause: Some(file.cause),
        also_possible: others.to_vec(),
        stage: Some(file.stage),
        owner: Some(file.owner()),
        summary: format!("{} ({}) {}", file.summary(), file.detail, verdict.summary).into(),
        fix: file.fix().into(),
        ..verdict
    }
}

fn sentence(failure: &Failure) -> String {
    let what = failure.summary();
    let place = failure.host.as_ref().map(|host| format!("{host}: ")).unwrap_or_default();
    if failure.detail.is_empty() { format!("{place}{what}") } else { format!("{place}{what} ({})", failure.detail) }
}

/// Another host failed for another reason, which the one error shown by kubelet hides.
fn hidden_by(attempts: &[Attempt], shown: &Failure) -> Option<String> {
    let others: Vec<String> = attempts
        .iter()
        .filter_map(|attempt| attempt.failure.as_ref().map(|failure| (attempt, failure)))
        .filter(|(_, failure)| failure.host != shown.host && failure.cause != shown.cause)
        .map(|(attempt, failure)| format!("{} ({})", attempt.endpoint, failure.cause))
        .fold(Vec::new(), |mut list, entry| {
            if !list.contains(&entry) {
                list.push(entry);
            }
            list
        });
    (!others.is_empty()).then(|| format!("The message of kubelet does not show that {} failed too.", others.join(", ")))
}
