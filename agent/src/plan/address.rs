//! The names and addresses of hosts as containerd compares them.

use std::net::IpAddr;

/// `net.SplitHostPort`; `None` where it gives an error.
pub fn split_host_port(authority: &str) -> Option<(&str, &str)> {
    let (host, port) = authority.rsplit_once(':')?;
    let inner = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    (!inner.contains(['[', ']']) && !port.contains(['[', ']'])).then_some((inner, port))
}

/// The port as written; empty where there is none.
pub fn port(authority: &str) -> &str {
    split_host_port(authority).map_or("", |(_, port)| port)
}

/// Whether containerd takes the host for this node: `localhost` itself or a loopback address. A
/// name that resolves to one is not, nor is `[::1]` without a port.
pub fn is_localhost(authority: &str) -> bool {
    let host = split_host_port(authority).map_or(authority, |(host, _)| host);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Where images of a registry really are.
pub fn default_host(domain: &str) -> &str {
    if domain == "docker.io" { "registry-1.docker.io" } else { domain }
}

/// The `ns` of requests to a host: the registry that is meant, where the host is another.
pub fn namespace_query(authority: &str, domain: &str) -> Option<String> {
    let itself = authority == domain || (domain == "docker.io" && authority == "registry-1.docker.io");
    (!itself).then(|| domain.to_owned())
}
