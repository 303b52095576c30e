//! Which evidence is a finding, and which is how things are.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::*;
use crate::model::facts::Transport;

fn nameserver(server: &str, cause: Option<Cause>, addresses: &[&str]) -> NameserverFacts {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    let rcode = Some("NOERROR".to_owned());
    let server = SocketAddr::new(server.parse().unwrap(), 53);
    let (a, aaaa, duration) = (addresses.len(), 0, Duration::from_millis(1));
    let (transport, a_cause, aaaa_cause) = (Transport::Udp, cause, cause);
    NameserverFacts {
        server,
        transport,
        rcode: rcode.map(Into::into),
        a,
        aaaa,
        addresses,
        duration,
        cause,
        a_cause,
        aaaa_cause,
    }
}

fn dns(source: NameSource, answered: &str, nameservers: Vec<NameserverFacts>) -> DnsFacts {
    let addresses = vec!["192.0.2.1".parse::<IpAddr>().unwrap().into()];
    DnsFacts { source, answered: answered.into(), addresses, reckoned: false, nameservers }
}

fn codes(findings: impl IntoIterator<Item = Finding>) -> Vec<&'static str> {
    findings.into_iter().map(|finding| finding.code).collect()
}

#[test]
fn nameservers_are_compared_with_each_other() {
    use Cause::{DnsNxdomain, DnsTimeout};
    let table: &[(&[Option<Cause>], &[&str])] = &[
        (&[None, None], &[]),
        (&[None, Some(DnsNxdomain)], &["nameservers_disagree"]),
        (&[Some(DnsTimeout), None], &["nameserver_fails"]),
        (&[Some(DnsTimeout), Some(DnsTimeout)], &[]),
        (&[Some(DnsTimeout), Some(DnsNxdomain)], &["nameserver_fails"]),
        (&[Some(DnsTimeout), Some(DnsNxdomain), None], &["nameservers_disagree", "nameserver_fails"]),
    ];
    for (causes, expected) in table {
        let servers = causes.iter().map(|cause| nameserver("192.0.2.53", *cause, &[])).collect();
        let facts = dns(NameSource::Dns, "r.example", servers);
        assert_eq!(codes(of_nameservers("r.example", &facts)), *expected, "{causes:?}");
    }
}

#[test]
fn a_record_type_without_answers_is_told_with_what_it_costs() {
    let of = |cause, aaaa_cause| {
        let server = NameserverFacts { aaaa_cause, ..nameserver("192.0.2.53", cause, &["192.0.2.1"]) };
        of_dropped("r.example", &dns(NameSource::Dns, "r.example", vec![server]), Duration::from_millis(10_020))
    };
    let finding = of(None, Some(Cause::DnsTimeout)).unwrap();
    assert_eq!(finding.code, "nameserver_drops_aaaa");
    assert!(finding.message.contains("192.0.2.53:53 ") && finding.message.ends_with(" 10.0 s"), "{finding:?}");
    assert_eq!(of(None, Some(Cause::DnsNoAddress)), None);
    assert_eq!(of(Some(Cause::DnsTimeout), Some(Cause::DnsTimeout)), None, "it is silent altogether");
}

#[test]
fn a_name_is_compared_with_the_one_that_was_asked_for() {
    assert_eq!(of_name("r.example", &dns(NameSource::Dns, "R.example.", Vec::new())), None);
    let suffixed = of_name("r.example", &dns(NameSource::Dns, "r.example.corp", Vec::new())).unwrap();
    assert_eq!(suffixed.code, "search_suffix_answered");
    let by_file = |addresses: &[&str]| {
        let servers = vec![nameserver("192.0.2.53", None, addresses)];
        let finding = of_name("r.example", &dns(NameSource::HostsFile, "/etc/hosts:7", servers)).unwrap();
        let line = finding.line();
        (finding.severity, finding.file, line)
    };
    let at = |severity| (severity, Some("/etc/hosts".into()), Some(7));
    assert_eq!(by_file(&[]), at(Severity::Info));
    assert_eq!(by_file(&["192.0.2.9", "192.0.2.1"]), at(Severity::Info));
    assert_eq!(by_file(&["192.0.2.9"]), at(Severity::Warning));
}

#[test]
fn of_a_nameserver_that_kept_silent_nothing_is_claimed() {
    let told = |causes: &[Option<Cause>]| {
        let servers = causes.iter().map(|cause| nameserver("192.0.2.53", *cause, &[])).collect();
        of_name("r.example", &dns(NameSource::HostsFile, "/etc/hosts:7", servers)).unwrap().message
    };
    assert!(told(&[Some(Cause::DnsNxdomain)]).ends_with("the nameservers have none"));
    assert!(told(&[Some(Cause::DnsTimeout)]).ends_with("it is unknown what the nameservers have"));
    assert!(
        told(&[Some(Cause::DnsNxdomain), Some(Cause::DnsServfail)])
            .ends_with("it is unknown what the nameservers have")
    );
    assert!(told(&[]).ends_with("no nameserver was asked"));
}

#[test]
fn localhost_stands_in_the_hosts_file_by_right() {
    let of = |name, address: &str| {
        let addresses = vec![address.parse::<IpAddr>().unwrap().into()];
        of_name(name, &DnsFacts { addresses, ..dns(NameSource::HostsFile, "/etc/hosts:1", Vec::new()) })
    };
    assert_eq!(of("localhost", "127.0.0.1"), None);
    assert_eq!(of("localhost.", "::1"), None);
    assert_eq!(codes(of("localhost", "192.0.2.1")), ["hosts_file_override"]);
    assert_eq!(codes(of("r.example", "127.0.0.1")), ["hosts_file_override"]);
}

/// `6!` is a refused IPv6 address, `4-` an IPv4 one without a route, `4` one that connects.
fn tcp(words: &str, chosen: usize) -> TcpFacts {
    let one = |(index, word): (usize, &str)| {
        let ip = if word.starts_with('4') { format!("192.0.2.{index}") } else { format!("2001:db8::{index}") };
        let cause = match word.chars().nth(1) {
            Some('!') => Some(Cause::TcpRefused),
            Some(_) => Some(Cause::TcpUnreachable),
            None => None,
        };
        AddressFacts { address: SocketAddr::new(ip.parse().unwrap(), 443), cause, duration: Duration::ZERO }
    };
    let addresses: Vec<AddressFacts> = words.split(' ').enumerate().map(one).collect();
    TcpFacts { chosen: addresses.get(chosen).map(|facts| facts.address), addresses }
}

#[test]
fn addresses_count_that_are_tried() {
    let table: &[(&str, usize, &[&str])] = &[
        ("4", 0, &[]),
        ("6! 4", 1, &["address_family_broken"]),
        ("6 4!", 0, &["address_family_broken"]),
        ("4 6-", 0, &[]),
        ("6- 4", 1, &["address_family_broken"]),
        ("4! 4", 1, &["address_dead"]),
        ("6! 6 4!", 1, &["address_family_broken", "address_dead"]),
        ("6! 6 4", 2, &["address_dead"]),
        ("6! 4!", 9, &[]),
    ];
    for (words, chosen, expected) in table {
        assert_eq!(codes(of_addresses("r.example", &tcp(words, *chosen))), *expected, "{words}");
    }
    let costs = |words, chosen| of_addresses("r.example", &tcp(words, chosen))[0].message.contains("300 ms");
    assert!(costs("6! 4", 1) && !costs("6 4!", 0));
}
