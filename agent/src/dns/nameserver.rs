//! One nameserver on its own: what the lookup would be if it were the only one.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;

use super::resolver::{Desk, Found, Heard, Lookup, Miss};
use crate::cause::Cause;
use crate::model::facts::{NameserverFacts, Transport};

pub(super) async fn ask(desk: &Desk<'_>, server: SocketAddr, host: &str, limit: Duration) -> NameserverFacts {
    let began = Instant::now();
    // What is left then is for the names behind one that the server is silent about.
    let lookup = Lookup::aside(desk, host, server, limit * 2 / 3);
    let result = tokio::time::timeout(limit, lookup.run()).await.ok();
    let duration = began.elapsed();
    let heard = lookup.heard();
    let result = result.map_or_else(|| cut(&heard, server), |ending| ending.result);
    facts(&heard, &result, server, duration)
}

/// Cut short, one record type may have answered all the same.
fn cut(heard: &[Heard], server: SocketAddr) -> Result<Found, Miss> {
    let silent = Miss { cause: Cause::DnsTimeout, words: format!(" on {server}: i/o timeout") };
    heard
        .iter()
        .find_map(|heard| {
            let addresses = heard.exchange.result.clone().ok()?;
            Some(Found { name: heard.fqdn.trim_end_matches('.').to_owned(), addresses })
        })
        .ok_or(silent)
}

fn facts(heard: &[Heard], result: &Result<Found, Miss>, server: SocketAddr, duration: Duration) -> NameserverFacts {
    let addresses = || heard.iter().filter_map(|heard| heard.exchange.result.as_ref().ok()).flatten();
    let cause = result.as_ref().err().map(|miss| miss.cause);
    let over_tcp = heard.iter().any(|heard| heard.exchange.transport == Transport::Tcp);
    NameserverFacts {
        server,
        transport: if over_tcp { Transport::Tcp } else { Transport::Udp },
        rcode: rcode(heard, cause).map(Into::into),
        a: addresses().filter(|address| address.is_ipv4()).count(),
        aaaa: addresses().filter(|address| address.is_ipv6()).count(),
        addresses: addresses().copied().collect(),
        duration,
        cause,
        a_cause: cause_of(heard, RecordType::A),
        aaaa_cause: cause_of(heard, RecordType::AAAA),
    }
}

/// Why the server gave no record of the type for the name that it was asked for last.
fn cause_of(heard: &[Heard], kind: RecordType) -> Option<Cause> {
    let last = heard.iter().rfind(|heard| heard.kind == kind)?;
    last.exchange.result.as_ref().err().map(|trouble| trouble.cause)
}

/// That of the answer that decided: of the one with addresses, else of the one with the cause.
fn rcode(heard: &[Heard], cause: Option<Cause>) -> Option<String> {
    let deciding = |heard: &&Heard| match &heard.exchange.result {
        Ok(_) => cause.is_none(),
        Err(trouble) => Some(trouble.cause) == cause,
    };
    heard.iter().find(deciding)?.exchange.rcode.clone()
}
