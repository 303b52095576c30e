//! What the node tells Kubernetes: a condition from many looks, and events with a bounded rate. Pure.

mod condition;
mod damping;
mod delivery;
mod event;
mod recorder;

pub use condition::{Condition, Reporting};
pub use damping::{Damping, Rule, Seen, Status};
pub use delivery::{Channel, Delivery, Missing};
pub use event::{Event, MESSAGE_LIMIT, Object, Severity};
pub use recorder::{Outgoing, Recorder, Result as EventResult};

/// The type of the condition.
pub const CONDITION: &str = "RegistryReachable";

/// What is to be told, and how far that has come. `None`: that kind is not wanted.
#[derive(Debug, Default)]
pub struct Signals {
    pub condition: Option<Reporting>,
    pub events: Option<Recorder>,
    pub delivery: Delivery,
}
