//! Credential providers that came to nothing for an image whose verdict does not say so.

use std::collections::BTreeMap;

use super::{CREDENTIAL_PROVIDER_FAILED, CREDENTIAL_PROVIDER_NO_MATCH, CREDENTIAL_PROVIDER_UNKNOWN};
use crate::cause::Cause;
use crate::model::credential::ProviderOutcome;
use crate::model::finding::{Finding, Severity};
use crate::model::report::ImageReport;

/// So many images are named.
const NAMED: usize = 3;

/// One finding for all images with the same answer of a plugin.
pub fn findings(images: &[&ImageReport]) -> Vec<Finding> {
    let mut told: BTreeMap<(&str, &str, &str), Vec<String>> = BTreeMap::new();
    for image in images {
        for provider in &image.providers {
            let Some(detail) = provider.outcome.detail().filter(|_| !is_said(image, &provider.outcome)) else {
                continue;
            };
            let name = image.image.as_ref().map_or_else(|| image.requested.clone().into(), ToString::to_string);
            told.entry((provider.outcome.as_str(), &provider.name, detail)).or_default().push(name);
        }
    }
    told.into_iter().map(|((outcome, name, detail), images)| finding(outcome, name, detail, &images)).collect()
}

/// The verdict itself is about it.
fn is_said(image: &ImageReport, outcome: &ProviderOutcome) -> bool {
    match outcome {
        ProviderOutcome::Failed(_) => image.verdict.cause == Some(Cause::CredentialProviderFailed),
        ProviderOutcome::Unknown(_) => image.verdict.pullable.is_none(),
        ProviderOutcome::Answered | ProviderOutcome::NoneFits(_) => false,
    }
}

fn finding(outcome: &str, name: &str, detail: &str, images: &[String]) -> Finding {
    let whom = whom(images);
    match outcome {
        "failed" => Finding::new(
            Severity::Warning,
            CREDENTIAL_PROVIDER_FAILED,
            format!(
                "The credential provider `{name}` fails for {whom}: {detail}. kubelet goes on without its credential."
            ),
            "Repair what its words name; `journalctl -u kubelet | grep -i 'credential provider'` shows the same failure.",
        ),
        "none_fits" => Finding::new(
            Severity::Warning,
            CREDENTIAL_PROVIDER_NO_MATCH,
            format!("The credential provider `{name}` answers for {whom} with no key that fits: {detail}."),
            "kubelet does not use such an answer: correct the plugin's arguments, or take the registry out of its `matchImages`.",
        ),
        _ => Finding::new(
            Severity::Info,
            CREDENTIAL_PROVIDER_UNKNOWN,
            format!("What the credential provider `{name}` gives for {whom} is unknown: it {detail}."),
            "pullprobe tried the pull without it. Only a pull by a pod of the node shows whether it works with it.",
        ),
    }
}

fn whom(images: &[String]) -> String {
    let named = images.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match images.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::credential::ProviderReport;
    use crate::model::sample;

    fn told_of(pullable: Option<bool>, cause: Option<Cause>, outcome: ProviderOutcome) -> ImageReport {
        let mut image = sample::rich().images["busybox:1.36"].as_ref().clone();
        (image.verdict.pullable, image.verdict.cause) = (pullable, cause);
        image.providers = vec![ProviderReport { name: "lab".into(), outcome }];
        image
    }

    #[test]
    fn what_the_verdict_says_is_not_said_twice() {
        let failed = || ProviderOutcome::Failed("it ended with exit code 1".into());
        let unknown = || ProviderOutcome::Unknown("uses the identity of the pod".into());
        for (image, code) in [
            (told_of(Some(true), None, failed()), Some(CREDENTIAL_PROVIDER_FAILED)),
            (told_of(Some(false), Some(Cause::CredentialsRejected), failed()), Some(CREDENTIAL_PROVIDER_FAILED)),
            (told_of(Some(false), Some(Cause::CredentialProviderFailed), failed()), None),
            (told_of(Some(true), None, unknown()), Some(CREDENTIAL_PROVIDER_UNKNOWN)),
            (told_of(None, None, unknown()), None),
            (told_of(Some(true), None, ProviderOutcome::Answered), None),
            (told_of(None, None, ProviderOutcome::NoneFits("`a`".into())), Some(CREDENTIAL_PROVIDER_NO_MATCH)),
        ] {
            let codes: Vec<_> = findings(&[&image]).iter().map(|finding| finding.code).collect();
            assert_eq!(codes, code.into_iter().collect::<Vec<_>>(), "{:?} {:?}", image.verdict, image.providers);
        }
    }

    #[test]
    fn images_of_one_fault_share_a_finding() {
        let image = told_of(Some(true), None, ProviderOutcome::Failed("it was killed by a signal".into()));
        let messages: Vec<_> = findings(&[&image; 5]).into_iter().map(|finding| finding.message).collect();
        let name = "docker.io/library/busybox:1.36";
        let expected = format!(
            "The credential provider `lab` fails for {name}, {name}, {name} and 2 more: it was killed by a signal. \
             kubelet goes on without its credential."
        );
        assert_eq!(messages, [expected]);
    }
}
