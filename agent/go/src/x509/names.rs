//! Whether a certificate is for a name, and whether an authority may sign for it: Go's rules.

use std::net::IpAddr;

use x509_parser::extensions::{GeneralName, GeneralSubtree};

use super::certificate::Certificate;
use crate::release::Go;
use crate::text::quote;

/// From this many on, newer Go only counts the names.
const NAMES_SHOWN: usize = 100;

/// As Go's `VerifyHostname`: the subject's common name never counts. `Err` has Go's words.
pub fn check_host(certificate: &Certificate<'_>, host: &str) -> Result<(), String> {
    let matches = match host.parse::<IpAddr>() {
        Ok(ip) => certificate.addresses.iter().any(|own| own.to_canonical() == ip.to_canonical()),
        Err(_) => certificate.dns_names.iter().any(|pattern| names(pattern, host)),
    };
    if matches { Ok(()) } else { Err(mismatch(certificate, host)) }
}

fn names(pattern: &str, host: &str) -> bool {
    if is_valid_name(host.strip_suffix('.').unwrap_or(host), false) && is_valid_name(pattern, true) {
        return matches_wildcard(pattern, host);
    }
    // A name that is no host name still matches itself.
    !matches!(host, "" | ".") && pattern.eq_ignore_ascii_case(host)
}

