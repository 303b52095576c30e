//! The agent's budget of counted pulls: the ledger of the last hour, and the manifests that such pulls brought.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::pull::attempt::{Allowance, PullBudget};
use crate::pull::limit_disclosure::LimitDisclosures;
use crate::pull::manifest_cache::ManifestCache;
use crate::schedule::Ledger;

/// The wall clock, or a test's.
pub type Clock = fn() -> Timestamp;

/// Where a service or the chart gives the agent a directory that outlives it.
const STATE: &str = "/var/lib/pullprobe";

/// Where the spent pulls are remembered: as the settings say, else in the usual directory if that is there.
pub fn file_of(named: Option<PathBuf>) -> Option<PathBuf> {
    named.or_else(|| Path::new(STATE).is_dir().then(|| Path::new(STATE).join("counted-pulls")))
}

/// Where what changed is remembered: beside the spent pulls.
pub fn history_beside(record: PathBuf) -> PathBuf {
    beside(record, ".history")
}

fn beside(record: PathBuf, suffix: &str) -> PathBuf {
    let mut path = record;
    path.as_mut_os_string().push(suffix);
    path
}

pub struct PullBudgets {
    ledger: Arc<Ledger>,
    manifest_cache: Arc<ManifestCache>,
    disclosures: Arc<LimitDisclosures>,
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

    fn record(&self) {
        self.ledger.record((self.clock)());
    }
}

impl PullBudgets {
    /// `file`: as the settings say. Without one, and without the usual directory, nothing outlives the agent.
    pub fn open(per_hour: u32, file: Option<PathBuf>, clock: Clock) -> Self {
        let record = file_of(file);
        // Worth keeping with any budget: what costs a pull unannounced.
        let hosts = record.clone().map(|record| beside(record, ".hosts"));
        let record = record.filter(|_| per_hour > 0);
        let bought = record.clone().map(|record| beside(record, ".d"));
        Self {
            ledger: Arc::new(Ledger::open(per_hour, record, clock())),
            manifest_cache: Arc::new(ManifestCache::open(bought)),
            disclosures: Arc::new(LimitDisclosures::open(hosts)),
            clock,
        }
    }

    /// The budget for one image. Each counted request is granted separately, when it is made.
    pub fn budget(&self) -> PullBudget {
        let hourly = Hourly { ledger: Arc::clone(&self.ledger), clock: self.clock };
        PullBudget::shared(Box::new(hourly), Arc::clone(&self.manifest_cache), Arc::clone(&self.disclosures))
    }
}
