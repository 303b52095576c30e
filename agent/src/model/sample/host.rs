//! A host of a plan, with nothing of its own.

use crate::model::host::{Capabilities, Endpoint, HostTls, Origin, RegistryHost, Role};
use crate::model::rewrites::Rewrites;

pub fn host(endpoint: Endpoint) -> RegistryHost {
    RegistryHost {
        endpoint,
        role: Role::Upstream,
        path: "/v2".to_owned(),
        capabilities: Capabilities::ALL,
        tls: HostTls::default(),
        headers: Vec::new(),
        dial_timeout: None,
        http_fallback: false,
        rewrites: Rewrites::default(),
        namespace_query: None,
        own_credential: None,
        unusable_credential: None,
        unsendable: None,
        origin: Origin::ImplicitUpstream,
    }
}
