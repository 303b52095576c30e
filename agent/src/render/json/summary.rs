//! What everybody may read of a node, in a few kilobytes: a line for each registry and image.
//!
//! It has no name of a pod or secret, and no words of a registry, proxy or certificate.

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::cause::Cause;
use crate::model::finding::Severity;
use crate::model::namespace::Namespace;
use crate::model::outcome::{Failure, Outcome};
use crate::model::report::{EndpointReport, ImageReport};
use crate::pods::TextList;
use crate::state::snapshot::Snapshot;
use crate::version::own;

pub const SCHEMA_VERSION: u32 = 1;
/// Of nameservers, of proxies, and of failing hosts of one registry. Real nodes have fewer.
const LIST_LIMIT: usize = 8;
/// The most lines of registries and images that are read of somebody else's summary.
const LINES: usize = 4096;
/// Why a summary with more is not read: what is cut would be missed without a word.
pub const TOO_LONG: &str = "it lists more than pullprobe reads";

/// One node as its agent sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "pullprobe summary")]
pub struct Summary {
    pub schema_version: u32,
    /// The node's name.
    pub node: String,
    /// The agent's own version.
    pub pullprobe: String,
    /// `OS/ARCH[/VARIANT]` that images are wanted for.
    pub platform: String,
    /// The containerd version whose rules were applied.
    pub containerd: String,
    /// The same on all nodes with the same pull configuration. Null: none was read.
    pub config_hash: Option<String>,
    /// When the configuration last changed. RFC 3339, UTC. Null: unknown.
    pub config_changed_at: Option<String>,
    /// The addresses of the name servers that were asked.
    #[serde(deserialize_with = "at_most::<_, _, LIST_LIMIT>")]
    pub nameservers: Vec<String>,
    /// The proxies that were used, without user information.
    #[serde(deserialize_with = "at_most::<_, _, LIST_LIMIT>")]
    pub proxies: Vec<String>,
    /// When the agent started. RFC 3339, UTC.
    pub started_at: String,
    /// False: the first cycle is not over, and targets may be missing.
    pub complete: bool,
    #[serde(deserialize_with = "at_most::<_, _, LINES>")]
    pub registries: Vec<Registry>,
    #[serde(deserialize_with = "at_most::<_, _, LINES>")]
    pub images: Vec<Image>,
    pub findings: Findings,
}

/// A registry, by its name in image references.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Registry {
    pub registry: String,
    /// Can some host in containerd's order serve it? Null: unknown.
    pub pullable: Option<bool>,
    /// Pullable, but a host that containerd would ask fails. Null: unknown.
    pub degraded: Option<bool>,
    /// Why it is not pullable, or why it is degraded: the cause of the last host that fails. Null: nothing fails, or it is unknown.
    pub cause: Option<String>,
    /// Who can fix it.
    pub owner: Option<String>,
    /// Since when it is not pullable, or a host of it fails; at most 24 hours of changes are remembered. RFC 3339, UTC. Absent: nothing
    /// fails, it is unknown, or the agent is an older one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<String>,
    /// The configured hosts that fail, in containerd's order.
    #[serde(deserialize_with = "at_most::<_, _, LIST_LIMIT>")]
    pub failing: Vec<FailingHost>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FailingHost {
    pub endpoint: String,
    /// `mirror` or `upstream`.
    pub role: String,
    pub stage: String,
    pub cause: String,
}

/// An image, as containerd writes it, or as it was asked for where that is no reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Image {
    pub image: String,
    /// Would containerd's pull succeed? Null: unknown.
    pub pullable: Option<bool>,
    /// Would the pulled image start on this node? Null: unknown.
    pub runnable: Option<bool>,
    pub cause: Option<String>,
    /// Who can fix it.
    pub owner: Option<String>,
    /// Since when it fails, whatever the causes since then. RFC 3339, UTC. Absent: it does not, or the agent is an older one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<String>,
    /// How many times it failed in the last 24 hours, the one that goes on included. Absent: it did not, or nobody kept count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures_24h: Option<usize>,
}

/// How many findings there are about the node's files and the way to its registries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Findings {
    pub errors: usize,
    pub warnings: usize,
}

