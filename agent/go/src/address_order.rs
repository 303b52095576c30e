//! RFC 6724 as Go follows it: in which order the addresses of a name are tried.

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use crate::address::Address;

/// Go's own list of rules: those that need no knowledge of deprecated or home addresses.
pub fn by_rfc6724(addresses: Vec<Address>) -> Vec<Address> {
    if addresses.len() < 2 {
        return addresses;
    }
    with_sources(addresses, source)
}

/// Which address the node would send from. `None` without a route. Connecting UDP sends no packet.
fn source(to: Address) -> Option<IpAddr> {
    let any: IpAddr = if to.ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(to.with_port(9)).ok()?;
    socket.local_addr().ok().map(|local| local.ip())
}

fn with_sources(addresses: Vec<Address>, source: impl Fn(Address) -> Option<IpAddr>) -> Vec<Address> {
    let mut all: Vec<_> = addresses.into_iter().map(|address| (address, source(address))).collect();
    all.sort_by(|(one, from), (other, other_from)| compare((one.ip, *from), (other.ip, *other_from)));
    all.into_iter().map(|(address, _)| address).collect()
}

fn compare((one, from): (IpAddr, Option<IpAddr>), (other, other_from): (IpAddr, Option<IpAddr>)) -> Ordering {
    let (from, other_from) = match (from, other_from) {
        (Some(from), Some(other_from)) => (from, other_from),
        (one, other) => return other.is_some().cmp(&one.is_some()),
    };
    let (here, there) = (Traits::of(one), Traits::of(other));
    let (here_from, there_from) = (Traits::of(from), Traits::of(other_from));
    let same_scope = (there.scope == there_from.scope).cmp(&(here.scope == here_from.scope));
    let same_label = (there.label == there_from.label).cmp(&(here.label == here_from.label));
    same_scope
        .then(same_label)
        .then(there.precedence.cmp(&here.precedence))
        .then(here.scope.cmp(&there.scope))
        .then_with(|| match (one, from, other, other_from) {
            (IpAddr::V6(one), IpAddr::V6(from), IpAddr::V6(other), IpAddr::V6(other_from)) => {
                common_prefix(other_from, other).cmp(&common_prefix(from, one))
            }
            _ => Ordering::Equal,
        })
}

/// What the policy table and the scopes say of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Traits {
    scope: u8,
    precedence: u8,
    label: u8,
}

const LINK_LOCAL: u8 = 0x2;
const SITE_LOCAL: u8 = 0x5;
const GLOBAL: u8 = 0xe;

impl Traits {
    fn of(address: IpAddr) -> Self {
        let mapped = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let (precedence, label) = policy(mapped);
        Self { scope: scope(address), precedence, label }
    }
}

/// The default policy table of RFC 6724, section 2.1.
fn policy(address: Ipv6Addr) -> (u8, u8) {
    let [first, second, ..] = address.segments();
    let upper_96_zero = address.to_bits() >> 32 == 0;
    match first {
        _ if address == Ipv6Addr::LOCALHOST => (50, 0),
        _ if address.to_ipv4_mapped().is_some() => (35, 4),
        _ if upper_96_zero => (1, 3),
        0x2001 if second == 0 => (5, 5),
        0x2002 => (30, 2),
        0x3ffe => (1, 12),
        _ if first & 0xfe00 == 0xfc00 => (3, 13),
        _ if first & 0xffc0 == 0xfec0 => (1, 11),
        _ => (40, 1),
    }
}

fn scope(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(address) if address.is_loopback() || address.is_link_local() => LINK_LOCAL,
        IpAddr::V6(address) if address.is_loopback() || address.is_unicast_link_local() => LINK_LOCAL,
        IpAddr::V6(address) if address.is_multicast() => address.octets()[1] & 0xf,
        IpAddr::V6(address) if address.segments()[0] & 0xffc0 == 0xfec0 => SITE_LOCAL,
        IpAddr::V4(_) | IpAddr::V6(_) => GLOBAL,
    }
}

/// Only the network half counts.
fn common_prefix(one: Ipv6Addr, other: Ipv6Addr) -> u32 {
    (one.to_bits() ^ other.to_bits()).leading_zeros().min(64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `2001:db8::1<2001:db8::9` is an address and where the node would send from; `-` is no route.
    fn sorted(words: &str) -> Vec<String> {
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        let pairs: Vec<(IpAddr, Option<IpAddr>)> = words
            .split_whitespace()
            .map(|word| word.split_once('<').unwrap())
            .map(|(to, from)| (parse(to), Some(from).filter(|from| *from != "-").map(parse)))
            .collect();
        let source = |to: Address| pairs.iter().find(|(address, _)| *address == to.ip).unwrap().1;
        let addresses = pairs.iter().map(|(to, _)| Address::from(*to)).collect();
        with_sources(addresses, source).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn addresses_are_in_the_order_of_the_rules() {
        let table: &[(&str, &[&str])] = &[
            // No route.
            ("2001:db8::1<- 192.0.2.1<192.0.2.9", &["192.0.2.1", "2001:db8::1"]),
            ("2001:db8::1<- 192.0.2.1<-", &["2001:db8::1", "192.0.2.1"]),
            // The order of the answer stays within IPv4.
            ("192.0.2.7<10.0.0.1 192.0.2.1<10.0.0.1", &["192.0.2.7", "192.0.2.1"]),
            // Precedence: native IPv6 first, unique local and 6to4 last.
            ("192.0.2.1<192.0.2.9 2001:db8::1<2001:db8::9", &["2001:db8::1", "192.0.2.1"]),
            ("fd00::1<fd00::9 192.0.2.1<192.0.2.9", &["192.0.2.1", "fd00::1"]),
            ("2002::1<2002::9 192.0.2.1<192.0.2.9", &["192.0.2.1", "2002::1"]),
            // Label: a unique local source does not fit a global address.
            ("2001:db8::1<fd00::9 192.0.2.1<192.0.2.9", &["192.0.2.1", "2001:db8::1"]),
            // Scope.
            ("2001:db8::1<fe80::9 192.0.2.1<192.0.2.9", &["192.0.2.1", "2001:db8::1"]),
            ("127.0.0.1<127.0.0.1 ::1<::1", &["::1", "127.0.0.1"]),
            // The longest prefix in common with the source.
            ("2001:db8:f::1<2001:db8:1::9 2001:db8:1::1<2001:db8:1::9", &["2001:db8:1::1", "2001:db8:f::1"]),
        ];
        for (words, expected) in table {
            assert_eq!(sorted(words), *expected, "{words}");
        }
    }

    #[test]
    fn loopback_has_a_source_and_is_sorted_by_the_real_one() {
        let [four, six] = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
        assert_eq!(source(four.into()), Some(four));
        assert_eq!(by_rfc6724(vec![four.into(), six.into()])[0], six.into());
    }
}
