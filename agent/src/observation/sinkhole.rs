//! Answers of a name server that keep a host away: addresses at which no registry is, given for a blocked name.

use std::net::{IpAddr, Ipv4Addr};

use super::interception::operator;
use crate::cause::Owner;
use crate::model::facts::{DnsFacts, NameSource};
use crate::model::finding::{Finding, Severity};
use crate::model::outcome::Failure;

pub const DNS_SINKHOLE: &str = "dns_sinkhole";

/// First and last address of block pages and sinkholes, each with whose they are.
const KNOWN: [(Ipv4Addr, Ipv4Addr, &str); 4] = [
    (Ipv4Addr::new(146, 112, 61, 104), Ipv4Addr::new(146, 112, 61, 110), "Cisco Umbrella"),
    (Ipv4Addr::new(208, 91, 112, 55), Ipv4Addr::new(208, 91, 112, 55), "FortiGuard"),
    (Ipv4Addr::new(72, 5, 65, 111), Ipv4Addr::new(72, 5, 65, 111), "Palo Alto Networks"),
    (Ipv4Addr::new(198, 135, 184, 22), Ipv4Addr::new(198, 135, 184, 22), "Palo Alto Networks"),
];

/// How the answer for the host shows a filter. `None`: the address may be the host's own.
fn sunk(host: &str, facts: &DnsFacts) -> Option<String> {
    if facts.source != NameSource::Dns {
        return None;
    }
    facts.addresses.iter().find_map(|address| {
        let what = match address.ip.to_canonical() {
            ip if ip.is_unspecified() => "no address at all, as filters answer for blocked names".to_owned(),
            // A registry of one's own may well be on the node.
            ip if ip.is_loopback() => {
                operator(host).map(|who| format!("an address of the node itself, where {who} is not"))?
            }
            IpAddr::V4(ip) => {
                let (_, _, whose) = KNOWN.iter().find(|(first, last, _)| (*first..=*last).contains(&ip))?;
                format!("an address that {whose} gives for blocked names")
            }
            IpAddr::V6(_) => return None,
        };
        Some(format!("DNS answers {address} for {host}: {what}"))
    })
}

const FIX: &str = "Have the name server or filter (Pi-hole, AdGuard, a protective DNS service, a response policy zone) let the host \
                   pass; `dig HOST @NAMESERVER` for each line of /etc/resolv.conf shows which one blocks it.";

pub fn finding(host: &str, facts: &DnsFacts) -> Option<Finding> {
    sunk(host, facts).map(|what| Finding::new(Severity::Warning, DNS_SINKHOLE, what, FIX))
}

/// What fails at such an address is the name server's doing, whatever is met there.
pub fn explained(failure: Failure, host: &str, facts: Option<&DnsFacts>) -> Failure {
    let Some(what) = facts.and_then(|facts| sunk(host, facts)) else { return failure };
    let has_summary = failure.particulars.as_ref().is_some_and(|known| known.summary.is_some());
    match failure.inconclusive {
        false => failure.owned_by(Owner::Network).summarized(format!("{what}.")).fixed_by(FIX),
        // What helps against the doubt stays.
        true if !has_summary => failure.summarized(format!("{what}.")),
        true => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Cause;
    use crate::model::stage::Stage;
    use crate::redact::clean::Clean;
    use go::address::Address;

    fn facts(source: NameSource, address: &str) -> DnsFacts {
        let addresses = vec![Address::from(address.parse::<IpAddr>().unwrap())];
        DnsFacts { source, answered: Clean::default(), addresses, reckoned: false, nameservers: Vec::new() }
    }

    #[test]
    fn an_address_where_no_registry_is_is_the_name_servers_doing() {
        let told = |host: &str, address: &str| {
            let facts = facts(NameSource::Dns, address);
            let failure = Failure::new(Stage::Tcp, Cause::TcpRefused, "refused");
            let explained = explained(failure, host, Some(&facts));
            assert_eq!(
                finding(host, &facts).is_some(),
                explained.summary().starts_with("DNS answers"),
                "{host} {address}"
            );
            finding(host, &facts).is_some()
        };
        assert!(told("registry.corp.example", "0.0.0.0") && told("quay.io", "::"));
        assert!(told("ghcr.io", "127.0.0.1") && told("pkg-containers.githubusercontent.com", "::1"));
        assert!(told("registry.corp.example", "146.112.61.106") && told("quay.io", "208.91.112.55"));
        assert!(!told("registry.corp.example", "127.0.0.1"), "a registry of one's own");
        assert!(!told("quay.io", "192.0.2.1") && !told("quay.io", "146.112.61.111"));
        assert!(finding("ghcr.io", &facts(NameSource::HostsFile, "127.0.0.1")).is_none(), "the node's own doing");
    }

    #[test]
    fn where_pullprobe_did_not_go_the_name_servers_doing_is_told_as_well() {
        let failure = Failure::new(Stage::Tcp, Cause::RedirectInvalid, "not followed").fixed_by("look yourself");
        let kept_back = Failure { inconclusive: true, ..failure };
        let told = explained(kept_back.clone(), "auth.docker.io", Some(&facts(NameSource::Dns, "0.0.0.0")));
        assert!(told.summary().starts_with("DNS answers 0.0.0.0 for auth.docker.io"), "{told:?}");
        assert_eq!((told.fix(), told.inconclusive, told.owner()), ("look yourself", true, kept_back.owner()));
        let other = explained(kept_back.clone(), "auth.docker.io", Some(&facts(NameSource::Dns, "192.0.2.1")));
        assert_eq!(other, kept_back);
    }
}
