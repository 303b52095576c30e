//! Go's resolver: which name is asked of which server, in which order, and which error counts.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join;
use go::resolver_names;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::answer::QueryError;
use super::exchange::{Exchange, QueryOptions, exchange, mnemonic};
use crate::cause::Cause;
use crate::host::resolv::ResolvConf;

/// Where `rotate` begins: as in containerd, it goes on as long as the process lives.
static TURN: AtomicUsize = AtomicUsize::new(0);
/// More says nothing new: rounds repeat themselves.
const HEARD_LIMIT: usize = 256;

type Asked = (SocketAddr, RecordType);
type Cells = HashMap<(SocketAddr, Arc<str>, RecordType), Arc<OnceCell<Arc<Exchange>>>>;

/// What all lookups of one host share: the rules, and the answers already given.
pub(super) struct QueryCache<'a> {
    pub conf: &'a ResolvConf,
    cells: Mutex<Cells>,
    /// Who has never answered questions of a type, and how that showed; `None` for who has.
    mute: Mutex<HashMap<Asked, Option<Arc<Exchange>>>>,
    /// With which server each question began.
    turns: Mutex<HashMap<(Arc<str>, RecordType), usize>>,
}

/// One lookup of the host. It keeps what it heard, also when it is cut short.
pub(super) struct Lookup<'a> {
    cache: &'a QueryCache<'a>,
    host: &'a str,
    servers: Vec<SocketAddr>,
    timeout: Duration,
    mode: Mode,
    log: Mutex<Vec<LoggedQuery>>,
}

/// How a lookup is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// As containerd makes it, with all its waiting.
    AsGo,
    /// Of one server, which is waited for only once for each type of question.
    Aside,
    /// As containerd makes it, in as long as containerd has: but only what is not known yet is asked, and
    /// the rest of the time is calculated.
    Predicted { budget: Duration },
}

/// Which of Go's attempts at one question it is, and so whose answer may serve it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    /// Whoever is first asks for all who wait.
    First,
    /// At a further server: an answer that another lookup got serves too.
    FirstRound,
    Later,
}

impl Attempt {
    const fn of(round: usize, place: usize) -> Self {
        match (round, place) {
            (0, 0) => Self::First,
            (0, _) => Self::FirstRound,
            _ => Self::Later,
        }
    }
}

/// A question that was answered or given up.
#[derive(Clone, Debug)]
pub(super) struct LoggedQuery {
    pub server: SocketAddr,
    pub fqdn: Arc<str>,
    pub kind: RecordType,
    pub exchange: Arc<Exchange>,
}

/// The addresses, and the name that has them without its trailing dot.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub name: String,
    pub addresses: Vec<IpAddr>,
}

/// Why no name has an address.
#[derive(Clone, Debug)]
pub(super) struct LookupError {
    pub cause: Cause,
    /// Go's, from behind the name on: ` on 192.0.2.1:53: no such host`.
    pub words: String,
}

/// What a lookup came to, and how long it takes by the times of its questions.
#[derive(Clone, Debug)]
pub(super) struct LookupEnd {
    pub result: Result<Found, LookupError>,
    pub takes: Duration,
}

/// One record type's end: the last server's trouble.
#[derive(Clone, Debug)]
struct NoRecords {
    server: SocketAddr,
    trouble: QueryError,
}

impl<'a> QueryCache<'a> {
    pub fn new(conf: &'a ResolvConf) -> Self {
        Self { conf, cells: Mutex::default(), mute: Mutex::default(), turns: Mutex::default() }
    }

    fn cell(&self, server: SocketAddr, fqdn: &Arc<str>, kind: RecordType) -> Arc<OnceCell<Arc<Exchange>>> {
        Arc::clone(open(&self.cells).entry((server, Arc::clone(fqdn), kind)).or_default())
    }

    fn turn(&self, fqdn: &Arc<str>, kind: RecordType) -> usize {
        *open(&self.turns).entry((Arc::clone(fqdn), kind)).or_insert_with(|| TURN.fetch_add(1, Ordering::Relaxed))
    }

    fn learn(&self, server: SocketAddr, kind: RecordType, exchange: &Arc<Exchange>) {
        let mut mute = open(&self.mute);
        if exchange.is_in_vain() {
            let known = mute.entry((server, kind)).or_insert_with(|| Some(Arc::clone(exchange)));
            if known.as_ref().is_some_and(|known| known.silence() < exchange.silence()) {
                *known = Some(Arc::clone(exchange));
            }
        } else {
            mute.insert((server, kind), None);
        }
    }

