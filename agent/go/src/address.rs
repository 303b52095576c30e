//! An IP address with its zone, as Go's `netip.Addr`.

use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    pub ip: IpAddr,
    /// The interface that a link-local address is reached through, by its number. 0: none is named.
    pub zone: u32,
}

impl Address {
    pub fn with_port(self, port: u16) -> SocketAddr {
        match self.ip {
            IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, self.zone).into(),
            IpAddr::V4(ip) => SocketAddr::new(ip.into(), port),
        }
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        Self { ip, zone: 0 }
    }
}

/// `fe80::1%2`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.zone {
            0 => self.ip.fmt(f),
            zone => write!(f, "{}%{zone}", self.ip),
        }
    }
}

/// Host and port of `HOST[:PORT]`: only digits behind the last colon are a port, and there may be none of them.
pub fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    // The last colon of `[::1]` is part of the address.
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_kept_and_shown() {
        let plain = Address::from(IpAddr::from([192, 0, 2, 1]));
        let zoned = Address { ip: "fe80::1".parse().unwrap(), zone: 3 };
        assert_eq!((plain.to_string(), plain.with_port(443).to_string()), ("192.0.2.1".into(), "192.0.2.1:443".into()));
        assert_eq!((zoned.to_string(), zoned.with_port(53).to_string()), ("fe80::1%3".into(), "[fe80::1%3]:53".into()));
    }

    #[test]
    fn only_digits_behind_the_last_colon_are_a_port() {
        for (authority, host, port) in [
            ("r.example", "r.example", None),
            ("r.example:5000", "r.example", Some("5000")),
            ("r.example:", "r.example", Some("")),
            ("r.example:x", "r.example:x", None),
            ("[::1]", "[::1]", None),
            ("[::1]:5000", "[::1]", Some("5000")),
        ] {
            assert_eq!(host_and_port(authority), (host, port), "{authority}");
        }
    }
}
