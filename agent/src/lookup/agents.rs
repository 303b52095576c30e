//! The agents of the nodes: found by their label, asked by exec, or by their last report where exec is forbidden.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::TOO_LONG;
use super::logins::decoded;
use crate::access::{Cluster, Command, Refusal, path, query};
use crate::image::reference::Reference;
use crate::pods::{PAGE_LIMIT, TextList};
use crate::redact::clean::Clean;
use crate::render::json::summary::{self, SCHEMA_VERSION, Summary};
use crate::why::{AgentAnswer, CheckedImage, OtherNodes, Unusable};

mod memory;

/// The label of the chart's pods.
const LABEL: &str = "app.kubernetes.io/name=pullprobe";
/// The chart's container.
const CONTAINER: &str = "pullprobe";
const PORT: u16 = 10048;
const LIST_LIMIT: usize = 16 << 20;
/// Of the report of an agent that watches five hundred images.
const REPORT_LIMIT: usize = 16 << 20;
/// Of one summary, which has a few kilobytes.
const SUMMARY_LIMIT: usize = 1 << 20;
const SUMMARY_PATIENCE: Duration = Duration::from_secs(5);
/// More nodes than these are for `fleet`.
const AGENTS_ASKED: usize = 64;
const AT_ONCE: usize = 16;
/// Of one page of a list.
const PAGE: &str = "500";
/// Kubernetes is made for 5,000 nodes.
const PAGES: usize = 40;
/// `check` has its own time limit for the image; this is for the way there and back.
const WAY: Duration = Duration::from_secs(15);
/// pullprobe's exit code for a request that it does not understand.
const REFUSED: i32 = 2;

