//! Addresses with a zone, as the node's files write them: `fe80::1%eth0`.

use std::net::{IpAddr, Ipv6Addr};

use go::address::Address;
use rustix::net::{AddressFamily, SocketType, netdevice, socket};

use super::fields::number;

/// `None` for what is no address. As in Go only one of IPv6 may have a zone, and an interface that is not
/// there leaves it an address: one that cannot be reached.
pub(super) fn parse(text: &str) -> Option<Address> {
    match text.split_once('%') {
        None => Some(text.parse::<IpAddr>().ok()?.to_canonical().into()),
        Some((_, "")) => None,
        Some((address, zone)) => {
            let ip = address.parse::<Ipv6Addr>().ok()?;
            Some(Address { ip: ip.into(), zone: index(zone) })
        }
    }
}

/// The number of an interface; a number may also be written itself.
fn index(zone: &str) -> u32 {
    let by_name =
        socket(AddressFamily::INET, SocketType::DGRAM, None).and_then(|socket| netdevice::name_to_index(&socket, zone));
    by_name.unwrap_or_else(|_| u32::try_from(number(zone)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_an_interface_by_name_or_number() {
        let zone = |text: &str| parse(text).map(|address| address.zone);
        assert!(zone("fe80::1%lo").is_some_and(|zone| zone > 0));
        assert_eq!(zone("fe80::1%7"), Some(7));
        assert_eq!(zone("fe80::1%nosuchinterface0"), Some(0));
        assert_eq!(zone("fe80::1"), Some(0));
        for wrong in ["fe80::1%", "192.0.2.1%lo", "lo", "%lo", "fe80::g%lo"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        assert_eq!(parse("::ffff:192.0.2.1").unwrap().to_string(), "192.0.2.1");
    }
}