impl Summary {
    pub fn of(snapshot: &Snapshot, now: Timestamp) -> Self {
        let targets = &snapshot.targets.namespaces;
        Self {
            schema_version: SCHEMA_VERSION,
            node: snapshot.node.clone(),
            pullprobe: own::VERSION.to_owned(),
            platform: snapshot.state.platform.to_string(),
            containerd: snapshot.state.containerd.version.to_string(),
            config_hash: snapshot.config.hash.clone(),
            config_changed_at: snapshot.config.changed_at.map(|at| at.to_string()),
            nameservers: limited(snapshot.endpoints.values().flat_map(|report| nameservers(report))),
            proxies: limited(snapshot.endpoints.values().filter_map(|report| proxy(report))),
            started_at: snapshot.started_at.to_string(),
            complete: snapshot.last_cycle.is_some(),
            registries: targets.iter().map(|(name, namespace)| Registry::of(snapshot, name, namespace)).collect(),
            images: snapshot.images.values().map(|report| Image::of(snapshot, report, now)).collect(),
            findings: Findings::of(snapshot, now),
        }
    }
}

impl Registry {
    fn of(snapshot: &Snapshot, name: &str, namespace: &Namespace) -> Self {
        let health = namespace.health(name, &snapshot.endpoints);
        let report = |endpoint| snapshot.endpoints.get(&(name.to_owned(), endpoint)).map(AsRef::as_ref);
        let hosts = namespace.hosts.iter().filter_map(|host| report(host.endpoint.clone()));
        let failing: Vec<(&EndpointReport, &Failure)> =
            hosts.filter_map(|report| Some((report, report.failure()?))).collect();
        let decides = namespace.broken.as_ref().or_else(|| failing.last().map(|(_, failure)| *failure));
        let decides = decides.filter(|failure| !failure.inconclusive);
        Self {
            registry: name.to_owned(),
            pullable: health.pullable,
            degraded: health.degraded,
            cause: decides.map(|failure| word(failure.cause)),
            owner: decides.map(|failure| failure.cause.owner().as_str().to_owned()),
            failing_since: snapshot.registry_fails_since(name, namespace, &health).map(|since| since.to_string()),
            failing: failing.into_iter().map(FailingHost::from).take(LIST_LIMIT).collect(),
        }
    }
}

impl From<(&EndpointReport, &Failure)> for FailingHost {
    fn from((report, failure): (&EndpointReport, &Failure)) -> Self {
        Self {
            endpoint: report.endpoint.to_string(),
            role: report.role.as_str().to_owned(),
            stage: failure.stage.as_str().to_owned(),
            cause: word(failure.cause),
        }
    }
}

impl Image {
    fn of(snapshot: &Snapshot, report: &ImageReport, now: Timestamp) -> Self {
        let verdict = &report.verdict;
        let history = snapshot.image_history(&report.requested);
        Self {
            image: report.image.as_ref().map_or_else(|| report.requested.to_string(), ToString::to_string),
            pullable: verdict.pullable,
            runnable: verdict.runnable,
            cause: verdict.cause.map(word),
            owner: verdict.owner.map(|owner| owner.as_str().to_owned()),
            failing_since: history.and_then(|history| history.failing_since()).map(|since| since.to_string()),
            failures_24h: history.map(|history| history.failures(now)).filter(|count| *count > 0),
        }
    }
}

impl Findings {
    fn of(snapshot: &Snapshot, now: Timestamp) -> Self {
        let findings = snapshot.findings(now);
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        Self { errors: count(Severity::Error), warnings: count(Severity::Warning) }
    }
}

/// Counted while it is read: who answers may be nobody's agent.
fn at_most<'de, D, T, const LIMIT: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let list = TextList::<T, LIMIT>::deserialize(deserializer)?;
    if list.left_out > 0 {
        return Err(D::Error::custom(TOO_LONG));
    }
    Ok(list.into_entries())
}

fn word(cause: Cause) -> String {
    cause.as_str().to_owned()
}

fn nameservers(report: &EndpointReport) -> Vec<String> {
    let (Outcome::Passed(facts) | Outcome::Failed(_, Some(facts))) = &report.stages.dns.outcome else {
        return Vec::new();
    };
    facts.nameservers.iter().map(|one| one.server.ip().to_string()).collect()
}

fn proxy(report: &EndpointReport) -> Option<String> {
    let (Outcome::Passed(facts) | Outcome::Failed(_, Some(facts))) = &report.stages.proxy.outcome else {
        return None;
    };
    facts.proxy.as_ref().map(ToString::to_string)
}

