//! Findings about hosts that say less than was meant: no scheme, another port, a header that does not last, a second
//! turn without the settings of the first.

use std::collections::BTreeMap;
use std::net::IpAddr;

use go::address::host_and_port;
use go::place::SourceLocation;
use go::toml::Table;

use super::host::{is_loopback, never_answers};
use super::names::domain_of;
use super::{Lint, info, note, whole};
use crate::containerd::settings::Mirror;
use crate::mirrors::certs_d::{self, Host, HostDir, HostDirectory, RootState, Selection};
use crate::mirrors::hosts_toml::HostSpec;
use crate::mirrors::registry::{HostSource, RegistrySettings};
use crate::model::finding::{Finding, Severity};

/// Registries that ask everybody for a token, whatever came with the request.
const ASK_FOR_TOKENS: [&str; 6] =
    ["registry-1.docker.io", "ghcr.io", "quay.io", "registry.gitlab.com", "public.ecr.aws", "mcr.microsoft.com"];

impl Lint<'_, '_> {
    /// What the hosts of one file say less than was meant.
    pub(super) fn less_than_meant(
        &self,
        domain: Option<&str>,
        directory: &HostDirectory,
        hosts: Option<&Table>,
        table: &Table,
        found: &mut Vec<Finding>,
    ) {
        let listed = || directory.hosts.iter().chain([&directory.server]);
        for host in listed() {
            found.extend(without_scheme(&host.spec, listed()));
        }
        for host in &directory.hosts {
            let keys = hosts.and_then(|hosts| hosts.table(&host.spec.name));
            found.extend(keys.and_then(|keys| self.header_of_no_use(&host.spec, keys)));
        }
        found.extend(self.header_of_no_use(&directory.server.spec, table));
        found.extend(second_turn(domain, directory));
    }

    /// `Authorization` is the one header that a challenge replaces.
    fn header_of_no_use(&self, spec: &HostSpec, keys: &Table) -> Option<Finding> {
        if self.version.sends_headers_to_token_service() {
            return None;
        }
        let url = spec.url.as_ref()?;
        let header = keys.field("header", self.version.dialect())?.as_table()?;
        let (_, value) = header.entries.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"))?;
        let always = ASK_FOR_TOKENS.contains(&url.authority.trim_end_matches(":443"));
        let (severity, when, has) = if always {
            (Severity::Warning, "asks for a token:", "has")
        } else {
            (Severity::Info, "may ask for a token:", "then has")
        };
        let message = format!(
            "{} {when} containerd {} gets one without this header and sends the token instead. The login in the header {has} \
             no effect",
            url.authority, self.version
        );
        let fix = "put the login into an image pull secret, or use containerd 2.1 or later, which sends the header to the token \
                   service too";
        Some(note(severity, "header_replaced_by_token", &value.key, message, fix))
    }

    pub(super) fn port_of_mirror(&self, mirror: &Mirror) -> Option<Finding> {
        let host_of = |endpoint: &str| {
            let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
            rest.split('/').next().unwrap_or_default().to_owned()
        };
        let mut endpoints = mirror.endpoints.iter().map(|(endpoint, _)| host_of(endpoint));
        let other = endpoints.find_map(|authority| other_port(&mirror.name, &authority))?;
        if self.settings.mirrors.iter().any(|beside| beside.name == other) {
            return None;
        }
        let what = format!("this entry serves images of {}", mirror.name);
        let rename = format!("if images are named {other}/…, write registry.mirrors.\"{other}\"");
        Some(another_port(&mirror.place, &what, &mirror.name, &other, rename))
    }
}

