//! Go's resolver: which name is asked of which server, in which order, and which error counts.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join;
use hickory_proto::rr::RecordType;
use tokio::sync::OnceCell;

use super::answer::Trouble;
use super::candidates::candidates;
use super::exchange::{Exchange, Manner, exchange};
use crate::model::cause::Cause;
use crate::node::resolv::ResolvConf;

/// Where `rotate` begins: as in containerd, it goes on as long as the process lives.
static TURN: AtomicUsize = AtomicUsize::new(0);

type Cells = HashMap<(SocketAddr, String, RecordType), Arc<OnceCell<Exchange>>>;

/// What all lookups of one host share: the rules, and the answers already given.
pub(super) struct Desk<'a> {
    pub conf: &'a ResolvConf,
    cells: Mutex<Cells>,
}

/// One lookup of the host. It keeps what it heard, also when it is cut short.
pub(super) struct Lookup<'a> {
    desk: &'a Desk<'a>,
    host: &'a str,
    servers: Vec<SocketAddr>,
    attempts: usize,
    timeout: Duration,
    /// Every question is shared, not only the first of each round.
    aside: bool,
    heard: Mutex<Vec<Heard>>,
}

/// A question that was answered or given up.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub server: SocketAddr,
    pub fqdn: String,
    pub kind: RecordType,
    pub exchange: Exchange,
}

/// The addresses, and the name that has them without its trailing dot.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub name: String,
    pub addresses: Vec<IpAddr>,
}

/// Why no name has an address.
#[derive(Clone, Debug)]
pub(super) struct Miss {
    pub cause: Cause,
    /// Go's, from behind the name on: ` on 192.0.2.1:53: no such host`.
    pub words: String,
}

/// One record type's end: the last server's trouble.
#[derive(Clone, Debug)]
struct Dry {
    server: SocketAddr,
    trouble: Trouble,
}

impl<'a> Desk<'a> {
    pub fn new(conf: &'a ResolvConf) -> Self {
        Self { conf, cells: Mutex::default() }
    }

    fn cell(&self, server: SocketAddr, fqdn: &str, kind: RecordType) -> Arc<OnceCell<Exchange>> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.entry((server, fqdn.to_owned(), kind)).or_default())
    }
}

impl<'a> Lookup<'a> {
    pub fn as_go(desk: &'a Desk<'a>, host: &'a str) -> Self {
        let conf = desk.conf;
        let (servers, heard) = (conf.servers.clone(), Mutex::default());
        Self { desk, host, servers, attempts: conf.attempts, timeout: conf.timeout, aside: false, heard }
    }

    /// As if this were the only nameserver.
    pub fn aside(desk: &'a Desk<'a>, host: &'a str, server: SocketAddr, limit: Duration) -> Self {
        let timeout = desk.conf.timeout.min(limit);
        Self { desk, host, servers: vec![server], attempts: 1, timeout, aside: true, heard: Mutex::default() }
    }

    pub async fn run(&self) -> Result<Found, Miss> {
        let conf = self.desk.conf;
        let itself = format!("{}.", self.host.trim_end_matches('.'));
        let mut miss: Option<Miss> = None;
        for fqdn in candidates(self.host, &conf.search, conf.ndots) {
            let (addresses, dry) = self.ask_both(&fqdn).await;
            if !addresses.is_empty() {
                let name = fqdn.strip_suffix('.').filter(|_| !self.host.ends_with('.')).unwrap_or(&fqdn).to_owned();
                return Ok(Found { name, addresses });
            }
            // The name as it was given tells best what is wrong.
            if miss.is_none() || fqdn == itself {
                miss = Some(worst(&dry));
            }
        }
        let unasked = || Miss { cause: Cause::DnsNxdomain, words: ": no such host".into() };
        Err(miss.unwrap_or_else(unasked))
    }

