//! The parts of an answer whose difference is a change: what the log and the history of a target go by.

use std::sync::Arc;

use crate::cause::Cause;
use crate::model::report::{EndpointReport, ImageReport};
use crate::model::stage::Stage;
use crate::redact::clean::Clean;

/// A host is `host:port`, of at most 253 characters and five digits; a longer one is no name.
const HOST_LIMIT: usize = 260;

/// The text of a failure may differ from probe to probe, so it is no part of this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// A host that is reachable, or an image that starts once it is pulled. `None`: unknown.
    pub ok: Option<bool>,
    /// An image that can be pulled, and does not start here.
    pub is_only_pulled: bool,
    pub stage: Option<Stage>,
    /// `host:port` of the party that failed. Shared between the entries of a target.
    pub host: Option<Arc<Clean>>,
    pub cause: Option<Cause>,
}

impl State {
    pub const fn is_failing(&self) -> bool {
        matches!(self.ok, Some(false))
    }

    /// A host as it is kept here.
    pub fn shared(host: &Clean) -> Arc<Clean> {
        Arc::new(if host.len() > HOST_LIMIT { Clean::clipped(host, HOST_LIMIT) } else { host.clone() })
    }
}

impl From<&EndpointReport> for State {
    fn from(report: &EndpointReport) -> Self {
        let failure = report.failure();
        Self {
            ok: report.up(),
            is_only_pulled: false,
            stage: failure.map(|failure| failure.stage),
            host: failure.and_then(|failure| failure.host.as_ref()).map(Self::shared),
            cause: failure.map(|failure| failure.cause),
        }
    }
}

impl From<&ImageReport> for State {
    fn from(report: &ImageReport) -> Self {
        let verdict = &report.verdict;
        Self {
            ok: verdict.starts(),
            is_only_pulled: verdict.is_only_pulled(),
            stage: verdict.stage,
            host: verdict.host.as_ref().map(Self::shared),
            cause: verdict.cause,
        }
    }
}
