//! The addresses of a host, as Go's resolver finds them on this node.
//!
//! Beside the lookup itself every nameserver is asked on its own, so that one that is dead or
//! answers differently is seen although another one saves the pull.

pub mod answer;
mod exchange;
mod nameserver;
mod resolver;

use std::net::IpAddr;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{join_all, join3, pending, select};
use go::address::Address;
use go::{address_order, resolver_names};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::cause::Cause;
use crate::host::nsswitch::NameService;
use crate::host::resolv::Names;
use crate::model::facts::{DnsFacts, NameSource, NameserverFacts};
use crate::model::limit::LimitReached;
use crate::model::outcome::{Failure, Outcome, Step};
use crate::model::stage::Stage;
use crate::redact::clip::clip;
use resolver::{Found, Lookup, LookupError, QueryCache};

/// How long an extra question to a nameserver may take: it delays the stage, but not the lookup.
const ASIDE_LIMIT: Duration = Duration::from_secs(3);
/// The same for a name of the hosts file, which no pull ever asks a nameserver for.
const COMPARISON_LIMIT: Duration = Duration::from_millis(750);
/// Where resolv.conf gives an answer more time than a lookup has, a lookup has that much, up to this.
const LONGEST: Duration = Duration::from_secs(10);
/// A shorter limit is somebody's wish to wait no longer.
const USUAL_LIMIT: Duration = Duration::from_secs(5);
/// How much longer than the lookup listening may take: its clock starts a little later.
const LATER: Duration = Duration::from_secs(1);
const LONGER: &str = "Give it longer: `--timeout 1m` with `check`, `probe.timeouts.dns` in the settings of `run` (`timeouts: {dns: \
                      5s}`).";

/// How long a lookup may take.
#[derive(Clone, Copy, Debug)]
pub struct LookupLimits {
    /// containerd's, for looking up and connecting together.
    pub budget: Duration,
    /// pullprobe's own limit. Beyond it the time is calculated.
    pub limit: Duration,
}

/// Looks the host up. The step's duration is how long containerd's lookup takes: questions aside do not
/// count, and what pullprobe did not wait for does.
///
/// A failure names no party: the caller knows the port that belongs to the host.
#[tracing::instrument(name = "dns", level = "trace", skip_all, fields(name = host))]
pub async fn lookup(names: &Names, host: &str, limits: LookupLimits) -> Step<DnsFacts> {
    let limit = limits.limit;
    if let Ok(address) = host.parse::<IpAddr>() {
        let facts = facts(NameSource::Literal, host.to_owned(), vec![address.to_canonical().into()]);
        return Step::new(Outcome::Passed(facts), Duration::ZERO);
    }
    let hosts_first = names.order.first() != Some(&NameService::Dns);
    if hosts_first && let Some(facts) = in_hosts_file(names, host) {
        let nameservers = compare(names, host, limit).await;
        return Step::new(Outcome::Passed(DnsFacts { nameservers, ..facts }), Duration::ZERO);
    }
    if !names.order.contains(&NameService::Dns) || !resolver_names::is_domain_name(host) {
        let detail = if resolver_names::is_domain_name(host) {
            "not in /etc/hosts, and /etc/nsswitch.conf names no other source"
        } else {
            "not a domain name: no nameserver is asked"
        };
        let words = format!("dial tcp: lookup {host}: no such host");
        let failure = Failure::new(Stage::Dns, Cause::DnsNxdomain, detail).with_go_message(words);
        return Step::new(Outcome::Failed(failure, None), Duration::ZERO);
    }
    let step = in_dns(names, host, limits).await;
    let in_time = step.duration.is_none_or(|took| took < limits.budget);
    let hosts_last = !hosts_first && in_time && names.order.contains(&NameService::Files);
    match in_hosts_file(names, host).filter(|_| hosts_last && !step.passed()) {
        Some(facts) => Step { outcome: Outcome::Passed(facts), ..step },
        None => step,
    }
}

fn facts(source: NameSource, answered: String, addresses: Vec<Address>) -> DnsFacts {
    DnsFacts { source, answered: answered.into(), addresses, reckoned: false, nameservers: Vec::new() }
}

fn in_hosts_file(names: &Names, host: &str) -> Option<DnsFacts> {
    let entry = names.hosts.lookup(host)?;
    let answered = format!("/etc/hosts:{}", entry.line);
    Some(facts(NameSource::HostsFile, answered, address_order::by_rfc6724(entry.addresses)))
}

/// What DNS would have said where the hosts file said something.
async fn compare(names: &Names, host: &str, limit: Duration) -> Vec<NameserverFacts> {
    if !names.order.contains(&NameService::Dns) || !resolver_names::is_domain_name(host) {
        return Vec::new();
    }
    let cache = QueryCache::new(&names.resolv);
    let limit = limit.min(COMPARISON_LIMIT);
    let aside = names.resolv.servers.iter().map(|server| nameserver::ask(&cache, *server, host, limit));
    join_all(aside).await
}

