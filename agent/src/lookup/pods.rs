//! Which pods are meant: one by name, those of an owner, those of a namespace, or those of all.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::TOO_LONG;
use super::logins::decoded;
use crate::access::{Cluster, Refusal, path, query};
use crate::pods::{Page, Pod};
use crate::redact::clean::Clean;

/// Of one page of a list.
const PAGE: &str = "500";
const PAGE_LIMIT: usize = 64 << 20;
/// More pods than these are not read.
const PAGES: usize = 100;
const OBJECT_LIMIT: usize = 8 << 20;

/// A kind of object that has pods: the names that kubectl takes, and its place in the API.
struct Kind {
    names: &'static [&'static str],
    group: &'static [&'static str],
    name: &'static str,
}

const KINDS: [Kind; 8] = [
    Kind { names: &["pods", "pod", "po"], group: &["api", "v1"], name: "Pod" },
    Kind { names: &["deployments", "deployment", "deploy"], group: &["apis", "apps", "v1"], name: "Deployment" },
    Kind { names: &["replicasets", "replicaset", "rs"], group: &["apis", "apps", "v1"], name: "ReplicaSet" },
    Kind { names: &["statefulsets", "statefulset", "sts"], group: &["apis", "apps", "v1"], name: "StatefulSet" },
    Kind { names: &["daemonsets", "daemonset", "ds"], group: &["apis", "apps", "v1"], name: "DaemonSet" },
    Kind { names: &["jobs", "job"], group: &["apis", "batch", "v1"], name: "Job" },
    Kind { names: &["cronjobs", "cronjob", "cj"], group: &["apis", "batch", "v1"], name: "CronJob" },
    Kind {
        names: &["replicationcontrollers", "replicationcontroller", "rc"],
        group: &["api", "v1"],
        name: "ReplicationController",
    },
];

/// What was typed.
pub enum Target {
    Pod(String),
    Owner(&'static str, String),
    /// All pods of the namespaces that are meant.
    All,
}

impl Target {
    /// Reads `POD`, `KIND/NAME` or `KIND NAME`.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let (kind, name) = match words {
            [] => return Ok(Self::All),
            [one] => match one.split_once('/') {
                None => return Ok(Self::Pod(one.clone())),
                Some((kind, name)) => (kind, name),
            },
            [kind, name] => (kind.as_str(), name.as_str()),
            _ => return Err("one pod or one KIND/NAME is asked about at a time".into()),
        };
        // kubectl takes `deployment.apps` too.
        let short = kind.split('.').next().unwrap_or_default().to_lowercase();
        let Some(kind) = KINDS.iter().find(|known| known.names.contains(&short.as_str())) else {
            let known: Vec<&str> = KINDS.iter().map(|kind| kind.names[1]).collect();
            return Err(format!(
                "`{}` is no kind of object that has pods; those are {}",
                Clean::line(kind),
                known.join(", ")
            ));
        };
        if name.is_empty() {
            return Err(format!("the name of the {} is missing", kind.names[1]));
        }
        Ok(if kind.name == "Pod" { Self::Pod(name.to_owned()) } else { Self::Owner(kind.names[0], name.to_owned()) })
    }
}

/// Where to look.
pub struct Scope<'a> {
    /// `None`: in all namespaces.
    pub namespace: Option<&'a str>,
    pub selector: Option<&'a str>,
}

/// Hands each pod that is meant to `take`, page by page: a cluster may have more of them than fit into memory.
pub async fn each(
    cluster: &Cluster,
    target: &Target,
    scope: &Scope<'_>,
    take: &mut dyn FnMut(Pod),
) -> Result<(), String> {
    match target {
        Target::Pod(name) => {
            let namespace = scope.namespace.unwrap_or(&cluster.namespace);
            let place = path(&["api", "v1", "namespaces", namespace, "pods", name]);
            let pod = object::<Pod>(cluster, &place).await.map_err(|refusal| match refusal {
                Refusal::NotFound(_) => format!(
                    "there is no pod {} in namespace {}: it may have been deleted, or be in another namespace (-n)",
                    Clean::line(name),
                    Clean::line(namespace)
                ),
                other => other.to_string(),
            })?;
            take(pod);
            Ok(())
        }
        Target::Owner(plural, name) => of_owner(cluster, plural, name, scope, take).await,
        Target::All => list(cluster, scope, take).await,
    }
}

async fn object<T: DeserializeOwned>(cluster: &Cluster, place: &str) -> Result<T, Refusal> {
    let answer = cluster.get(place, OBJECT_LIMIT).await?;
    decoded(&answer).ok_or_else(|| Refusal::Unreachable("its answer is no object".into()))
}

