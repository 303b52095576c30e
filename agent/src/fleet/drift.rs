//! Facts that should be the same on all nodes, where they differ.

use std::collections::BTreeMap;

use super::Asked;

/// A fact with more than one value in the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    pub name: String,
    /// Each value with its nodes, the most nodes first.
    pub groups: Vec<(String, Vec<String>)>,
}

/// What nodes are usually set up alike in.
const FACTS: &[&str] = &["configuration", "containerd", "nameservers", "proxies"];

pub(super) fn of(asked: &[Asked<'_>]) -> Vec<Drift> {
    FACTS.iter().filter_map(|name| drift(name, asked)).collect()
}

fn drift(name: &str, asked: &[Asked<'_>]) -> Option<Drift> {
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for one in asked {
        let value = one.node.traits.get(name).map_or("", String::as_str);
        groups.entry(value).or_default().push(one.node.name.clone());
    }
    if groups.len() < 2 {
        return None;
    }
    let mut groups: Vec<(String, Vec<String>)> =
        groups.into_iter().map(|(value, nodes)| (value.to_owned(), nodes)).collect();
    groups.sort_by_key(|(_, nodes)| std::cmp::Reverse(nodes.len()));
    Some(Drift { name: name.to_owned(), groups })
}

#[cfg(test)]
mod tests {
    use super::super::{Fleet, FleetNode};

    #[test]
    fn nodes_with_another_configuration_are_a_group_of_their_own() {
        let node = |name: &str, hash: &str| FleetNode {
            name: name.to_owned(),
            traits: [("configuration".to_owned(), hash.to_owned()), ("containerd".to_owned(), "2.1.9".to_owned())]
                .into(),
            answers: Ok([].into()),
        };
        let fleet = Fleet::of(&[node("a", "1"), node("b", "2"), node("c", "1")], &[]);
        let [drift] = fleet.drift.as_slice() else { panic!("{:?}", fleet.drift) };
        assert_eq!(drift.name, "configuration");
        let groups: Vec<(&str, usize)> =
            drift.groups.iter().map(|(value, nodes)| (value.as_str(), nodes.len())).collect();
        assert_eq!(groups, [("1", 2), ("2", 1)]);
    }
}
