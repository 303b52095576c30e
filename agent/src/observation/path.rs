//! What is wrong on the way to a host although pulls may work: findings from the evidence of its stages. Pure.

use std::net::SocketAddr;
use std::time::Duration;

use go::address::Address;
use go::place::Position;

use crate::cause::Cause;
use crate::model::facts::{AddressFacts, DnsFacts, NameSource, NameserverFacts, TcpFacts};
use crate::model::finding::{Finding, Severity};
use crate::model::report::EndpointReport;

/// Each once, although several images may lead to one host.
pub fn findings(reports: &[&EndpointReport]) -> Vec<Finding> {
    let mut all: Vec<Finding> = Vec::new();
    for finding in reports.iter().flat_map(|report| of_report(report)) {
        if !all.contains(&finding) {
            all.push(finding);
        }
    }
    all
}

fn of_report(report: &EndpointReport) -> Vec<Finding> {
    let host = report.endpoint.host();
    let mut found = Vec::new();
    if let Some(facts) = report.stages.dns.facts() {
        found.extend(of_nameservers(host, facts));
        found.extend(of_dropped(host, facts, report.stages.dns.duration.unwrap_or_default()));
        found.extend(of_name(host, facts));
        found.extend(super::sinkhole::finding(host, facts));
    }
    found.extend(report.stages.tcp.facts().into_iter().flat_map(|facts| of_addresses(host, facts)));
    let hidden = report.stages.tls.facts().and_then(|facts| facts.ignored);
    found.extend(hidden.map(|cause| {
        let message =
            format!("{}: `skip_verify` hides that its certificate does not verify ({cause})", report.endpoint);
        warning("skip_verify_hides", message, format!("Run `pullprobe explain {cause}`, then remove `skip_verify`."))
    }));
    found
}

fn warning(code: &'static str, message: String, fix: impl Into<String>) -> Finding {
    Finding::new(Severity::Warning, code, message, fix)
}

/// A server that is dead or says something else is no failure until it is the one that Go listens to.
fn of_nameservers(host: &str, facts: &DnsFacts) -> Vec<Finding> {
    if facts.source != NameSource::Dns {
        return Vec::new();
    }
    let (mut knowing, mut denying, mut failing) = (Vec::new(), Vec::new(), Vec::new());
    for server in &facts.nameservers {
        match server.cause {
            None => knowing.push(server),
            Some(Cause::DnsNxdomain | Cause::DnsNoAddress) => denying.push(server),
            Some(_) => failing.push(server),
        }
    }
    let mut found = Vec::new();
    if !knowing.is_empty() && !denying.is_empty() {
        let message = format!(
            "{host}: {} has addresses, {} denies that: containerd believes whichever it asks first",
            list(&knowing),
            list(&denying)
        );
        found.push(warning(
            "nameservers_disagree",
            message,
            "Let every nameserver of /etc/resolv.conf know the same names.",
        ));
    }
    if !failing.is_empty() && failing.len() < facts.nameservers.len() {
        let causes: Vec<String> =
            failing.iter().filter_map(|one| Some(format!("{} ({})", one.server, one.cause?))).collect();
        let message = format!(
            "{host}: asked by itself for at most 3 s, {} gave no usable answer; a lookup that begins with it takes longer, or fails \
             when the other nameservers fail too",
            causes.join(", ")
        );
        found.push(warning("nameserver_fails", message, "Repair it or take it out of /etc/resolv.conf."));
    }
    found
}

/// Both record types are waited for, although one is enough.
fn of_dropped(host: &str, facts: &DnsFacts, took: Duration) -> Option<Finding> {
    let drops = |server: &&NameserverFacts| server.cause.is_none() && server.aaaa_cause == Some(Cause::DnsTimeout);
    let dropping: Vec<&NameserverFacts> = facts.nameservers.iter().filter(drops).collect();
    if dropping.is_empty() || facts.source != NameSource::Dns {
        return None;
    }
    let message = format!(
        "{host}: {} answers questions for A records and none for AAAA records; containerd waits for both, and \
         the lookup takes {:.1} s",
        list(&dropping),
        took.as_secs_f64()
    );
    let fix = "Let the nameserver, or the firewall before it, answer questions for AAAA records, if only with none.";
    Some(warning("nameserver_drops_aaaa", message, fix))
}

fn list(servers: &[&NameserverFacts]) -> String {
    let names: Vec<String> = servers.iter().map(|one| one.server.to_string()).collect();
    names.join(", ")
}