fn is_valid_name(name: &str, is_pattern: bool) -> bool {
    let valid = |(at, label): (usize, &str)| {
        (is_pattern && at == 0 && label == "*")
            || (!label.is_empty()
                && !label.starts_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'))
    };
    !name.is_empty() && name.split('.').enumerate().all(valid)
}

fn matches_wildcard(pattern: &str, host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    if pattern.is_empty() || host.is_empty() || pattern.split('.').count() != host.split('.').count() {
        return false;
    }
    let mut labels = pattern.split('.').zip(host.split('.')).enumerate();
    labels.all(|(at, (pattern, own))| (at == 0 && pattern == "*") || pattern.eq_ignore_ascii_case(own))
}

fn mismatch(certificate: &Certificate<'_>, host: &str) -> String {
    let (dns, addresses) = (&certificate.dns_names, &certificate.addresses);
    if !certificate.has_names && matches_wildcard(certificate.common_name(), host) {
        return "x509: certificate relies on legacy Common Name field, use SANs instead".into();
    }
    if host.parse::<IpAddr>().is_ok() {
        return match addresses.len() {
            0 => format!("x509: cannot validate certificate for {host} because it doesn't contain any IP SANs"),
            count if count >= NAMES_SHOWN => {
                format!("x509: certificate is valid for {count} IP SANs, but none matched {host}")
            }
            _ => {
                let shown: Vec<String> = addresses.iter().map(|ip| ip.to_canonical().to_string()).collect();
                format!("x509: certificate is valid for {}, not {host}", shown.join(", "))
            }
        };
    }
    match dns.len() {
        count if count < NAMES_SHOWN && dns.join(", ").is_empty() => {
            format!("x509: certificate is not valid for any names, but wanted to match {host}")
        }
        count if count >= NAMES_SHOWN => {
            format!("x509: certificate is valid for {count} names, but none matched {host}")
        }
        _ => format!("x509: certificate is valid for {}, not {host}", dns.join(", ")),
    }
}

/// Whether the name constraints of `authority` allow every name of `leaf`. `Err`: Go's detail.
pub fn check_constraints(authority: &Certificate<'_>, leaf: &Certificate<'_>, go: Go) -> Result<(), String> {
    let Some(constraints) = authority.name_constraints() else { return Ok(()) };
    let permitted = constraints.permitted_subtrees.as_deref().unwrap_or_default();
    let excluded = constraints.excluded_subtrees.as_deref().unwrap_or_default();
    for name in Name::all(leaf) {
        let is_hit = |base: &GeneralName<'_>| {
            name.is_within(base) == Some(true) || (go.excludes_wildcards() && name.stands_for(base))
        };
        if let Some(hit) = excluded.iter().find(|subtree| is_hit(&subtree.base)) {
            return Err(format!(
                "{} {} is excluded by constraint {}",
                name.kind(),
                quote(&name.text()),
                quote(&constraint_text(&hit.base))
            ));
        }
        let mut of_kind =
            permitted.iter().filter_map(|subtree: &GeneralSubtree<'_>| name.is_within(&subtree.base)).peekable();
        if of_kind.peek().is_some() && !of_kind.any(|within| within) {
            return Err(format!("{} {} is not permitted by any constraint", name.kind(), quote(&name.text())));
        }
    }
    Ok(())
}

enum Name<'a> {
    Dns(&'a str),
    Address(IpAddr),
    Email(&'a str),
    Uri(&'a str),
}

impl<'a> Name<'a> {
    fn all(leaf: &'a Certificate<'_>) -> impl Iterator<Item = Self> {
        let dns = leaf.dns_names.iter().map(|name| Self::Dns(name));
        let addresses = leaf.addresses.iter().map(|ip| Self::Address(*ip));
        let emails = leaf.emails.iter().map(|name| Self::Email(name));
        dns.chain(addresses).chain(emails).chain(leaf.uris.iter().map(|name| Self::Uri(name)))
    }

    /// `None`: the constraint is about another kind of name.
    fn is_within(&self, constraint: &GeneralName<'_>) -> Option<bool> {
        match (self, constraint) {
            (Self::Dns(name), GeneralName::DNSName(domain)) => Some(is_in_domain(name, domain)),
            (Self::Address(ip), GeneralName::IPAddress(network)) => Some(is_in_network(*ip, network)),
            (Self::Email(name), GeneralName::RFC822Name(constraint)) => {
                Some(match (name.rsplit_once('@'), constraint.contains('@')) {
                    (Some((local, domain)), true) => {
                        constraint.rsplit_once('@').is_some_and(|(l, d)| l == local && d.eq_ignore_ascii_case(domain))
                    }
                    (Some((_, domain)), false) => is_in_domain(domain, constraint),
                    (None, _) => false,
                })
            }
            (Self::Uri(name), GeneralName::URI(domain)) => {
                let url = url::Url::parse(name).ok();
                let host = url.as_ref().and_then(|url| url.domain());
                Some(host.is_some_and(|host| is_in_domain(host, domain)))
            }
            _ => None,
        }
    }

    /// Whether it is a wildcard that this domain is one of.
    fn stands_for(&self, constraint: &GeneralName<'_>) -> bool {
        let (Self::Dns(name), GeneralName::DNSName(domain)) = (self, constraint) else { return false };
        let parents = name.strip_prefix("*.").zip(domain.split_once('.'));
        parents.is_some_and(|(of_all, (label, of_one))| !label.is_empty() && of_all.eq_ignore_ascii_case(of_one))
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Dns(_) => "DNS name",
            Self::Address(_) => "IP address",
            Self::Email(_) => "email address",
            Self::Uri(_) => "URI",
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Dns(name) | Self::Email(name) | Self::Uri(name) => (*name).to_owned(),
            Self::Address(ip) => ip.to_string(),
        }
    }
}

/// `example.com` covers itself and what is below; `.example.com` only what is below; empty covers all.
fn is_in_domain(name: &str, domain: &str) -> bool {
    if domain.is_empty() {
        return true;
    }
    let (domain, below_only) = domain.strip_prefix('.').map_or((domain, false), |domain| (domain, true));
    let (name, domain) = (name.to_ascii_lowercase(), domain.to_ascii_lowercase());
    (!below_only && name == domain) || name.strip_suffix(&domain).is_some_and(|head| head.ends_with('.'))
}

/// The network is an address and a mask of its length, one behind the other.
fn is_in_network(ip: IpAddr, network: &[u8]) -> bool {
    let octets = match ip {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let (base, mask) = network.split_at(network.len() / 2);
    base.len() == octets.len() && octets.iter().zip(base).zip(mask).all(|((own, base), mask)| own & mask == base & mask)
}

fn constraint_text(constraint: &GeneralName<'_>) -> String {
    match constraint {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => (*text).to_owned(),
        GeneralName::IPAddress(bytes) => network_text(bytes),
        _ => String::new(),
    }
}

fn network_text(network: &[u8]) -> String {
    let (base, mask) = network.split_at(network.len() / 2);
    let bits: u32 = mask.iter().map(|byte| byte.leading_ones()).sum();
    let base = <[u8; 4]>::try_from(base).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(base).map(IpAddr::from));
    base.map_or_else(|_| String::new(), |base| format!("{base}/{bits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_matches_as_in_go() {
        let cases = [
            ("r.example", "r.example", true),
            ("R.Example", "r.eXample.", true),
            ("*.example", "r.example", true),
            ("*.example", "a.r.example", false),
            ("*.example", "example", false),
            ("r*.example", "r1.example", false),
            ("a.*.example", "a.b.example", false),
            ("r_1.example", "r_1.example", true),
            ("-r.example", "-r.example", true),
            ("*", "example", true),
            ("", "", false),
        ];
        for (pattern, host, expected) in cases {
            assert_eq!(names(pattern, host), expected, "{pattern} {host}");
        }
    }

    #[test]
    fn a_constraint_covers_a_domain_and_what_is_below_it() {
        assert!(is_in_domain("a.b.example", "example") && is_in_domain("example", "example"));
        assert!(!is_in_domain("example", ".example") && is_in_domain("a.Example", ".example"));
        assert!(!is_in_domain("notexample", "example") && is_in_domain("any", ""));
        assert!(is_in_network("10.1.2.3".parse().unwrap(), &[10, 0, 0, 0, 255, 0, 0, 0]));
        assert!(!is_in_network("::1".parse().unwrap(), &[10, 0, 0, 0, 255, 0, 0, 0]));
        assert_eq!(network_text(&[10, 0, 0, 0, 255, 240, 0, 0]), "10.0.0.0/12");
    }
}