async fn in_dns(names: &Names, host: &str, limits: LookupLimits) -> Step<DnsFacts> {
    let LookupLimits { budget, limit } = limits;
    let limit = if limit < USUAL_LIMIT { limit } else { limit.max(names.resolv.timeout.min(LONGEST)) };
    let cache = QueryCache::new(&names.resolv);
    let lookup = Lookup::as_go(&cache, host);
    let (ends, ending) = oneshot::channel();
    let (tell, told) = oneshot::channel();
    let main = async {
        // Boxed: what awaits a lookup is itself awaited deep down.
        let ending = timeout(limit.min(budget), lookup.run().boxed()).await;
        let _ = ends.send(ending.is_ok());
        ending
    };
    let aside = async {
        let servers = names.resolv.servers.iter();
        let asked = servers.map(|server| nameserver::ask(&cache, *server, host, limit.min(ASIDE_LIMIT)));
        let nameservers = join_all(asked).await;
        let _ = tell.send(());
        nameservers
    };
    let enough = async {
        let _ = told.await;
        if ending.await == Ok(false) {
            pending::<()>().await;
        }
    };
    // The lookup comes first each time all can go on: the others share its questions, not it theirs.
    let (ending, (), nameservers) = join3(main, listen(&cache, host, limit, enough), aside).await;
    let reckoned = ending.is_err() && limit < budget;
    let (result, takes) = match ending {
        Ok(ending) if ending.takes < budget => (conclude(ending.result, host, &lookup), ending.takes),
        Err(_) if reckoned => foretell(&cache, host, LookupLimits { budget, limit }).await,
        Ok(_) | Err(_) => (Err(out_of_time(host, budget, &lookup.summary())), budget),
    };
    let with = |facts: DnsFacts| DnsFacts { reckoned, nameservers, ..facts };
    let outcome = match result {
        Ok(facts) => Outcome::Passed(with(facts)),
        Err(failure) => Outcome::Failed(failure, Some(with(facts(NameSource::Dns, String::new(), Vec::new())))),
    };
    Step::new(outcome, takes)
}

/// Every nameserver is listened to for as long as containerd would listen, also those that the lookup does not come to:
/// one that answers late is no dead one. What they say is in the cache.
async fn listen(cache: &QueryCache<'_>, host: &str, limit: Duration, enough: impl Future<Output = ()>) {
    let asked: Vec<_> = cache.conf.servers.iter().map(|server| Lookup::aside(cache, host, *server, limit)).collect();
    let heard = timeout(limit + LATER, join_all(asked.iter().map(Lookup::run)));
    select(Box::pin(heard), std::pin::pin!(enough)).await;
}

fn conclude(result: Result<Found, LookupError>, host: &str, lookup: &Lookup<'_>) -> Result<DnsFacts, Failure> {
    match result {
        Ok(found) => {
            let addresses = found.addresses.into_iter().map(Address::from).collect();
            Ok(facts(NameSource::Dns, found.name, address_order::by_rfc6724(addresses)))
        }
        Err(miss) if miss.cause == Cause::LimitReached => {
            let detail = format!("pullprobe is at a limit of its own process: {}", lookup.summary());
            Err(LimitReached::new(Stage::Dns, detail).into())
        }
        Err(miss) => {
            let words = format!("dial tcp: lookup {host}{}", miss.words);
            Err(Failure::new(Stage::Dns, miss.cause, clip(lookup.summary())).with_go_message(words))
        }
    }
}

/// What the lookup comes to after our limit, and how long that takes: containerd waits on, and turns to
/// servers that have meanwhile been asked.
async fn foretell(cache: &QueryCache<'_>, host: &str, limits: LookupLimits) -> (Result<DnsFacts, Failure>, Duration) {
    let LookupLimits { budget, limit } = limits;
    let lookup = Lookup::predicted(cache, host, budget);
    let limit = limit.min(ASIDE_LIMIT);
    let in_doubt = |failure: Failure| match lookup.short_silence(budget) {
        Some(silence) if !failure.inconclusive => {
            let detail = format!(
                "pullprobe listened to a nameserver for {silence:.1?} only, and containerd waits {:?} for each answer; {}",
                cache.conf.timeout, failure.detail
            );
            Failure { detail: clip(detail).into(), inconclusive: true, ..failure.fixed_by(LONGER) }
        }
        _ => failure,
    };
    match timeout(limit, lookup.run()).await {
        Ok(ending) if ending.takes >= budget => (Err(in_doubt(out_of_time(host, budget, &lookup.summary()))), budget),
        Ok(ending) => (conclude(ending.result, host, &lookup).map_err(in_doubt), ending.takes),
        Err(_) => {
            let failure = out_of_time(host, budget, &lookup.summary());
            let detail = format!("its nameservers answer, but too slowly to tell the end: {}", lookup.summary());
            let failure = Failure { detail: clip(detail).into(), inconclusive: true, ..failure.fixed_by(LONGER) };
            (Err(failure), limits.limit + limit)
        }
    }
}

/// The words are those of Go's dialer, whose time includes the lookup.
fn out_of_time(host: &str, budget: Duration, summary: &str) -> Failure {
    let detail = format!(
        "the lookup did not end within the {budget:?} that containerd allows for lookup and connection: {summary}"
    );
    Failure::new(Stage::Dns, Cause::DnsTimeout, clip(detail))
        .with_go_message(format!("dial tcp: lookup {host}: i/o timeout"))
}

#[cfg(test)]
mod tests;
