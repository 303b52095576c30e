//! Pulls that are sent to the node itself, its own link or the metadata service of its cloud.

use std::net::IpAddr;

use super::PRIVATE_TARGET;
use crate::model::finding::{Finding, Severity};
use crate::model::host::Endpoint;
use crate::model::outcome::{Outcome, Skip};
use crate::model::reach::{NodeAddress, place};
use crate::model::report::EndpointReport;

/// Where the agent was sent and did not go. `None`: it did, or nothing barred it.
pub fn kept_back(report: &EndpointReport) -> Option<Finding> {
    if !matches!(report.stages.tcp.outcome, Outcome::Skipped(Skip::NotFollowed)) {
        return None;
    }
    let via = report.need.as_ref()?.via.first()?;
    let barred = addresses(report).into_iter().find_map(|address| Some((address, place(address)?)));
    let at =
        barred.map_or_else(|| NodeAddress::Agent.as_str().to_owned(), |(address, place)| described(address, place));
    let message =
        format!("{via} sends pulls to {}, {at}: the agent does not go there on its schedule.", report.endpoint);
    let fix = "If this is intended, set `probe.follow_private: true`: only then does pullprobe judge pulls that lead there. If it is \
               not, tell whoever runs the registry: containerd goes there at every pull.";
    Some(Finding::new(Severity::Warning, PRIVATE_TARGET, message, fix))
}

/// Where it went, as containerd does.
pub fn findings(endpoints: &[&EndpointReport]) -> Vec<Finding> {
    let chosen = |report: &EndpointReport| Some(report.stages.tcp.facts()?.chosen?.ip());
    let is_there = |via: &Endpoint, wanted: NodeAddress| {
        let planned = endpoints.iter().filter(|report| report.need.is_none() && report.endpoint.same_place(via));
        planned.filter_map(|report| chosen(report)).any(|address| place(address) == Some(wanted))
    };
    let led = |report: &&EndpointReport| {
        let address = chosen(report)?;
        let place = place(address)?;
        let via = report.need.as_ref()?.via.iter().find(|via| !is_there(via, place))?;
        let message = format!(
            "{via} sends pulls to {}, {}: containerd goes there too.",
            report.endpoint,
            described(address, place)
        );
        let fix = "If this is not intended, tell whoever runs the registry; if it is a mirror, you can take it out of \
                   hosts.toml.";
        Some(Finding::new(Severity::Warning, PRIVATE_TARGET, message, fix))
    };
    endpoints.iter().filter_map(led).collect()
}

fn described(address: IpAddr, place: NodeAddress) -> String {
    format!("which is at {address}, {}", place.as_str())
}

fn addresses(report: &EndpointReport) -> Vec<IpAddr> {
    let looked_up = report.stages.dns.facts().into_iter().flat_map(|facts| &facts.addresses).map(|address| address.ip);
    looked_up.chain(report.endpoint.host().parse()).collect()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::model::dependency::{Dependency, Purpose};
    use crate::model::facts::TcpFacts;
    use crate::model::host::{Role, Scheme};
    use crate::model::outcome::Step;
    use crate::model::sample;

    fn at(host: &str, address: &str, via: Option<&str>) -> EndpointReport {
        let chosen: SocketAddr = address.parse().unwrap();
        let mut report = sample::presenting(host, "CN=A", true);
        let facts = TcpFacts { addresses: Vec::new(), chosen: Some(chosen) };
        report.stages.tcp = Step::new(Outcome::Passed(facts), report.duration);
        if let Some(via) = via {
            report.need = Some(Dependency::new(Purpose::Blob, Endpoint::new(Scheme::Https, via)));
            report.role = Role::Redirect;
        }
        report
    }

    #[test]
    fn a_registry_elsewhere_that_sends_to_the_node_is_told_of_and_one_on_the_node_is_not() {
        let sent = at("meta.example", "169.254.169.254:443", Some("r.example"));
        let elsewhere = at("r.example", "192.0.2.1:443", None);
        let [finding] = &findings(&[&elsewhere, &sent])[..] else { panic!("one finding") };
        assert_eq!((finding.code, finding.severity), (PRIVATE_TARGET, Severity::Warning));
        assert!(finding.message.starts_with("https://r.example sends pulls to https://meta.example, "), "{finding:?}");
        assert!(finding.message.contains("169.254.169.254"), "{finding:?}");
        let beside = at("r.example", "169.254.169.253:443", None);
        assert!(findings(&[&beside, &sent]).is_empty());
        let local = at("r.example", "127.0.0.1:443", None);
        assert_eq!(findings(&[&local, &sent]).len(), 1, "loopback is another place than the link");
        assert!(findings(&[&elsewhere, &at("cdn.example", "192.0.2.2:443", Some("r.example"))]).is_empty());
    }
}
