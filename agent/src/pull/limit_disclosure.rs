//! What a GET of a manifest costs at each host, and the one way to make one.
//!
//! A registry that announces no limit counts nothing. Most tell of theirs with a HEAD, which is free. Where
//! the answer to a GET is the first to tell, one pull is spent by then: it is booked at once, and from then
//! on this host is asked only within the budget.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::{fs, io};

use tokio::sync::Mutex;

use super::{Pull, Stop};
use crate::file::{self, aside::Aside};
use crate::model::host::Endpoint;
use crate::model::ratelimit::{LimitState, RateLimit};
use crate::refusal::ratelimit;
use crate::registry::session::{ObjectRequest, RegistryResponse, RequestError};

/// More hosts than the plans of a node have. Beyond it, those that are not being asked are forgotten: at the next GET each is as new
/// as it once was. Those that hide a limit are in a list of their own, which has room for as many.
const HOSTS_LIMIT: usize = 1_024;
/// A name and a port have fewer bytes than 280.
const FILE_LIMIT: u64 = 280 * HOSTS_LIMIT as u64;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LimitDisclosure {
    /// No GET was made there yet.
    #[default]
    Unknown,
    /// What the host says to a HEAD is all there is.
    AsTold,
    /// It has a limit that a HEAD does not tell of.
    Hidden,
}

/// What was learnt of the hosts. Those that hide their limit are remembered over a restart, where there is a
/// file: an agent that restarts in a loop would spend a pull at each of them.
#[derive(Debug, Default)]
pub struct LimitDisclosures {
    file: Option<PathBuf>,
    hosts: std::sync::Mutex<BTreeMap<Endpoint, Arc<Mutex<LimitDisclosure>>>>,
    hidden: std::sync::Mutex<BTreeSet<String>>,
    disk: Aside,
    /// Which hosts are remembered is not known yet.
    is_unread: AtomicBool,
}

impl LimitDisclosures {
    /// The file is read and written on `disk`.
    pub fn open(file: Option<PathBuf>, disk: &Aside) -> Arc<Self> {
        let is_unread = AtomicBool::new(file.is_some());
        let opened = Arc::new(Self { file, disk: disk.clone(), is_unread, ..Self::default() });
        if let Some(file) = opened.file.clone() {
            let opened = Arc::clone(&opened);
            disk.begin(move || opened.learn(read(&file)));
        }
        opened
    }

    pub fn is_unread(&self) -> bool {
        self.is_unread.load(Ordering::Acquire)
    }

    fn learn(&self, found: io::Result<BTreeSet<String>>) {
        match found {
            Ok(found) => self.hidden.lock().unwrap_or_else(PoisonError::into_inner).extend(found),
            Err(error) => {
                tracing::warn!(%error, "cannot read the list of hosts that show their pull limit only with a counted pull: each of them may cost one more pull");
            }
        }
        self.is_unread.store(false, Ordering::Release);
    }

    fn of(&self, host: &Endpoint) -> Arc<Mutex<LimitDisclosure>> {
        if self.is_unread() {
            // Any host may be one of them.
            return Arc::new(Mutex::new(LimitDisclosure::Hidden));
        }
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= HOSTS_LIMIT && !hosts.contains_key(host) {
            hosts.retain(|_, known| Arc::strong_count(known) > 1);
        }
        if hosts.len() >= HOSTS_LIMIT && !hosts.contains_key(host) {
            return Arc::default();
        }
        let hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        let first = if hidden.contains(&host.to_string()) { LimitDisclosure::Hidden } else { LimitDisclosure::Unknown };
        Arc::clone(hosts.entry(host.clone()).or_insert_with(|| Arc::new(Mutex::new(first))))
    }

    fn remember(&self, host: &Endpoint) {
        let mut hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        if hidden.len() >= HOSTS_LIMIT || !hidden.insert(host.to_string()) {
            return;
        }
        let Some(file) = self.file.clone() else { return };
        let (hidden, host) = (hidden.clone(), host.clone());
        self.disk.begin(move || {
            if let Err(error) = write(&file, &hidden) {
                tracing::warn!(%error, %host, "cannot write down that this host shows its pull limit only with a counted pull: it may cost one more pull after a restart");
            }
        });
    }
}

