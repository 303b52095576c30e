//! The agents of the nodes: found by their label, asked by exec, or by their last report where exec is forbidden.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::logins::decoded;
use crate::access::{Cluster, Command, Refusal, path, query};
use crate::image::reference::Reference;
use crate::redact::clean::Clean;
use crate::why::{AgentAnswer, CheckedImage};

/// The label of the chart's pods.
const LABEL: &str = "app.kubernetes.io/name=pullprobe";
/// The chart's container.
const CONTAINER: &str = "pullprobe";
const PORT: u16 = 10048;
const LIST_LIMIT: usize = 16 << 20;
const REPORT_LIMIT: usize = 16 << 20;
/// `check` has its own time limit for the image; this is for the way there and back.
const WAY: Duration = Duration::from_secs(15);
/// pullprobe's exit code for a request that it does not understand.
const REFUSED: i32 = 2;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pods {
    items: Vec<AgentPod>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct AgentPod {
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
        let mut running =
            pods.items.into_iter().filter(|pod| pod.status.phase == "Running" && pod.metadata.deleted.is_none());
        running.next().ok_or_else(|| "no agent of pullprobe runs there".into())
    }

    /// `Err`: why it did not check.
    async fn check(&self, pod: &AgentPod, image: &str, secrets: &[u8]) -> Result<CheckedImage, Clean> {
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
        let name = format!("{}:{}", pod.metadata.name, pod.port());
        let place = ["api", "v1", "namespaces", &pod.metadata.namespace, "pods", &name, "proxy"];
        let full = Reference::parse(image).map_err(|_| Clean::from("the image is no valid reference"))?.to_string();
        let mut why = Clean::default();
        for document in ["summary", "report"] {
            let wanted = format!("{}/api/v1/{document}", path(&place).replace("%3A", ":"));
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
