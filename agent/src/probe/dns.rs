//! DNS: the addresses of a host as Go's resolver would find them on this node.
//!
//! Beside the lookup itself every nameserver is asked on its own, so that one that is dead or
//! answers differently is seen although another one saves the pull.

mod answer;
mod candidates;
mod exchange;
mod nameserver;
mod resolver;
mod sort;

use std::net::IpAddr;
use std::time::Duration;

use futures::future::{join, join_all};

use self::nameserver::Aside;
use self::resolver::{Desk, Found, Lookup, Miss};
use super::step::step;
use crate::model::cause::Cause;
use crate::model::facts::{DnsFacts, NameSource, NameserverFacts};
use crate::model::outcome::{Failure, Outcome, Step};
use crate::model::stage::Stage;
use crate::node::nsswitch::NameService;
use crate::node::resolv::Names;

/// How long a nameserver that is asked aside may take: it delays the stage, but not the lookup.
const ASIDE_LIMIT: Duration = Duration::from_secs(2);
/// The same for a name of the hosts file, which no pull ever asks a nameserver for.
const COMPARISON_LIMIT: Duration = Duration::from_millis(500);

/// Looks the host up. The step's duration is that of the lookup: questions aside do not count.
///
/// A failure names no party: the caller knows the port that belongs to the host.
pub async fn lookup(names: &Names, host: &str, limit: Duration) -> Step<DnsFacts> {
    if let Ok(address) = host.parse::<IpAddr>() {
        let facts = facts(NameSource::Literal, host.to_owned(), vec![address.to_canonical()]);
        return Step::new(Outcome::Passed(facts), Duration::ZERO);
    }
    let hosts_first = names.order.first() != Some(&NameService::Dns);
    if hosts_first && let Some(facts) = in_hosts_file(names, host) {
        let nameservers = compare(names, host, limit).await;
        return Step::new(Outcome::Passed(DnsFacts { nameservers, ..facts }), Duration::ZERO);
    }
    if !names.order.contains(&NameService::Dns) || !candidates::is_domain_name(host) {
        let detail = if candidates::is_domain_name(host) {
            "not in /etc/hosts, and /etc/nsswitch.conf names no other source"
        } else {
            "not a domain name: no nameserver is asked"
        };
        let words = format!("dial tcp: lookup {host}: no such host");
        let failure = Failure::new(Stage::Dns, Cause::DnsNxdomain, detail).worded(words);
        return Step::new(Outcome::Failed(failure, None), Duration::ZERO);
    }
    let step = in_dns(names, host, limit).await;
    let hosts_last = !hosts_first && names.order.contains(&NameService::Files);
    match in_hosts_file(names, host).filter(|_| hosts_last && !step.passed()) {
        Some(facts) => Step { outcome: Outcome::Passed(facts), ..step },
        None => step,
    }
}

fn facts(source: NameSource, answered: String, addresses: Vec<IpAddr>) -> DnsFacts {
    DnsFacts { source, answered, addresses, nameservers: Vec::new() }
}

fn in_hosts_file(names: &Names, host: &str) -> Option<DnsFacts> {
    let entry = names.hosts.lookup(host)?;
    let answered = format!("/etc/hosts:{}", entry.line);
    Some(facts(NameSource::HostsFile, answered, sort::by_rfc6724(entry.addresses)))
}

/// What DNS would have said where the hosts file said something.
async fn compare(names: &Names, host: &str, limit: Duration) -> Vec<NameserverFacts> {
    if !names.order.contains(&NameService::Dns) || !candidates::is_domain_name(host) {
        return Vec::new();
    }
    let desk = Desk::new(&names.resolv);
    let limit = limit.min(COMPARISON_LIMIT);
    let aside = names.resolv.servers.iter().map(|server| nameserver::ask(&desk, *server, host, limit));
    join_all(aside).await.into_iter().map(|aside| aside.facts).collect()
}

async fn in_dns(names: &Names, host: &str, limit: Duration) -> Step<DnsFacts> {
    let conf = &names.resolv;
    let desk = Desk::new(conf);
    let lookup = Lookup::as_go(&desk, host);
    let mut late = false;
    let on_timeout = || {
        late = true;
        let detail = format!("no answer within {limit:.1?}: {}", lookup.told());
        Failure::new(Stage::Dns, Cause::DnsTimeout, detail).worded(format!("dial tcp: lookup {host}: i/o timeout"))
    };
    let main = step(limit, on_timeout, async { outcome(lookup.run().await, host, &lookup) });
    let aside = conf.servers.iter().map(|server| nameserver::ask(&desk, *server, host, limit.min(ASIDE_LIMIT)));
    // The lookup comes first each time both can go on: the others share its questions, not it theirs.
    let (mut step, aside) = join(main, join_all(aside)).await;
    if late && let Some(foreseen) = foresee(&aside, host) {
        step.outcome = foreseen;
    }
    let nameservers = aside.into_iter().map(|aside| aside.facts).collect();
    step.outcome = with_nameservers(step.outcome, nameservers);
    step
}

fn outcome(result: Result<Found, Miss>, host: &str, lookup: &Lookup<'_>) -> Outcome<DnsFacts> {
    match result {
        Ok(found) => Outcome::Passed(of_found(found)),
        Err(miss) => {
            let words = format!("dial tcp: lookup {host}{}", miss.words);
            Outcome::Failed(Failure::new(Stage::Dns, miss.cause, lookup.told()).worded(words), None)
        }
    }
}

fn of_found(found: Found) -> DnsFacts {
    facts(NameSource::Dns, found.name, sort::by_rfc6724(found.addresses))
}

/// What Go would still have heard after our limit: it goes on to the servers behind a silent one,
/// and these have meanwhile been asked.
fn foresee(aside: &[Aside], host: &str) -> Option<Outcome<DnsFacts>> {
    aside.iter().find_map(|aside| match &aside.result {
        Ok(found) => Some(Outcome::Passed(of_found(found.clone()))),
        Err(miss) if matches!(miss.cause, Cause::DnsNxdomain | Cause::DnsNoAddress) => {
            let words = format!("dial tcp: lookup {host}{}", miss.words);
            let failure = Failure::new(Stage::Dns, miss.cause, aside.told.as_str()).worded(words);
            Some(Outcome::Failed(failure, None))
        }
        Err(_) => None,
    })
}

fn with_nameservers(outcome: Outcome<DnsFacts>, nameservers: Vec<NameserverFacts>) -> Outcome<DnsFacts> {
    match outcome {
        Outcome::Passed(facts) => Outcome::Passed(DnsFacts { nameservers, ..facts }),
        Outcome::Failed(failure, _) => {
            let facts = DnsFacts { nameservers, ..facts(NameSource::Dns, String::new(), Vec::new()) };
            Outcome::Failed(failure, Some(facts))
        }
        Outcome::Skipped(why) => Outcome::Skipped(why),
    }
}

#[cfg(test)]
mod tests;
