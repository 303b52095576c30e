//! Which hosts containerd asks for an image, in which order and with which settings. Pure.
//!
//! Pure: everything was read by [`crate::node::containerd`]. No network, no file.

mod address;
pub mod assumed;
mod certs_d;
mod headers;
mod registry_mirrors;
pub mod relevance;
pub mod withheld;

#[cfg(test)]
mod cases_tests;

pub use address::{is_localhost, namespace_query};

use go::place::Position;
use go::text::clean;

use crate::cause::Cause;
use crate::mirrors::certs_d::{Selection, Source, select};
use crate::mirrors::hosts_toml::Rejection;
use crate::model::finding::{Finding, Severity};
use crate::model::host::{Capabilities, Endpoint, HostTls, Origin, RegistryHost, Role, Scheme};
use crate::model::outcome::Failure;
use crate::model::rewrites::Rewrites;
use crate::model::stage::Stage;
use crate::node::containerd::{Containerd, FaultKind, HostSource};

/// The hosts of one registry.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The registry's name in image references, `docker.io`.
    pub domain: String,
    /// In containerd's order; a host that occurs twice is asked twice. Empty when `fatal` is set.
    pub hosts: Vec<RegistryHost>,
    /// No image of the registry can be pulled, whatever its hosts would say. The wording is
    /// containerd's. Where it is doubtful, nobody can tell from here.
    pub fatal: Option<Failure>,
    /// What is wrong with this registry's own configuration.
    pub notes: Vec<Finding>,
    /// The directory of certs.d that serves the registry. `None`: none does.
    pub directory: Option<String>,
    /// Its `hosts.toml`, where containerd cannot read it and asks none of the hosts in it.
    pub dropped: Option<Rejection>,
}

/// The plan for every image of a registry.
pub fn plan(containerd: &Containerd, domain: &str) -> Plan {
    let mut plan = Plan {
        domain: domain.to_owned(),
        hosts: Vec::new(),
        fatal: None,
        notes: Vec::new(),
        directory: None,
        dropped: None,
    };
    let made = match (&containerd.fatal, &containerd.registry.source) {
        (Some(fault), _) => {
            let detail = format!("{}: {}", fault.place, fault.message);
            let failure = unusable(Cause::ConfigInvalid, detail, &fault.message);
            Err(Failure { inconclusive: fault.kind == FaultKind::Unread, ..failure })
        }
        (None, HostSource::Mirrors { mirrors }) => registry_mirrors::hosts(containerd, mirrors, domain),
        (None, HostSource::CertsD { roots }) => match select(roots, domain) {
            Selection::Fault(words) => Err(unusable(Cause::HostsFileInvalid, words.to_owned(), words)),
            Selection::Unread(why) => {
                Err(Failure { inconclusive: true, ..unusable(Cause::HostsFileInvalid, why.to_owned(), why) })
            }
            Selection::Nothing => certs_d::hosts(containerd, None, domain),
            Selection::Directory(directory) => {
                plan.directory = Some(directory.path.clone());
                if let Source::Rejected(rejection) = &directory.source {
                    plan.dropped = Some(rejection.clone());
                }
                certs_d::hosts(containerd, Some(directory), domain)
            }
        },
    };
    match made {
        Ok(drafts) => drafts.into_iter().for_each(|draft| plan.add(containerd, draft)),
        Err(failure) => plan.fatal = Some(failure),
    }
    plan
}

/// Whether pulls behave the same with both plans.
fn are_alike(one: Plan, other: Plan) -> bool {
    let essence = |mut plan: Plan| {
        for host in &mut plan.hosts {
            // Nobody pulls by the others.
            let Capabilities { pull, resolve, .. } = host.capabilities;
            host.capabilities = Capabilities { pull, resolve, ..Capabilities::NONE };
            host.origin = Origin::ImplicitUpstream;
        }
        // Of a failure, each version has words of its own.
        (plan.hosts, plan.notes, plan.fatal.map(|failure| (failure.cause, failure.inconclusive)))
    };
    essence(one) == essence(other)
}

/// A host as its configuration describes it, before what holds for every host is added.
struct Draft {
    scheme: String,
    authority: String,
    path: String,
    capabilities: Capabilities,
    tls: HostTls,
    headers: Vec<(String, crate::redact::secret::Secret)>,
    dial_timeout: Option<std::time::Duration>,
    http_fallback: bool,
    rewrites: Rewrites,
    origin: Origin,
}

/// The whole registry cannot be used.
fn unusable(cause: Cause, detail: impl Into<String>, go_message: &str) -> Failure {
    Failure::new(Stage::Config, cause, detail).with_go_message(go_message)
}

impl Plan {
    fn add(&mut self, containerd: &Containerd, draft: Draft) {
        let scheme = match draft.scheme.as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return self.notes.push(broken(&draft)),
        };
        if draft.authority.is_empty() {
            return self.notes.push(broken(&draft));
        }
        let written = Endpoint::new(scheme, draft.authority);
        let namespace_query = namespace_query(&written.authority, &self.domain);
        let endpoint = written.without_empty_port();
        let registry = &containerd.registry;
        let headers = registry.headers.iter().chain(&draft.headers).cloned().collect();
        let path = clean(&format!("/{}", draft.path));
        let mut host = RegistryHost {
            role: role(&endpoint, &self.domain),
            path: if path == "/" { String::new() } else { path },
            capabilities: draft.capabilities,
            tls: draft.tls,
            headers,
            dial_timeout: draft.dial_timeout,
            http_fallback: draft.http_fallback,
            rewrites: draft.rewrites,
            namespace_query,
            own_credential: registry.credentials.get(endpoint.authority.as_str()).cloned(),
            unusable_credential: (registry.unusable_credentials.get(endpoint.authority.as_str()))
                .map(|login| login.failure.clone()),
            unsendable: None,
            origin: draft.origin,
            endpoint,
        };
        if containerd.anonymous {
            host = withheld::anonymous(host);
        }
        headers::check(&mut host);
        self.hosts.push(host);
    }
}

/// A host that is the registry itself is upstream, wherever it is written.
fn role(endpoint: &Endpoint, domain: &str) -> Role {
    let upstream = Endpoint::new(endpoint.scheme, address::default_host(domain));
    if endpoint.host_port() == upstream.host_port() { Role::Upstream } else { Role::Mirror }
}

/// containerd asks such a host too, and fails before it sends anything.
fn broken(draft: &Draft) -> Finding {
    let message = format!(
        "this host comes out as `{}://{}{}`, which containerd cannot ask: it fails and goes on to the next host",
        draft.scheme, draft.authority, draft.path
    );
    let finding = Finding::new(
        Severity::Error,
        "host_url_unusable",
        message,
        "write the host as https://HOST[:PORT] or http://HOST[:PORT]",
    );
    match &draft.origin {
        Origin::File(place) => finding.in_file(&*place.file).at(Position::of_line(place.line())),
        Origin::ImplicitUpstream => finding,
    }
}
