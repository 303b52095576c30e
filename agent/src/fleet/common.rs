//! What the nodes that fail have in common, and those that do not fail have not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A trait whose values tell the nodes that fail from the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Common {
    pub name: String,
    /// Of the nodes that fail. An empty one: they do not have it.
    pub values: Vec<String>,
    /// How many of the nodes that fail have another value.
    pub missed: usize,
    /// How many nodes with these values do not fail.
    pub spared: usize,
}

/// More would not help anybody.
const SHOWN: usize = 3;
/// Of a hundred nodes on each side, so many may not fit: an agent may have looked a minute earlier.
const MISFITS_PER_CENT: usize = 10;

/// What is likelier to be a reason stands first among traits that fit equally well.
const LIKELY: &[&str] = &[
    "configuration",
    "containerd",
    "nameservers",
    "proxies",
    "topology.kubernetes.io/zone",
    "cloud.google.com/gke-nodepool",
    "eks.amazonaws.com/nodegroup",
    "kubernetes.azure.com/agentpool",
    "karpenter.sh/nodepool",
    "topology.kubernetes.io/region",
    "node.kubernetes.io/instance-type",
    "OS image",
    "kernel",
    "platform",
];

impl fmt::Display for Common {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<&str> =
            self.values.iter().map(|value| if value.is_empty() { "(none)" } else { value.as_str() }).collect();
        write!(f, "{} = {}", self.name, values.join(" or "))?;
        match (self.missed, self.spared) {
            (0, 0) => Ok(()),
            (missed, 0) => write!(f, " (but for {missed} of them)"),
            (0, spared) => write!(f, " ({spared} like them do not fail)"),
            (missed, spared) => write!(f, " (but for {missed} of them, and {spared} like them do not fail)"),
        }
    }
}

/// The traits that split `bad` from `good`, the best first. A single node, or no other to compare with, has nothing in common.
pub fn find(bad: &[&BTreeMap<String, String>], good: &[&BTreeMap<String, String>]) -> Vec<Common> {
    if bad.len() < 2 || good.is_empty() {
        return Vec::new();
    }
    let names: BTreeSet<&str> = bad.iter().chain(good).flat_map(|one| one.keys()).map(String::as_str).collect();
    let mut found: Vec<Common> = names.into_iter().filter_map(|name| split(name, bad, good)).collect();
    found.sort_by_key(|common| {
        let likely = LIKELY.iter().position(|name| *name == common.name).unwrap_or(LIKELY.len());
        (common.missed + common.spared, common.values.len(), likely, common.name.clone())
    });
    found.truncate(SHOWN);
    found
}

/// The values of a trait that belong to the nodes that fail. `None`: it does not tell them from the others.
fn split(name: &str, bad: &[&BTreeMap<String, String>], good: &[&BTreeMap<String, String>]) -> Option<Common> {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for one in bad {
        counts.entry(one.get(name).map_or("", String::as_str)).or_default().0 += 1;
    }
    for one in good {
        counts.entry(one.get(name).map_or("", String::as_str)).or_default().1 += 1;
    }
    // Shares of each side, not counts: a zone may have few of the nodes.
    let fails = |(of_bad, of_good): (usize, usize)| of_bad * good.len() > of_good * bad.len();
    let values: Vec<String> =
        counts.iter().filter(|(_, count)| fails(**count)).map(|(value, _)| (*value).to_owned()).collect();
    let missed = counts.values().filter(|count| !fails(**count)).map(|(of_bad, _)| of_bad).sum::<usize>();
    let spared = counts.values().filter(|count| fails(**count)).map(|(_, of_good)| of_good).sum::<usize>();
    // A value for nearly each node, as of a host name, tells nothing.
    let is_of_many = values.len() * 2 <= bad.len();
    let fits = |misfits: usize, side: usize| misfits * 100 <= side * MISFITS_PER_CENT;
    let tells = !values.is_empty() && is_of_many && fits(missed, bad.len()) && fits(spared, bad.len().min(good.len()));
    tells.then(|| Common { name: name.to_owned(), values, missed, spared })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traits(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn named(bad: &[BTreeMap<String, String>], good: &[BTreeMap<String, String>]) -> Vec<String> {
        let bad: Vec<_> = bad.iter().collect();
        let good: Vec<_> = good.iter().collect();
        find(&bad, &good).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_of_its_own_on_each_node_is_nothing_in_common() {
        let hosts = |names: &[&str]| -> Vec<_> { names.iter().map(|name| traits(&[("host", name)])).collect() };
        assert!(named(&hosts(&["a", "b"]), &hosts(&["c", "d"])).is_empty());
    }

    #[test]
    fn what_all_nodes_have_tells_nothing() {
        let all = traits(&[("zone", "a")]);
        assert!(named(&[all.clone(), all.clone()], std::slice::from_ref(&all)).is_empty());
    }

    #[test]
    fn a_label_that_only_the_others_have_is_named_as_missing() {
        let without = traits(&[]);
        let with = traits(&[("proxy", "p")]);
        assert_eq!(named(&[without.clone(), without], &[with.clone(), with]), ["proxy = (none)"]);
    }

    #[test]
    fn several_values_may_fail_together() {
        let zone = |zone: &str| traits(&[("zone", zone)]);
        let bad = [zone("a"), zone("a"), zone("b"), zone("b")];
        assert_eq!(named(&bad, &[zone("c"), zone("d")]), ["zone = a or b"]);
    }

    #[test]
    fn a_few_that_do_not_fit_are_told_and_many_hide_the_trait() {
        let many = |zone: &str, count: usize| vec![traits(&[("zone", zone)]); count];
        let mut bad = many("b", 19);
        bad.extend(many("a", 1));
        assert_eq!(named(&bad, &many("a", 40)), ["zone = b (but for 1 of them)"]);
        bad.extend(many("a", 4));
        assert!(named(&bad, &many("a", 40)).is_empty());
        let mut good = many("a", 19);
        good.extend(many("b", 1));
        assert_eq!(named(&many("b", 20), &good), ["zone = b (1 like them do not fail)"]);
    }

    #[test]
    fn among_traits_that_fit_alike_the_likelier_reason_stands_first() {
        let one = |zone: &str, hash: &str| traits(&[("topology.kubernetes.io/zone", zone), ("configuration", hash)]);
        let found = named(&[one("b", "2"), one("b", "2")], &[one("a", "1"), one("a", "1")]);
        assert_eq!(found, ["configuration = 2", "topology.kubernetes.io/zone = b"]);
    }

    #[test]
    fn one_node_alone_has_nothing_in_common_with_others() {
        assert!(named(&[traits(&[("zone", "b")])], &[traits(&[("zone", "a")])]).is_empty());
    }
}
