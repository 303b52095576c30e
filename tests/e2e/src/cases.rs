//! The pods of `pods.toml`, with their secrets and service accounts, as objects of Kubernetes.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::{Result, repository};

const JSON_TYPE: &str = "kubernetes.io/dockerconfigjson";
const OLD_TYPE: &str = "kubernetes.io/dockercfg";
pub const NAMESPACE: &str = "default";
const SELECTOR: &str = "e2e=failing";
const OTHER_NAMESPACE: &str = "other";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    accounts: BTreeMap<String, Vec<String>>,
    secret: Vec<Secret>,
    pub pod: Vec<Pod>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    name: String,
    namespace: Option<String>,
    r#type: Option<String>,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pod {
    pub name: String,
    pub image: String,
    #[serde(default)]
    secrets: Vec<String>,
    account: Option<String>,
    policy: Option<String>,
    /// What `check` says; empty: nothing is pulled at all.
    pub cause: String,
    /// What the agent says of the waiting container, where that differs.
    waiting: Option<String>,
    /// What `why` says, where that differs.
    why: Option<String>,
}

impl Cases {
    pub fn load() -> Result<Self> {
        let path = repository("tests/e2e/pods.toml");
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(toml::from_str(&text)?)
    }

    /// All pods in the cluster, with what they need.
    pub async fn create(&self, cluster: &Cluster) -> Result {
        cluster.kubectl(&["apply"], &self.around().to_string()).await?;
        // Their admission asks for the accounts, and kubelet for the secrets: all of that is there now.
        let pods: Vec<Value> = self.pod.iter().map(Pod::object).collect();
        cluster.kubectl(&["apply"], &list(&pods).to_string()).await?;
        Ok(())
    }

    /// Only the pods go: what is around them is there for the next test.
    pub async fn remove(&self, cluster: &Cluster) -> Result {
        cluster.kubectl(&["delete", "pods", "--selector", SELECTOR, "--wait=false"], "").await?;
        let pods = format!("/api/v1/namespaces/{NAMESPACE}/pods?labelSelector={SELECTOR}");
        cluster.api.until_gone(&pods, "the failing pods").await
    }

    fn around(&self) -> Value {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OTHER_NAMESPACE}});
        let accounts = self.accounts.iter().map(|(name, secrets)| {
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE},
                   "imagePullSecrets": references(secrets)})
        });
        let secrets = self.secret.iter().map(Secret::object);
        list(&std::iter::once(namespace).chain(accounts).chain(secrets).collect::<Vec<_>>())
    }

    /// The secrets that kubelet gets for a pod, as Kubernetes mounts them, for `credentials.pull_secrets_dir`.
    pub fn write_secrets(&self, pod: &Pod, directory: &Path) -> Result {
        let of_account = pod.account.as_ref().and_then(|account| self.accounts.get(account));
        let names = if pod.secrets.is_empty() { of_account } else { Some(&pod.secrets) };
        std::fs::create_dir_all(directory)?;
        for name in names.into_iter().flatten() {
            let there = |secret: &&Secret| secret.name == *name && secret.namespace() == NAMESPACE;
            if let Some((secret, key)) = self.secret.iter().find(there).and_then(|it| Some((it, it.key()?))) {
                let mount = directory.join(NAMESPACE).join(name);
                std::fs::create_dir_all(&mount)?;
                std::fs::write(mount.join(key), &secret.text)?;
            }
        }
        Ok(())
    }
}

impl Secret {
    fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or(NAMESPACE)
    }

    fn r#type(&self) -> &str {
        self.r#type.as_deref().unwrap_or(JSON_TYPE)
    }

    /// `None`: kubelet looks into no secret of this type.
    fn key(&self) -> Option<&'static str> {
        match self.r#type() {
            JSON_TYPE => Some(".dockerconfigjson"),
            OLD_TYPE => Some(".dockercfg"),
            _ => None,
        }
    }

    fn object(&self) -> Value {
        let key = self.key().unwrap_or(".dockerconfigjson");
        json!({"apiVersion": "v1", "kind": "Secret", "type": self.r#type(),
               "metadata": {"name": self.name, "namespace": self.namespace()},
               "data": {key: STANDARD.encode(&self.text)}})
    }
}

impl Pod {
    /// The cause by `why`.
    pub fn why_cause(&self) -> &str {
        self.why.as_deref().unwrap_or(&self.cause)
    }

    /// By what the agent counts its container.
    pub fn waiting_cause(&self) -> &str {
        self.waiting.as_deref().unwrap_or(&self.cause)
    }

    /// On the node's network, which saves the time that another one takes.
    pub fn object(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": self.name, "namespace": NAMESPACE, "labels": {"e2e": "failing"}},
            "spec": {
                "hostNetwork": true,
                "automountServiceAccountToken": false,
                "terminationGracePeriodSeconds": 0,
                "serviceAccountName": self.account.as_deref().unwrap_or("default"),
                "imagePullSecrets": references(&self.secrets),
                "containers": [{
                    "name": "app", "image": self.image,
                    "imagePullPolicy": self.policy.as_deref().unwrap_or("Always"),
                }],
            },
        })
    }
}

fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn references(names: &[String]) -> Value {
    names.iter().map(|name| json!({"name": name})).collect()
}
