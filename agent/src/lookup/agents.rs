//! The agents of the nodes: found by their label, asked by exec, or by their last report where exec is forbidden.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::logins::decoded;
use crate::access::{Cluster, Command, Refusal, path, query};
use crate::image::reference::Reference;
use crate::redact::clean::Clean;
use crate::render::json::summary::Summary;
use crate::why::{AgentAnswer, CheckedImage};

/// The label of the chart's pods.
const LABEL: &str = "app.kubernetes.io/name=pullprobe";
/// The chart's container.
const CONTAINER: &str = "pullprobe";
const PORT: u16 = 10048;
const LIST_LIMIT: usize = 16 << 20;
/// Of one page of a list.
const PAGE: &str = "500";
/// Kubernetes is made for 5,000 nodes.
const MOST: usize = 20_000;
/// An agent with 500 targets has a quarter of it.
const SUMMARY_LIMIT: usize = 512 << 10;
const REPORT_LIMIT: usize = 16 << 20;
/// `check` has its own time limit for the image; this is for the way there and back.
const WAY: Duration = Duration::from_secs(15);
/// pullprobe's exit code for a request that it does not understand.
const REFUSED: i32 = 2;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pods {
    metadata: ListMetadata,
    items: Vec<AgentPod>,
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
    containers: Vec<Container>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Container {
    name: Clean,
    ports: Vec<Port>,
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

    fn runs(&self) -> bool {
        self.status.phase == "Running" && self.metadata.deleted.is_none()
    }

    fn container(&self) -> Clean {
        let all = &self.spec.containers;
        let own = all.iter().find(|container| container.name == CONTAINER).or(all.first());
        own.map_or_else(|| CONTAINER.into(), |container| container.name.clone())
    }

    fn port(&self) -> u16 {
        let ports = self.spec.containers.iter().flat_map(|container| &container.ports);
        ports.into_iter().find(|port| port.name == "metrics").map_or(PORT, |port| port.number)
    }
}

pub struct Agents<'c> {
    cluster: &'c Cluster,
    /// Where to look if the user may not list the pods of all namespaces.
    namespace: String,
    /// Of `check`, for one image.
    timeout: Duration,
    found: BTreeMap<Clean, Result<AgentPod, Clean>>,
}

impl<'c> Agents<'c> {
    pub const fn new(cluster: &'c Cluster, namespace: String, timeout: Duration) -> Self {
        Self { cluster, namespace, timeout, found: BTreeMap::new() }
    }

    /// What the agent of the node answers about an image. `secrets`: the document for `--pull-secrets -`.
    pub async fn ask(&mut self, node: &Clean, image: &str, secrets: &[u8]) -> AgentAnswer {
        let pod = match self.of_node(node).await {
            Ok(pod) => pod,
            Err(because) => return AgentAnswer::Nobody { agent: None, because },
        };
        let agent = pod.shown();
        let because = match self.check(&pod, image, secrets).await {
            Ok(image) => return AgentAnswer::Checked { agent, image: Box::new(image) },
            Err(because) => because,
        };
        match self.report(&pod, image).await {
            Ok(image) => AgentAnswer::Reported { agent, image: Box::new(image), because },
            Err(also) => AgentAnswer::Nobody { agent: Some(agent), because: format!("{because}; {also}").into() },
        }
    }

    async fn of_node(&mut self, node: &Clean) -> Result<AgentPod, Clean> {
        if let Some(known) = self.found.get(node) {
            return known.clone();
        }
        let found = self.find(node).await;
        self.found.insert(node.clone(), found.clone());
        found
    }

    async fn find(&self, node: &Clean) -> Result<AgentPod, Clean> {
        let wanted = query(&[("labelSelector", LABEL), ("fieldSelector", &format!("spec.nodeName={node}"))]);
        let listed = match self.cluster.get(&format!("/api/v1/pods?{wanted}"), LIST_LIMIT).await {
            Err(Refusal::Forbidden(_)) => {
                let of_namespace = path(&["api", "v1", "namespaces", &self.namespace, "pods"]);
                self.cluster.get(&format!("{of_namespace}?{wanted}"), LIST_LIMIT).await
            }
            other => other,
        };
        let pods: Pods = match listed {
            Ok(listed) => decoded(&listed).unwrap_or_default(),
            Err(refusal) => return Err(format!("the agent's pod cannot be looked for: {refusal}").into()),
        };
        let mut running = pods.items.into_iter().filter(AgentPod::runs);
        running.next().ok_or_else(|| "no agent of pullprobe runs there".into())
    }

