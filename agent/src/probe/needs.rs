//! Which hosts a cycle was sent to that no plan names. It decides nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::model::host::Endpoint;
use crate::model::need::{Need, Purpose};

/// A registry name has a token service and a few stores of blobs; one that sends everybody elsewhere
/// must not fill the memory.
const LIMIT: usize = 64;
/// A host name has at most 253 bytes, a port 6 with its colon.
const AUTHORITY_LIMIT: usize = 260;

/// By registry name.
#[derive(Debug, Default)]
pub struct Needs(Mutex<BTreeMap<String, BTreeMap<Endpoint, Need>>>);

impl Needs {
    /// A pull from `namespace` is sent by the planned host `via` to `endpoint`.
    pub fn note(&self, namespace: &str, via: &Endpoint, endpoint: &Endpoint, purpose: Purpose) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_name = all.entry(namespace.to_owned()).or_default();
        let has_room = of_name.len() < LIMIT && endpoint.authority.len() <= AUTHORITY_LIMIT;
        if has_room || of_name.contains_key(endpoint) {
            of_name.entry(endpoint.clone()).or_default().merge(&Need::new(purpose, via.clone()));
        }
    }

    pub fn of(&self, namespace: &str) -> BTreeMap<Endpoint, Need> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(namespace).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::host::{Role, Scheme};

    #[test]
    fn what_several_hosts_need_for_several_things_is_one_host_and_gives_tokens_first() {
        let of = |name: &str| Endpoint::new(Scheme::Https, name);
        let needs = Needs::default();
        needs.note("r.example", &of("m.example"), &of("cdn.example"), Purpose::Blob);
        needs.note("r.example", &of("r.example"), &of("cdn.example"), Purpose::Token);
        needs.note("other.example", &of("other.example"), &of("x.example"), Purpose::Manifest);
        let found = needs.of("r.example");
        let need = &found[&of("cdn.example")];
        assert_eq!((found.len(), need.via.len(), need.role()), (1, 2, Role::Token));
        assert_eq!(needs.of("other.example")[&of("x.example")].role(), Role::Redirect);
        assert!(needs.of("unknown.example").is_empty());
    }

    #[test]
    fn a_registry_that_always_names_another_host_is_remembered_up_to_a_limit() {
        let needs = Needs::default();
        let via = Endpoint::new(Scheme::Https, "r.example");
        for number in 0..1_000 {
            needs.note("r.example", &via, &Endpoint::new(Scheme::Https, format!("{number}.example")), Purpose::Blob);
        }
        needs.note("long.example", &via, &Endpoint::new(Scheme::Https, "a".repeat(300)), Purpose::Blob);
        assert_eq!((needs.of("r.example").len(), needs.of("long.example").len()), (LIMIT, 0));
    }
}
