//! What `why` asks a cluster for: pods and their owners, what they bring as logins, events, and the agents of nodes.

pub mod agents;
pub mod events;
pub mod logins;
pub mod pods;
