//! What the running containerd says of itself, and which version counts.

use std::collections::BTreeSet;

use crate::cri::{self, NoAnswer};
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
    /// It has a socket, and this process may not connect to it.
    pub closed: Option<Finding>,
    /// `None`: there is no socket, or it was not asked.
    pub answers: Option<bool>,
    pub images: BTreeSet<String>,
    pub unlisted: Option<Finding>,
}

impl RuntimeInfo {
    /// What the settings say of it.
    pub fn unasked(options: &Options) -> Self {
        let version = options.containerd_version;
        Self { version, source: version.map(|_| VersionSource::Flag), ..Self::default() }
    }

    pub async fn ask(root: &HostRoot, options: &Options, socket: &str) -> Self {
        let (images, unlisted) = images_of_node(root, options, socket).await;
        let known = Self { images, unlisted, ..Self::default() };
        if let Some(version) = options.containerd_version {
            return Self { version: Some(version), source: Some(VersionSource::Flag), ..known };
        }
        match cri::version(root, Some(socket)).await {
            Ok(Some(version)) => {
                let version = version.told_by_daemon(cri::golang(root, Some(socket)).await);
                Self { version: Some(version), source: Some(VersionSource::Cri), answers: Some(true), ..known }
            }
            Ok(None) => Self { answers: cri::has_socket(root, socket).then_some(true), ..known },
            Err(NoAnswer::Silent(finding)) => Self { silent: Some(finding), answers: Some(false), ..known },
            Err(NoAnswer::Closed(finding)) => Self { closed: Some(finding), ..known },
        }
    }

    /// As [`ask`](Self::ask), for an agent: whether containerd answers is asked of it also where its version is written down.
    pub async fn ask_again(root: &HostRoot, options: &Options, socket: &str) -> Self {
        let known = Self::ask(root, options, socket).await;
        if known.answers.is_some() || !cri::has_socket(root, socket) {
            return known;
        }
        match cri::version(root, Some(socket)).await {
            Ok(_) => Self { answers: Some(true), ..known },
            Err(NoAnswer::Silent(_)) => Self { answers: Some(false), ..known },
            Err(NoAnswer::Closed(finding)) => Self { closed: Some(finding), ..known },
        }
    }
}

/// What containerd has and runs, where the settings ask for it.
async fn images_of_node(root: &HostRoot, options: &Options, socket: &str) -> (BTreeSet<String>, Option<Finding>) {
    let discover = &options.settings.targets.discover;
    let listed = cri::images(root, Some(socket), discover.node_images).await;
    listed.map_or_else(|why| (BTreeSet::new(), Some(why)), |found| (found, None))
}