fn limited(all: impl Iterator<Item = String>) -> Vec<String> {
    all.collect::<BTreeSet<String>>().into_iter().take(LIST_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;

    fn rich() -> Summary {
        Summary::of(&sample::rich(), sample::now())
    }

    #[test]
    fn a_line_each_with_the_cause_and_who_can_fix_it() {
        let summary = rich();
        let line = |name: &str| {
            let one = summary.registries.iter().find(|one| one.registry == name).unwrap();
            (one.pullable, one.degraded, one.cause.as_deref(), one.owner.as_deref(), one.failing.len())
        };
        assert_eq!(line("registry.k8s.io"), (Some(true), Some(false), None, None, 0));
        let failing: Vec<_> = summary.registries.iter().filter(|one| !one.failing.is_empty()).collect();
        assert!(
            !failing.is_empty()
                && failing.iter().all(|one| one.cause == Some(one.failing.last().unwrap().cause.clone()))
        );
        assert_eq!(summary.images.len(), sample::rich().images.len());
        assert!(!summary.nameservers.is_empty() && summary.complete);
        assert!(!Summary::of(&sample::empty(), sample::now()).complete);
    }

    #[test]
    fn what_fails_says_since_when_and_how_often_and_what_is_well_takes_no_byte_for_it() {
        let summary = Summary::of(&sample::remembered(sample::rich()), sample::now());
        let since = (sample::now() - std::time::Duration::from_secs(18 * 60)).to_string();
        for image in &summary.images {
            let fails = image.pullable == Some(false) || image.runnable == Some(false);
            assert_eq!(image.failing_since.as_ref(), fails.then_some(&since), "{image:?}");
            assert_eq!(image.failures_24h, fails.then_some(2), "{image:?}");
        }
        assert!(summary.images.iter().any(|image| image.failing_since.is_some()));
        for registry in &summary.registries {
            let fails = registry.pullable == Some(false) || registry.degraded == Some(true);
            assert_eq!(registry.failing_since.as_ref(), fails.then_some(&since), "{registry:?}");
        }
        assert!(summary.registries.iter().any(|registry| registry.failing_since.is_some()));
        let well = serde_json::to_string(&Summary::of(&sample::remembered(sample::well()), sample::now())).unwrap();
        assert!(!well.contains("failing_since"), "{well}");
    }

    #[test]
    fn the_summary_has_no_word_of_a_peer_and_no_name_of_a_pod() {
        let text = serde_json::to_string(&rich()).unwrap();
        // What peers of the sample say has markup; its pods are in the namespace shop, and two of their secrets are these.
        for word in ["script", "shop", "own-refused", "throttled", "\"private\"", "\"bad\"", "oauth", "QPS"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
        let snapshot = sample::rich();
        let said: Vec<String> =
            snapshot.endpoints.values().filter_map(|report| Some(report.failure()?.detail.to_string())).collect();
        assert!(said.len() > 2, "{said:?}");
        assert!(said.iter().all(|detail| detail.is_empty() || !text.contains(detail.as_str())), "{said:?}");
    }

    #[test]
    fn it_is_read_back_as_it_was_written_and_a_newer_one_with_more_fields_too() {
        let summary = rich();
        let mut document = serde_json::to_value(&summary).unwrap();
        assert_eq!(serde_json::from_value::<Summary>(document.clone()).unwrap(), summary);
        document.as_object_mut().unwrap().insert("later".into(), 1.into());
        assert_eq!(serde_json::from_value::<Summary>(document).unwrap(), summary);
    }

    #[test]
    fn one_that_lists_more_than_any_agent_does_is_not_read() {
        let line = |name: &str| match name {
            "registries" => serde_json::json!({"registry": "", "failing": []}),
            "images" => serde_json::json!({"image": ""}),
            _ => "".into(),
        };
        for (name, limit) in
            [("registries", LINES), ("images", LINES), ("nameservers", LIST_LIMIT), ("proxies", LIST_LIMIT)]
        {
            let with = |count: usize| {
                let mut document = serde_json::to_value(rich()).unwrap();
                document[name] = vec![line(name); count].into();
                serde_json::from_value::<Summary>(document)
            };
            assert!(with(limit).is_ok(), "{name}");
            assert!(with(limit + 1).unwrap_err().to_string().contains(TOO_LONG), "{name}");
        }
    }
}
