//! The logins that were offered when a registry refused them. If the node has another login, it is tried at once.

use jiff::Timestamp;

use crate::image::target::Target;
use crate::model::credential::Credential;
use crate::model::report::ImageReport;
use crate::reading::Node;
use crate::state::back_off::Subject;

/// The logins from files. Those of plugins are known only as long as kubelet keeps them.
#[derive(Clone, PartialEq, Eq)]
pub struct OfferedCredentials {
    files: Vec<Credential>,
    /// Of containerd's own configuration, which may hold some.
    config_hash: String,
}

impl OfferedCredentials {
    pub fn of(node: &Node, subject: &Subject) -> Self {
        let image = match subject {
            Subject::Image { requested, .. } => Target::parse(requested).ok(),
            Subject::Host(_) | Subject::Images { .. } => None,
        };
        let files = match image {
            Some(Target::Image(image)) => node.credentials.candidates(&image),
            _ => Vec::new(),
        };
        // In another line it is the same login.
        let files = files.into_iter().map(|one| Credential { origin: None, ..one }).collect();
        Self { files, config_hash: node.containerd.content_hash.clone() }
    }
}

/// A set of logins that the registry refused.
pub struct Refused {
    pub offered: OfferedCredentials,
    /// When kubelet asks a plugin for another one. `None`: none gave one that is kept.
    pub renews: Option<Timestamp>,
}

impl Refused {
    pub fn is_over(&self, offered: &OfferedCredentials, now: Timestamp) -> bool {
        self.offered != *offered || self.renews.is_some_and(|renews| renews <= now)
    }
}

/// Of the logins that were tried for an image. One that is not kept is another at every pull, which says nothing.
pub fn renews(report: &ImageReport, now: Timestamp) -> Option<Timestamp> {
    let tried = report.candidates.iter().filter(|candidate| candidate.pull.is_some());
    tried.filter_map(|candidate| candidate.credential.renews).filter(|renews| *renews > now).min()
}