    /// What the next question of this type will come to, when none was ever answered.
    fn silence(&self, server: SocketAddr, kind: RecordType) -> Option<Arc<Exchange>> {
        open(&self.mute).get(&(server, kind)).cloned().flatten()
    }
}

impl<'a> Lookup<'a> {
    pub fn as_go(cache: &'a QueryCache<'a>, host: &'a str) -> Self {
        Self::new(cache, host, cache.conf.servers.clone(), cache.conf.timeout, Mode::AsGo)
    }

    /// As if this were the only nameserver.
    pub fn aside(cache: &'a QueryCache<'a>, host: &'a str, server: SocketAddr, limit: Duration) -> Self {
        Self::new(cache, host, vec![server], cache.conf.timeout.min(limit), Mode::Aside)
    }

    /// What a lookup that was cut short would come to, had it all the time that containerd gives it.
    pub fn predicted(cache: &'a QueryCache<'a>, host: &'a str, budget: Duration) -> Self {
        Self::new(cache, host, cache.conf.servers.clone(), cache.conf.timeout, Mode::Predicted { budget })
    }

    fn new(cache: &'a QueryCache<'a>, host: &'a str, servers: Vec<SocketAddr>, timeout: Duration, mode: Mode) -> Self {
        Self { cache, host, servers, timeout, mode, log: Mutex::default() }
    }

    pub async fn run(&self) -> LookupEnd {
        let conf = self.cache.conf;
        let itself = format!("{}.", self.host.trim_end_matches('.'));
        let mut miss: Option<LookupError> = None;
        let mut takes = Duration::ZERO;
        for fqdn in resolver_names::candidates(self.host, &conf.search, conf.ndots) {
            let fqdn = Arc::from(fqdn);
            let (addresses, dry, took) = self.ask_both(&fqdn).await;
            takes += took;
            if matches!(self.mode, Mode::Predicted { budget } if takes >= budget) {
                return LookupEnd {
                    result: Err(LookupError { cause: Cause::DnsTimeout, words: ": i/o timeout".into() }),
                    takes,
                };
            }
            if !addresses.is_empty() {
                let name = fqdn.strip_suffix('.').filter(|_| !self.host.ends_with('.')).unwrap_or(&fqdn).to_owned();
                return LookupEnd { result: Ok(Found { name, addresses }), takes };
            }
            // The name as it was given tells best what is wrong.
            if miss.is_none() || *fqdn == *itself {
                miss = Some(worst(&dry));
            }
        }
        let unasked = || LookupError { cause: Cause::DnsNxdomain, words: ": no such host".into() };
        LookupEnd { result: Err(miss.unwrap_or_else(unasked)), takes }
    }

    /// A and AAAA of one name, what went wrong in the order in which it did, and how long both take.
    async fn ask_both(&self, fqdn: &Arc<str>) -> (Vec<IpAddr>, Vec<NoRecords>, Duration) {
        let dry = Mutex::new(Vec::new());
        let ask = async |kind| {
            let (result, took) = self.ask_one(fqdn, kind).await;
            let addresses = result.unwrap_or_else(|trouble| {
                open(&dry).push(trouble);
                Vec::new()
            });
            (addresses, took)
        };
        let in_turn = self.cache.conf.single_request;
        let ((a, of_a), (aaaa, of_aaaa)) = if in_turn && self.mode != Mode::Aside {
            (ask(RecordType::A).await, ask(RecordType::AAAA).await)
        } else {
            join(ask(RecordType::A), ask(RecordType::AAAA)).await
        };
        let took = if in_turn { of_a + of_aaaa } else { of_a.max(of_aaaa) };
        ([a, aaaa].concat(), dry.into_inner().unwrap_or_else(PoisonError::into_inner), took)
    }

    /// Round by round, server by server, until one says what the name has or that it has nothing.
    async fn ask_one(&self, fqdn: &Arc<str>, kind: RecordType) -> (Result<Vec<IpAddr>, NoRecords>, Duration) {
        let conf = self.cache.conf;
        let offset = if conf.rotate && self.mode != Mode::Aside { self.cache.turn(fqdn, kind) } else { 0 };
        let rounds = if self.mode == Mode::AsGo { conf.attempts } else { 1 };
        let mut took = Duration::ZERO;
        let mut last = None;
        for round in 0..rounds {
            for place in 0..self.servers.len() {
                let server = self.servers[offset.wrapping_add(place) % self.servers.len()];
                let exchange = self.ask(server, fqdn, kind, Attempt::of(round, place)).await;
                self.note(server, fqdn, kind, &exchange);
                took += exchange.cost(conf.timeout);
                match &exchange.result {
                    Ok(addresses) => return (Ok(addresses.clone()), took),
                    Err(trouble) if trouble.is_final() => {
                        return (Err(NoRecords { server, trouble: trouble.clone() }), took);
                    }
                    Err(trouble) => last = Some(NoRecords { server, trouble: trouble.clone() }),
                }
            }
        }
        if matches!(self.mode, Mode::Predicted { .. }) {
            // Each further round is as the first.
            took = took.saturating_mul(u32::try_from(conf.attempts).unwrap_or(u32::MAX));
        }
        let unasked =
            || NoRecords { server: ([0, 0, 0, 0], 0).into(), trouble: QueryError::new(Cause::DnsTimeout, "no server") };
        (Err(last.unwrap_or_else(unasked)), took)
    }

