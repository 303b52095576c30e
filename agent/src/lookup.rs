//! What `why` and `fleet` ask a cluster for: nodes and their agents, pods and their owners, their logins, and events.

pub mod agents;
pub mod events;
pub mod logins;
pub mod nodes;
pub mod pods;
pub mod survey;
pub mod waiting;

/// Nothing is told of a list that is cut: what is beyond may be what matters.
const TOO_LONG: &str = "the API server sends more objects in one page than it is asked for";
