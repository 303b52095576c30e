//! What `why` and `fleet` ask a cluster for: nodes and their agents, pods and their owners, their logins, and events.

pub mod agents;
pub mod events;
pub mod logins;
pub mod nodes;
pub mod pods;
pub mod survey;
pub mod waiting;