    /// The agents of all nodes, by node.
    pub async fn all(&self) -> Result<BTreeMap<Clean, AgentPod>, String> {
        match self.listed("/api/v1/pods").await {
            Err(Refusal::Forbidden(_)) => {
                self.listed(&path(&["api", "v1", "namespaces", &self.namespace, "pods"])).await
            }
            other => other,
        }
        .map_err(|refusal| format!("the agents' pods cannot be listed: {refusal}"))
    }

    async fn listed(&self, place: &str) -> Result<BTreeMap<Clean, AgentPod>, Refusal> {
        let mut agents = BTreeMap::new();
        let mut more = String::new();
        loop {
            let mut pairs = vec![("labelSelector", LABEL), ("limit", PAGE)];
            if !more.is_empty() {
                pairs.push(("continue", more.as_str()));
            }
            let page = self.cluster.get(&format!("{place}?{}", query(&pairs)), LIST_LIMIT).await?;
            let page: Pods = decoded(&page).unwrap_or_default();
            let running = page.items.into_iter().filter(AgentPod::runs);
            agents.extend(running.map(|pod| (pod.spec.node.clone(), pod)));
            more = page.metadata.more;
            if more.is_empty() || agents.len() > MOST {
                return Ok(agents);
            }
        }
    }

    /// The agent's own summary, over the API server's pod proxy. `Err`: why there is none, in words that do not differ between
    /// nodes.
    pub async fn summary(&self, pod: &AgentPod) -> Result<Summary, String> {
        let read = self.cluster.get(&format!("{}/api/v1/summary", self.proxy(pod)), SUMMARY_LIMIT).await;
        match read {
            Ok(summary) => {
                decoded(&summary).ok_or_else(|| "the agent's answer is no summary: it is too old or too new".to_owned())
            }
            Err(Refusal::Forbidden(_)) => Err("you may not get pods/proxy of the agents".to_owned()),
            Err(Refusal::NotFound(_)) => Err("the agent has no summary: it is too old".to_owned()),
            Err(Refusal::Status(status, _)) => Err(format!("the agent does not answer (the API server says {status})")),
            Err(other) => Err(other.to_string()),
        }
    }

    fn proxy(&self, pod: &AgentPod) -> String {
        let name = format!("{}:{}", pod.metadata.name, pod.port());
        path(&["api", "v1", "namespaces", &pod.metadata.namespace, "pods", &name, "proxy"]).replace("%3A", ":")
    }

    /// `Err`: why it did not check.
    pub async fn check(&self, pod: &AgentPod, image: &str, secrets: &[u8]) -> Result<CheckedImage, Clean> {
        let timeout = format!("{}ms", self.timeout.as_millis());
        let arguments =
            ["/pullprobe", "check", "--format", "json", "--timeout", &timeout, "--pull-secrets", "-", "--", image];
        let command = Command {
            namespace: &pod.metadata.namespace,
            pod: &pod.metadata.name,
            container: &pod.container(),
            arguments: &arguments,
            input: secrets,
            patience: self.timeout + WAY,
        };
        match self.cluster.exec(&command).await {
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

    async fn report(&self, pod: &AgentPod, image: &str) -> Result<CheckedImage, Clean> {
        let place = self.proxy(pod);
        let full = Reference::parse(image).map_err(|_| Clean::from("the image is no valid reference"))?.to_string();
        let mut why = Clean::default();
        for document in ["summary", "report"] {
            let wanted = format!("{place}/api/v1/{document}");
            match self.cluster.get(&wanted, REPORT_LIMIT).await {
                Ok(report) => match CheckedImage::of_report(&report, &full) {
                    Some(found) => return Ok(found),
                    None => why = "it does not probe this image on its schedule".into(),
                },
                Err(refusal) if why.is_empty() => why = format!("its report cannot be read: {refusal}").into(),
                Err(_) => {}
            }
        }
        Err(why)
    }
}