impl Pull<'_> {
    /// Whether a manifest that is got there is known to be counted.
    pub(super) async fn is_counted(&mut self, index: usize) -> bool {
        let disclosure = self.budget.disclosures().of(&self.sessions[index].host.endpoint);
        let disclosure = *disclosure.lock().await;
        self.note_price(index, disclosure);
        self.counts[index]
    }

    fn note_price(&mut self, index: usize, disclosure: LimitDisclosure) {
        if disclosure != LimitDisclosure::Hidden || self.counts[index] {
            return;
        }
        self.counts[index] = true;
        if self.limits[index].state == LimitState::Unlimited {
            // That a HEAD was silent tells nothing here.
            self.limits[index] = RateLimit::default();
        }
    }

    /// Where it is counted, one pull is taken from the budget first.
    pub(super) async fn get_manifest(
        &mut self,
        index: usize,
        ask: &ObjectRequest,
    ) -> Result<Result<RegistryResponse, RequestError>, Stop> {
        let host = self.sessions[index].host.endpoint.clone();
        let disclosure = self.budget.disclosures().of(&host);
        let known = disclosure.lock().await;
        self.note_price(index, *known);
        let paid = self.counts[index];
        // At a host that nobody knows one asks, and the others go by what it is told.
        let alone = (!paid && *known == LimitDisclosure::Unknown).then_some(known);
        if paid {
            if !self.budget.spend().await {
                return Err(Stop::OverBudget);
            }
            self.network.usage.counted_pull(&host);
        }
        let sent = self.sessions[index].ask(ask).await;
        let counted =
            |answer: &RegistryResponse| answer.response.status.is_success() && ratelimit::announces(&answer.response);
        let found_out = !paid && sent.as_ref().is_ok_and(counted);
        if found_out {
            self.budget.record();
            self.budget.disclosures().remember(&host);
            self.network.usage.counted_pull(&host);
        }
        match alone {
            Some(mut known) => *known = if found_out { LimitDisclosure::Hidden } else { LimitDisclosure::AsTold },
            None if found_out => *disclosure.lock().await = LimitDisclosure::Hidden,
            None => {}
        }
        if let Ok(answer) = &sent {
            self.learn_limit(index, answer);
        }
        Ok(sent)
    }

    pub(super) fn learn_limit(&mut self, index: usize, answer: &RegistryResponse) {
        self.record.warned(answer);
        let told = ratelimit::of(&answer.response, self.network.clock(), answer.party(), &self.image.name());
        self.counts[index] |= ratelimit::announces(&answer.response);
        let silent = match told.state {
            // Announced once, a limit is not gone because one answer does not repeat it.
            LimitState::Unlimited => self.counts[index],
            LimitState::Unknown => self.limits[index].state != LimitState::Unknown,
            LimitState::Limited | LimitState::Blocked => false,
        };
        if !silent {
            self.limits[index] = told;
        }
    }
}

/// A line for each host; a file that is not there yet is an empty one.
fn read(file: &Path) -> io::Result<BTreeSet<String>> {
    let text = match file::read_text(file, FILE_LIMIT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        read => read?,
    };
    Ok(text.lines().map(str::to_owned).collect())
}

/// Whole or not at all: a new file takes the place of the old one.
fn write(file: &Path, hosts: &BTreeSet<String>) -> io::Result<()> {
    let mut beside = file.to_owned();
    beside.as_mut_os_string().push(".new");
    let lines: String = hosts.iter().flat_map(|host| [host.as_str(), "\n"]).collect();
    file::create(&beside)?.write_all(lines.as_bytes())?;
    fs::rename(&beside, file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::host::Scheme;

    fn host(name: &str) -> Endpoint {
        Endpoint::new(Scheme::Https, name)
    }

    async fn is_hidden(disclosures: &LimitDisclosures, name: &str) -> bool {
        *disclosures.of(&host(name)).lock().await == LimitDisclosure::Hidden
    }

    #[tokio::test]
    async fn a_host_that_hides_its_limit_is_remembered_over_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Aside::default();
        let open = async || {
            let opened = LimitDisclosures::open(Some(directory.path().join("hosts")), &disk);
            disk.result(|| ()).await.unwrap();
            opened
        };
        open().await.remember(&host("a.example:5000"));
        open().await.remember(&host("b.example"));
        let again = open().await;
        assert!(is_hidden(&again, "a.example:5000").await && is_hidden(&again, "b.example").await);
        assert!(!is_hidden(&again, "a.example").await);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_or_written_stops_nothing() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("hosts"), b"\xff\xfe").unwrap();
        for file in [directory.path().join("hosts"), directory.path().join("missing/hosts")] {
            let disk = Aside::default();
            let (read, is_to_be_read) = std::sync::mpsc::channel::<()>();
            disk.begin(move || assert!(is_to_be_read.recv().is_err()));
            let disclosures = LimitDisclosures::open(Some(file), &disk);
            assert!(is_hidden(&disclosures, "b.example").await, "as long as nothing is known");
            drop(read);
            disk.result(|| ()).await.unwrap();
            assert!(!is_hidden(&disclosures, "b.example").await);
            disclosures.remember(&host("a.example"));
            assert!(is_hidden(&disclosures, "a.example").await);
        }
    }

    #[tokio::test]
    async fn the_memory_is_bounded() {
        let disclosures = LimitDisclosures::default();
        for number in 0..2 * HOSTS_LIMIT {
            let host = host(&format!("{number}.example"));
            disclosures.remember(&host);
            drop(disclosures.of(&host));
        }
        assert_eq!(disclosures.hosts.lock().unwrap().len(), HOSTS_LIMIT);
        assert_eq!(disclosures.hidden.lock().unwrap().len(), HOSTS_LIMIT);
    }
}
