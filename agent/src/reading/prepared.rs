//! The settings and the node, read for a verb.

use super::options::{Options, Problems};
use super::{HostFiles, Node, RuntimeInfo};
use crate::cli::NodeArgs;

/// The settings and the node as read, or every problem with the request.
pub async fn prepare(node: &NodeArgs) -> Result<(Node, Options), Problems> {
    let options = Options::of(node)?;
    let node = Node::load(&options).await.map_err(|problem| vec![problem])?;
    Ok((node, options))
}

/// Likewise for an agent, which serves before it waits for anybody: containerd is asked with its first look.
pub fn prepare_unasked(node: &NodeArgs) -> Result<(Node, Options), Problems> {
    let options = Options::of(node)?;
    let ground = HostFiles::of(&options).map_err(|problem| vec![problem])?;
    let node = Node::read(&options, ground, RuntimeInfo::unasked(&options), None);
    Ok((node, options))
}
