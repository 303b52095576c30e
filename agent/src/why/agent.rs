//! What the node's agent answered: its own JSON, read leniently, for it may be older or newer than who asks.

use serde::Deserialize;

use super::document::Asked;
use crate::cause::Cause;
use crate::pods::TextList;
use crate::redact::clean::Clean;

/// What is known from the node.
#[derive(Clone, Debug)]
pub enum AgentAnswer {
    /// It checked the image now, with the pod's secrets.
    Checked { agent: Clean, image: Box<CheckedImage> },
    /// Its last report, which knows no pod's secrets; and why it was not asked.
    Reported { agent: Clean, image: Box<CheckedImage>, because: Clean },
    /// Nothing, and why.
    Nobody { agent: Option<Clean>, because: Clean },
}

impl AgentAnswer {
    pub fn image(&self) -> Option<&CheckedImage> {
        match self {
            Self::Checked { image, .. } | Self::Reported { image, .. } => Some(image),
            Self::Nobody { .. } => None,
        }
    }

    pub(super) fn asked(&self) -> Asked {
        let (way, agent, because) = match self {
            Self::Checked { agent, .. } => ("exec", Some(agent), None),
            Self::Reported { agent, because, .. } => ("summary", Some(agent), Some(because)),
            Self::Nobody { agent, because } => ("nobody", agent.as_ref(), Some(because)),
        };
        Asked {
            way: way.to_owned(),
            agent: agent.map(ToString::to_string),
            because: because.map(ToString::to_string).unwrap_or_default(),
        }
    }
}

/// An image of the agent's report. A field that it does not have is as if it were null.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CheckedImage {
    pub image: Option<Clean>,
    pub pullable: Option<bool>,
    pub runnable: Option<bool>,
    pub cause: Option<Clean>,
    pub also_possible: TextList<Clean>,
    pub owner: Option<Clean>,
    pub summary: Clean,
    pub fix: Clean,
    pub kubelet_message: Option<Clean>,
    pub unknown_because: Option<Clean>,
    pub credential: Option<Credential>,
    pub attempts: TextList<Attempt>,
    /// Of what the agent probes by itself: a check has no memory.
    pub failing_since: Option<Clean>,
    pub failures_24h: Option<usize>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Credential {
    pub source: Clean,
    pub key: Clean,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Attempt {
    pub operation: Clean,
    pub endpoint: Clean,
    pub ok: bool,
    pub cause: Option<Clean>,
    pub http_status: Option<u16>,
    pub detail: Clean,
}

impl CheckedImage {
    /// Whether a pod with it would start: pulled, and made for the node's platform.
    pub fn starts(&self) -> Option<bool> {
        if self.runnable == Some(false) { Some(false) } else { self.pullable }
    }

    /// With the words of its cause, where it came without words.
    pub(super) fn worded(mut self) -> Self {
        let Some(cause) = self.cause.as_deref().and_then(|name| name.parse::<Cause>().ok()) else { return self };
        if self.summary.is_empty() {
            self.summary = cause.summary().into();
        }
        if self.fix.is_empty() {
            self.fix = cause.fix().into();
        }
        self
    }
}
