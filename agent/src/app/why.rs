//! `pullprobe why [POD | KIND/NAME]`: from a stuck pod to its cause, with the rights of who asks.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::answers::Progress;
use super::{ExitStatus, complain, print, style};
use crate::access::Cluster;
use crate::cli::{Format, OutputArgs, WhyArgs};
use crate::lookup::agents::Agents;
use crate::lookup::events;
use crate::lookup::logins::Reader;
use crate::lookup::pods::{self, Scope, Target};
use crate::lookup::waiting::{Found, Stuck};
use crate::redact::clean::Clean;
use crate::render::json;
use crate::why::{self, AgentAnswer, Answer, Document, Waiting};

pub async fn run(args: &WhyArgs, output: &OutputArgs) -> ExitStatus {
    match answer(args, output).await {
        Ok((document, is_unknown)) => {
            let told = match output.format {
                Format::Json => json::text(&document),
                Format::Text => why::text(&document, Timestamp::now(), style(output).color),
            };
            print(&told, ending(&document, is_unknown))
        }
        Err(problem) => {
            complain(&problem);
            ExitStatus::Refused
        }
    }
}

/// The worst container decides.
fn ending(document: &Document, is_unknown: bool) -> ExitStatus {
    let any = |pullable: Option<bool>| document.containers.iter().any(|answer| answer.pullable == pullable);
    match () {
        () if any(Some(false)) => ExitStatus::Bad,
        () if any(None) || is_unknown || document.left_out > 0 => ExitStatus::Unknown,
        () => ExitStatus::Well,
    }
}

async fn answer(args: &WhyArgs, output: &OutputArgs) -> Result<(Document, bool), String> {
    let target = Target::parse(&args.target)?;
    if args.all_namespaces && !matches!(target, Target::All) {
        return Err("-A asks about all pods: name no pod with it, or name its namespace with -n".into());
    }
    if args.selector.is_some() && !matches!(target, Target::All) {
        return Err("-l chooses among all pods: name no pod and no owner with it".into());
    }
    let cluster = super::cluster(&args.cluster).await?;
    let namespace = args.namespace.clone().unwrap_or_else(|| cluster.namespace.clone());
    let scope =
        Scope { namespace: (!args.all_namespaces).then_some(namespace.as_str()), selector: args.selector.as_deref() };
    let mut found = Found::default();
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    pods::each(&cluster, &target, &scope, &mut |pod| found.take(pod, limit)).await?;
    let notes = found.notes(&cluster, &target, &scope).await;
    let is_unknown = !found.unscheduled.is_empty() && !matches!(target, Target::All);
    let containers = answers(&cluster, &found.stuck, args, output).await;
    Ok((Document { schema_version: why::SCHEMA_VERSION, containers, left_out: found.left_out, notes }, is_unknown))
}

/// One after the other: each is a check on a node, and several of one node would wait for each other there.
async fn answers(cluster: &Cluster, stuck: &[Stuck], args: &WhyArgs, output: &OutputArgs) -> Vec<Answer> {
    let mut reader = Reader::new(cluster);
    let mut agents = Agents::new(cluster, args.cluster.agent_namespace.clone(), args.cluster.timeout);
    // Replicas on one node ask the same: node, image, secrets.
    let mut asked: BTreeMap<(Clean, Clean, Clean, Vec<Clean>), AgentAnswer> = BTreeMap::new();
    let mut told = Vec::new();
    let progress = Progress::new(output, stuck.len());
    for Stuck { pod, need } in stuck {
        let now = Timestamp::now();
        let Some(mut waiting) = Waiting::of(pod, need, now) else { continue };
        if waiting.message.is_none() {
            waiting.message = events::last_failure(cluster, &need.namespace, &need.pod, &need.image).await;
        }
        let account = Some(pod.spec.service_account_name.clean()).filter(|name| !name.is_empty());
        let account = account.unwrap_or_else(|| "default".into());
        let brought = reader.of_pod(&need.namespace, &account, &need.pull_secrets).await;
        let agent = match &waiting.node {
            None => AgentAnswer::Nobody { agent: None, because: "the pod is not scheduled".into() },
            Some(node) => {
                let key = (need.namespace.clone(), node.clone(), need.image.clone(), need.pull_secrets.clone());
                if !asked.contains_key(&key) {
                    let answer = agents.ask(node, &need.image, &brought.document).await;
                    asked.insert(key.clone(), answer);
                }
                asked[&key].clone()
            }
        };
        let other_nodes = agents.others(waiting.node.as_ref(), &need.image).await;
        let answer = Answer { other_nodes, ..why::answer(&waiting, &brought.logins, &agent, now) };
        let own = match &waiting.node {
            Some(node) if answer.pullable == Some(false) => agents.remembered(node, &need.image).await,
            _ => None,
        };
        told.push(answer.remembered(own.as_ref()));
        progress.done();
    }
    progress.clear();
    told
}
