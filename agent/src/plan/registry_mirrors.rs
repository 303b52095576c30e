//! The list of hosts that comes of the deprecated `registry.mirrors`, also when there are none.

use go::text::quote;

use super::{Draft, address, unusable};
use crate::cause::Cause;
use crate::mirrors::registry::Mirror;
use crate::model::host::{Capabilities, HostTls, Origin};
use crate::model::outcome::Failure;
use crate::node::containerd::Containerd;
use crate::redact::urls;

pub fn hosts(containerd: &Containerd, mirrors: &[Mirror], domain: &str) -> Result<Vec<Draft>, Failure> {
    let endpoints = endpoints(mirrors, domain).map_err(|(reason, origin)| {
        failed(Cause::ConfigInvalid, &origin, &format!("get registry endpoints: {reason}"))
    })?;
    let rewrites = entry(mirrors, domain).map(|mirror| mirror.rewrites.clone()).unwrap_or_default();
    let mut drafts = Vec::new();
    for (endpoint, origin) in endpoints {
        let url = urls::parse(&endpoint).map_err(|reason| {
            let shown = quote(&urls::redacted(&endpoint));
            failed(Cause::ConfigInvalid, &origin, &format!("parse registry endpoint {shown} from mirrors: {reason}"))
        })?;
        let tls = match containerd.registry.tls.get(&url.host) {
            Some(Ok(tls)) => tls.clone(),
            Some(Err(fault)) if fault.unread => {
                return Err(Failure { inconclusive: true, ..failed(Cause::CaUnusable, &origin, &fault.go_message) });
            }
            Some(Err(fault)) => {
                let shown = quote(&urls::redacted(&endpoint));
                let words = format!("get TLSConfig for registry {shown}: {}", fault.go_message);
                return Err(failed(Cause::CaUnusable, &origin, &words));
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
            rewrites: rewrites.clone(),
            origin,
        });
    }
    Ok(drafts)
}

/// The registry cannot be used because of what stands there.
fn failed(cause: Cause, origin: &Origin, words: &str) -> Failure {
    let detail = match origin {
        Origin::File(place) => format!("{place}: {words}"),
        Origin::ImplicitUpstream => words.to_owned(),
    };
    unusable(cause, detail, words)
}

/// The registry's own entry, or else that of all.
fn entry<'a>(mirrors: &'a [Mirror], domain: &str) -> Option<&'a Mirror> {
    let named = |name: &str| mirrors.iter().find(|mirror| mirror.name == name);
    named(domain).or_else(|| named("*"))
}

/// The endpoints of the registry's own entry or else of `*`, and the registry itself unless one of
/// them is it by name.
/// With a fault comes where it is written.
pub fn endpoints(mirrors: &[Mirror], domain: &str) -> Result<Vec<(String, Origin)>, (String, Origin)> {
    let mut found = Vec::new();
    if let Some(mirror) = entry(mirrors, domain) {
        for (endpoint, place) in &mirror.endpoints {
            let origin = Origin::File(place.clone());
            found.push((with_scheme(endpoint).map_err(|reason| (reason, origin.clone()))?, origin));
        }
    }
    for (endpoint, origin) in &found {
        let url = urls::parse(endpoint).map_err(|reason| (format!("parse endpoint url: {reason}"), origin.clone()))?;
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
    let url = urls::parse(&format!("dummy://{endpoint}")).map_err(|reason| format!("parse endpoint url: {reason}"))?;
    Ok(format!("{}://{endpoint}", default_scheme(&url.host)))
}

pub fn default_scheme(authority: &str) -> &'static str {
    if address::is_localhost(authority) { "http" } else { "https" }
}
