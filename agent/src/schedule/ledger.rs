//! The requests of the last hour that a registry counts as a pull, kept on disk.
//!
//! A request that cannot be written down is not granted: an agent that restarts in a loop must not
//! use up a node's quota.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::{fs, io};

use jiff::{SignedDuration, Timestamp};

use crate::file;

/// A request is counted when it arrives, at most the longest timeout after it was granted.
const WINDOW: SignedDuration = SignedDuration::from_mins(61);
/// A hundred lines of eleven bytes, and some room.
const FILE_LIMIT: u64 = 4_096;

#[derive(Debug)]
pub struct Ledger {
    per_hour: usize,
    /// `None`: in memory only.
    file: Option<PathBuf>,
    /// When each request was granted, oldest first.
    spent: Mutex<Vec<Timestamp>>,
    /// Its trouble with the file is logged once.
    is_failing: AtomicBool,
}

impl Ledger {
    /// Without a readable file it is unknown what an earlier agent used. Then the whole allowance is treated as used
    /// just now.
    pub fn open(per_hour: u32, file: Option<PathBuf>, now: Timestamp) -> Self {
        let per_hour = per_hour as usize;
        let unwritable = file.as_deref().and_then(|file| file::try_beside(file).err());
        let spent = match file.as_deref().map(read) {
            Some(Ok(spent)) => spent,
            Some(Err(error)) => {
                tracing::warn!(%error, "cannot read how many counted pulls were made: pullprobe makes none for an hour");
                vec![now; per_hour]
            }
            None => vec![now; per_hour],
        };
        let ledger = Self { per_hour, file, spent: Mutex::new(spent), is_failing: AtomicBool::default() };
        unwritable.iter().for_each(|error| ledger.tell(error));
        ledger
    }

    fn tell(&self, error: &io::Error) {
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            let file = self.file.as_deref().map(|file| file.display().to_string());
            tracing::warn!(%error, file, "cannot write down counted pulls: pullprobe makes none");
        }
    }

    /// One more, if fewer than allowed were spent in the last hour.
    pub fn take(&self, now: Timestamp) -> bool {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut recent = self.recent(&mut spent, now);
        if recent.len() >= self.per_hour {
            return false;
        }
        recent.push(now);
        self.note(&mut spent, recent)
    }

    /// Records a counted request that was made without asking first: later requests wait for it. At most one hour's
    /// allowance is remembered.
    pub fn record(&self, now: Timestamp) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut recent = self.recent(&mut spent, now);
        recent.push(now);
        recent.drain(..recent.len().saturating_sub(self.per_hour));
        if !self.note(&mut spent, recent.clone()) {
            *spent = recent;
        }
    }

    fn recent(&self, spent: &mut Vec<Timestamp>, now: Timestamp) -> Vec<Timestamp> {
        // What lies in the future was written before the clock was set back. It was spent by now, and
        // is noted down as that: otherwise it would stand in the way until the clock gets there.
        if spent.iter().any(|at| *at > now) {
            let past = spent.iter().map(|at| (*at).min(now)).collect();
            self.note(spent, past);
        }
        spent.iter().copied().filter(|at| now.duration_since(*at) < WINDOW).collect()
    }

    fn note(&self, spent: &mut Vec<Timestamp>, now: Vec<Timestamp>) -> bool {
        if let Some(Err(error)) = self.file.as_deref().map(|file| write(file, &now)) {
            self.tell(&error);
            return false;
        }
        self.is_failing.store(false, Ordering::Relaxed);
        *spent = now;
        true
    }
}

/// A file that is not there yet is an empty one.
fn read(file: &Path) -> io::Result<Vec<Timestamp>> {
    let text = match file::read_text(file, FILE_LIMIT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read?,
    };
    let invalid =
        |line: &str| io::Error::new(io::ErrorKind::InvalidData, format!("`{}` is no time", line.escape_debug()));
    let time = |line: &str| {
        line.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok()).ok_or_else(|| invalid(line))
    };
    text.lines().map(time).collect()
}

