//! The agent as a user deploys it: the chart, rendered by real Helm, applied by kubectl.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::cluster::Cluster;
use crate::node::{NODE_ADDRESS, STATE};
use crate::process::{run, succeed};
use crate::{Result, repository};

pub const NAMESPACE: &str = "pullprobe";
const NAME: &str = "pullprobe";
const PORT: u16 = 10048;
/// No first cycle takes longer, and how often it is asked whether it is over.
const FIRST_CYCLE: Duration = Duration::from_secs(240);
const LOOK: Duration = Duration::from_millis(200);
/// The label that all of a release have.
pub const SELECTOR: &str = "app.kubernetes.io/instance=pullprobe";

/// One release in the cluster.
pub struct Agent<'a> {
    cluster: &'a Cluster,
    objects: String,
}

impl<'a> Agent<'a> {
    /// Installs the chart as it is now, until its pod is ready.
    pub async fn install(cluster: &'a Cluster) -> Result<Self> {
        Self::install_with(cluster, "").await
    }

    /// Likewise, with more values.
    pub async fn install_with(cluster: &'a Cluster, more: &str) -> Result<Self> {
        let objects = render(more).await?;
        Self::install_objects(cluster, objects).await
    }

    /// Installs it, whether or not its pod starts.
    pub async fn apply(cluster: &'a Cluster) -> Result<Self> {
        let objects = render("").await?;
        Self::apply_objects(cluster, objects).await
    }

    /// Likewise, what another version of the chart was rendered to.
    pub async fn install_objects(cluster: &'a Cluster, objects: String) -> Result<Self> {
        let agent = Self::apply_objects(cluster, objects).await?;
        agent.ready().await?;
        Ok(agent)
    }

    async fn apply_objects(cluster: &'a Cluster, objects: String) -> Result<Self> {
        let namespace = serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "privileged"},
        }});
        cluster.kubectl(&["apply"], &namespace.to_string()).await?;
        cluster.kubectl(&["apply"], &objects).await?;
        Ok(Self { cluster, objects })
    }

    /// Helm's upgrade: what is new or differs is applied, what is no more is removed.
    pub async fn upgrade(&mut self) -> Result {
        let objects = render("").await?;
        let prune = ["apply", "--prune", "--selector", SELECTOR, "--namespace", NAMESPACE];
        self.cluster.kubectl(&prune, &objects).await?;
        self.objects = objects;
        self.ready().await
    }

    /// Until the daemon set has its one pod, of this version of its template, ready, and every target of that has an answer.
    pub async fn ready(&self) -> Result {
        let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets?fieldSelector=metadata.name={NAME}");
        let is_ready = |set: &Value| {
            let (status, generation) = (&set["status"], &set["metadata"]["generation"]);
            let counts = ["desiredNumberScheduled", "updatedNumberScheduled", "numberReady"];
            let seen = status["observedGeneration"] == *generation;
            (seen && counts.iter().all(|count| status[*count] == 1)).then_some(())
        };
        self.cluster.api.until(&path, "the agent's daemon set to be ready", is_ready).await?;
        let mut look = tokio::time::interval(LOOK);
        let first_cycle = async {
            loop {
                look.tick().await;
                let parts = self.local("/readyz?verbose").await.unwrap_or_default();
                if parts.contains("[+]first-cycle ok") {
                    return;
                }
            }
        };
        tokio::time::timeout(FIRST_CYCLE, first_cycle).await.map_err(|_| "the agent's first cycle is not over".into())
    }

    /// Its one pod.
    pub async fn pod(&self) -> Result<Value> {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods?labelSelector={SELECTOR}");
        let mut pods = self.cluster.api.list(&path).await?;
        pods.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        match pods.len() {
            1 => Ok(pods.remove(0)),
            count => Err(format!("the agent has {count} pods").into()),
        }
    }

    /// What it answers at the node's address, as Prometheus reads it.
    pub async fn http(&self, path: &str) -> Result<String> {
        self.fetch(NODE_ADDRESS, path).await
    }

    /// Likewise on the node itself: not everything is for everybody.
    pub async fn local(&self, path: &str) -> Result<String> {
        self.fetch(Ipv4Addr::LOCALHOST, path).await
    }

    async fn fetch(&self, address: Ipv4Addr, path: &str) -> Result<String> {
        let url = format!("http://{address}:{PORT}{path}");
        run("curl", ["--silent", "--show-error", "--fail", "--noproxy", "*", &url]).await
    }

    /// Ends its pod, and leaves the rest. A kubelet that has just started mounts what a pod needs before it ends the pod: without these
    /// objects it would try for two minutes.
    pub async fn stop(&self) -> Result {
        self.cluster.kubectl(&["delete", "daemonset", NAME, "--namespace", NAMESPACE], "").await?;
        self.pods_gone().await
    }

    async fn pods_gone(&self) -> Result {
        self.cluster.api.until_gone(&format!("/api/v1/namespaces/{NAMESPACE}/pods"), "the agent's pods").await
    }

    pub async fn uninstall(self) -> Result {
        self.cluster.kubectl(&["delete", "--wait=false", "--ignore-not-found"], &self.objects).await?;
        self.pods_gone().await?;
        self.cluster.kubectl(&["delete", "namespace", NAMESPACE, "--timeout=120s"], "").await?;
        Ok(())
    }
}

/// The objects of the chart with the values of these tests, and more.
async fn render(more: &str) -> Result<String> {
    let file = Path::new(STATE).join("values.yaml");
    let values = std::fs::read_to_string(repository("tests/e2e/values.yaml"))?;
    std::fs::write(&file, format!("{values}{more}"))?;
    let python = repository("target/venv/bin/python");
    let mut helm = Command::new(python);
    helm.arg(repository("tests/tools/helm_render.py")).arg("render").arg(repository("deploy/helm/pullprobe"));
    succeed(helm.arg("--values").arg(file)).await
}
