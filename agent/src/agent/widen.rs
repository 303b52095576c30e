//! Ends the agent where the node has come to need a file that it gave up at its start: kubelet starts it anew, and it then
//! keeps the right to that file.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Agent, REREAD};
use crate::confine::widen;
use crate::host::sight;

pub async fn when_needed(agent: Arc<Agent>, stop: CancellationToken) {
    let first = || {
        let root = agent.current().node.root.clone();
        root.given_up().into_iter().find(|file| sight::is_gained_anew(root.dir(), file))
    };
    let file = widen::needed(first, REREAD).await;
    tracing::warn!(file = %file.display(), "ends to start anew: it limited itself to other files at its start");
    stop.cancel();
}
