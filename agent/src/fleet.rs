//! Many nodes at once: which can pull what, and what those that cannot have in common. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

mod common;
mod drift;

pub use common::Common;
pub use drift::Drift;

/// A node of the cluster, and what its agent answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetNode {
    pub name: String,
    /// What it may share with others: its labels, and facts that its agent tells. By name.
    pub traits: BTreeMap<String, String>,
    /// By target. `Err`: why the node could not be asked.
    pub answers: Result<BTreeMap<String, NodeAnswer>, String>,
}

/// What one node says of one registry or image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeAnswer {
    /// `None`: unknown.
    pub pullable: Option<bool>,
    /// It can be pulled, but a host that containerd would ask fails.
    pub degraded: bool,
    pub cause: Option<String>,
    /// Who can fix it.
    pub owner: Option<String>,
    /// `None`: it does not fail, or the node does not say.
    pub failing_since: Option<Timestamp>,
}

/// A registry or image over all nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetRow {
    pub target: String,
    pub can: usize,
    /// Of those that can.
    pub degraded: usize,
    pub cannot: usize,
    /// The agent answered and does not know, or does not watch this target.
    pub unknown: usize,
    /// The most nodes first.
    pub failures: Vec<SharedFailure>,
}

/// The nodes on which a target fails for one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedFailure {
    /// `None`: it is not known, or no node can tell.
    pub cause: Option<String>,
    pub owner: Option<String>,
    /// `false`: the pull works, but not from the host that is configured first.
    pub fatal: bool,
    /// Since when the first of these nodes fails, of those that say so.
    pub failing_since: Option<Timestamp>,
    pub nodes: Vec<String>,
    /// What tells these nodes from those without this failure. Empty: nothing does.
    pub common: Vec<Common>,
}

/// The whole answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    pub nodes: usize,
    pub rows: Vec<TargetRow>,
    /// Nodes that could not be asked, by reason.
    pub not_asked: BTreeMap<String, Vec<String>>,
    /// Facts that should be the same on all nodes and are not.
    pub drift: Vec<Drift>,
}

impl Fleet {
    /// Of these nodes. `targets`: only these. Empty: every target that a node watches.
    pub fn of(nodes: &[FleetNode], targets: &[String]) -> Self {
        let mut not_asked: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for node in nodes {
            if let Err(reason) = &node.answers {
                not_asked.entry(reason.clone()).or_default().push(node.name.clone());
            }
        }
        let asked: Vec<Asked<'_>> = nodes.iter().filter_map(Asked::of).collect();
        let watched: std::collections::BTreeSet<&str> = if targets.is_empty() {
            asked.iter().flat_map(|node| node.answers.keys()).map(String::as_str).collect()
        } else {
            targets.iter().map(String::as_str).collect()
        };
        let mut rows: Vec<TargetRow> = watched.into_iter().map(|target| row(target, &asked)).collect();
        // Worst first.
        rows.sort_by(|one, other| {
            (other.cannot, other.degraded, other.unknown).cmp(&(one.cannot, one.degraded, one.unknown))
        });
        Self { nodes: nodes.len(), rows, not_asked, drift: drift::of(&asked) }
    }

    /// Whether some node says that it cannot.
    pub fn any_cannot(&self) -> bool {
        self.rows.iter().any(|row| row.cannot > 0)
    }

    /// Whether each node answered, and knows.
    pub fn all_known(&self) -> bool {
        self.not_asked.is_empty() && self.rows.iter().all(|row| row.unknown == 0)
    }
}

/// A node that answered.
struct Asked<'a> {
    node: &'a FleetNode,
    answers: &'a BTreeMap<String, NodeAnswer>,
}

impl<'a> Asked<'a> {
    fn of(node: &'a FleetNode) -> Option<Self> {
        node.answers.as_ref().ok().map(|answers| Self { node, answers })
    }
}

/// Whether the pull fails, with the cause and who can fix it.
type FailureKey<'a> = (bool, Option<&'a str>, Option<&'a str>);

