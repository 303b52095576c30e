//! What the running containerd says of itself, and which version counts.

use std::collections::BTreeSet;

use crate::cri;
use crate::host::root::HostRoot;
use crate::model::finding::Finding;
use crate::reading::options::Options;
use crate::version::{Version, VersionSource};

/// What containerd says of itself.
#[derive(Default)]
pub struct RuntimeInfo {
    pub version: Option<Version>,
    pub source: Option<VersionSource>,
    /// It has a socket and did not answer on it.
    pub silent: Option<Finding>,
    /// `None`: there is no socket, or it was not asked.
    pub answers: Option<bool>,
    pub images: BTreeSet<String>,
    pub unlisted: Option<Finding>,
}

impl RuntimeInfo {
    pub async fn ask(root: &HostRoot, options: &Options, socket: &str) -> Self {
        let (version, source, silent) = daemon_version(root, options, socket).await;
        let (images, unlisted) = images_of_node(root, options, socket).await;
        let was_asked = options.containerd_version.is_none() && cri::has_socket(root, socket);
        let answers = was_asked.then_some(silent.is_none());
        Self { version, source, silent, answers, images, unlisted }
    }

    /// As [`ask`](Self::ask), for an agent: whether containerd answers is asked of it also where its version is written down.
    pub async fn ask_again(root: &HostRoot, options: &Options, socket: &str) -> Self {
        let told = Self::ask(root, options, socket).await;
        if told.answers.is_some() || !cri::has_socket(root, socket) {
            return told;
        }
        let answers = Some(cri::version(root, Some(socket)).await.is_ok());
        Self { answers, ..told }
    }
}

/// The containerd version whose rules apply: from the command line, else from the running daemon. `None`: derived from
/// the files.
async fn daemon_version(
    root: &HostRoot,
    options: &Options,
    socket: &str,
) -> (Option<Version>, Option<VersionSource>, Option<Finding>) {
    if let Some(version) = options.containerd_version {
        return (Some(version), Some(VersionSource::Flag), None);
    }
    match cri::version(root, Some(socket)).await {
        Ok(Some(version)) => {
            let go = cri::golang(root, Some(socket)).await;
            (Some(version.told_by_daemon(go)), Some(VersionSource::Cri), None)
        }
        Ok(None) => (None, None, None),
        Err(finding) => (None, None, Some(finding)),
    }
}

/// What containerd has and runs, where the settings ask for it.
async fn images_of_node(root: &HostRoot, options: &Options, socket: &str) -> (BTreeSet<String>, Option<Finding>) {
    let discover = &options.settings.targets.discover;
    let listed = cri::images(root, Some(socket), discover.node_images).await;
    listed.map_or_else(|why| (BTreeSet::new(), Some(why)), |found| (found, None))
}
