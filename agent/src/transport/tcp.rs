//! TCP: connects to every address of the host and tells which one Go's dialer would have used.
//!
//! All addresses are tried at once; the dialer's order is then played on the measured times by
//! [`go::dialer`]. So a broken family is seen although another one saves the pull, and no check waits
//! the many seconds that Go gives to a silent address.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use go::address::Address;
use go::dialer::{self, Attempt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::errno::{classify_io, own_limit};
use super::step::step;
use crate::cause::Cause;
use crate::model::facts::{AddressFacts, TcpFacts};
use crate::model::limit::LimitReached;
use crate::model::namespace::KERNEL_DIAL_TIMEOUT;
use crate::model::outcome::{Failure, Outcome, Step};
use crate::model::stage::Stage;

/// Once one address is connected, how much longer the others are waited for: more than the second
/// after which the kernel repeats a lost SYN.
const GRACE: Duration = Duration::from_millis(1200);
/// After so long silence is taken for lasting: three SYNs went out, at 0, 1 and 3 s, and none was answered. Less of it
/// proves nothing, unless containerd has no more time either.
const SILENCE: Duration = Duration::from_secs(5);
/// A name with more addresses has them for load, not for reach.
const ADDRESS_LIMIT: usize = 16;

type Connected = (usize, io::Result<TcpStream>);

/// Connects to the addresses, which are in the order in which Go sorted them, as Go would with `budget` as
/// its time. The stream is that of the address chosen.
pub async fn connect(
    addresses: &[Address],
    port: u16,
    host: &str,
    budget: Duration,
    limit: Duration,
) -> (Step<TcpFacts>, Option<TcpStream>) {
    let targets: Vec<SocketAddr> =
        dialer::select(addresses, ADDRESS_LIMIT).into_iter().map(|address| address.with_port(port)).collect();
    let mut race = Race::new(targets, budget);
    if addresses.len() > ADDRESS_LIMIT {
        race.limit = Some(format!(
            "pullprobe tries {ADDRESS_LIMIT} of {} addresses, and none of these takes the connection; containerd tries all",
            addresses.len()
        ));
    }
    let party = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut stream = None;
    let failed = || {
        let failure = Failure::new(Stage::Tcp, Cause::TcpTimeout, "not reached").at(party.as_str());
        Failure { inconclusive: true, ..failure }
    };
    // The race ends itself at its own limit, with facts; the step's is only a bound above it.
    let step = step(limit + GRACE, failed, async {
        race.run(limit.min(budget)).await;
        let (outcome, chosen) = race.finish(&party);
        stream = chosen;
        outcome
    })
    .await;
    (step, stream)
}

struct Race {
    targets: Vec<SocketAddr>,
    attempts: Vec<Attempt<Cause>>,
    /// Why a failure tells nothing of all that containerd tries.
    limit: Option<String>,
    words: HashMap<usize, String>,
    streams: HashMap<usize, TcpStream>,
    budget: Duration,
    began: Instant,
    waited: Duration,
}

impl Race {
    fn new(targets: Vec<SocketAddr>, budget: Duration) -> Self {
        let attempts = targets.iter().map(|target| Attempt::silent(target.is_ipv4())).collect();
        let (limit, words, streams) = Default::default();
        Self { targets, attempts, limit, words, streams, budget, began: Instant::now(), waited: Duration::ZERO }
    }

    /// Until all have ended, or the limit; when the dialer's choice is known, only a little longer.
    async fn run(&mut self, limit: Duration) {
        let mut pending: FuturesUnordered<_> = self.targets.iter().copied().enumerate().map(open).collect();
        let mut deadline = self.began + limit;
        let mut decided = false;
        while let Ok(Some((index, result))) = tokio::time::timeout_at(deadline, pending.next()).await {
            self.note(index, result);
            if !decided && matches!(self.play(), dialer::Outcome::Connected(_)) {
                decided = true;
                deadline = deadline.min(Instant::now() + GRACE);
            }
        }
        self.waited = self.began.elapsed();
    }

    fn note(&mut self, index: usize, result: io::Result<TcpStream>) {
        let duration = self.began.elapsed();
        match result {
            Ok(stream) => {
                self.attempts[index].connects(duration);
                self.streams.insert(index, stream);
            }
            Err(error) => {
                self.limit = self.limit.take().or_else(|| own_limit(&error));
                self.attempts[index].fails(classify_io(&error), duration);
                self.words.insert(index, format!("connect: {}", go::errno::words(&error)));
            }
        }
    }

    fn play(&self) -> dialer::Outcome {
        dialer::play(&self.attempts, self.budget)
    }

    fn finish(&mut self, party: &str) -> (Outcome<TcpFacts>, Option<TcpStream>) {
        let verdict = self.play();
        let mut facts = TcpFacts { addresses: self.facts(), chosen: None };
        match verdict {
            dialer::Outcome::Connected(index) => {
                facts.chosen = Some(self.targets[index]);
                (Outcome::Passed(facts), self.streams.remove(&index))
            }
            dialer::Outcome::Failed(index) => {
                let failure = self.limit.take().map(|words| LimitReached::new(Stage::Tcp, words).into());
                let failure = failure.map_or_else(|| self.failure(index, party), |failure: Failure| failure.at(party));
                (Outcome::Failed(failure, Some(facts)), None)
            }
            dialer::Outcome::Nothing => {
                let failure = Failure::new(Stage::Tcp, Cause::DnsNoAddress, "there is no address to connect to");
                (Outcome::Failed(failure.at(party).with_go_message("dial tcp: missing address"), Some(facts)), None)
            }
        }
    }

    fn facts(&self) -> Vec<AddressFacts> {
        let facts = |(target, attempt): (&SocketAddr, &Attempt<Cause>)| AddressFacts {
            address: *target,
            cause: attempt.error(Cause::TcpTimeout),
            duration: attempt.duration().unwrap_or(self.waited),
        };
        self.targets.iter().zip(&self.attempts).map(facts).collect()
    }

    /// Go reports the error of the first address; what became of the others goes into the detail.
    fn failure(&self, index: usize, party: &str) -> Failure {
        let cause = self.attempts[index].error(Cause::TcpTimeout).unwrap_or(Cause::TcpTimeout);
        let of_each: Vec<String> = (0..self.targets.len())
            .map(|index| format!("{}: {}", self.targets[index], self.outcome_of(index)))
            .collect();
        let words = self.words.get(&index).map_or_else(|| self.words_of_silence(), String::as_str);
        let is_cut_short = self.is_cut_short();
        let stopped = if is_cut_short || cause == Cause::TcpTimeout { self.stopped_early() } else { String::new() };
        let failure = Failure::new(Stage::Tcp, cause, of_each.join("; ") + &stopped)
            .at(party)
            .with_go_message(format!("dial tcp {}: {words}", self.targets[index]));
        if !is_cut_short {
            return failure;
        }
        let failure = failure.fixed_by(
            "Give it longer: `--timeout 1m` with `check`, `probe.timeouts.tcp` in the settings of `run` (`timeouts: {tcp: 5s}`).",
        );
        Failure { inconclusive: true, ..failure }
    }

    /// [`dialer::play`] takes an address for silent that was not listened to for long enough: containerd may connect to it.
    fn is_cut_short(&self) -> bool {
        self.waited < SILENCE.min(self.budget) && self.attempts.iter().any(|attempt| attempt.duration().is_none())
    }

    /// Silence is certain only for as long as it was listened to.
    fn stopped_early(&self) -> String {
        if self.waited >= self.budget {
            return String::new();
        }
        let waits = self.budget.min(KERNEL_DIAL_TIMEOUT);
        format!(" (pullprobe stops there; containerd waits {waits:?}, the name's lookup included)")
    }

    /// Go's, unless its share for an address is longer than the kernel's patience.
    fn words_of_silence(&self) -> &'static str {
        let addresses = u32::try_from(self.targets.len()).unwrap_or(u32::MAX).max(1);
        if self.budget / addresses > KERNEL_DIAL_TIMEOUT { "connect: connection timed out" } else { "i/o timeout" }
    }

    fn outcome_of(&self, index: usize) -> String {
        match (self.words.get(&index), self.attempts[index].duration()) {
            (Some(words), _) => words.clone(),
            (None, Some(duration)) => format!("connected after {duration:.1?}, when the dial timeout had passed"),
            (None, None) => format!("no answer within {:.1?}", self.waited),
        }
    }
}

async fn open((index, target): (usize, SocketAddr)) -> Connected {
    (index, TcpStream::connect(target).await)
}

#[cfg(test)]
mod tests;