/// The addresses belong to another name, or come from no name server at all.
fn of_name(host: &str, facts: &DnsFacts) -> Option<Finding> {
    if facts.addresses.is_empty() {
        return None;
    }
    match facts.source {
        NameSource::Literal => None,
        NameSource::HostsFile if is_own_name(host, facts) => None,
        NameSource::HostsFile => Some(hosts_file_override(host, facts)),
        NameSource::Dns if same_name(&facts.answered, host) => None,
        NameSource::Dns => {
            let message =
                format!("{host} was answered as {}, with a search suffix of /etc/resolv.conf", facts.answered);
            let fix =
                "Take the suffix or the wildcard below it away, lower `ndots`, or end the host's name with a dot.";
            Some(warning("search_suffix_answered", message, fix))
        }
    }
}

fn same_name(one: &str, other: &str) -> bool {
    one.trim_end_matches('.').eq_ignore_ascii_case(other.trim_end_matches('.'))
}

/// `localhost` belongs into the hosts file, and no zone has it (RFC 6761).
fn is_own_name(host: &str, facts: &DnsFacts) -> bool {
    same_name(host, "localhost") && facts.addresses.iter().all(|address| address.ip.is_loopback())
}

fn hosts_file_override(host: &str, facts: &DnsFacts) -> Finding {
    let shown = |addresses: &[Address]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let in_dns: Vec<Address> =
        facts.nameservers.iter().flat_map(|server| &server.addresses).map(|ip| Address::from(*ip)).collect();
    let own = shown(&facts.addresses);
    let agree = in_dns.iter().any(|address| facts.addresses.contains(address));
    // Who kept silent, or failed, may have one.
    let denies = |cause: &Option<Cause>| matches!(cause, None | Some(Cause::DnsNxdomain | Cause::DnsNoAddress));
    let all_said = facts.nameservers.iter().all(|server| denies(&server.cause));
    let (severity, dns) = match in_dns.first() {
        None if facts.nameservers.is_empty() => (Severity::Info, "no nameserver was asked".to_owned()),
        None if !all_said => (Severity::Info, "it is unknown what the nameservers have".to_owned()),
        None => (Severity::Info, "the nameservers have none".to_owned()),
        Some(_) if agree => (Severity::Info, "the nameservers have it too".to_owned()),
        Some(_) => (Severity::Warning, format!("the nameservers have {}", shown(&in_dns))),
    };
    let message = format!("{host} is {own} by the hosts file; {dns}");
    let fix = "Remove the line, or keep it true when the address changes.";
    let finding = Finding::new(severity, "hosts_file_override", message, fix);
    match facts.answered.rsplit_once(':').and_then(|(file, line)| Some((file, line.parse().ok()?))) {
        Some((file, line)) => finding.in_file(file).at(Position::of_line(line)),
        None => finding,
    }
}

/// Addresses that do not connect beside the one that does.
fn of_addresses(host: &str, facts: &TcpFacts) -> Vec<Finding> {
    let Some(chosen) = facts.chosen else { return Vec::new() };
    let place = facts.addresses.iter().position(|one| one.address == chosen).unwrap_or_default();
    // A node without a route to a family puts that last and never tries it.
    let matters = |index: usize, one: &AddressFacts| {
        one.cause.is_some_and(|cause| index < place || cause != Cause::TcpUnreachable)
    };
    let dead: Vec<&AddressFacts> =
        facts.addresses.iter().enumerate().filter(|(index, one)| matters(*index, one)).map(|(_, one)| one).collect();
    let (same, other): (Vec<_>, Vec<_>) = dead.into_iter().partition(|one| is_same_family(one.address, chosen));
    let others = facts.addresses.iter().filter(|one| !is_same_family(one.address, chosen)).count();
    let (broken, same) = if other.len() == others { (other, same) } else { (Vec::new(), [other, same].concat()) };
    let mut found = Vec::new();
    if !broken.is_empty() {
        let comes_first = facts.addresses.first().is_some_and(|first| !is_same_family(first.address, chosen));
        let cost = if comes_first { ", and each new connection waits for it, up to 300 ms" } else { "" };
        let (family, left) = if chosen.is_ipv4() { ("IPv6", "IPv4") } else { ("IPv4", "IPv6") };
        let message = format!("{host}: no {family} address connects ({}); {left} serves{cost}", failures(&broken));
        found.push(warning(
            "address_family_broken",
            message,
            format!("Repair {family} on the way, or take its records away."),
        ));
    }
    if !same.is_empty() {
        let message = format!("{host}: not every address connects: {}", failures(&same));
        let fix = "Take the dead address out of DNS; until then containerd tries it too.";
        found.push(warning("address_dead", message, fix));
    }
    found
}

fn is_same_family(one: SocketAddr, other: SocketAddr) -> bool {
    one.is_ipv4() == other.is_ipv4()
}

fn failures(addresses: &[&AddressFacts]) -> String {
    let each = addresses.iter().filter_map(|one| Some(format!("{} {}", one.address, one.cause?)));
    each.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
