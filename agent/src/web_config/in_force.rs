//! What is in force: the file as it is now, or as it last was whole.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::passwords::Passwords;
use super::{Tls, WebConfig, parse};
use crate::file;

/// Some users and headers are a few KB.
const FILE_LIMIT: u64 = 1 << 20;
/// A disk that hangs must not hold up who asks.
const PATIENCE: Duration = Duration::from_secs(2);
/// A file that was written so lately may change again without another time.
const SETTLED: Duration = Duration::from_secs(2);

/// Everything that one answer goes by.
#[derive(Debug, Default)]
pub struct InForce {
    pub config: WebConfig,
    pub tls: Option<Tls>,
}

/// Why the file is not in force as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub since: Timestamp,
    pub problem: String,
}

/// The file of the setting `web.config_file`.
#[derive(Debug)]
pub struct WebConfigFile {
    pub path: PathBuf,
    pub passwords: Passwords,
    /// Somebody must be able to show who they are.
    must_authenticate: bool,
    state: RwLock<(Arc<InForce>, Option<Trouble>)>,
    /// Held by whoever looks at the files.
    seen: Arc<Mutex<Seen>>,
}

/// A file's identity and times. `None`: it is not there.
type Stamp = Option<(u64, u64, u64, (i64, i64), (i64, i64))>;

/// How the files were when they were read.
#[derive(Debug, Default)]
struct Seen {
    files: Vec<(PathBuf, Stamp)>,
    settled: bool,
}

impl Seen {
    fn is_current(&self) -> bool {
        self.settled && self.files.iter().all(|(path, stamp)| stamp_of(path) == *stamp)
    }

    /// Before it is read: what changes meanwhile is seen at the next look.
    fn note(&mut self, path: &Path) {
        let metadata = std::fs::metadata(path).ok();
        let written = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
        // The clock may have been set back meanwhile.
        let age =
            written.map(|written| SystemTime::now().duration_since(written).unwrap_or_else(|ahead| ahead.duration()));
        self.settled &= age.is_none_or(|age| age > SETTLED);
        self.files.push((path.to_owned(), stamp_of(path)));
    }
}

fn stamp_of(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    let (modified, changed) = ((metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec()));
    Some((metadata.dev(), metadata.ino(), metadata.size(), modified, changed))
}

/// The directories of the file and of those that it names: where kubelet swaps whole directories, they hold what comes after.
pub fn directories(path: &Path) -> Vec<PathBuf> {
    let (_, seen) = read(path);
    seen.files.iter().filter_map(|(file, _)| file.parent()).map(Path::to_owned).collect()
}

impl WebConfigFile {
    /// `Err`: every problem of the file, or of those that it names.
    pub fn open(path: &Path, must_authenticate: bool) -> Result<Arc<Self>, Vec<String>> {
        let passwords = Passwords::new().map_err(|problem| vec![problem])?;
        let (read, seen) = read(path);
        let in_force = read.map_err(|problems| {
            problems.iter().map(|problem| format!("web.config_file: {problem}")).collect::<Vec<_>>()
        })?;
        if must_authenticate && !in_force.config.authenticates() {
            return Err(vec![format!("web.config_file: {}: {NOBODY}", path.display())]);
        }
        let state = RwLock::new((Arc::new(in_force), None));
        let seen = Arc::new(Mutex::new(seen));
        Ok(Arc::new(Self { path: path.to_owned(), passwords, must_authenticate, state, seen }))
    }

    /// By what the files say now. Where that is broken, or cannot be read in time: by what they last said.
    pub async fn now(self: &Arc<Self>) -> Arc<InForce> {
        if let Ok(seen) = tokio::time::timeout(PATIENCE, Arc::clone(&self.seen).lock_owned()).await {
            let file = Arc::clone(self);
            let mut seen = seen;
            let look = tokio::task::spawn_blocking(move || {
                if !seen.is_current() {
                    *seen = file.look();
                }
            });
            // The look goes on when nobody waits for it any more.
            let _ = tokio::time::timeout(PATIENCE, look).await;
        }
        self.last()
    }

    /// By what the last look found.
    pub fn last(&self) -> Arc<InForce> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner).0)
    }

    pub fn trouble(&self) -> Option<Trouble> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    fn look(&self) -> Seen {
        let (read, seen) = read(&self.path);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let next = read.map_err(|problems| problems.join("; ")).and_then(|next| {
            self.may_follow(&state.0, &next)?;
            Ok(next)
        });
        match next {
            Ok(next) => *state = (Arc::new(next), None),
            Err(problem) => {
                let since = state.1.as_ref().map_or_else(Timestamp::now, |trouble| trouble.since);
                state.1 = Some(Trouble { since, problem });
            }
        }
        seen
    }

    /// A file that is being written, or lost, looks like one that protects nothing.
    fn may_follow(&self, last: &InForce, next: &InForce) -> Result<(), String> {
        let gone = |what: &str| {
            Err(format!("it no longer has {what}: the agent takes that away at its next start, and not while it runs"))
        };
        if last.tls.is_some() && next.tls.is_none() {
            return gone("a tls_server_config with a certificate");
        }
        if !last.config.users.is_empty() && next.config.users.is_empty() {
            return gone("a user in basic_auth_users");
        }
        let requires = |one: &InForce| one.tls.as_ref().is_some_and(|tls| tls.certificate_required);
        if requires(last) && !requires(next) {
            return gone("client_auth_type: RequireAndVerifyClientCert");
        }
        if self.must_authenticate && !next.config.authenticates() {
            return Err(NOBODY.to_owned());
        }
        Ok(())
    }
}

const NOBODY: &str = "web.report: authenticated needs basic_auth_users or client certificates (client_auth_type) in this \
                      file: otherwise nobody could read page and report";

/// The file and what it names, and how all of them were.
fn read(path: &Path) -> (Result<InForce, Vec<String>>, Seen) {
    let mut seen = Seen { settled: true, ..Seen::default() };
    seen.note(path);
    let text = match file::read_text(path, FILE_LIMIT) {
        Ok(text) => zeroize::Zeroizing::new(text),
        Err(error) => return (Err(vec![format!("{}: {error}", path.display())]), seen),
    };
    let config = match parse(path, &text) {
        Ok(config) => config,
        Err(problems) => return (Err(problems.iter().map(ToString::to_string).collect()), seen),
    };
    let Some(server) = &config.tls else { return (Ok(InForce { config, tls: None }), seen) };
    let authorities = server.clients.authorities().map(|authorities| authorities.ca_file.as_path());
    [Some(server.cert_file.as_path()), Some(server.key_file.as_path()), authorities]
        .into_iter()
        .flatten()
        .for_each(|file| seen.note(file));
    let tls = Tls::of(server).map_err(|problem| vec![problem]);
    (tls.map(|tls| InForce { config, tls: Some(tls) }), seen)
}

#[cfg(test)]
mod tests;
