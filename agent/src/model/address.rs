//! An address as a node can reach it.

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
}
