//! `pullprobe why [POD | KIND/NAME]`: from a stuck pod to its cause, with the rights of who asks.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use jiff::Timestamp;

use super::{ExitStatus, complain, print, style};
use crate::access::{Access, Cluster};
use crate::cli::{Format, OutputArgs, WhyArgs};
use crate::lookup::agents::Agents;
use crate::lookup::events;
use crate::lookup::logins::Reader;
use crate::lookup::pods::{self, Scope, Target};
use crate::pods::{Need, Pod};
use crate::redact::clean::Clean;
use crate::render::json;
use crate::why::{self, AgentAnswer, Answer, Document, Waiting};

/// For one request to the API server.
const PATIENCE: Duration = Duration::from_secs(20);
/// More notes than these tell nothing new.
const NOTES: usize = 10;

/// A container that waits, with the pod that it is in.
struct Stuck {
    pod: Pod,
    need: Need,
}

/// The pods that are meant.
#[derive(Default)]
struct Found {
    stuck: Vec<Stuck>,
    left_out: usize,
    pods: usize,
    unscheduled: Vec<Pod>,
    /// Pods that kubelet has told nothing of yet.
    beginning: usize,
    going: Vec<String>,
}

impl Found {
    fn take(&mut self, pod: Pod, limit: usize) {
        self.pods += 1;
        if pod.is_over() {
            return;
        }
        if pod.metadata.deletion_timestamp.is_some() {
            self.going.push(pod.key());
        }
        let needs = pod.needs();
        let mut waits = false;
        for need in needs.into_iter().filter(|need| need.waiting.is_some()) {
            waits = true;
            if self.stuck.len() < limit {
                self.stuck.push(Stuck { pod: pod.clone(), need });
            } else {
                self.left_out += 1;
            }
        }
        if pod.spec.node_name.is_empty() {
            self.unscheduled.push(pod);
            self.unscheduled.truncate(NOTES);
        } else if !waits && *pod.status.phase == *"Pending" {
            self.beginning += 1;
        }
    }
}

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
    let cluster = Cluster::of(&Access {
        kubeconfig: args.cluster.kubeconfig.clone(),
        context: args.cluster.context.clone(),
        user: args.cluster.impersonate.clone(),
        groups: args.cluster.impersonate_groups.clone(),
        patience: PATIENCE,
    })
    .await?;
    let namespace = args.namespace.clone().unwrap_or_else(|| cluster.namespace.clone());
    let scope =
        Scope { namespace: (!args.all_namespaces).then_some(namespace.as_str()), selector: args.selector.as_deref() };
    let mut found = Found::default();
    pods::each(&cluster, &target, &scope, &mut |pod| found.take(pod, args.limit)).await?;
    let notes = notes(&cluster, &found, &target, &scope).await;
    let is_unknown = !found.unscheduled.is_empty() && !matches!(target, Target::All);
    let containers = answers(&cluster, &found.stuck, args, output).await;
    Ok((Document { schema_version: why::SCHEMA_VERSION, containers, left_out: found.left_out, notes }, is_unknown))
}

/// What is to be said besides the containers that wait.
async fn notes(cluster: &Cluster, found: &Found, target: &Target, scope: &Scope<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    let place = scope.namespace.map_or("all namespaces".to_owned(), |name| format!("namespace {}", Clean::line(name)));
    let is_said_below = !found.unscheduled.is_empty() && !matches!(target, Target::All);
    if found.stuck.is_empty() && !is_said_below {
        notes.push(match target {
            Target::All if found.pods == 0 => format!("there are no pods in {place}"),
            Target::All => format!("no container waits for an image in {place}"),
            Target::Pod(name) => format!("no container of pod {} waits for an image", Clean::line(name)),
            Target::Owner(kind, name) => {
                format!("no container of the pods of {kind}/{} waits for an image", Clean::line(name))
            }
        });
    }
    for pod in &found.unscheduled {
        let why = events::unscheduled(cluster, &pod.metadata.namespace, &pod.metadata.name).await;
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        notes.push(format!("pod {} is not scheduled, so that no node has tried to pull its images{why}", pod.key()));
    }
    if found.beginning > 0 {
        let many = if found.beginning == 1 { "1 pod is".to_owned() } else { format!("{} pods are", found.beginning) };
        notes.push(format!("{many} being started, and kubelet tells of no failed pull"));
    }
    let going = found
        .going
        .iter()
        .take(NOTES)
        .map(|pod| format!("pod {pod} is being deleted: kubelet starts nothing of it any more"));
    notes.extend(going);
    notes
}

/// One after the other: each is a check on a node, and several of one node would wait for each other there.
async fn answers(cluster: &Cluster, stuck: &[Stuck], args: &WhyArgs, output: &OutputArgs) -> Vec<Answer> {
    let mut reader = Reader::new(cluster);
    let mut agents = Agents::new(cluster, args.cluster.agent_namespace.clone(), args.cluster.timeout);
    // Replicas on one node ask the same: node, image, secrets.
    let mut asked: BTreeMap<(Clean, Clean, Clean, Vec<Clean>), AgentAnswer> = BTreeMap::new();
    let mut told = Vec::new();
    let shown = output.format == Format::Text && std::io::stderr().is_terminal();
    for (nth, Stuck { pod, need }) in stuck.iter().enumerate() {
        if shown {
            let _ = write!(std::io::stderr().lock(), "\rasking… {nth}/{}", stuck.len());
        }
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
        told.push(Answer { other_nodes, ..why::answer(&waiting, &brought.logins, &agent, now) });
    }
    if shown {
        let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K");
    }
    told
}
