//! What the status of a container says while it waits for its image.

use jiff::{SignedDuration, Timestamp};

use super::object::WaitingState;
use crate::cause::Cause;
use crate::explain::{self, Meaning};
use crate::redact::clean::Clean;

/// kubelet's reasons that are about an image.
const OF_IMAGES: [&str; 8] = [
    "ErrImagePull",
    BACK_OFF,
    NEVER,
    "InvalidImageName",
    "ImageInspectError",
    "ErrImageInspect",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];
const BACK_OFF: &str = "ImagePullBackOff";
const NEVER: &str = "ErrImageNeverPull";
/// What kubelet says between two tries: nothing more until 1.30, then the error of the last try.
const BACK_OFF_WORDS: &str = "Back-off pulling image \"";
/// kubelet's own waits: the first, and the longest.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(10);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_secs(300);
/// After so many the next wait is the longest.
const DOUBLINGS: u32 = 5;

/// A container without its image, and what kubelet says of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// kubelet's word, `ErrImagePull`. Of a malformed pull secret kubelets since 1.30 give the error itself.
    pub reason: Clean,
    /// The last error that kubelet tells of, without the words of its back-off. `None`: it tells of none now.
    pub message: Option<Clean>,
    /// `None`: it is not known.
    pub since: Option<Timestamp>,
    /// kubelet waits at present and tries again later.
    pub is_backing_off: bool,
    /// Tries that were seen to fail, by whoever looks at the pod again and again. `None`: one look tells of none.
    pub tries_seen: Option<u32>,
    /// When the last of them was seen.
    pub tried_at: Option<Timestamp>,
}

/// What kubelet itself does not let through, whatever the registry would say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KubeletLimit {
    /// `registryPullQPS` and `registryBurst`.
    PullQps,
    /// Between two tries.
    BackOff,
}

/// When kubelet tries again. The API does not say, so this is calculated from its known waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextTry {
    pub estimated_at: Timestamp,
    /// How many tries have failed, counted or calculated.
    pub tries: u32,
}

impl Waiting {
    /// `None`: it waits for something else than an image.
    pub(super) fn of(state: &WaitingState, since: Option<Timestamp>) -> Option<Self> {
        let reason = state.reason.clean();
        if !OF_IMAGES.contains(&reason.as_str()) && !is_message(&reason) {
            return None;
        }
        let said = if state.message.is_empty() && is_message(&reason) { reason.clone() } else { state.message.clean() };
        Some(Self {
            is_backing_off: reason == BACK_OFF,
            message: error_in(&said).map(|error| Clean::line(&explain::redacted(error))),
            reason,
            since,
            tries_seen: None,
            tried_at: None,
        })
    }

    /// A pull secret of the pod cannot be read, so kubelet does not pull at all. Its error stands in the message, and since
    /// 1.30 also where its word would.
    pub fn is_malformed_secret(&self) -> bool {
        is_message(&self.reason) || self.causes_of_message().first() == Some(&Cause::CredentialsMalformed)
    }

    /// What kubelet's message can come from, the likeliest first. Empty: it tells of no failure of a pull.
    pub fn causes_of_message(&self) -> &'static [Cause] {
        let readings = self.message.as_deref().map(explain::read).map(|explanation| explanation.readings);
        readings.iter().flatten().next().map_or(&[], explain::Reading::causes)
    }

    /// `imagePullPolicy: Never`, and the image is not on the node.
    pub fn is_never_pulled(&self) -> bool {
        self.reason == NEVER
    }

    pub fn limit(&self) -> Option<KubeletLimit> {
        let readings = self.message.as_deref().map(explain::read).map(|explanation| explanation.readings);
        let is_qps = readings.iter().flatten().any(|reading| reading.meaning == Meaning::OwnLimit);
        is_qps.then_some(KubeletLimit::PullQps).or(self.is_backing_off.then_some(KubeletLimit::BackOff))
    }

    /// What is known from an earlier look at the same container: its last error, since when it waits, and its tries.
    #[must_use]
    pub fn after(self, before: Option<&Self>, now: Timestamp) -> Self {
        let tries = before.and_then(|before| before.tries_seen).unwrap_or_default();
        // A state between two tries may be missed, but a status that repeats one try is one.
        let is_new_try = !self.is_backing_off && before.is_none_or(|before| before.is_backing_off);
        Self {
            message: self.message.or_else(|| before.and_then(|before| before.message.clone())),
            since: match (self.since, before.and_then(|before| before.since)) {
                (Some(now), Some(then)) => Some(now.max(then)),
                (now, then) => now.or(then),
            },
            tries_seen: Some(tries.saturating_add(u32::from(is_new_try))),
            tried_at: if is_new_try { Some(now) } else { before.and_then(|before| before.tried_at) },
            ..self
        }
    }

    /// kubelet waits 10 s after the first failed try, and then twice as long each time, up to 5 minutes. `None`: it does
    /// not pull at all, or it is not known since when it waits.
    pub fn next_try(&self, now: Timestamp) -> Option<NextTry> {
        if self.is_never_pulled() || self.reason == "InvalidImageName" {
            return None;
        }
        let since = self.since.or(self.tried_at)?;
        let (tries, next) = if let Some(tried_at) = self.tried_at {
            let tries = tries_within(tried_at.duration_since(since)).max(self.tries_seen.unwrap_or_default());
            (tries, tried_at.checked_add(wait_after(tries)).ok()?)
        } else {
            let tries = tries_within(now.duration_since(since));
            (tries, since.checked_add(time_of(tries.saturating_add(1))).ok()?)
        };
        Some(NextTry { estimated_at: next.max(now), tries })
    }
}

/// How long kubelet waits after so many failed tries.
fn wait_after(tries: u32) -> SignedDuration {
    (FIRST_WAIT * 2_i32.pow(tries.saturating_sub(1).min(DOUBLINGS))).min(LONGEST_WAIT)
}

/// When a try begins, counted from the first one, if tries took no time themselves.
fn time_of(nth: u32) -> SignedDuration {
    let doubled = nth.clamp(1, DOUBLINGS + 1) - 1;
    let longest = i32::try_from(nth.saturating_sub(DOUBLINGS + 1)).unwrap_or(i32::MAX);
    FIRST_WAIT * (2_i32.pow(doubled) - 1) + LONGEST_WAIT.saturating_mul(longest)
}

/// How many tries there were so long after the first.
fn tries_within(elapsed: SignedDuration) -> u32 {
    let past = elapsed - time_of(DOUBLINGS + 1);
    if past >= SignedDuration::ZERO {
        return u32::try_from(past.as_secs() / LONGEST_WAIT.as_secs())
            .unwrap_or(u32::MAX)
            .saturating_add(DOUBLINGS + 1);
    }
    (1..=DOUBLINGS).rev().find(|nth| time_of(*nth) <= elapsed).unwrap_or(1)
}

/// kubelet's words are one word each. What has several is the text of an error.
fn is_message(reason: &str) -> bool {
    reason.contains(' ')
}

/// The error in a message of kubelet, without what its back-off puts in front.
fn error_in(message: &str) -> Option<&str> {
    let error = match message.strip_prefix(BACK_OFF_WORDS) {
        // `"IMAGE": ErrImagePull: ERROR`
        Some(rest) => {
            let (_, rest) = rest.split_once("\": ")?;
            let of_kubelet = rest.split_once(": ").filter(|(word, _)| OF_IMAGES.contains(word));
            of_kubelet.map_or(rest, |(_, error)| error)
        }
        None => message,
    };
    (!error.is_empty()).then_some(error)
}
