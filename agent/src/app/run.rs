//! `pullprobe run`: the agent, and the words for what keeps it from starting.

use super::{ExitStatus, complain, refuse};
use crate::agent::{self, NotStarted};
use crate::cli::NodeArgs;
use crate::reading;

pub mod dry_run;
pub mod forecast;

pub async fn run(node: &NodeArgs) -> ExitStatus {
    let ended = match reading::prepare_unasked(node) {
        Ok((node, options)) => {
            let name = options.node_name.clone();
            agent::run(node, options, |addresses| {
                for address in addresses {
                    tracing::info!(version = env!("CARGO_PKG_VERSION"), node = name, "listening on {address}");
                }
            })
            .await
        }
        Err(problems) => Err(NotStarted::Refused(problems)),
    };
    match ended {
        Ok(()) => ExitStatus::Well,
        Err(NotStarted::Refused(problems)) => refuse(&problems),
        Err(NotStarted::Failed(problem)) => {
            complain(&problem);
            ExitStatus::Bad
        }
    }
}
