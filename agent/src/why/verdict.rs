//! From the agent's answer, the pod's secrets and kubelet's words to one verdict.

use super::agent::{AgentAnswer, CheckedImage};
use super::fault::{Fault, Kind};
use super::judged::{Verdict, is_about_login};
use super::{Logins, Waiting, kubelet, secrets};
use crate::cause::Cause;
use crate::redact::clean::Clean;

/// More failed attempts than these are left to `check`.
const ATTEMPTS: usize = 3;

pub fn of(waiting: &Waiting, logins: &Logins, agent: &AgentAnswer, faults: &[Fault]) -> Verdict {
    if let Some(verdict) = kubelet::own(waiting) {
        return verdict;
    }
    if let Some(stop) = faults.iter().find(|fault| fault.kind == Kind::Stops) {
        let cause = stop.kind.cause();
        return Verdict {
            pullable: Some(false),
            cause: Some(cause.as_str().into()),
            owner: Some(cause.owner().as_str().into()),
            summary: stop.summary.clone(),
            fix: stop.fix.clone(),
            predicted: agent.image().and_then(|image| image.kubelet_message.clone()),
            ..Verdict::default()
        };
    }
    match agent {
        AgentAnswer::Nobody { because, .. } => kubelet::by_words(waiting, logins, faults, because),
        // A report that knows nothing of the image is worth less than kubelet's words.
        AgentAnswer::Reported { image, because, .. } if image.pullable.is_none() => {
            let also = image.unknown_because.as_deref().map(|why| format!("; {why}")).unwrap_or_default();
            kubelet::by_words(waiting, logins, faults, &format!("{because}{also}").into())
        }
        AgentAnswer::Checked { image, .. } => by_agent(image, logins, faults, doubt(image, logins)),
        AgentAnswer::Reported { image, .. } => {
            by_agent(image, logins, faults, doubt(image, logins).or_else(|| own_login(image, logins, faults)))
        }
    }
}

/// A secret that nobody here may read could change the answer.
fn doubt(image: &CheckedImage, logins: &Logins) -> Option<Clean> {
    let unseen: Vec<Clean> = logins.unseen().map(|one| one.name.clone()).collect();
    if unseen.is_empty() {
        return None;
    }
    let needs_login = image.cause.as_deref().is_some_and(is_about_login);
    // kubelet pulls without a login only where none is for the image.
    let was_anonymous = image.pullable == Some(true) && image.credential.is_none();
    (needs_login || was_anonymous).then(|| {
        let names = secrets::listed(&unseen);
        format!("the pod brings its own login, and you may not read it (pull secrets: {names})").into()
    })
}

/// The report was made without the secrets of the pod.
fn own_login(image: &CheckedImage, logins: &Logins, faults: &[Fault]) -> Option<Clean> {
    // kubelet sends a login that has ended, too, and tries none behind it.
    let sends_expired = image.pullable == Some(true) && faults.iter().any(|fault| fault.kind == Kind::Expired);
    let brings = sends_expired || (!logins.named.is_empty() && faults.is_empty());
    let depends = image.cause.as_deref().is_some_and(is_about_login) || image.pullable == Some(true);
    (brings && depends).then(|| "the agent's report was made without the pod's own login".into())
}

fn by_agent(image: &CheckedImage, logins: &Logins, faults: &[Fault], doubt: Option<Clean>) -> Verdict {
    if let Some(because) = doubt {
        return Verdict {
            evidence: attempts(image),
            summary: format!(
                "Whether the node can pull it is unknown: {because}. Without that login: {}",
                image.summary
            )
            .into(),
            fix: "ask somebody who may read the pod's secrets to run the same command".into(),
            unknown_because: Some(because),
            ..Verdict::default()
        };
    }
    let mut verdict = Verdict {
        pullable: image.pullable,
        unknown_because: image.unknown_because.clone(),
        cause: image.cause.clone(),
        also_possible: image.also_possible.to_vec(),
        owner: image.owner.clone(),
        summary: image.summary.clone(),
        evidence: attempts(image),
        fix: image.fix.clone(),
        predicted: image.kubelet_message.clone(),
    };
    if image.pullable == Some(true) && image.runnable == Some(false) {
        verdict.pullable = Some(false);
    }
    if verdict.pullable.is_none() {
        verdict.unknown_because.get_or_insert_with(|| image.summary.clone());
    }
    if verdict.pullable == Some(true) {
        verdict.summary = format!("{} kubelet's next try should succeed.", image.summary.trim_end()).into();
    }
    match faults.first().filter(|fault| explains(fault, image)) {
        // Where nobody names a secret, the image may as well be misspelt.
        Some(fault) if logins.named.is_empty() && image.cause.as_deref() == Some(Cause::NotFoundOrDenied.as_str()) => {
            verdict.evidence.push(fault.summary.clone());
            verdict.fix = format!("{} If the image is private: {}", verdict.fix, fault.fix).into();
        }
        Some(fault) => {
            verdict.evidence.push(verdict.summary);
            verdict.summary = fault.summary.clone();
            verdict.fix = fault.fix.clone();
            verdict.owner = Some(fault.kind.cause().owner().as_str().into());
        }
        None if logins.named.is_empty() => {}
        None => verdict.evidence.extend(faults.iter().map(|fault| fault.summary.clone())),
    }
    verdict
}

/// Whether the login's fault is why the registry refuses.
fn explains(fault: &Fault, image: &CheckedImage) -> bool {
    let Some(cause) = image.cause.as_deref() else { return false };
    let causes: &[Cause] = match fault.kind {
        Kind::Stops => &[Cause::CredentialsMalformed],
        Kind::Lacks => &[Cause::CredentialsMissing, Cause::NotFoundOrDenied, Cause::AccessDenied],
        Kind::Expired => &[Cause::CredentialsRejected, Cause::CredentialsExpired, Cause::AccessDenied],
    };
    causes.iter().any(|one| one.as_str() == cause)
}

fn attempts(image: &CheckedImage) -> Vec<Clean> {
    let failed = image.attempts.iter().filter(|attempt| !attempt.ok).take(ATTEMPTS);
    let line = failed.map(|attempt| {
        let status = attempt.http_status.map(|status| format!(" {status}")).unwrap_or_default();
        let cause = attempt.cause.as_deref().map(|cause| format!(" {cause}")).unwrap_or_default();
        format!("{} {}{status}{cause}: {}", attempt.operation, attempt.endpoint, attempt.detail).into()
    });
    line.collect()
}

/// Whether kubelet's last words can come from the cause.
pub fn agrees(verdict: &Verdict, said: Option<&str>) -> Option<bool> {
    kubelet::can_come_from(said?, verdict.cause.as_deref()?.parse().ok()?)
}
