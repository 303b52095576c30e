//! The histories on disk, where the agent has a directory that outlives it. No trouble with that file stops anything.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::file;
use crate::file::aside::Aside;
use crate::history::Histories;
use crate::history::journal::{Happening, What};
use crate::history::saved::{Restored, SIZE_LIMIT};

/// Without a change it is written all the same: it tells until when the agent looked.
const AT_LEAST: SignedDuration = SignedDuration::from_hours(1);
/// Whatever flaps, it is written no more often, for all of it is written each time.
const AT_MOST: SignedDuration = SignedDuration::from_secs(10);

/// Read and written beside the one thread, one piece of work after another: a disk may hang, and nobody waits for it.
pub struct HistoryFile {
    /// `None`: in memory only.
    path: Option<PathBuf>,
    disk: Aside,
    progress: Arc<Mutex<Progress>>,
}

#[derive(Default)]
struct Progress {
    before: Before,
    /// What was written last, or is being written, and when.
    written: Option<(u64, Timestamp)>,
    /// When that was tried last.
    tried: Option<Timestamp>,
    is_under_way: bool,
    /// Its trouble is logged once.
    is_failing: bool,
}

/// What the file says of the time before the start.
#[derive(Default)]
enum Before {
    /// It is being read. Until then nothing is written in its place.
    Unread,
    Known(Histories),
    #[default]
    Taken,
}

impl Progress {
    /// Whether there is something to write, and it is time.
    fn is_due(&self, revision: u64, now: Timestamp) -> bool {
        let passed = |since: Timestamp| now.duration_since(since).abs();
        let is_new = |(written, at): (u64, Timestamp)| written != revision || passed(at) >= AT_LEAST;
        !self.is_under_way
            && !matches!(self.before, Before::Unread)
            && self.written.is_none_or(is_new)
            && self.tried.is_none_or(|at| passed(at) >= AT_MOST)
    }

    fn ended(&mut self, ended: io::Result<()>, path: &Path) {
        self.is_under_way = false;
        let Err(error) = ended else {
            self.is_failing = false;
            return;
        };
        // It is tried again.
        self.written = None;
        self.tell(&error, path);
    }

    fn tell(&mut self, error: &io::Error, path: &Path) {
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::warn!(%error, file = %path.display(), "cannot write down what changed: after a restart the history begins anew");
        }
    }
}

impl HistoryFile {
    /// Begins to read the file.
    pub fn open(path: Option<PathBuf>, now: Timestamp) -> Self {
        let (disk, progress) = (Aside::default(), Arc::new(Mutex::new(Progress::default())));
        if let Some(path) = path.clone() {
            lock(&progress).before = Before::Unread;
            let told = Arc::clone(&progress);
            disk.begin(move || {
                let histories = restored(&path, now);
                let tried = file::try_beside(&path);
                let mut progress = lock(&told);
                tried.err().iter().for_each(|error| progress.tell(error, &path));
                progress.before = Before::Known(histories);
            });
        }
        Self { path, disk, progress }
    }

    /// What the file says, once, as soon as it is known. A disk that works is waited for.
    pub async fn before(&self) -> Option<Histories> {
        let is_unread = matches!(self.progress().before, Before::Unread);
        if is_unread {
            self.disk.result(|| ()).await;
        }
        let mut progress = self.progress();
        if matches!(progress.before, Before::Unread) {
            return None;
        }
        match std::mem::take(&mut progress.before) {
            Before::Known(histories) => Some(histories),
            Before::Unread | Before::Taken => None,
        }
    }

    /// Writes what is new, aside.
    pub fn keep(&self, histories: &Histories, now: Timestamp) {
        if self.progress().is_due(histories.revision(), now) {
            self.write(histories, now);
        }
    }

    /// The last write, at the end of the agent. It waits for its turn: two at a time would tear the file.
    pub async fn finish(&self, histories: &Histories, now: Timestamp) {
        let Some(path) = &self.path else { return };
        let (is_new, is_known) = {
            let progress = self.progress();
            let is_new = progress.written.is_none_or(|(revision, _)| revision != histories.revision());
            (is_new, matches!(progress.before, Before::Taken))
        };
        if !is_known {
            return;
        }
        if is_new {
            self.write(histories, now);
        }
        if self.disk.result(|| ()).await.is_none() {
            self.progress().ended(Err(io::Error::from(io::ErrorKind::TimedOut)), path);
        }
    }