fn row(target: &str, asked: &[Asked<'_>]) -> TargetRow {
    let mut row = TargetRow { target: target.to_owned(), ..TargetRow::default() };
    let mut failing: BTreeMap<FailureKey<'_>, Vec<usize>> = BTreeMap::new();
    for (place, node) in asked.iter().enumerate() {
        let Some(answer) = node.answers.get(target) else {
            row.unknown += 1;
            continue;
        };
        match answer.pullable {
            Some(true) => {
                row.can += 1;
                row.degraded += usize::from(answer.degraded);
            }
            Some(false) => row.cannot += 1,
            None => row.unknown += 1,
        }
        if answer.pullable == Some(false) || answer.degraded {
            let key = (answer.pullable == Some(false), answer.cause.as_deref(), answer.owner.as_deref());
            failing.entry(key).or_default().push(place);
        }
    }
    row.failures = failing
        .into_iter()
        .map(|((fatal, cause, owner), places)| {
            let without = |place: usize| {
                let answer = asked[place].answers.get(target);
                answer.is_some_and(|answer| answer.pullable == Some(true) && (fatal || !answer.degraded))
            };
            let good: Vec<usize> = (0..asked.len()).filter(|place| without(*place)).collect();
            let traits = |places: &[usize]| -> Vec<&BTreeMap<String, String>> {
                places.iter().map(|place| &asked[*place].node.traits).collect()
            };
            SharedFailure {
                cause: cause.map(str::to_owned),
                owner: owner.map(str::to_owned),
                fatal,
                failing_since: places.iter().filter_map(|place| asked[*place].answers.get(target)?.failing_since).min(),
                common: common::find(&traits(&places), &traits(&good)),
                nodes: places.iter().map(|place| asked[*place].node.name.clone()).collect(),
            }
        })
        .collect();
    row.failures.sort_by_key(|failure| (std::cmp::Reverse(failure.fatal), std::cmp::Reverse(failure.nodes.len())));
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, zone: &str, answer: NodeAnswer) -> FleetNode {
        FleetNode {
            name: name.to_owned(),
            traits: [("kubernetes.io/hostname", name), ("topology.kubernetes.io/zone", zone)]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            answers: Ok([("docker.io".to_owned(), answer)].into()),
        }
    }

    fn good() -> NodeAnswer {
        NodeAnswer { pullable: Some(true), ..NodeAnswer::default() }
    }

    fn bad(cause: &str) -> NodeAnswer {
        NodeAnswer {
            pullable: Some(false),
            cause: Some(cause.to_owned()),
            owner: Some("network".to_owned()),
            ..NodeAnswer::default()
        }
    }

    /// Ten nodes a zone, of which those in `b` fail.
    fn zones() -> Vec<FleetNode> {
        let zones = ["a", "b", "c"];
        let of = |zone: &str| if zone == "b" { bad("dns_timeout") } else { good() };
        zones.iter().flat_map(|zone| (0..10).map(move |one| node(&format!("{zone}{one}"), zone, of(zone)))).collect()
    }

    #[test]
    fn a_zone_that_fails_is_named() {
        let fleet = Fleet::of(&zones(), &[]);
        let row = &fleet.rows[0];
        assert_eq!((row.can, row.cannot, row.unknown), (20, 10, 0));
        let failure = &row.failures[0];
        assert_eq!((failure.cause.as_deref(), failure.nodes.len()), (Some("dns_timeout"), 10));
        let named: Vec<String> = failure.common.iter().map(ToString::to_string).collect();
        assert_eq!(named, ["topology.kubernetes.io/zone = b"]);
        assert!(fleet.any_cannot() && fleet.all_known());
    }

    #[test]
    fn a_failure_is_as_old_as_on_the_first_node_that_says_since_when() {
        let at = |second| Timestamp::from_second(second).ok();
        let of = |second| NodeAnswer { failing_since: at(second), ..bad("dns_timeout") };
        let nodes = [
            node("a", "b", of(300)),
            node("b", "b", of(200)),
            node("of an older agent", "b", bad("dns_timeout")),
            node("with another failure", "b", NodeAnswer { failing_since: at(100), ..bad("tcp_refused") }),
        ];
        let fleet = Fleet::of(&nodes, &[]);
        let since: Vec<_> = fleet.rows[0].failures.iter().map(|failure| failure.failing_since).collect();
        assert_eq!(since, [at(200), at(100)]);
        let unsaid = Fleet::of(&[node("a", "b", bad("dns_timeout"))], &[]);
        assert_eq!(unsaid.rows[0].failures[0].failing_since, None);
    }

    #[test]
    fn two_faults_are_two_failures_each_held_against_the_nodes_that_can() {
        let mut nodes = zones();
        for one in nodes.iter_mut().filter(|node| node.name.starts_with('a')).take(4) {
            one.traits.insert("pool".into(), "old".into());
            one.answers = Ok([("docker.io".to_owned(), bad("tls_certificate_expired"))].into());
        }
        let fleet = Fleet::of(&nodes, &[]);
        let named = |place: usize| -> (&str, String) {
            let failure = &fleet.rows[0].failures[place];
            (failure.cause.as_deref().unwrap(), failure.common[0].to_string())
        };
        assert_eq!(named(0), ("dns_timeout", "topology.kubernetes.io/zone = b".to_owned()));
        assert_eq!(named(1), ("tls_certificate_expired", "pool = old".to_owned()));
    }

    #[test]
    fn who_could_not_be_asked_is_told_by_reason_and_counts_for_nothing() {
        let mut nodes = zones();
        nodes[0].answers = Err("no agent runs there".into());
        let fleet = Fleet::of(&nodes, &["docker.io".to_owned(), "quay.io".to_owned()]);
        assert_eq!(fleet.not_asked["no agent runs there"], ["a0"]);
        let row = |target: &str| fleet.rows.iter().find(|row| row.target == target).unwrap();
        assert_eq!((row("docker.io").can, row("docker.io").cannot), (19, 10));
        assert_eq!(row("quay.io").unknown, 29, "no agent watches it");
        assert!(!fleet.all_known());
    }

    #[test]
    fn a_masked_failure_is_no_failure_to_pull_and_still_named() {
        let mut nodes = zones();
        for node in &mut nodes {
            let zone = node.traits["topology.kubernetes.io/zone"].clone();
            let answer =
                NodeAnswer { degraded: zone == "c", cause: (zone == "c").then(|| "tcp_refused".into()), ..good() };
            node.answers = Ok([("docker.io".to_owned(), answer)].into());
        }
        let fleet = Fleet::of(&nodes, &[]);
        let row = &fleet.rows[0];
        assert_eq!((row.can, row.degraded, row.cannot), (30, 10, 0));
        assert!(!row.failures[0].fatal && !fleet.any_cannot());
        assert_eq!(row.failures[0].common[0].to_string(), "topology.kubernetes.io/zone = c");
    }
}
