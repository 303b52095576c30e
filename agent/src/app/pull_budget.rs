//! What the agent may spend of the registries' quotas: the ledger of the hour, and what was bought.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::pull::attempt::{Allowance, PullBudget};
use crate::pull::limit_disclosure::Prices;
use crate::pull::manifest_cache::Purchases;
use crate::schedule::Ledger;

/// The wall clock, or a test's.
pub type Clock = fn() -> Timestamp;

/// Where a service or the chart gives the agent a directory that outlives it.
const STATE: &str = "/var/lib/pullprobe";

pub struct Purse {
    ledger: Arc<Ledger>,
    purchases: Arc<Purchases>,
    prices: Arc<Prices>,
    clock: Clock,
}

/// The hour's allowance, by the clock of the agent.
struct Hourly {
    ledger: Arc<Ledger>,
    clock: Clock,
}

impl Allowance for Hourly {
    fn take(&self) -> bool {
        self.ledger.take((self.clock)())
    }

    fn book(&self) {
        self.ledger.book((self.clock)());
    }
}

impl Purse {
    /// `file`: as the settings say. Without one, and without the usual directory, nothing outlives the agent.
    pub fn open(per_hour: u32, file: Option<PathBuf>, clock: Clock) -> Self {
        let usual = || Path::new(STATE).is_dir().then(|| Path::new(STATE).join("counted-pulls"));
        let book = file.or_else(usual);
        let beside = |book: PathBuf, suffix| {
            let mut path = book;
            path.as_mut_os_string().push(suffix);
            path
        };
        // Worth keeping with any budget: what costs a pull unannounced.
        let hosts = book.clone().map(|book| beside(book, ".hosts"));
        let book = book.filter(|_| per_hour > 0);
        let bought = book.clone().map(|book| beside(book, ".d"));
        Self {
            ledger: Arc::new(Ledger::open(per_hour, book, clock())),
            purchases: Arc::new(Purchases::open(bought)),
            prices: Arc::new(Prices::open(hosts)),
            clock,
        }
    }

    /// For one image: each counted request is asked for when it is made.
    pub fn budget(&self) -> PullBudget {
        let hourly = Hourly { ledger: Arc::clone(&self.ledger), clock: self.clock };
        PullBudget::shared(Box::new(hourly), Arc::clone(&self.purchases), Arc::clone(&self.prices))
    }
}