    fn write(&self, histories: &Histories, now: Timestamp) {
        let Some(path) = self.path.clone() else { return };
        let (text, told) = (histories.to_text(now), Arc::clone(&self.progress));
        let mut progress = self.progress();
        progress.is_under_way = self.disk.begin(move || {
            let ended = write(&path, &text);
            lock(&told).ended(ended, &path);
        });
        progress.tried = Some(now);
        progress.written = Some((histories.revision(), now)).filter(|_| progress.is_under_way);
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }
}

fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::cause::Cause;
    use crate::history::Subject;
    use crate::history::answer::State;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_255_200 + second).unwrap()
    }

    /// One image that fails, or does not any more.
    fn note(histories: &mut Histories, ok: bool, second: i64) {
        let state = State {
            ok: Some(ok),
            is_only_pulled: false,
            stage: None,
            host: None,
            cause: (!ok).then_some(Cause::TcpRefused),
        };
        histories.note(Subject::Image("r.example/app:1".to_owned()), None, state, at(second));
    }

    fn failing_since(histories: &Histories) -> Option<Timestamp> {
        histories.of(&Subject::Image("r.example/app:1".to_owned()), None).and_then(|history| history.failing_since())
    }

    async fn settled(file: &HistoryFile) {
        assert!(file.disk.result(|| ()).await.is_some());
    }

    #[tokio::test]
    async fn whatever_flaps_it_is_written_every_ten_seconds_at_most_and_by_nobody_else_to_be_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pulls.history");
        let file = HistoryFile::open(Some(path.clone()), at(0));
        assert!(file.before().await.is_some(), "a file that is not there yet");
        let (mut histories, mut writes, mut last) = (Histories::default(), 0, String::new());
        for second in (0..60).step_by(5) {
            note(&mut histories, second % 2 == 0, second);
            file.keep(&histories, at(second));
            settled(&file).await;
            let text = std::fs::read_to_string(&path).unwrap();
            writes += usize::from(text != last);
            last = text;
        }
        assert_eq!(writes, 6);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        note(&mut histories, false, 61);
        file.finish(&histories, at(61)).await;
        assert_eq!(std::fs::read_to_string(&path).unwrap(), histories.to_text(at(61)), "the end waits for nothing");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_tried_every_ten_seconds_and_told_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("missing/pulls.history");
        let file = HistoryFile::open(Some(path.clone()), at(0));
        file.before().await;
        assert!(file.progress().is_failing, "it is known at the start, before there is anything to write");
        let mut histories = Histories::default();
        note(&mut histories, false, 0);
        file.keep(&histories, at(0));
        settled(&file).await;
        assert!(file.progress().is_failing);
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        file.keep(&histories, at(9));
        settled(&file).await;
        assert!(!path.exists());
        file.keep(&histories, at(10));
        settled(&file).await;
        assert!(path.exists() && !file.progress().is_failing);
    }

    #[tokio::test]
    async fn a_disk_that_hangs_is_not_waited_for_its_file_is_left_alone_and_what_it_said_comes_first_in_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pulls.history");
        let mut earlier = Histories::default();
        note(&mut earlier, true, -900);
        note(&mut earlier, false, -600);
        let text = earlier.to_text(at(-1));
        std::fs::write(&path, &text).unwrap();
        let (mend, hang) = mpsc::channel::<()>();
        let (disk, progress) =
            (Aside::default(), Arc::new(Mutex::new(Progress { before: Before::Unread, ..Progress::default() })));
        let (told, of) = (Arc::clone(&progress), path.clone());
        disk.begin(move || {
            let _ = hang.recv();
            lock(&told).before = Before::Known(restored(&of, at(0)));
        });
        let file = HistoryFile { path: Some(path.clone()), disk, progress };
        assert!(file.before().await.is_none());
        let mut histories = Histories::default();
        note(&mut histories, false, 5);
        file.keep(&histories, at(20));
        assert_eq!(failing_since(&histories), Some(at(5)), "all that is known");
        drop(mend);
        let before = loop {
            match file.before().await {
                Some(before) => break before,
                None => tokio::task::yield_now().await,
            }
        };
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "nothing took its place");
        histories.begin_with(before, at(30));
        assert_eq!(failing_since(&histories), Some(at(-600)));
        file.keep(&histories, at(30));
        settled(&file).await;
        assert!(std::fs::read_to_string(&path).unwrap().contains("agent_started"));
    }
}