async fn of_owner(
    cluster: &Cluster,
    plural: &str,
    name: &str,
    scope: &Scope<'_>,
    take: &mut dyn FnMut(Pod),
) -> Result<(), String> {
    let Some(kind) = KINDS.iter().find(|kind| kind.names[0] == plural) else { return Ok(()) };
    let namespace = scope.namespace.unwrap_or(&cluster.namespace);
    let place = path(&[kind.group, &["namespaces", namespace, plural, name]].concat());
    let owner: Value = object(cluster, &place).await.map_err(|refusal| match refusal {
        Refusal::NotFound(_) => {
            format!("there is no {} {} in namespace {}", kind.names[1], Clean::line(name), Clean::line(namespace))
        }
        other => other.to_string(),
    })?;
    let labels = selector(&owner["spec"]["selector"]);
    let mut found = Vec::new();
    let scope = Scope { namespace: Some(namespace), selector: labels.as_deref() };
    list(cluster, &scope, &mut |pod| {
        if is_owned(&pod, kind.name, name) {
            found.push(pod);
        }
    })
    .await?;
    if found.is_empty() {
        return Err(format!("the {} {} has no pods", kind.names[1], Clean::line(name)));
    }
    // The newest are those of the last roll-out.
    found.sort_by_key(|pod| std::cmp::Reverse(pod.metadata.creation_timestamp));
    found.into_iter().for_each(take);
    Ok(())
}

/// Of labels that must be equal; sets are left to the owner's references.
fn selector(selector: &Value) -> Option<String> {
    // A replication controller has the labels themselves.
    let labels = selector["matchLabels"]
        .as_object()
        .or_else(|| selector.as_object().filter(|all| !all.is_empty() && all.values().all(Value::is_string)))?;
    let pairs = labels.iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)));
    Some(pairs.collect::<Vec<_>>().join(",")).filter(|text| !text.is_empty())
}

/// A deployment owns its pods by replica sets, a cron job by jobs: those have its name with one part behind it.
fn is_owned(pod: &Pod, kind: &str, name: &str) -> bool {
    let between = match kind {
        "Deployment" => Some("ReplicaSet"),
        "CronJob" => Some("Job"),
        _ => None,
    };
    pod.metadata.owner_references.iter().any(|owner| match between {
        None => *owner.kind == *kind && *owner.name == *name,
        Some(between) => {
            let part = owner.name.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
            *owner.kind == *between && part.is_some_and(|part| !part.is_empty() && !part.contains('-'))
        }
    })
}

async fn list(cluster: &Cluster, scope: &Scope<'_>, take: &mut dyn FnMut(Pod)) -> Result<(), String> {
    let place = match scope.namespace {
        Some(namespace) => path(&["api", "v1", "namespaces", namespace, "pods"]),
        None => "/api/v1/pods".to_owned(),
    };
    let mut next = String::new();
    for _ in 0..PAGES {
        let mut pairs = vec![("limit", PAGE)];
        if let Some(selector) = scope.selector {
            pairs.push(("labelSelector", selector));
        }
        if !next.is_empty() {
            pairs.push(("continue", &next));
        }
        let answer = cluster.get(&format!("{place}?{}", query(&pairs)), PAGE_LIMIT).await;
        let answer = answer.map_err(|refusal| match scope.namespace {
            None if matches!(refusal, Refusal::Forbidden(_)) => format!("{refusal}. Name one namespace with -n"),
            _ => refusal.to_string(),
        })?;
        let Some(page) = decoded::<Page>(&answer) else {
            return Err("the API server's list of pods is no list".into());
        };
        if page.items.left_out > 0 {
            return Err(TOO_LONG.into());
        }
        page.items.into_entries().into_iter().for_each(&mut *take);
        if page.metadata.next.is_empty() {
            return Ok(());
        }
        next = page.metadata.next.to_string();
    }
    Err(format!("there are more than {PAGES} pages of pods: name a namespace with -n, or labels with -l"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_and_their_owners_are_named_as_kubectl_has_them() {
        let parse = |words: &[&str]| Target::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert!(matches!(parse(&[]), Ok(Target::All)));
        for words in [&["web-1"][..], &["po/web-1"], &["Pod/web-1"], &["pods", "web-1"]] {
            assert!(matches!(parse(words), Ok(Target::Pod(name)) if name == "web-1"), "{words:?}");
        }
        for words in [&["deploy/web"][..], &["deployment.apps/web"], &["deployments", "web"]] {
            assert!(matches!(parse(words), Ok(Target::Owner("deployments", name)) if name == "web"), "{words:?}");
        }
        for words in [&["service/web"][..], &["deploy/"], &["a", "b", "c"]] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn a_deployment_has_the_pods_of_its_replica_sets_and_of_no_namesakes() {
        let pod = |kind: &str, name: &str| -> Pod {
            serde_json::from_value(json!({"metadata": {"ownerReferences": [{"kind": kind, "name": name}]}})).unwrap()
        };
        assert!(is_owned(&pod("ReplicaSet", "web-7d9f"), "Deployment", "web"));
        assert!(!is_owned(&pod("ReplicaSet", "web-admin-7d9f"), "Deployment", "web"));
        assert!(!is_owned(&pod("StatefulSet", "web-7d9f"), "Deployment", "web"));
        assert!(is_owned(&pod("DaemonSet", "web"), "DaemonSet", "web"));
        assert!(is_owned(&pod("Job", "night-28"), "CronJob", "night"));
        assert!(!is_owned(&Pod::default(), "DaemonSet", "web"));
    }
}
