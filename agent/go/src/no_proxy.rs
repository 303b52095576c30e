//! `NO_PROXY` as Go's `golang.org/x/net/http/httpproxy` reads and matches it.

use std::net::{IpAddr, Ipv6Addr};

use crate::release::Go;

/// The entries, read once.
#[derive(Clone, Debug, Default)]
pub struct NoProxy {
    entries: Vec<Exception>,
    /// A domain may be the end of an address: so before Go 1.22.7.
    addresses_end_like_domains: bool,
}

/// What a list makes of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match<'a> {
    /// The node itself is never asked through a proxy.
    Own,
    /// By this entry, as written.
    Entry(&'a str),
    None,
}

/// An entry of `NO_PROXY`.
#[derive(Clone, Debug)]
struct Exception {
    /// As written, spaces trimmed.
    text: String,
    matches: Pattern,
}

#[derive(Clone, Debug)]
enum Pattern {
    All,
    Network {
        base: Ipv6Addr,
        bits: u32,
    },
    Address {
        address: IpAddr,
        port: Option<String>,
    },
    /// `suffix` begins with a dot. `apex`: the name without that dot matches too.
    Domain {
        suffix: String,
        apex: bool,
        port: Option<String>,
    },
}

impl NoProxy {
    /// Entries that Go drops are left out: empty ones, and those without a host.
    pub fn parse(list: &str, go: Go) -> Self {
        Self {
            entries: list.split(',').filter_map(Exception::parse).collect(),
            addresses_end_like_domains: !go.tells_addresses_from_domains(),
        }
    }

    /// `host` is without brackets.
    pub fn find(&self, host: &str, port: u16) -> Match<'_> {
        let host = to_ascii(host);
        let address: Option<IpAddr> = host.parse().ok();
        if host == "localhost" || address.is_some_and(|ip| ip.to_canonical().is_loopback()) {
            return Match::Own;
        }
        let host = host.to_lowercase();
        // A `*` anywhere in the list outweighs the entries around it.
        let star = self.entries.iter().find(|entry| matches!(entry.matches, Pattern::All));
        let fits = |entry: &&Exception| {
            let is_known = self.addresses_end_like_domains || !matches!(entry.matches, Pattern::Domain { .. });
            (is_known || address.is_none()) && entry.matches.covers(&host, address, port)
        };
        star.or_else(|| self.entries.iter().find(fits)).map_or(Match::None, |entry| Match::Entry(&entry.text))
    }
}

impl Exception {
    /// `None` for an entry that Go drops: an empty one, or one without a host.
    fn parse(entry: &str) -> Option<Self> {
        let text = entry.trim();
        let matches = Pattern::parse(&text.to_lowercase())?;
        Some(Self { text: text.to_owned(), matches })
    }
}

impl Pattern {
    fn parse(entry: &str) -> Option<Self> {
        if entry.is_empty() {
            return None;
        }
        if entry == "*" {
            return Some(Self::All);
        }
        if let Some(network) = parse_network(entry) {
            return Some(network);
        }
        let (host, port) = split_host_port(entry).unwrap_or((entry, ""));
        let port = (!port.is_empty()).then(|| port.to_owned());
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(Self::Address { address: address.to_canonical(), port });
        }
        let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        if host.is_empty() {
            return None;
        }
        let apex = !host.starts_with('.');
        let name = to_ascii(host.strip_prefix('.').unwrap_or(host));
        Some(Self::Domain { suffix: format!(".{name}"), apex, port })
    }

    fn covers(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        let on_port = |wanted: &Option<String>| wanted.as_ref().is_none_or(|wanted| *wanted == port.to_string());
        match self {
            Self::All => true,
            Self::Network { base, bits } => {
                address.is_some_and(|ip| prefix(to_bits(ip), *bits) == prefix(*base, *bits))
            }
            Self::Address { address: own, port } => {
                address.is_some_and(|ip| ip.to_canonical() == *own) && on_port(port)
            }
            Self::Domain { suffix, apex, port } => {
                (host.ends_with(suffix.as_str()) || (*apex && host == &suffix[1..])) && on_port(port)
            }
        }
    }
}

fn parse_network(entry: &str) -> Option<Pattern> {
    let (address, bits) = entry.split_once('/')?;
    let (address, bits): (IpAddr, u32) = (address.parse().ok()?, parse_prefix_length(bits)?);
    let (offset, longest) = if address.is_ipv4() { (96, 32) } else { (0, 128) };
    (bits <= longest).then(|| Pattern::Network { base: to_bits(address), bits: bits + offset })
}

fn parse_prefix_length(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// One number line for both families, so that an IPv4-mapped IPv6 literal equals its IPv4 form.
fn to_bits(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

fn prefix(address: Ipv6Addr, bits: u32) -> u128 {
    address.to_bits().checked_shr(128 - bits).unwrap_or(0)
}

/// As Go's `net.SplitHostPort`: `None` unless there is exactly one colon outside brackets.
fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    if let Some(inner) = host.strip_prefix('[') {
        return inner.strip_suffix(']').filter(|inner| !inner.contains(['[', ']'])).map(|inner| (inner, port));
    }
    let plain = !host.contains([':', '[', ']']) && !port.contains(['[', ']']);
    plain.then_some((host, port))
}

/// An international name in its ASCII form; any other as it is.
fn to_ascii(host: &str) -> String {
    if host.is_ascii() {
        return host.to_owned();
    }
    match url::Host::parse(host) {
        Ok(url::Host::Domain(ascii)) => ascii,
        _ => host.to_owned(),
    }
}