    /// As containerd, or with what another lookup has heard or is just hearing.
    async fn ask(&self, server: SocketAddr, fqdn: &Arc<str>, kind: RecordType, attempt: Attempt) -> Arc<Exchange> {
        let conf = self.cache.conf;
        // A question is put as Go puts it, whoever began to ask: who has less time for it leaves it to the others.
        let options = QueryOptions {
            timeout: conf.timeout,
            tcp_only: conf.use_tcp,
            trust_ad: conf.trust_ad,
            edns: conf.edns,
            reads_additionals: conf.reads_additionals,
        };
        let put = async || Arc::new(exchange(server, fqdn, kind, options).await);
        let cell = self.cache.cell(server, fqdn, kind);
        let exchange = if self.mode != Mode::AsGo {
            match (cell.get(), self.cache.silence(server, kind)) {
                (Some(known), _) => Arc::clone(known),
                (None, Some(silence)) => silence,
                // Who began to ask may wait longer than this lookup can.
                (None, None) => timeout(self.timeout, cell.get_or_init(put))
                    .await
                    .map_or_else(|_| Arc::new(Exchange::silent(self.timeout)), Arc::clone),
            }
        } else if attempt == Attempt::First {
            cell.get_or_init(put).await.clone()
        } else {
            // Silence that another lookup met is never taken for an answer.
            match cell.get().filter(|exchange| attempt == Attempt::FirstRound && exchange.rcode.is_some()) {
                Some(exchange) => Arc::clone(exchange),
                None => put().await,
            }
        };
        self.cache.learn(server, kind, &exchange);
        exchange
    }

    fn note(&self, server: SocketAddr, fqdn: &Arc<str>, kind: RecordType, exchange: &Arc<Exchange>) {
        let log = LoggedQuery { server, fqdn: Arc::clone(fqdn), kind, exchange: Arc::clone(exchange) };
        let mut all = open(&self.log);
        if all.len() < HEARD_LIMIT {
            all.push(log);
        }
    }

    pub fn log(&self) -> Vec<LoggedQuery> {
        open(&self.log).clone()
    }

    /// The shortest silence that was taken for lasting, where Go listens for longer and has the time for it.
    pub fn short_silence(&self, budget: Duration) -> Option<Duration> {
        let enough = budget.min(self.cache.conf.timeout);
        self.log().iter().filter_map(|log| log.exchange.silence()).filter(|silence| *silence < enough).min()
    }

    /// Which server answered what, each answer told once.
    pub fn summary(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        for log in self.log() {
            let answer = match (log.exchange.rcode, &log.exchange.result) {
                (Some(rcode), Err(trouble)) if trouble.cause == Cause::DnsNoAddress => {
                    format!("{} without {}", mnemonic(rcode), log.kind)
                }
                (Some(ResponseCode::NoError), Err(trouble)) => trouble.words.clone(),
                (Some(rcode), _) => mnemonic(rcode),
                (None, Err(trouble)) if trouble.cause == Cause::DnsTimeout => "no answer".into(),
                (None, Err(trouble)) => trouble.words.clone(),
                (None, Ok(_)) => "answered".into(),
            };
            let line = format!("{} on {}: {answer}", log.fqdn.trim_end_matches('.'), log.server);
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        if lines.is_empty() { "no nameserver has answered".into() } else { lines.join("; ") }
    }
}

fn open<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The words are those of the trouble met last, as Go keeps it. The cause is the surest of both:
/// that there is no such name, else why a record could not be had, else that there is none.
fn worst(dry: &[NoRecords]) -> LookupError {
    let rank = |dry: &&NoRecords| match dry.trouble.cause {
        Cause::DnsNxdomain => 2,
        Cause::DnsNoAddress => 0,
        _ => 1,
    };
    let cause = dry.iter().max_by_key(rank).map_or(Cause::DnsTimeout, |dry| dry.trouble.cause);
    let words = dry.last().map(|dry| format!(" on {}: {}", dry.server, dry.trouble.words)).unwrap_or_default();
    LookupError { cause, words }
}
