//! Who has a history, and how far back it goes.

use jiff::SignedDuration;

use crate::model::host::EndpointKey;

/// How far back it goes.
pub const WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// Who has a history.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// As the user wrote it.
    Image(String),
    Host {
        namespace: String,
        /// `https://mirror.example:5000`.
        endpoint: String,
    },
}

impl Subject {
    pub fn host((namespace, endpoint): &EndpointKey) -> Self {
        Self::Host { namespace: namespace.clone(), endpoint: endpoint.to_string() }
    }

    /// The registry that a host belongs to.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Image(_) => None,
            Self::Host { namespace, .. } => Some(namespace),
        }
    }
}
