//! The agent's budget of counted pulls: the ledger of the last hour, and the manifests that such pulls brought.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::file::aside::{self, Aside};
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
    named.or_else(|| is_usual_there().then(|| Path::new(STATE).join("counted-pulls")))
}

/// Looked at once. If its disk hangs it is there: then no pull is granted, and nobody waits for it.
fn is_usual_there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| aside::seen_in_time(|| Path::new(STATE).is_dir()).unwrap_or(true))
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

/// Its files are read and written beside the one thread: a disk that hangs means that no pull is granted, and nobody waits for it.
pub struct PullBudgets {
    disk: Aside,
    /// Empty until its file was read.
    ledger: Arc<OnceLock<Ledger>>,
    /// There is a file, and what it says is not known before it was read.
    on_disk: bool,
    manifest_cache: Arc<ManifestCache>,
    disclosures: Arc<LimitDisclosures>,
    clock: Clock,
}

/// The hour's allowance, by the clock of the agent.
struct Hourly {
    disk: Aside,
    ledger: Arc<OnceLock<Ledger>>,
    on_disk: bool,
    clock: Clock,
}

impl Allowance for Hourly {
    fn take(&self) -> BoxFuture<'_, bool> {
        let (ledger, now) = (Arc::clone(&self.ledger), (self.clock)());
        let take = move || ledger.get().is_some_and(|ledger| ledger.take(now));
        if self.on_disk {
            async { self.disk.result(take).await.unwrap_or_default() }.boxed()
        } else {
            std::future::ready(take()).boxed()
        }
    }

    fn record(&self) {
        let (ledger, now) = (Arc::clone(&self.ledger), (self.clock)());
        let record = move || {
            if let Some(ledger) = ledger.get() {
                ledger.record(now);
            }
        };
        if self.on_disk {
            self.disk.begin(record);
        } else {
            record();
        }
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
        let (disk, ledger) = (Aside::default(), Arc::new(OnceLock::new()));
        let (on_disk, opened, now) = (record.is_some(), Arc::clone(&ledger), clock());
        let open = move || drop(opened.set(Ledger::open(per_hour, record, now)));
        if on_disk {
            disk.begin(open);
        } else {
            open();
        }
        let manifest_cache = ManifestCache::open(bought, &disk);
        let disclosures = LimitDisclosures::open(hosts, &disk);
        Self { disk, ledger, on_disk, manifest_cache, disclosures, clock }
    }

    /// Waits until the files were read, but not for a disk that hangs.
    pub async fn opened(&self) {
        if self.ledger.get().is_none() || self.disclosures.is_unread() {
            self.disk.result(|| ()).await;
        }
    }

    /// The budget for one image. Each counted request is granted separately, when it is made.
    pub fn budget(&self) -> PullBudget {
        let (disk, ledger) = (self.disk.clone(), Arc::clone(&self.ledger));
        let hourly = Hourly { disk, ledger, on_disk: self.on_disk, clock: self.clock };
        PullBudget::shared(Box::new(hourly), Arc::clone(&self.manifest_cache), Arc::clone(&self.disclosures))
    }
}
