//! `pullprobe fleet [IMAGE | REGISTRY…]`: the answer of every node, and what the nodes that cannot pull have in common.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use futures::StreamExt as _;

use super::{ExitStatus, complain, print};
use crate::access::{Access, Cluster};
use crate::cli::{FleetArgs, FleetFormat};
use crate::fleet::{Fleet, FleetNode, NodeAnswer};
use crate::image::target::Target;
use crate::lookup::agents::{AgentPod, Agents};
use crate::lookup::logins::Reader;
use crate::lookup::nodes::{self, Node};
use crate::redact::clean::Clean;
use crate::render::json::{self, summary::Summary};
use crate::render::text::{self, Style};

/// For one request to the API server.
const PATIENCE: Duration = Duration::from_secs(20);
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
        () if fleet.nodes == 0 || !fleet.all_known() => ExitStatus::Unknown,
        () => ExitStatus::Well,
    }
}

async fn answer(args: &FleetArgs) -> Result<Fleet, String> {
    let wanted = wanted(&args.targets)?;
    let cluster = Cluster::of(&Access {
        kubeconfig: args.cluster.kubeconfig.clone(),
        context: args.cluster.context.clone(),
        user: args.cluster.impersonate.clone(),
        groups: args.cluster.impersonate_groups.clone(),
        patience: PATIENCE,
    })
    .await?;
    let mut chosen = nodes::list(&cluster, args.selector.as_deref()).await?;
    if let Some(count) = args.sample {
        chosen = nodes::sample(chosen, usize::try_from(count).unwrap_or(usize::MAX));
    }
    let agents = Agents::new(&cluster, args.cluster.agent_namespace.clone(), args.cluster.timeout);
    let pods = agents.all().await?;
    let secrets = match &args.service_account {
        Some(account) if !wanted.images.is_empty() => {
            let namespace = args.namespace.clone().unwrap_or_else(|| cluster.namespace.clone());
            Reader::new(&cluster).of_account(&namespace.into(), &account.as_str().into()).await?
        }
        _ => br#"{"kind":"List","items":[]}"#.to_vec().into(),
    };
    let asking = Asking { agents: &agents, pods: &pods, wanted: &wanted, secrets: &secrets };
    let progress = Progress { total: chosen.len(), shown: std::io::stderr().is_terminal() };
    let at_a_time = if wanted.images.is_empty() { AT_A_TIME } else { CHECKS_AT_A_TIME };
    let mut answers = futures::stream::iter(chosen).map(|node| asking.of(node)).buffer_unordered(at_a_time);
    let mut told = Vec::new();
    while let Some(node) = answers.next().await {
        told.push(node);
        progress.show(told.len());
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

struct Asking<'a> {
    agents: &'a Agents<'a>,
    pods: &'a BTreeMap<Clean, AgentPod>,
    wanted: &'a Wanted,
    /// The document for `--pull-secrets -`.
    secrets: &'a [u8],
}

impl Asking<'_> {
    async fn of(&self, node: Node) -> FleetNode {
        let mut traits = node.traits();
        let answers = match self.pods.get(&node.name) {
            None => Err("no agent of pullprobe runs there".to_owned()),
            Some(pod) => match self.agents.summary(pod).await {
                Err(reason) => Err(reason),
                Ok(summary) => {
                    traits.extend(facts(&summary));
                    let mut answers = answers(&summary);
                    let checked = self.check(pod, &mut answers).await;
                    checked.map(|()| answers)
                }
            },
        };
        FleetNode { name: node.name.into(), traits, answers }
    }

    /// Each image is checked on the node itself. Where that is not possible and the agent watches the image, its answer counts.
    async fn check(&self, pod: &AgentPod, answers: &mut BTreeMap<String, NodeAnswer>) -> Result<(), String> {
        for image in &self.wanted.images {
            match self.agents.check(pod, image, self.secrets).await {
                Ok(checked) => {
                    let answer = NodeAnswer {
                        pullable: checked.pullable,
                        degraded: false,
                        cause: checked.cause.map(Clean::into_string),
                        owner: checked.owner.map(Clean::into_string),
                    };
                    answers.insert(image.clone(), answer);
                }
                Err(_) if answers.contains_key(image) => {}
                Err(reason) => return Err(reason.into()),
            }
        }
        Ok(())
    }
}

/// What the agent knows of the node that may tell it from others.
fn facts(summary: &Summary) -> BTreeMap<String, String> {
    let facts = [
        ("configuration", summary.config_hash.clone().unwrap_or_default()),
        ("containerd", summary.containerd.clone()),
        ("name servers", summary.nameservers.join(", ")),
        ("proxies", summary.proxies.join(", ")),
        ("platform", summary.platform.clone()),
    ];
    facts.map(|(name, value)| (name.to_owned(), Clean::line(&value).into_string())).into()
}

fn answers(summary: &Summary) -> BTreeMap<String, NodeAnswer> {
    let clean = |text: &Option<String>| text.as_ref().map(|text| Clean::line(text).into_string());
    let registries = summary.registries.iter().map(|one| {
        let answer = NodeAnswer {
            pullable: one.pullable,
            degraded: one.degraded == Some(true),
            cause: clean(&one.cause),
            owner: clean(&one.owner),
        };
        (Clean::line(&one.registry).into_string(), answer)
    });
    let images = summary.images.iter().map(|one| {
        let answer =
            NodeAnswer { pullable: one.pullable, degraded: false, cause: clean(&one.cause), owner: clean(&one.owner) };
        (Clean::line(&one.image).into_string(), answer)
    });
    registries.chain(images).collect()
}

/// How many nodes have answered, on a terminal.
struct Progress {
    total: usize,
    shown: bool,
}

impl Progress {
    fn show(&self, done: usize) {
        if self.shown {
            let _ = write!(std::io::stderr().lock(), "\rasked {done} of {} nodes…", self.total);
        }
    }

    fn clear(&self) {
        if self.shown {
            let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K");
        }
    }
}
