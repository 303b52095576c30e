//! Who waits for the answer about a target.

/// Who waits for the answer about a target: it decides when a probe comes that is not at its usual time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// A pod is stuck without it: it is probed at once.
    Awaited,
    Usual,
    /// Nobody: each is probed at a time of its own, and never with a counted pull.
    Background,
}