/// The registry stands among the hosts with settings that its last turn goes without.
fn second_turn(domain: Option<&str>, directory: &HostDirectory) -> Option<Finding> {
    let server = &directory.server;
    let implied = domain.map(|domain| if domain == "docker.io" { "registry-1.docker.io" } else { domain });
    let of_server = match (&server.spec.url, implied) {
        (Some(url), _) => url.authority.as_str(),
        (None, Some(upstream)) if server.spec.name.is_empty() => upstream,
        _ => return None,
    };
    let same = |host: &&Host| {
        let authority = host.spec.url.as_ref().map(|url| url.authority.trim_end_matches(":443"));
        authority == Some(of_server.trim_end_matches(":443"))
    };
    let (host, lacks) = directory.hosts.iter().filter(same).find_map(|host| {
        let lacks = lacking(&host.spec, &server.spec);
        (!lacks.is_empty()).then_some((host, lacks))
    })?;
    let lacks = lacks.join(", ");
    let message = format!(
        "if `{}` fails, {of_server} is asked once more, as the registry itself and without {lacks}. kubelet then shows the \
         second error, not the first",
        host.spec.shown()
    );
    let fix = if server.spec.url.is_some() {
        format!("write {lacks} next to `server` too, at the top of the file")
    } else {
        format!("set `server` to it, with {lacks}, at the top of the file too")
    };
    Some(info("server_without_settings", &host.spec.place, message, fix))
}

/// A directory whose own hosts say that images with another port were meant.
pub(super) fn port_of_directory(
    domain: Option<&str>,
    directory: &HostDirectory,
    beside: &BTreeMap<String, HostDir>,
) -> Option<Finding> {
    let domain = domain?;
    let specs = directory.hosts.iter().map(|host| &host.spec).chain([&directory.server.spec]);
    let mut authorities = specs.filter_map(|spec| Some(spec.url.as_ref()?.authority.as_str()));
    let other = authorities.find_map(|authority| other_port(domain, authority))?;
    let escaped = other.rsplit_once(':').map(|(host, port)| format!("{host}_{port}_"));
    if beside.contains_key(&other) || escaped.is_some_and(|escaped| beside.contains_key(&escaped)) {
        return None;
    }
    let what = format!("this directory serves images of {domain}");
    let rename = format!("if images are named {other}/…, name the directory {other}");
    Some(another_port(&whole(&directory.path), &what, domain, &other, rename))
}

/// Directories that images of these registries do not look into, for want of a port or for one too many. Without what is
/// known.
pub fn other_ports<'a>(
    registry: &RegistrySettings,
    domains: impl IntoIterator<Item = &'a str>,
    known: &[Finding],
) -> Vec<Finding> {
    let is_known = |found: &Finding| known.iter().any(|one| (one.code, &one.file) == (found.code, &found.file));
    domains.into_iter().filter_map(|domain| beside(registry, domain)).filter(|found| !is_known(found)).collect()
}

/// A directory of the same host that an image of this registry does not look into.
fn beside(registry: &RegistrySettings, domain: &str) -> Option<Finding> {
    let HostSource::CertsD { roots } = &registry.source else { return None };
    match certs_d::select(roots, domain) {
        Selection::Nothing => {}
        Selection::Directory(found) if found.path.ends_with("/_default") => {}
        _ => return None,
    }
    let directories = roots.iter().filter_map(|root| match &root.state {
        RootState::Listed { entries, .. } => Some((root, entries)),
        _ => None,
    });
    let named = |name: &str| domain_of(name).filter(|other| same_host(other, domain) && other != domain);
    // Two ports are two registries; a port and none are most often one.
    let named = |name: &str| named(name).filter(|other| has_port(other) != has_port(domain));
    let (root, name, other) = directories
        .flat_map(|(root, entries)| entries.keys().map(move |name| (root, name)))
        .find_map(|(root, name)| Some((root, name, named(name)?)))?;
    let message = format!(
        "images of {domain} do not use this directory, which is for images of {other}. The port is part of a registry's name"
    );
    let fix = format!("name the directory {domain}, or make a second one of that name");
    let place = whole(&format!("{}/{name}", root.path));
    Some(note(Severity::Warning, "registry_port_differs", &place, message, fix))
}

fn has_port(name: &str) -> bool {
    host_and_port(name).1.is_some()
}

fn same_host(one: &str, other: &str) -> bool {
    host_and_port(one).0.eq_ignore_ascii_case(host_and_port(other).0)
}

/// An address is hardly ever a registry on the port that https implies.
fn another_port(place: &SourceLocation, what: &str, domain: &str, other: &str, fix: String) -> Finding {
    let host = host_and_port(domain).0;
    let severity =
        if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() { Severity::Warning } else { Severity::Info };
    let message = format!(
        "{what} alone, and leads to {other}. Images that are named {other}/… do not use it: the port is part of a registry's name"
    );
    note(severity, "registry_port_differs", place, message, fix).about(other)
}