/// By node; and the nodes that were not asked.
type Summaries = (Vec<(Clean, Option<Vec<u8>>)>, BTreeSet<Clean>);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pods {
    metadata: ListMetadata,
    items: TextList<AgentPod, PAGE_LIMIT>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ListMetadata {
    #[serde(rename = "continue")]
    more: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct AgentPod {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: Clean,
    namespace: Clean,
    #[serde(rename = "deletionTimestamp")]
    deleted: Option<Clean>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Spec {
    #[serde(rename = "nodeName")]
    node: Clean,
    containers: TextList<Container>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Container {
    name: Clean,
    ports: TextList<Port>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Port {
    name: Clean,
    #[serde(rename = "containerPort")]
    number: u16,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Status {
    phase: Clean,
}

impl AgentPod {
    fn shown(&self) -> Clean {
        format!("{}/{}", self.metadata.namespace, self.metadata.name).into()
    }

    fn container(&self) -> Clean {
        let all = &self.spec.containers;
        let own = all.iter().find(|container| container.name == CONTAINER).or(all.first());
        own.map_or_else(|| CONTAINER.into(), |container| container.name.clone())
    }

    fn is_running(&self) -> bool {
        self.status.phase == "Running" && self.metadata.deleted.is_none()
    }

    /// The place of a document of the agent behind the API server.
    fn document(&self, scheme: &str, name: &str) -> String {
        let pods = path(&["api", "v1", "namespaces", &self.metadata.namespace, "pods"]);
        let pod = path(&[&self.metadata.name]);
        format!("{pods}/{scheme}{}:{}/proxy/api/v1/{name}", pod.trim_start_matches('/'), self.port())
    }

    fn port(&self) -> u16 {
        let ports = self.spec.containers.iter().flat_map(|container| container.ports.iter());
        ports.into_iter().find(|port| port.name == "metrics").map_or(PORT, |port| port.number)
    }
}

/// What a check may take of a registry's pull limit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Spend {
    /// One request, at a registry that counts.
    Once,
    /// Many nodes ask, perhaps from one address.
    Nothing,
}

/// The API server takes no password and no certificate along.
const PROTECTED: &str = "the agent asks for a password or a client certificate, which the API server does not pass on";

pub struct Agents<'c> {
    cluster: &'c Cluster,
    /// Where the agents are: who may run pods there is trusted with the secrets of others.
    namespace: String,
    /// Of `check`, for one image.
    timeout: Duration,
    found: BTreeMap<Clean, Result<AgentPod, Clean>>,
    /// `None`: not asked yet, or the agents cannot be listed.
    all: Option<Summaries>,
}

impl<'c> Agents<'c> {
    pub const fn new(cluster: &'c Cluster, namespace: String, timeout: Duration) -> Self {
        Self { cluster, namespace, timeout, found: BTreeMap::new(), all: None }
    }

    /// What the agent of the node answers about an image. `secrets`: the document for `--pull-secrets -`.
    pub async fn ask(&mut self, node: &Clean, image: &str, secrets: &[u8]) -> AgentAnswer {
        let pod = match self.of_node(node).await {
            Ok(pod) => pod,
            Err(because) => return AgentAnswer::Nobody { agent: None, because },
        };
        let agent = pod.shown();
        let because = match self.check(&pod, image, secrets, Spend::Once).await {
            Ok(image) => return AgentAnswer::Checked { agent, image: Box::new(image) },
            Err(because) => because,
        };
        match self.report(&pod, image).await {
            Ok(image) => AgentAnswer::Reported { agent, image: Box::new(image), because },
            Err(also) => AgentAnswer::Nobody { agent: Some(agent), because: format!("{because}; {also}").into() },
        }
    }

    async fn of_node(&mut self, node: &Clean) -> Result<AgentPod, Clean> {
        if !self.found.contains_key(node) {
            let found = self.find(node).await;
            self.found.insert(node.clone(), found);
        }
        self.found[node].clone()
    }

    /// Why a node has none.
    pub fn none(&self) -> String {
        format!("no agent of pullprobe runs there: no pod with {LABEL} in namespace {}", Clean::line(&self.namespace))
    }

    async fn find(&self, node: &Clean) -> Result<AgentPod, Clean> {
        let wanted = [("labelSelector", LABEL), ("fieldSelector", &*format!("spec.nodeName={node}"))];
        let pods = self.list(&wanted).await;
        let pods = pods.map_err(|refusal| Clean::from(format!("the agent's pod cannot be looked for: {refusal}")))?;
        if let Some(own) = pods.into_iter().find(AgentPod::is_running) {
            return Ok(own);
        }
        let mut because = self.none();
        let others = self.cluster.get(&format!("/api/v1/pods?{}", query(&wanted)), LIST_LIMIT).await.ok();
        let others = others.and_then(|listed| decoded::<Pods>(&listed)).unwrap_or_default();
        if let Some(other) = others.items.iter().find(|pod| pod.is_running()) {
            let elsewhere = &other.metadata.namespace;
            because = format!(
                "{because}; a pod with its label runs in {elsewhere}: if you trust that one, name it by --agent-namespace {elsewhere}"
            );
        }
        Err(because.into())
    }

    /// Only in the namespace of the agents: elsewhere anybody may have given a pod their label, to be sent the secrets of others.
    async fn list(&self, wanted: &[(&str, &str)]) -> Result<Vec<AgentPod>, Refusal> {
        self.page(wanted).await.map(|(pods, _)| pods)
    }

    /// And what the next page is asked for with. Empty: there is none.
    async fn page(&self, wanted: &[(&str, &str)]) -> Result<(Vec<AgentPod>, String), Refusal> {
        let place = path(&["api", "v1", "namespaces", &self.namespace, "pods"]);
        let listed = self.cluster.get(&format!("{place}?{}", query(wanted)), LIST_LIMIT).await?;
        let page: Pods = decoded(&listed)
            .ok_or_else(|| Refusal::Unreachable("the API server's answer is no list of pods".into()))?;
        if page.items.left_out > 0 {
            return Err(Refusal::Unreachable(TOO_LONG.into()));
        }
        let mut pods = page.items.into_entries();
        pods.retain(|pod| *pod.metadata.namespace == *self.namespace);
        Ok((pods, page.metadata.more))
    }

    /// Hands each page of the agents' pods to `take`. `Err` with `None`: there are more pages than are read.
    async fn pages(&self, mut take: impl FnMut(Vec<AgentPod>)) -> Result<(), Option<Refusal>> {
        let mut more = String::new();
        for _ in 0..PAGES {
            let mut wanted = vec![("labelSelector", LABEL), ("limit", PAGE)];
            if !more.is_empty() {
                wanted.push(("continue", more.as_str()));
            }
            let (pods, next) = self.page(&wanted).await?;
            take(pods);
            if next.is_empty() {
                return Ok(());
            }
            more = next;
        }
        Err(None)
    }

    /// The agents of all nodes, by node.
    pub async fn all(&self) -> Result<BTreeMap<Clean, AgentPod>, String> {
        let mut agents = BTreeMap::new();
        let pages = self.pages(|pods| {
            let running = pods.into_iter().filter(AgentPod::is_running);
            agents.extend(running.map(|pod| (pod.spec.node.clone(), pod)));
        });
        match pages.await {
            Ok(()) => Ok(agents),
            Err(Some(refusal)) => Err(format!("the agents' pods cannot be listed: {refusal}")),
            Err(None) => Err(format!("there are more than {} agents", agents.len())),
        }
    }

    /// The agent's own summary, over the API server's pod proxy. `Err`: why there is none, in words that do not differ between
    /// nodes.
    pub async fn summary(&self, pod: &AgentPod) -> Result<Summary, String> {
        let read = tokio::time::timeout(SUMMARY_PATIENCE, self.read(pod, "summary", SUMMARY_LIMIT)).await;
        match read.unwrap_or(Err(Refusal::OutOfTime(SUMMARY_PATIENCE))) {
            Ok(summary) => {
                let summary = serde_json::from_slice::<Summary>(&summary);
                if summary.as_ref().is_err_and(|error| error.to_string().contains(summary::TOO_LONG)) {
                    return Err(format!("the agent's summary is not believed: {}", summary::TOO_LONG));
                }
                let summary = summary.ok().filter(|summary| summary.schema_version == SCHEMA_VERSION);
                summary.ok_or_else(|| "the agent's answer is no summary: it is too old or too new".to_owned())
            }
            Err(Refusal::Forbidden(_)) => {
                Err("you lack the right to get pods/proxy in the agents' namespace".to_owned())
            }
            Err(Refusal::Behind(401 | 403)) => Err(PROTECTED.to_owned()),
            Err(Refusal::NotFound(_) | Refusal::Behind(404)) => {
                Err("the agent has no summary: it is too old".to_owned())
            }
            Err(Refusal::Status(status, _)) => Err(format!("the agent does not answer (the API server says {status})")),
            Err(other) => Err(other.to_string()),
        }
    }

    /// `Err`: why it did not check.
    pub async fn check(
        &self,
        pod: &AgentPod,
        image: &str,
        secrets: &[u8],
        spend: Spend,
    ) -> Result<CheckedImage, Clean> {
        let timeout = format!("{}ms", self.timeout.as_millis());
        // Always said: the variable of the agent's pod may allow more.
        let pulls = if spend == Spend::Once { "1" } else { "0" };
        let limits = ["--timeout", &timeout, "--counted-pulls", pulls];
        let mut arguments = vec!["/pullprobe", "check", "--format", "json", "--pull-secrets", "-"];
        arguments.extend(limits.into_iter().chain(["--", image]));
        let command = Command {
            namespace: &pod.metadata.namespace,
            pod: &pod.metadata.name,
            container: &pod.container(),
            arguments: &arguments,
            input: secrets,
            patience: self.timeout + WAY,
        };
        match self.cluster.exec(&command).await {
            Err(Refusal::Forbidden(_)) if spend == Spend::Nothing => Err("you may not exec in the agents' pods".into()),
            Err(Refusal::Forbidden(said)) => Err(format!("you may not exec in its pod ({said})").into()),
            Err(refusal) => Err(format!("exec in its pod fails: {refusal}").into()),
            Ok(ran) => CheckedImage::of_check(&ran.output).ok_or_else(|| {
                let old = if ran.code == Some(REFUSED) && ran.complaints.contains("--pull-secrets") {
                    "the agent is too old for `check --pull-secrets`: "
                } else {
                    "`check` in its pod gave no report: "
                };
                format!("{old}{}", ran.complaints).into()
            }),
        }
    }

    /// A document of the agent, over the API server's pod proxy.
    async fn read(&self, pod: &AgentPod, name: &str, limit: usize) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        match self.cluster.get(&pod.document("", name), limit).await {
            // That is what a port says that speaks TLS.
            Err(Refusal::Behind(400)) => self.cluster.get(&pod.document("https:", name), limit).await,
            read => read,
        }
    }

    async fn report(&self, pod: &AgentPod, image: &str) -> Result<CheckedImage, Clean> {
        let image = Reference::parse(image).map_err(|_| Clean::from("the image is no valid reference"))?;
        let mut why = Clean::default();
        // The summary is for everybody and has no words; the report may be kept to the node.
        for document in ["report", "summary"] {
            match self.read(pod, document, REPORT_LIMIT).await {
                Ok(report) => match CheckedImage::of_report(&report, &image, &pod.spec.node) {
                    Ok(Some(found)) => return Ok(found),
                    Ok(None) => why = "it probes neither this image nor its registry by itself".into(),
                    Err(unusable) => why = unusable.to_string().into(),
                },
                Err(refusal) if why.is_empty() => why = format!("its report cannot be read: {refusal}").into(),
                Err(_) => {}
            }
        }
        Err(why)
    }

    /// What the agents of the other nodes report. `None`: they cannot be listed.
    pub async fn others(&mut self, node: Option<&Clean>, image: &str) -> Option<OtherNodes> {
        let image = Reference::parse(image).ok()?;
        if self.all.is_none() {
            self.all = self.summaries().await;
        }
        let (summaries, not_asked) = self.all.as_ref()?;
        let not_asked = not_asked.iter().filter(|other| Some(*other) != node).count();
        let mut told = OtherNodes { can: 0, cannot: 0, unknown: 0, answered_for_another_node: 0, not_asked };
        for (other, summary) in summaries.iter().filter(|(other, _)| Some(other) != node) {
            let found = summary.as_ref().map_or(Ok(None), |summary| CheckedImage::of_report(summary, &image, other));
            told.answered_for_another_node += usize::from(found.as_ref().is_err_and(Unusable::is_another_node));
            match found.ok().flatten().and_then(|found| found.starts()) {
                Some(true) => told.can += 1,
                Some(false) => told.cannot += 1,
                None => told.unknown += 1,
            }
        }
        (told.can + told.cannot + told.unknown + told.not_asked > 0).then_some(told)
    }

    /// Of every node, as far as there are not too many. `None`: the agents cannot be listed.
    async fn summaries(&self) -> Option<Summaries> {
        let (mut chosen, mut not_asked) = (Vec::new(), BTreeSet::new());
        let pages = self.pages(|pods| {
            for pod in pods.into_iter().filter(AgentPod::is_running) {
                if chosen.len() < AGENTS_ASKED {
                    chosen.push(pod);
                } else {
                    not_asked.insert(pod.spec.node);
                }
            }
        });
        // Where a later page is missing, those of the others are counted at least.
        let listed = pages.await;
        if listed.is_err() && chosen.is_empty() {
            return None;
        }
        let asked = chosen.into_iter().map(|pod| async move {
            let read = self.read(&pod, "summary", SUMMARY_LIMIT);
            let summary = tokio::time::timeout(SUMMARY_PATIENCE, read).await.ok().and_then(Result::ok);
            (pod.spec.node, summary.map(|summary| summary.to_vec()))
        });
        Some((stream::iter(asked).buffer_unordered(AT_ONCE).collect().await, not_asked))
    }
}
