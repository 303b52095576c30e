//! The settings and the node, read for a verb.

use std::path::PathBuf;

use jiff::Timestamp;

use super::options::{Options, Problems};
use super::{HostFiles, Node, RuntimeInfo};
use crate::cli::NodeArgs;
use crate::host::root::ReadError;

/// The settings and the node as read, or every problem with the request.
pub async fn prepare(node: &NodeArgs) -> Result<(Node, Options), Problems> {
    prepare_with(node, |options| options).await
}

/// Likewise for `lint`, to which a path that leads nowhere is a finding.
pub async fn prepare_to_lint(args: &NodeArgs) -> Result<Node, Problems> {
    Node::load(&Options::of(args)?).await.map_err(|problem| vec![problem])
}

/// Likewise, with options that the command line does not have.
pub async fn prepare_with(args: &NodeArgs, with: impl FnOnce(Options) -> Options) -> Result<(Node, Options), Problems> {
    let options = with(Options::of(args)?);
    let node = Node::load(&options).await.map_err(|problem| vec![problem])?;
    let missing = mistyped(args, &options, &node);
    if missing.is_empty() { Ok((node, options)) } else { Err(missing) }
}

/// What was typed and is not there. containerd would go on without such a directory, and a verdict without the mirrors that
/// somebody tries would be taken for one with them. Of several directories one is enough: containerd's own default has two. What
/// the environment says is for all nodes and all verbs, and nobody typed it.
fn mistyped(args: &NodeArgs, options: &Options, node: &Node) -> Problems {
    let is_typed = |variable: &str| std::env::var_os(variable).is_none();
    let config = args.containerd_config.as_ref().and(options.containerd_config.as_ref());
    let certs_d = args.certs_d.as_ref().and(options.certs_d.as_ref());
    let missing = |name: &str, path: &PathBuf| {
        let problem = node.root.stat(path).err().filter(ReadError::is_not_found)?;
        Some(format!("{name}: {}: {problem}", path.display()))
    };
    let config = config.filter(|_| is_typed("PULLPROBE_CONTAINERD_CONFIG"));
    let certs_d = certs_d.filter(|_| is_typed("PULLPROBE_CERTS_D"));
    let of_directories: Option<Problems> =
        certs_d.and_then(|all| all.iter().map(|path| missing("--certs-d", path)).collect());
    config
        .and_then(|path| missing("--containerd-config", path))
        .into_iter()
        .chain(of_directories.unwrap_or_default())
        .collect()
}

/// Likewise for an agent, which serves before it waits for anybody: containerd is asked with its first look.
pub fn prepare_unasked(node: &NodeArgs) -> Result<(Node, Options), Problems> {
    let (options, at) = (Options::of(node)?, Timestamp::now());
    let ground = HostFiles::of(&options).map_err(|problem| vec![problem])?;
    let node = Node::read(&options, ground, RuntimeInfo::unasked(&options), None).seen_unasked(at);
    Ok((node, options))
}