    /// A and AAAA of one name, and what went wrong in the order in which it did.
    async fn ask_both(&self, fqdn: &str) -> (Vec<IpAddr>, Vec<Dry>) {
        let dry = Mutex::new(Vec::new());
        let ask = async |kind| match self.ask_one(fqdn, kind).await {
            Ok(addresses) => addresses,
            Err(trouble) => {
                dry.lock().unwrap_or_else(PoisonError::into_inner).push(trouble);
                Vec::new()
            }
        };
        let (a, aaaa) = if self.desk.conf.single_request {
            (ask(RecordType::A).await, ask(RecordType::AAAA).await)
        } else {
            join(ask(RecordType::A), ask(RecordType::AAAA)).await
        };
        ([a, aaaa].concat(), dry.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Round by round, server by server, until one says what the name has or that it has nothing.
    async fn ask_one(&self, fqdn: &str, kind: RecordType) -> Result<Vec<IpAddr>, Dry> {
        let offset = if self.desk.conf.rotate && !self.aside { TURN.fetch_add(1, Ordering::Relaxed) } else { 0 };
        let mut last = None;
        for round in 0..self.attempts {
            for place in 0..self.servers.len() {
                let server = self.servers[offset.wrapping_add(place) % self.servers.len()];
                let first = round == 0 && place == 0;
                let exchange = self.ask(server, fqdn, kind, self.aside || first, round == 0).await;
                self.note(server, fqdn, kind, &exchange);
                match exchange.result {
                    Ok(addresses) => return Ok(addresses),
                    Err(trouble) if trouble.is_final() => return Err(Dry { server, trouble }),
                    Err(trouble) => last = Some(Dry { server, trouble }),
                }
            }
        }
        let unasked =
            || Dry { server: ([0, 0, 0, 0], 0).into(), trouble: Trouble::new(Cause::DnsTimeout, "no server") };
        Err(last.unwrap_or_else(unasked))
    }

    /// Joins a question that is under way, or takes an answer that is there already; but silence
    /// that another lookup met is never taken for an answer.
    async fn ask(&self, server: SocketAddr, fqdn: &str, kind: RecordType, join: bool, share: bool) -> Exchange {
        let conf = self.desk.conf;
        let manner = Manner { timeout: self.timeout, tcp_only: conf.use_tcp, trust_ad: conf.trust_ad, edns: conf.edns };
        let put = || exchange(server, fqdn, kind, manner);
        let cell = self.desk.cell(server, fqdn, kind);
        if join {
            return cell.get_or_init(put).await.clone();
        }
        match cell.get().filter(|exchange| share && exchange.rcode.is_some()) {
            Some(exchange) => exchange.clone(),
            None => put().await,
        }
    }

    fn note(&self, server: SocketAddr, fqdn: &str, kind: RecordType, exchange: &Exchange) {
        let heard = Heard { server, fqdn: fqdn.to_owned(), kind, exchange: exchange.clone() };
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).push(heard);
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Which server answered what, each answer told once.
    pub fn told(&self) -> String {
        let mut told: Vec<String> = Vec::new();
        for heard in self.heard() {
            let answer = match (&heard.exchange.rcode, &heard.exchange.result) {
                (Some(rcode), Err(trouble)) if trouble.cause == Cause::DnsNoAddress => {
                    format!("{rcode} without {}", heard.kind)
                }
                (Some(rcode), Err(trouble)) if rcode == "NOERROR" => trouble.words.clone(),
                (Some(rcode), _) => rcode.clone(),
                (None, Err(trouble)) if trouble.cause == Cause::DnsTimeout => "no answer".into(),
                (None, Err(trouble)) => trouble.words.clone(),
                (None, Ok(_)) => "answered".into(),
            };
            let line = format!("{} on {}: {answer}", heard.fqdn.trim_end_matches('.'), heard.server);
            if !told.contains(&line) {
                told.push(line);
            }
        }
        if told.is_empty() { "no nameserver has answered".into() } else { told.join("; ") }
    }
}

/// The words are those of the trouble met last, as Go keeps it. The cause is the surest of both:
/// that there is no such name, else why a record could not be had, else that there is none.
fn worst(dry: &[Dry]) -> Miss {
    let rank = |dry: &&Dry| match dry.trouble.cause {
        Cause::DnsNxdomain => 2,
        Cause::DnsNoAddress => 0,
        _ => 1,
    };
    let cause = dry.iter().max_by_key(rank).map_or(Cause::DnsTimeout, |dry| dry.trouble.cause);
    let words = dry.last().map(|dry| format!(" on {}: {}", dry.server, dry.trouble.words)).unwrap_or_default();
    Miss { cause, words }
}
