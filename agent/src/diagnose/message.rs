//! The text that `kubectl describe pod` would show for a failed pull, by version.
//!
//! The words of the innermost error come with the failure; here are only those that containerd's
//! CRI and kubelet put around them.

use crate::image::reference::Reference;
use crate::model::outcome::Failure;
use crate::pull::Phase;
use crate::redact::clean::Clean;
use crate::version::{PullMode, Version};

/// What stands around an error.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub image: &'a Reference,
    pub version: Version,
    pub mode: PullMode,
    pub snapshotter: &'a str,
}

impl<'a> Frame<'a> {
    pub const fn of(evidence: &super::Evidence<'a>) -> Self {
        Self {
            image: evidence.image,
            version: evidence.version,
            mode: evidence.mode,
            snapshotter: evidence.snapshotter,
        }
    }
}

/// containerd's CRI error for one pull.
pub fn of(frame: &Frame<'_>, phase: Phase, failure: &Failure) -> String {
    let Frame { image, version, mode, snapshotter } = frame;
    let inner = if failure.go_message.is_empty() { &failure.detail } else { &failure.go_message };
    let inner = if version.go().words_verification() {
        inner.to_string()
    } else {
        inner.replace("tls: failed to verify certificate: ", "")
    };
    let pull = format!("failed to pull and unpack image \"{image}\": ");
    match (phase, *mode) {
        (Phase::Resolve, PullMode::Local) => format!("{pull}failed to resolve reference \"{image}\": {inner}"),
        (Phase::Resolve, PullMode::Transfer) => format!("{pull}failed to resolve image: {inner}"),
        (Phase::Open, _) => format!("{pull}failed to copy: httpReadSeeker: failed open: {inner}"),
        (Phase::Copy | Phase::Commit, _) => format!("{pull}{inner}"),
        (Phase::Unpack, _) => format!("{pull}failed to unpack image on snapshotter {snapshotter}: {inner}"),
        (Phase::Store, _) => inner,
        (Phase::Config, _) => format!("get image config descriptor: {inner}"),
    }
}

/// What kubelet is told of every pull where no CRI is served. `socket`: where containerd would listen, had it
/// started; `None`: it runs without its CRI plugin.
pub fn unserved(socket: Option<&str>) -> String {
    match socket {
        None => "unknown service runtime.v1.ImageService".to_owned(),
        Some(socket) => format!(
            "connection error: desc = \"transport: Error while dialing: dial unix {socket}: connect: no such file or directory\""
        ),
    }
}

/// Several candidates were tried: kubelet shows each different error once.
pub fn joined(messages: &[Clean]) -> Option<Clean> {
    let mut distinct: Vec<&Clean> = Vec::new();
    for message in messages {
        if !distinct.contains(&message) {
            distinct.push(message);
        }
    }
    match distinct.as_slice() {
        [] => None,
        [one] => Some((*one).clone()),
        many => Some(Clean::lines(&format!("[{}]", many.iter().map(|m| m.as_str()).collect::<Vec<_>>().join(", ")))),
    }
}
