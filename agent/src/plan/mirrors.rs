//! The list of hosts that comes of the deprecated `registry.mirrors`, also when there are none.

use super::{Draft, address, unusable};
use crate::model::cause::Cause;
use crate::model::host::{Capabilities, HostTls, Origin};
use crate::model::outcome::Failure;
use crate::node::containerd::Containerd;
use crate::node::containerd::gotext::quote;
use crate::node::containerd::gourl;
use crate::node::containerd::registry::Mirror;

pub fn hosts(containerd: &Containerd, mirrors: &[Mirror], domain: &str) -> Result<Vec<Draft>, Failure> {
    let failed = |words: String| unusable(Cause::ConfigInvalid, words.clone(), &words);
    let endpoints = endpoints(mirrors, domain).map_err(|reason| failed(format!("get registry endpoints: {reason}")))?;
    let mut drafts = Vec::new();
    for (endpoint, origin) in endpoints {
        let url = gourl::parse(&endpoint).map_err(|reason| {
            failed(format!("parse registry endpoint {} from mirrors: {reason}", quote(&gourl::shown(&endpoint))))
        })?;
        let tls = match containerd.registry.tls.get(&url.host) {
            Some(Ok(tls)) => tls.clone(),
            Some(Err(reason)) => {
                let words = format!("get TLSConfig for registry {}: {reason}", quote(&gourl::shown(&endpoint)));
                return Err(unusable(Cause::CaUnusable, words.clone(), &words));
            }
            None => HostTls::default(),
        };
        drafts.push(Draft {
            scheme: url.scheme,
            authority: url.host,
            path: if url.path.is_empty() { "/v2".into() } else { url.path },
            capabilities: Capabilities { pull: true, resolve: true, ..Capabilities::NONE },
            tls,
            headers: Vec::new(),
            dial_timeout: None,
            http_fallback: false,
            origin,
        });
    }
    Ok(drafts)
}

/// The endpoints of the registry's own entry or else of `*`, and the registry itself unless one of
/// them is it by name.
pub fn endpoints(mirrors: &[Mirror], domain: &str) -> Result<Vec<(String, Origin)>, String> {
    let entry = |name: &str| mirrors.iter().find(|mirror| mirror.name == name);
    let mut found = Vec::new();
    if let Some(mirror) = entry(domain).or_else(|| entry("*")) {
        let origin = Origin::File { path: mirror.place.file.to_string(), line: mirror.place.line };
        for endpoint in &mirror.endpoints {
            found.push((with_scheme(endpoint)?, origin.clone()));
        }
    }
    for (endpoint, _) in &found {
        let url = gourl::parse(endpoint).map_err(|reason| format!("parse endpoint url: {reason}"))?;
        if url.host == domain {
            return Ok(found);
        }
    }
    let upstream = address::default_host(domain);
    found.push((format!("{}://{upstream}", default_scheme(upstream)), Origin::ImplicitUpstream));
    Ok(found)
}

fn with_scheme(endpoint: &str) -> Result<String, String> {
    if endpoint.contains("://") {
        return Ok(endpoint.to_owned());
    }
    let url = gourl::parse(&format!("dummy://{endpoint}")).map_err(|reason| format!("parse endpoint url: {reason}"))?;
    Ok(format!("{}://{endpoint}", default_scheme(&url.host)))
}

pub fn default_scheme(authority: &str) -> &'static str {
    if address::is_localhost(authority) { "http" } else { "https" }
}
