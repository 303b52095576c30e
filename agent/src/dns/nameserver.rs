//! One nameserver on its own: what the lookup would be if it were the only one.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::exchange::mnemonic;
use super::resolver::{Found, LoggedQuery, Lookup, LookupError, QueryCache};
use crate::cause::Cause;
use crate::model::facts::{NameserverFacts, Transport};

pub(super) async fn ask(cache: &QueryCache<'_>, server: SocketAddr, host: &str, limit: Duration) -> NameserverFacts {
    let began = Instant::now();
    // What is left then is for the names behind one that the server is silent about.
    let lookup = Lookup::aside(cache, host, server, limit * 2 / 3);
    let result = tokio::time::timeout(limit, lookup.run()).await.ok();
    let duration = began.elapsed();
    let log = lookup.log();
    let result = result.map_or_else(|| cut(&log, server), |ending| ending.result);
    facts(&log, &result, server, duration)
}

/// Cut short, one record type may have answered all the same.
fn cut(log: &[LoggedQuery], server: SocketAddr) -> Result<Found, LookupError> {
    let silent = LookupError { cause: Cause::DnsTimeout, words: format!(" on {server}: i/o timeout") };
    log.iter()
        .find_map(|log| {
            let addresses = log.exchange.result.clone().ok()?;
            Some(Found { name: log.fqdn.trim_end_matches('.').to_owned(), addresses })
        })
        .ok_or(silent)
}

fn facts(
    log: &[LoggedQuery],
    result: &Result<Found, LookupError>,
    server: SocketAddr,
    duration: Duration,
) -> NameserverFacts {
    let addresses = || log.iter().filter_map(|log| log.exchange.result.as_ref().ok()).flatten();
    let cause = result.as_ref().err().map(|miss| miss.cause);
    let over_tcp = log.iter().any(|log| log.exchange.transport == Transport::Tcp);
    NameserverFacts {
        server,
        transport: if over_tcp { Transport::Tcp } else { Transport::Udp },
        rcode: rcode(log, cause).map(|rcode| mnemonic(rcode).into()),
        a: addresses().filter(|address| address.is_ipv4()).count(),
        aaaa: addresses().filter(|address| address.is_ipv6()).count(),
        addresses: addresses().copied().collect(),
        duration,
        cause,
        a_cause: cause_of(log, RecordType::A),
        aaaa_cause: cause_of(log, RecordType::AAAA),
    }
}

/// Why the server gave no record of the type for the name that it was asked for last.
fn cause_of(log: &[LoggedQuery], kind: RecordType) -> Option<Cause> {
    let last = log.iter().rfind(|log| log.kind == kind)?;
    last.exchange.result.as_ref().err().map(|trouble| trouble.cause)
}

/// That of the answer that decided: of the one with addresses, else of the one with the cause.
fn rcode(log: &[LoggedQuery], cause: Option<Cause>) -> Option<ResponseCode> {
    let deciding = |log: &&LoggedQuery| match &log.exchange.result {
        Ok(_) => cause.is_none(),
        Err(trouble) => Some(trouble.cause) == cause,
    };
    log.iter().find(deciding)?.exchange.rcode
}
