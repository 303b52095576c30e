//! Gives up, before anything else is done, what a verb does not need of the node's root.

use std::path::{Path, PathBuf};

use crate::agent::pull_budget;
use crate::cli::NodeArgs;
use crate::cluster;
use crate::confine::{self, OwnFiles, plugin::Places};
use crate::file::aside;
use crate::host::root::HostRoot;
use crate::host::sight::{self, Confinement};
use crate::reading::options::{Options, Problems};
use crate::reading::{self, NodeNeeds};
use crate::web_config::in_force;

/// Called while there is one thread. Where the root is the process's own, somebody works on the node itself and nothing
/// is given up. `also`: files that the command line names.
pub fn enter(node: &NodeArgs, also: Option<&Path>) -> Result<(), Problems> {
    // What is wrong with the request is told by the verb, which then reads nothing.
    let Ok(options) = Options::of(node) else { return Ok(()) };
    let Ok(root) = HostRoot::open(&options.host_root) else { return Ok(()) };
    if is_own(&options.host_root) {
        return Ok(());
    }
    let NodeNeeds { files, kubelet_root, plugins, plugin_paths } = reading::needs(&options).map_err(|why| vec![why])?;
    let rules = confine::rules(&root, &kubelet_root, &files);
    let places =
        plugins.as_ref().map(|directory| Places::of(&root, std::slice::from_ref(directory), &plugin_paths, true));
    let own = own_files(node, &options, also, plugins.is_some());
    match confine::enforce(&root, &rules, &own, places.as_ref()) {
        Ok(()) => sight::settle(Confinement::Limited(rules)),
        Err(why) if !root.is_mounted() => {
            tracing::info!("{why}: pullprobe sees the directories that are mounted for it");
        }
        Err(why) if options.settings.node.allow_unconfined => {
            tracing::warn!("{why}: pullprobe can read every file of the node");
            sight::settle(Confinement::Open(why));
        }
        Err(why) => return Err(vec![refusal(&why)]),
    }
    Ok(())
}

fn refusal(why: &str) -> String {
    format!(
        "{why}: pullprobe does not start with the node's whole root, because it could read every file there, and write to what is \
         mounted below it. Install the chart \
         with `host.mode: narrow`, or with `host.allowUnconfined: true` (setting `node.allow_unconfined`)"
    )
}

/// Whether the disk that it is on says anything. One that hangs must not keep the agent from starting: it then has no right to its record
/// and makes no counted pull. The thread looks once and ends; what hangs in the kernel opens nothing.
fn answers(directory: &Path) -> bool {
    let looked_at = directory.to_owned();
    let answered = aside::seen_in_time(move || std::fs::metadata(looked_at).is_ok()).is_some();
    if !answered {
        tracing::warn!(directory = %directory.display(), "the disk of the record of counted pulls hangs: pullprobe makes none");
    }
    answered
}

fn is_own(root: &Path) -> bool {
    root.canonicalize().is_ok_and(|root| root == Path::new("/"))
}

fn own_files(node: &NodeArgs, options: &Options, also: Option<&Path>, runs_plugins: bool) -> OwnFiles {
    let of_settings = options.settings.metrics.bucket_key_file.as_deref();
    let named = [node.config.as_deref(), also, options.pull_secrets_dir.as_deref(), of_settings];
    let web = options.settings.web.config_file.as_deref().map(in_force::directories).unwrap_or_default();
    let token = PathBuf::from(cluster::Access::DIRECTORY);
    let state = pull_budget::file_of(options.settings.probe.counted_pulls_file.clone());
    let state = state.as_deref().and_then(Path::parent).filter(|directory| answers(directory));
    OwnFiles {
        read: named.into_iter().flatten().map(Path::to_owned).chain([token]).chain(web).collect(),
        write: state.map(Path::to_owned).into_iter().collect(),
        starts_itself: runs_plugins,
    }
}
