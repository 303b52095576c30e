//! Places that an address means only to the node that connects to it: a registry elsewhere has no business there,
//! but can name them in a redirect or a realm. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeAddress {
    /// The node itself.
    Loopback,
    /// Its own link, where clouds put their metadata services; and those that are elsewhere.
    Link,
    /// The agent's own port.
    Agent,
}

impl NodeAddress {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loopback => "the node itself",
            Self::Link => "on the node's own link, or its cloud's metadata service",
            Self::Agent => "the agent itself",
        }
    }
}

/// Metadata services that are at no link-local address, and what guests ask their host by.
const METADATA_4: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];
const METADATA_6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// `None`: an address as any other.
pub fn place(address: IpAddr) -> Option<NodeAddress> {
    match address.to_canonical() {
        // Nobody's address: the kernel takes it for loopback.
        IpAddr::V4(four) if four.is_loopback() || four.octets()[0] == 0 => Some(NodeAddress::Loopback),
        IpAddr::V4(four) if four.is_link_local() || METADATA_4.contains(&four) => Some(NodeAddress::Link),
        IpAddr::V4(_) => None,
        IpAddr::V6(six) if six.is_loopback() || six.is_unspecified() => Some(NodeAddress::Loopback),
        IpAddr::V6(six) if six.is_unicast_link_local() || METADATA_6.contains(&six) => Some(NodeAddress::Link),
        IpAddr::V6(six) => translated(six).and_then(|four| place(four.into())),
    }
}

/// What a translator on the way (NAT64, 6to4) or an old notation makes of it.
fn translated(six: Ipv6Addr) -> Option<Ipv4Addr> {
    let parts = six.segments();
    let four = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match parts {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Some(four(high, low))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_by_where_a_connection_to_it_ends_however_it_is_written() {
        let of = |text: &str| place(text.parse().unwrap());
        for loopback in ["127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "::1", "::", "::ffff:127.0.0.1", "::127.0.0.1"]
        {
            assert_eq!(of(loopback), Some(NodeAddress::Loopback), "{loopback}");
        }
        for link in [
            "169.254.169.254",
            "169.254.0.1",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "168.63.129.16",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
        ] {
            assert_eq!(of(link), Some(NodeAddress::Link), "{link}");
        }
        for other in ["192.0.2.1", "10.0.0.1", "168.63.129.17", "2001:db8::1", "fd00:ec2::253", "64:ff9b::c000:201"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
