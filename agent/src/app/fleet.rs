//! `pullprobe fleet [IMAGE | REGISTRY…]`: the answer of every node, and what the nodes that cannot pull have in common.

use futures::StreamExt as _;

use super::answers::Progress;
use super::{ExitStatus, complain, print};
use crate::cli::{FleetArgs, FleetFormat};
use crate::fleet::Fleet;
use crate::image::target::Target;
use crate::lookup::agents::Agents;
use crate::lookup::logins::Reader;
use crate::lookup::nodes;
use crate::lookup::survey::Survey;
use crate::render::json;
use crate::render::text::{self, Style};

/// So many agents are asked at a time: the API server passes each question on.
const AT_A_TIME: usize = 32;
/// A check on a node is a process in the agent's pod: the API server and kubelet carry its streams.
const CHECKS_AT_A_TIME: usize = 16;

/// What is asked about.
struct Wanted {
    images: Vec<String>,
    /// As the answer names them. Empty: whatever the agents watch.
    targets: Vec<String>,
}

pub async fn run(args: &FleetArgs) -> ExitStatus {
    match answer(args).await {
        Ok(fleet) => {
            let told = match args.format {
                FleetFormat::Json => json::text(&json::fleet::Fleet::from(&fleet)),
                FleetFormat::Table => text::fleet::fleet(&fleet, false, style(args)),
                FleetFormat::Wide => text::fleet::fleet(&fleet, true, style(args)),
            };
            print(&told, ending(&fleet))
        }
        Err(problem) => {
            complain(&problem);
            ExitStatus::Refused
        }
    }
}

fn style(args: &FleetArgs) -> Style {
    let color = super::is_colored(args.color) && !matches!(args.format, FleetFormat::Json);
    Style { color }
}

/// One node that cannot decides.
fn ending(fleet: &Fleet) -> ExitStatus {
    match () {
        () if fleet.any_cannot() => ExitStatus::Bad,
        () if fleet.nodes == 0 || fleet.rows.is_empty() || !fleet.all_known() => ExitStatus::Unknown,
        () => ExitStatus::Well,
    }
}

async fn answer(args: &FleetArgs) -> Result<Fleet, String> {
    let wanted = wanted(&args.targets)?;
    if args.service_account.is_some() && wanted.images.is_empty() {
        return Err("--service-account is for the check of an image: name one".into());
    }
    let cluster = super::cluster(&args.cluster).await?;
    let mut chosen = nodes::list(&cluster, args.selector.as_deref()).await?;
    if chosen.is_empty() {
        complain(&match &args.selector {
            Some(selector) => format!("no node was asked: no node has the labels `{selector}`"),
            None => "no node was asked: the cluster has none".to_owned(),
        });
    }
    if let Some(count) = args.sample {
        chosen = nodes::sample(chosen, usize::try_from(count).unwrap_or(usize::MAX));
    }
    let agents = Agents::new(&cluster, args.cluster.agent_namespace.clone(), args.cluster.timeout);
    let pods = agents.all().await?;
    let secrets = match &args.service_account {
        Some(account) => {
            let namespace = args.namespace.clone().unwrap_or_else(|| cluster.namespace.clone());
            Some(Reader::new(&cluster).of_account(&namespace.into(), &account.as_str().into()).await?)
        }
        None => None,
    };
    let survey = Survey {
        agents: &agents,
        pods: &pods,
        images: &wanted.images,
        is_all_images: !wanted.images.is_empty() && wanted.images.len() == wanted.targets.len(),
        secrets: secrets.as_ref().map(|secrets| secrets.as_slice()),
    };
    let progress = Progress::of(chosen.len(), args.format != FleetFormat::Json);
    let at_a_time = if wanted.images.is_empty() { AT_A_TIME } else { CHECKS_AT_A_TIME };
    let mut answers = futures::stream::iter(chosen).map(|node| survey.of(node)).buffer_unordered(at_a_time);
    let mut told = Vec::new();
    while let Some(node) = answers.next().await {
        told.push(node);
        progress.done();
    }
    progress.clear();
    told.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Fleet::of(&told, &wanted.targets))
}

/// Images are written as containerd writes them.
fn wanted(texts: &[String]) -> Result<Wanted, String> {
    let mut wanted = Wanted { images: Vec::new(), targets: Vec::new() };
    for text in texts {
        let target = Target::parse(text).map_err(|error| error.to_string())?;
        let name = target.to_string();
        if matches!(target, Target::Image(_)) {
            wanted.images.push(name.clone());
        }
        wanted.targets.push(name);
    }
    Ok(wanted)
}