/// Whole or not at all: a new file takes the place of the old one.
fn write(file: &Path, spent: &[Timestamp]) -> io::Result<()> {
    let mut beside = file.to_owned();
    beside.as_mut_os_string().push(".new");
    let mut new = file::create(&beside)?;
    for at in spent {
        // Never earlier than it was.
        writeln!(new, "{}", at.as_second() + i64::from(at.subsec_nanosecond() > 0))?;
    }
    new.sync_all()?;
    fs::rename(&beside, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_168_800 + seconds).unwrap()
    }

    fn file() -> (tempfile::TempDir, Option<PathBuf>) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pulls");
        (directory, Some(file))
    }

    #[test]
    fn no_more_than_allowed_in_any_hour_and_a_restart_changes_nothing() {
        let (_directory, file) = file();
        let open = |now| Ledger::open(2, file.clone(), now);
        let ledger = open(at(0));
        assert!(ledger.take(at(0)) && ledger.take(at(1_800)) && !ledger.take(at(1_801)));
        assert!(!open(at(1_802)).take(at(1_802)));
        assert!(!open(at(3_659)).take(at(3_659)));
        let later = open(at(3_660));
        assert!(later.take(at(3_660)) && !later.take(at(3_661)));
    }

    #[test]
    fn what_was_spent_unasked_counts_and_is_remembered() {
        let (_directory, file) = file();
        let ledger = Ledger::open(2, file.clone(), at(0));
        assert!(ledger.take(at(0)));
        (1..4).for_each(|second| ledger.record(at(second)));
        assert!(!ledger.take(at(3_661)) && !Ledger::open(2, file, at(3_661)).take(at(3_661)));
        assert!(ledger.take(at(3_662)) && !ledger.take(at(3_662)));
    }

    #[test]
    fn zero_is_never() {
        let (_directory, file) = file();
        assert!(!Ledger::open(0, file, at(0)).take(at(100_000)));
    }

    #[test]
    fn without_a_file_a_new_agent_waits_for_an_hour() {
        let ledger = Ledger::open(1, None, at(0));
        assert!(!ledger.take(at(3_659)) && ledger.take(at(3_660)) && !ledger.take(at(3_661)));
    }

    #[test]
    fn a_file_that_cannot_be_understood_or_written_grants_nothing() {
        let (directory, file) = file();
        fs::write(file.as_ref().unwrap(), "soon\n").unwrap();
        let ledger = Ledger::open(1, file, at(0));
        assert!(!ledger.take(at(10)) && ledger.take(at(3_661)));
        let nowhere = Some(directory.path().join("missing/pulls"));
        assert!(!Ledger::open(1, nowhere, at(0)).take(at(10)));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_known_at_the_start_and_the_start_writes_nothing() {
        let (directory, file) = file();
        let is_failing =
            |file: &Option<PathBuf>| Ledger::open(1, file.clone(), at(0)).is_failing.load(Ordering::Relaxed);
        assert!(!is_failing(&file) && !file.as_ref().unwrap().exists());
        fs::write(file.as_ref().unwrap(), "soon\n").unwrap();
        assert!(!is_failing(&file));
        assert_eq!(fs::read(file.as_ref().unwrap()).unwrap(), b"soon\n");
        let nowhere = Some(directory.path().join("missing/pulls"));
        assert!(is_failing(&nowhere));
        let ledger = Ledger::open(1, nowhere, at(0));
        fs::create_dir(directory.path().join("missing")).unwrap();
        assert!(ledger.take(at(10)) && !ledger.is_failing.load(Ordering::Relaxed), "it is there now");
    }

    #[test]
    fn that_it_cannot_be_written_is_logged_once_until_it_can() {
        let (directory, _) = file();
        let place = directory.path().join("gone");
        fs::create_dir(&place).unwrap();
        let ledger = Ledger::open(2, Some(place.join("pulls")), at(0));
        let log = directory.path().join("log");
        let writer = Mutex::new(fs::File::create(&log).unwrap());
        let logged = || fs::read_to_string(&log).unwrap().matches("cannot write down counted pulls").count();
        tracing::subscriber::with_default(tracing_subscriber::fmt().with_writer(writer).finish(), || {
            fs::remove_dir(&place).unwrap();
            assert!(!ledger.take(at(1)) && logged() == 1);
            assert!(!ledger.take(at(2)) && logged() == 1, "it is known");
            fs::create_dir(&place).unwrap();
            assert!(ledger.take(at(3)) && logged() == 1);
            fs::remove_dir_all(&place).unwrap();
            assert!(!ledger.take(at(4)) && logged() == 2, "it was well in between");
        });
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_block_for_longer_than_an_hour() {
        let (_directory, file) = file();
        assert!(Ledger::open(1, file.clone(), at(0)).take(at(1_000_000)));
        assert!(!Ledger::open(1, file.clone(), at(0)).take(at(0)));
        let ledger = Ledger::open(1, file, at(1));
        assert!(!ledger.take(at(3_599)) && ledger.take(at(3_661)));
    }
}
