//! Records the hosts that registries sent a cycle's pulls to and that no plan names. It makes no decisions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::model::dependency::{Dependency, Purpose};
use crate::model::host::Endpoint;
use crate::redact::clean::Clean;

/// The most hosts per registry name. It needs a token service and a few stores of blobs. A registry that names another
/// host each time must not fill the memory.
const LIMIT: usize = 64;
/// A host name has at most 253 bytes, a port 6 with its colon.
const AUTHORITY_LIMIT: usize = 260;

/// One walk: from which registry, for what, and by which host of the plan.
#[derive(Clone, Copy, Debug)]
pub struct PullOrigin<'a> {
    /// The registry's name in image references.
    pub namespace: &'a str,
    /// The image. Empty: an endpoint was probed, for no image.
    pub of: &'a str,
    pub via: &'a Endpoint,
}

/// What it was walked for, and the host of the plan, without its scheme: that may fall back.
type Steps = BTreeSet<(String, Clean)>;

impl PullOrigin<'_> {
    fn key(self) -> (String, Clean) {
        (self.of.to_owned(), self.via.authority.clone())
    }
}

/// By registry name.
#[derive(Debug, Default)]
pub struct Dependencies(Mutex<BTreeMap<String, OfName>>);

#[derive(Debug, Default)]
struct OfName {
    hosts: BTreeMap<Endpoint, (Dependency, Steps)>,
    succeeded: Steps,
}

impl Dependencies {
    fn with<T>(&self, namespace: &str, act: impl FnOnce(&mut OfName) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        act(all.entry(namespace.to_owned()).or_default())
    }

    /// A walk is sent to `endpoint`.
    pub fn note(&self, origin: PullOrigin<'_>, endpoint: &Endpoint, purpose: Purpose) {
        self.with(origin.namespace, |of_name| {
            let has_room = of_name.hosts.len() < LIMIT && endpoint.authority.len() <= AUTHORITY_LIMIT;
            if has_room || of_name.hosts.contains_key(endpoint) {
                let (need, steps) = of_name.hosts.entry(endpoint.clone()).or_default();
                need.merge(&Dependency::new(purpose, origin.via.clone()));
                if steps.len() < LIMIT {
                    steps.insert(origin.key());
                }
            }
        });
    }

    /// A pull succeeded, through this planned host.
    pub fn succeeded(&self, origin: PullOrigin<'_>) {
        self.with(origin.namespace, |of_name| of_name.succeeded.insert(origin.key()));
    }

    pub fn of(&self, namespace: &str) -> BTreeMap<Endpoint, Dependency> {
        self.with(namespace, |of_name| {
            let pooled = |steps: &Steps| !steps.is_disjoint(&of_name.succeeded);
            let need = |(need, steps): &(Dependency, Steps)| Dependency { pooled: pooled(steps), ..need.clone() };
            of_name.hosts.iter().map(|(endpoint, known)| (endpoint.clone(), need(known))).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::host::{Role, Scheme};

    fn of(name: &str) -> Endpoint {
        Endpoint::new(Scheme::Https, name)
    }

    fn walk<'a>(namespace: &'a str, of: &'a str, via: &'a Endpoint) -> PullOrigin<'a> {
        PullOrigin { namespace, of, via }
    }

    #[test]
    fn what_several_hosts_need_for_several_things_is_one_host_and_gives_tokens_first() {
        let dependencies = Dependencies::default();
        dependencies.note(walk("r.example", "a", &of("m.example")), &of("cdn.example"), Purpose::Blob);
        dependencies.note(walk("r.example", "a", &of("r.example")), &of("cdn.example"), Purpose::Token);
        dependencies.note(walk("other.example", "b", &of("other.example")), &of("x.example"), Purpose::Manifest);
        let found = dependencies.of("r.example");
        let need = &found[&of("cdn.example")];
        assert_eq!((found.len(), need.via.len(), need.role()), (1, 2, Role::Token));
        assert_eq!(dependencies.of("other.example")[&of("x.example")].role(), Role::Redirect);
        assert!(dependencies.of("unknown.example").is_empty());
    }

    #[test]
    fn a_registry_that_always_names_another_host_is_remembered_up_to_a_limit() {
        let dependencies = Dependencies::default();
        let via = of("r.example");
        for number in 0..1_000 {
            dependencies.note(walk("r.example", "a", &via), &of(&format!("{number}.example")), Purpose::Blob);
        }
        dependencies.note(walk("long.example", "a", &via), &of(&"a".repeat(300)), Purpose::Blob);
        assert_eq!((dependencies.of("r.example").len(), dependencies.of("long.example").len()), (LIMIT, 0));
    }

    /// A registry that serves one image well, and sends whoever asks for another to scan ports.
    #[test]
    fn a_host_is_proved_by_the_walk_that_was_sent_there_and_by_no_other() {
        let dependencies = Dependencies::default();
        let (mirror, upstream) = (of("m.example"), of("r.example"));
        dependencies.note(walk("r.example", "good", &upstream), &of("cdn.example"), Purpose::Blob);
        dependencies.note(walk("r.example", "bad", &upstream), &of("10.0.0.5:22"), Purpose::Blob);
        dependencies.note(walk("r.example", "good", &mirror), &of("10.0.0.6:22"), Purpose::Blob);
        dependencies.succeeded(walk("r.example", "good", &upstream));
        let pooled = |host: &str| dependencies.of("r.example")[&of(host)].pooled;
        assert_eq!([pooled("cdn.example"), pooled("10.0.0.5:22"), pooled("10.0.0.6:22")], [true, false, false]);
    }
}
