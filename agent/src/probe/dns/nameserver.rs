//! One nameserver on its own: what the lookup would be if it were the only one.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::resolver::{Desk, Found, Heard, Lookup, Miss};
use crate::model::cause::Cause;
use crate::model::facts::{NameserverFacts, Transport};

/// What one nameserver alone gives.
pub(super) struct Aside {
    pub facts: NameserverFacts,
    pub result: Result<Found, Miss>,
    /// In words.
    pub told: String,
}

pub(super) async fn ask(desk: &Desk<'_>, server: SocketAddr, host: &str, limit: Duration) -> Aside {
    let began = Instant::now();
    let lookup = Lookup::aside(desk, host, server, limit);
    let result = tokio::time::timeout(limit, lookup.run()).await.ok();
    let duration = began.elapsed();
    let heard = lookup.heard();
    let result = result.unwrap_or_else(|| cut(&heard, server));
    Aside { facts: facts(&heard, &result, server, duration), result, told: lookup.told() }
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
    let found = addresses().copied().collect();
    let a = addresses().filter(|address| address.is_ipv4()).count();
    let aaaa = addresses().filter(|address| address.is_ipv6()).count();
    let cause = result.as_ref().err().map(|miss| miss.cause);
    let over_tcp = heard.iter().any(|heard| heard.exchange.transport == Transport::Tcp);
    let transport = if over_tcp { Transport::Tcp } else { Transport::Udp };
    NameserverFacts { server, transport, rcode: rcode(heard, cause), a, aaaa, addresses: found, duration, cause }
}

/// That of the answer that decided: of the one with addresses, else of the one with the cause.
fn rcode(heard: &[Heard], cause: Option<Cause>) -> Option<String> {
    let deciding = |heard: &&Heard| match &heard.exchange.result {
        Ok(_) => cause.is_none(),
        Err(trouble) => Some(trouble.cause) == cause,
    };
    heard.iter().find(deciding)?.exchange.rcode.clone()
}
