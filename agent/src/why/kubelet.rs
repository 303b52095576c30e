//! What kubelet's words alone tell, where no agent answers.

use super::fault::{Fault, Kind};
use super::judged::{Verdict, is_about_login};
use super::secrets::listed;
use super::{Logins, Waiting, shell};
use crate::cause::text::{Text, kubelet, text};
use crate::cause::{Cause, Owner};
use crate::explain::{self, Meaning, Reading};
use crate::image::reference::Reference;
use crate::redact::clean::Clean;

/// kubelet's reason where the pod forbids the pull.
const NEVER: &str = "ErrImageNeverPull";

/// What kubelet itself does not even try: no registry, and so no agent, has a part in it.
pub fn own(waiting: &Waiting) -> Option<Verdict> {
    let never = Cause::ImageNeverPulled;
    let never_pulled = || special(waiting, never.as_str(), never.owner(), text(never));
    if waiting.reason == NEVER {
        return Some(never_pulled());
    }
    let reading = first(waiting)?;
    match reading.meaning {
        Meaning::Causes([Cause::ImageNeverPulled]) => Some(never_pulled()),
        Meaning::OwnLimit => Some(special(waiting, kubelet::OWN_LIMIT_NAME, Owner::Node, kubelet::OWN_LIMIT)),
        Meaning::Causes(_) | Meaning::BackOff => None,
    }
}

fn first(waiting: &Waiting) -> Option<Reading> {
    explain::read(waiting.message.as_deref()?).readings.into_iter().next()
}

fn special(waiting: &Waiting, name: &str, owner: Owner, words: Text) -> Verdict {
    Verdict {
        pullable: Some(false),
        cause: Some(name.into()),
        owner: Some(owner.as_str().into()),
        summary: words.summary.into(),
        fix: named(words.fix, waiting).into(),
        ..Verdict::default()
    }
}

/// The verdict of kubelet's last words, or none but what the secrets tell.
pub fn by_words(waiting: &Waiting, logins: &Logins, faults: &[Fault], because: &Clean) -> Verdict {
    let reading = first(waiting);
    let Some((reading, causes)) =
        reading.as_ref().map(|reading| (reading, reading.causes())).filter(|(_, all)| !all.is_empty())
    else {
        return untold(waiting, faults, because);
    };
    let fault = faults
        .first()
        .filter(|fault| fault.kind != Kind::Stops && causes.iter().any(|cause| is_about_login(cause.as_str())));
    let expected = fault.map(|fault| fault.kind.cause());
    if causes.iter().all(|cause| is_about_login(cause.as_str()) || *cause == Cause::ChallengeInvalid)
        && let Some(unseen) = unseen(logins)
    {
        return refused_unseen(causes, &unseen);
    }
    // Who brings a login does not lack one.
    let brings = !logins.named.is_empty() && faults.is_empty();
    let likeliest = causes.iter().copied().find(|cause| !(brings && *cause == Cause::CredentialsMissing));
    let cause = expected.filter(|cause| causes.contains(cause)).or(likeliest).unwrap_or(causes[0]);
    let words = text(cause);
    let others: Vec<Clean> =
        causes.iter().filter(|other| **other != cause).map(|other| other.as_str().into()).collect();
    let mut evidence: Vec<Clean> = Vec::new();
    if !reading.note.is_empty() {
        evidence.push(reading.note.into());
    }
    Verdict {
        // kubelet tried, and this came of it.
        pullable: Some(false),
        cause: Some(cause.as_str().into()),
        also_possible: others,
        owner: Some(cause.owner().as_str().into()),
        summary: fault.map_or_else(|| words.summary.into(), |fault| fault.summary.clone()),
        fix: fault.map_or_else(|| named(words.fix, waiting).into(), |fault| fault.fix.clone()),
        evidence,
        ..Verdict::default()
    }
}

/// The names of the secrets that could not be read.
fn unseen(logins: &Logins) -> Option<String> {
    let names: Vec<Clean> = logins.unseen().map(|one| one.name.clone()).collect();
    (!names.is_empty()).then(|| listed(&names))
}

/// The registry refused what kubelet sent, and what that was is not known here.
fn refused_unseen(causes: &[Cause], unseen: &str) -> Verdict {
    Verdict {
        pullable: Some(false),
        also_possible: causes.iter().map(|cause| cause.as_str().into()).collect(),
        owner: Some(Owner::Credentials.as_str().into()),
        summary: format!(
            "The registry accepted no login of kubelet's last try. The pod brings its own, and you may not read it (pull \
             secrets: {unseen}), so it is unknown whether that one is wrong or none was sent."
        )
        .into(),
        fix: "ask somebody who may read the pod's secrets to run the same command".into(),
        ..Verdict::default()
    }
}

fn untold(waiting: &Waiting, faults: &[Fault], because: &Clean) -> Verdict {
    let said = match &waiting.message {
        Some(_) => "kubelet's words name no cause that pullprobe knows",
        None => "the pod's status and events no longer say why the pull failed",
    };
    Verdict {
        unknown_because: Some(format!("no agent answered for the node ({because}), and {said}").into()),
        summary: "Why the container waits is unknown.".into(),
        evidence: faults.iter().map(|fault| fault.summary.clone()).collect(),
        fix: named(kubelet::BACK_OFF.fix, waiting).into(),
        ..Verdict::default()
    }
}

/// A fix with the real names in place of the words in capitals.
pub fn named(fix: &str, waiting: &Waiting) -> String {
    let registry = Reference::parse(&waiting.image).map(|image| image.domain).unwrap_or_default();
    let name = |word: &str| match word {
        "IMAGE" => Some(shell::word(&waiting.image)),
        "POD" => Some(format!("{} -n {}", shell::word(&waiting.pod), shell::word(&waiting.namespace))),
        "NODE" => waiting.node.as_deref().map(shell::word),
        "REGISTRY" if !registry.is_empty() => Some(registry.clone()),
        _ => None,
    };
    let mut out = String::with_capacity(fix.len());
    let mut rest = fix;
    while let Some(begin) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        let end = rest[begin..].find(|c: char| !c.is_ascii_alphanumeric()).map_or(rest.len(), |length| begin + length);
        let word = &rest[begin..end];
        out.push_str(&rest[..begin]);
        out.push_str(&name(word).unwrap_or_else(|| word.to_owned()));
        rest = &rest[end..];
    }
    out + rest
}

/// Whether these words can come from a cause. `None`: they tell nothing.
pub fn can_come_from(message: &str, cause: Cause) -> Option<bool> {
    let readings = explain::read(message).readings;
    let told: Vec<&Reading> = readings.iter().filter(|reading| !reading.causes().is_empty()).collect();
    (!told.is_empty()).then(|| told.iter().any(|reading| reading.causes().contains(&cause)))
}