/// The same host on another port: how images may be named too.
fn other_port(domain: &str, authority: &str) -> Option<String> {
    let ((host, port), (other_host, other)) = (host_and_port(domain), host_and_port(authority));
    let [port, other] = [port, other].map(|port| port.filter(|digits| !digits.is_empty()));
    let usual = |port: Option<&str>| port.is_none_or(|port| port == "443" || port == "80");
    // A registry without a dot is none unless it has a port.
    let alike = host.eq_ignore_ascii_case(other_host) && port != other && !is_loopback(host);
    (alike && !(usual(port) && usual(other))).then(|| authority.trim_end_matches(':').to_owned())
}

/// https is taken, whatever the same host is asked by elsewhere in the file.
fn without_scheme<'a>(spec: &HostSpec, others: impl Iterator<Item = &'a Host>) -> Option<Finding> {
    let url = spec.url.as_ref().filter(|_| !spec.name.contains("://") && never_answers(spec).is_none())?;
    let plain = others.filter_map(|other| other.spec.url.as_ref());
    let plain = plain.filter(|other| other.scheme == "http").any(|other| other.authority == url.authority);
    let shown = spec.shown();
    let (severity, more) = if plain {
        (Severity::Warning, ", though the same host is asked over http:// in this file")
    } else {
        (Severity::Info, "")
    };
    let message = format!("`{shown}` has no scheme: containerd asks it over https://{more}");
    let fix = format!("write http://{shown} if it speaks plain HTTP, else https://{shown}");
    Some(note(severity, "host_scheme_missing", &spec.place, message, fix))
}

/// Settings of the first that the second has not, as they are written.
fn lacking(host: &HostSpec, server: &HostSpec) -> Vec<&'static str> {
    let (of_host, of_server) = (&host.tls, &server.tls);
    let path = |spec: &HostSpec| spec.url.as_ref().map(|url| url.path.clone());
    let pairs = [
        ("`skip_verify`", of_host.skip_verify == Some(true) && of_server.skip_verify != Some(true)),
        ("`ca`", of_host.ca.is_some() && of_host.ca != of_server.ca),
        ("`client`", !of_host.client.is_empty() && of_host.client != of_server.client),
        ("`header`", !host.headers.is_empty() && server.headers.is_empty()),
        ("`override_path`", server.url.is_some() && path(host) != path(server)),
    ];
    pairs.into_iter().filter(|(_, lacks)| *lacks).map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use super::beside;
    use crate::node::containerd::cases_tests::load;

    const CONFIG: (&str, &str) = (
        "/etc/containerd/config.toml",
        "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/c'\n",
    );

    fn told(directory: &str, domain: &str) -> Option<String> {
        let file = format!("/c/{directory}/hosts.toml");
        let containerd = load(&[CONFIG, (&file, "#\n"), ("/c/_default/hosts.toml", "#\n")], "2.1.9");
        beside(&containerd.registry, domain).map(|finding| format!("{}: {}", finding.file.unwrap(), finding.fix))
    }

    #[test]
    fn a_directory_of_the_same_host_with_another_port_is_told_of_an_image() {
        for (directory, domain) in [
            ("10.2.3.4", "10.2.3.4:5000"),
            ("r.example:5000", "r.example"),
            ("r.example_5000_", "r.example"),
            ("r.example:443", "r.example"),
        ] {
            let told = told(directory, domain).unwrap();
            assert!(told.starts_with(&format!("/c/{directory}: name the directory {domain},")), "{told}");
        }
    }

    #[test]
    fn a_registry_that_has_its_directory_or_shares_no_host_is_not_told_of() {
        for (directory, domain) in [
            ("r.example:5000", "r.example:5000"),
            ("r.example_5000_", "r.example:5000"),
            ("r.example_5000_", "r.example:5001"),
            ("r.example", "other.r.example:5000"),
            ("[::1]:5000", "[::2]:5000"),
        ] {
            assert_eq!(told(directory, domain), None, "{directory} {domain}");
        }
    }
}
