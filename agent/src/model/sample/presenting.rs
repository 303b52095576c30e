//! An upstream with a certificate of any issuer.

use std::sync::Arc;
use std::time::Duration;

use super::{all_passed, now, passed, tls};
use crate::model::host::{Endpoint, Role, Scheme};
use crate::model::ratelimit::RateLimit;
use crate::model::report::{EndpointReport, Stages};

/// An upstream that presents a leaf of this issuer.
pub fn presenting(host: &str, issuer: &str, logged: bool) -> EndpointReport {
    let mut facts = tls();
    let leaf = &mut Arc::make_mut(&mut facts.chain)[0];
    (leaf.issuer, leaf.logged) = (issuer.into(), logged);
    EndpointReport {
        namespace: host.to_owned(),
        endpoint: Endpoint::new(Scheme::Https, host),
        role: Role::Upstream,
        need: None,
        stages: Stages { tls: passed(facts, 23), ..all_passed() },
        clock_skew: None,
        rate_limit: RateLimit::default(),
        started_at: now(),
        duration: Duration::from_millis(92),
    }
}
