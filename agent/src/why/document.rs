//! The document of `why -o json`, and its schema.

use schemars::JsonSchema;
use serde::Serialize;

use super::Account;

pub const SCHEMA_VERSION: u32 = 1;

/// Why containers wait for their images.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "pullprobe why", deny_unknown_fields)]
pub struct Document {
    pub schema_version: u32,
    /// One for each container that waits, those of a pod together.
    pub containers: Vec<Answer>,
    /// How many more wait and were not looked at.
    pub left_out: usize,
    /// What else is to be known: pods that are not scheduled or were deleted meanwhile, rights that are missing.
    pub notes: Vec<String>,
}

/// One container.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Answer {
    pub namespace: String,
    pub pod: String,
    pub container: String,
    /// Null: the pod is not scheduled.
    pub node: Option<String>,
    /// As the pod has it.
    pub image: String,
    pub pull_policy: String,
    /// kubelet's: `ErrImagePull`, `ImagePullBackOff` and the like.
    pub waiting_reason: String,
    /// RFC 3339, UTC. Null: the API does not tell.
    pub since: Option<String>,
    /// RFC 3339: an estimate from kubelet's known waits, for the API does not tell. Null: it does not try again, or nothing is known.
    pub next_try_estimated_at: Option<String>,
    /// Would kubelet's next pull succeed? Null: unknown.
    pub pullable: Option<bool>,
    /// Why it is unknown, where `pullable` is null.
    pub unknown_because: Option<String>,
    /// Since when the agent's own probes of the image, or else of its registry, fail, if they see this cause too. RFC 3339, UTC. Null:
    /// they see another, or nobody says.
    pub failing_since: Option<String>,
    /// How many times they did in the last 24 hours, the one that goes on included. Null: it is not known.
    pub failures_24h: Option<usize>,
    /// One word of docs/causes.md, or `pull QPS exceeded` where kubelet itself put the pull off.
    pub cause: Option<String>,
    /// In the words of the metric `pullprobe_waiting_containers` and of `needed_by`: a cause, `kubelet_back_off`, `kubelet_pull_limit`
    /// or `unknown`. The value may differ from theirs, because `why` also has kubelet's words and the pod's secrets. `pullprobe explain`
    /// takes each of them.
    pub waiting_cause: String,
    pub also_possible: Vec<String>,
    /// Who can fix it: image, credentials, config, node, network or registry.
    pub owner: Option<String>,
    pub summary: String,
    pub evidence: Vec<String>,
    /// A command to paste, or a sentence. Empty: there is nothing to fix.
    pub fix: String,
    /// What kubelet said last, without `Back-off …`. Null: nothing that says why.
    pub kubelet_message: Option<String>,
    /// What pullprobe predicts that kubelet says. Null: the pull succeeds, or nobody predicted.
    pub predicted_message: Option<String>,
    /// Whether kubelet's words can come from the cause. False: they may be of an earlier try. Null: one of both is missing.
    pub message_agrees: Option<bool>,
    /// Those that the pod names, in its order.
    pub pull_secrets: Vec<Secret>,
    pub service_account: ServiceAccount,
    pub asked: Asked,
    /// Null: nobody asked them.
    pub other_nodes: Option<OtherNodes>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Secret {
    pub name: String,
    /// `fits`, `no_key_matches`, `malformed`, `type_ignored`, `without_key`, `missing`, `forbidden` or `unknown`.
    pub state: String,
    /// What that is in this case.
    pub detail: String,
    /// The keys that fit the image, in kubelet's order.
    pub matching_keys: Vec<String>,
    /// RFC 3339, as the login itself claims: the earliest of those that fit. Null: it does not tell.
    pub expires_at: Option<String>,
    /// Whether the pod's service account names it too.
    pub of_service_account: Option<bool>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ServiceAccount {
    pub name: String,
    /// Null: it was not read.
    pub pull_secrets: Option<Vec<String>>,
}

impl From<&Account> for ServiceAccount {
    fn from(account: &Account) -> Self {
        let secrets = account.secrets.as_ref();
        Self {
            name: account.name.to_string(),
            pull_secrets: secrets.map(|secrets| secrets.iter().map(ToString::to_string).collect()),
        }
    }
}

/// Who answered for the node.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Asked {
    /// `exec`: the agent checked the image now, with the pod's secrets. `summary`: its last report, or its summary, read
    /// through the API server. `nobody`: only the API and kubelet's words are known.
    pub way: String,
    /// The agent's pod, `NAMESPACE/NAME`. Null: there is none.
    pub agent: Option<String>,
    /// Why not in a better way. Empty: this is the best one.
    pub because: String,
}

/// What the agents of other nodes report about the image, or about its registry where they do not probe the image.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct OtherNodes {
    pub can: usize,
    pub cannot: usize,
    /// No agent answered, or it probes neither the image nor a registry that fails.
    pub unknown: usize,
    /// How many of the unknown ones: at the address of their agent another node answered, and that counts for nobody.
    pub answered_for_another_node: usize,
    /// How many were not asked, because there are too many.
    pub not_asked: usize,
}

/// The JSON Schema of [`Document`].
pub fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(Document)).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_published_schema_is_the_one_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema/why.v1.json");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, super::schema()).unwrap();
        }
        let published = std::fs::read_to_string(path).unwrap();
        assert!(published == super::schema(), "{path} is not up to date: run with UPDATE_DOCS=1");
    }
}
