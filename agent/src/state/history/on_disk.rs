//! The histories on disk, where the agent has a directory that outlives it. No trouble with that file stops anything.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinHandle;

use crate::file;
use crate::state::history::Histories;
use crate::state::history::journal::{Happening, What};
use crate::state::history::saved::{Restored, SIZE_LIMIT};

/// Without a change it is written all the same: it tells until when the agent looked.
const AT_LEAST: SignedDuration = SignedDuration::from_hours(1);
/// How long the end of the agent waits for the disk.
const LAST: Duration = Duration::from_secs(2);

pub struct HistoryFile {
    /// `None`: in memory only.
    path: Option<PathBuf>,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// What was written last, and when.
    written: Option<(u64, Timestamp)>,
    /// A disk may hang. One write at a time waits for it, and nobody else does.
    under_way: Option<JoinHandle<io::Result<()>>>,
    /// Its trouble is logged once.
    is_failing: bool,
}

impl HistoryFile {
    /// The file, and what it remembers.
    pub fn open(path: Option<PathBuf>, now: Timestamp) -> (Self, Histories) {
        let histories = path.as_deref().map(|path| restored(path, now)).unwrap_or_default();
        (Self { path, progress: Mutex::default() }, histories)
    }

    /// Writes what is new, aside.
    pub async fn keep(&self, histories: &Histories, now: Timestamp) {
        let Some(path) = &self.path else { return };
        if let Some(under_way) = self.take_finished() {
            self.tell(path, under_way.await.unwrap_or_else(|error| Err(io::Error::other(error))));
        }
        let mut progress = self.progress();
        let is_new = progress
            .written
            .is_none_or(|(revision, at)| revision != histories.revision() || now.duration_since(at).abs() >= AT_LEAST);
        if !is_new || progress.under_way.is_some() {
            return;
        }
        let (path, text) = (path.clone(), histories.to_text(now));
        progress.written = Some((histories.revision(), now));
        progress.under_way = Some(tokio::task::spawn_blocking(move || write(&path, &text)));
    }

    /// The last write, at the end of the agent.
    pub async fn finish(&self, histories: &Histories, now: Timestamp) {
        for _ in 0..2 {
            self.keep(histories, now).await;
            let under_way = self.progress().under_way.take();
            if let (Some(under_way), Some(path)) = (under_way, &self.path) {
                let ended = tokio::time::timeout(LAST, under_way).await;
                let ended = ended.unwrap_or_else(|_| Ok(Err(io::Error::from(io::ErrorKind::TimedOut))));
                self.tell(path, ended.unwrap_or_else(|error| Err(io::Error::other(error))));
            }
        }
    }

    fn take_finished(&self) -> Option<JoinHandle<io::Result<()>>> {
        self.progress().under_way.take_if(|under_way| under_way.is_finished())
    }

    fn tell(&self, path: &Path, ended: io::Result<()>) {
        let mut progress = self.progress();
        match ended {
            Ok(()) => progress.is_failing = false,
            Err(error) => {
                // It is tried again with the next round.
                progress.written = None;
                if !std::mem::replace(&mut progress.is_failing, true) {
                    tracing::warn!(%error, file = %path.display(), "cannot write down what changed: after a restart the history begins anew");
                }
            }
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if text.len() as u64 > SIZE_LIMIT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {SIZE_LIMIT} bytes")));
    }
    file::replace(path, text.as_bytes())
}

/// A file that is not there yet is an empty one. One that is broken is replaced.
fn restored(path: &Path, now: Timestamp) -> Histories {
    let read = match file::read_text(path, SIZE_LIMIT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Histories::default(),
        Err(error) => Err(error.to_string()),
        Ok(text) => Histories::from_text(&text, now),
    };
    match read {
        Ok(Restored { mut histories, written_at }) => {
            let detail = format!("pullprobe started; what it had written down before ends at {written_at:.0}");
            histories.happened(Happening::of_node(now, What::AgentStarted, &detail), now);
            histories
        }
        Err(error) => {
            tracing::warn!(error, file = %path.display(), "cannot read what changed before: the history begins anew");
            Histories::default()
        }
    }
}
