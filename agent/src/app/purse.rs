//! What the agent may spend of the registries' quotas: the ledger of the hour, and what was bought.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::probe::image::attempt::PullBudget;
use crate::probe::image::purchases::Purchases;
use crate::schedule::Ledger;

/// The wall clock, or a test's.
pub type Clock = fn() -> Timestamp;

/// Where a service or the chart gives the agent a directory that outlives it.
const STATE: &str = "/var/lib/pullprobe";

pub struct Purse {
    ledger: Arc<Ledger>,
    purchases: Arc<Purchases>,
    clock: Clock,
}

impl Purse {
    /// `file`: as the settings say. Without one, and without the usual directory, nothing outlives the agent.
    pub fn open(per_hour: u32, file: Option<PathBuf>, clock: Clock) -> Self {
        let usual = || Path::new(STATE).is_dir().then(|| Path::new(STATE).join("counted-pulls"));
        let file = file.or_else(usual).filter(|_| per_hour > 0);
        let beside = file.clone().map(|mut path| {
            path.as_mut_os_string().push(".d");
            path
        });
        Self {
            ledger: Arc::new(Ledger::open(per_hour, file, clock())),
            purchases: Arc::new(Purchases::open(beside)),
            clock,
        }
    }

    /// For one image: each counted request is asked for when it is made.
    pub fn budget(&self) -> PullBudget {
        let (ledger, clock) = (Arc::clone(&self.ledger), self.clock);
        PullBudget::granted_by(move || ledger.take(clock()), Arc::clone(&self.purchases))
    }
}
