//! Runs a plugin as kubelet does: no shell, one JSON object in, one out, a minute at most.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::config::Plugin;
use super::holders;
use super::inside::{self, Inside};
use crate::redact::secret::Secret;

/// kubelet's own limit.
pub const KUBELET_PATIENCE: Duration = Duration::from_mins(1);
/// No answer with a few logins is near this; kubelet has no limit.
const ANSWER_LIMIT: u64 = 1 << 20;
/// Of its last words. More is read and dropped, so that it is not held up.
const WORDS_LIMIT: usize = 4096;
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// So many may hang while they are started; others wait for them until their time is over.
static STARTING: Semaphore = Semaphore::const_new(8);

#[derive(Debug)]
pub struct Output {
    pub answer: Secret,
    pub status: ExitStatus,
    /// What it wrote to standard error: may hold anything.
    pub words: Vec<u8>,
}

/// A plugin's executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    /// As this process sees it.
    pub here: PathBuf,
    /// How to start it inside the node's root. `None`: that is this process's own, or it may not.
    pub inside: Option<Inside>,
}

#[derive(Debug)]
pub enum RunError {
    /// The binary could not be started.
    Start(std::io::Error),
    /// Not done in time.
    Timeout,
    /// It writes without end.
    TooLong,
    Io(std::io::Error),
}

/// Inside the node's root if it starts there, else from where this process is.
pub async fn run(binary: &Binary, plugin: &Plugin, request: &str, patience: Duration) -> Result<Output, RunError> {
    let deadline = Instant::now() + patience;
    if let Some(inside) = &binary.inside {
        let ran = run_as(inside.command(), plugin, request, patience).await;
        match ran {
            Ok(output) if !inside::never_ran(output.status, &output.words) => return Ok(output),
            Ok(_) | Err(RunError::Start(_)) => {}
            Err(error) => return Err(error),
        }
    }
    run_as(Command::new(&binary.here), plugin, request, deadline.saturating_duration_since(Instant::now())).await
}

/// As with kubelet the plugin gets kubelet's own environment and, over that, what its configuration sets;
/// nothing of this process's.
async fn run_as(mut command: Command, plugin: &Plugin, request: &str, patience: Duration) -> Result<Output, RunError> {
    let named =
        plugin.inherited.iter().chain(&plugin.env).filter(|(name, _)| !name.is_empty() && !name.contains(['=', '\0']));
    let environment = named.map(|(name, value)| (name, value.expose()));
    command
        .args(plugin.args.iter().map(Secret::expose))
        .env_clear()
        .env("PATH", SEARCH_PATH)
        .envs(environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let deadline = Instant::now() + patience;
    let mut child = timeout_at(deadline, start(command)).await.unwrap_or(Err(RunError::Timeout))?;
    let leader = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    let pipes = [pipe_of(child.stdout.as_ref()), pipe_of(child.stderr.as_ref())].into_iter().flatten().collect();
    let mut family = Family { leader, pipes };
    let talked = timeout_at(deadline, talk(&mut child, request)).await.unwrap_or(Err(RunError::Timeout));
    let pipes = std::mem::take(&mut family.pipes);
    drop(family);
    if talked.is_err() {
        let _ = tokio::task::spawn_blocking(move || holders::kill(&pipes)).await;
    }
    talked
}

/// On a thread of its own: the kernel reads the program from a disk, which may hang. A plugin that starts when nobody waits for it any more
/// is ended.
async fn start(mut command: Command) -> Result<Child, RunError> {
    let gone = || RunError::Io(std::io::ErrorKind::Other.into());
    let place = STARTING.acquire().await.map_err(|_| gone())?;
    let starting = tokio::task::spawn_blocking(move || {
        let _place = place;
        command.spawn().map_err(RunError::Start)
    });
    starting.await.unwrap_or_else(|_| Err(gone()))
}

/// By which the kernel tells the pipe from others.
fn pipe_of(end: Option<&impl AsFd>) -> Option<u64> {
    rustix::fs::fstat(end?).ok().map(|stat| stat.st_ino)
}

/// The plugin and what it started: none of them outlives the call.
struct Family {
    leader: Option<Pid>,
    /// A process that left the process group may still hold a pipe. If both pipes ended, none does, and this is empty.
    pipes: Vec<u64>,
}

impl Drop for Family {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            // Gone already is as good.
            let _ = kill_process_group(leader, Signal::KILL);
        }
        let pipes = std::mem::take(&mut self.pipes);
        if !pipes.is_empty() {
            // Nobody waits for the answer any more, and soon nobody may be there to do it.
            holders::kill(&pipes);
        }
    }
}

async fn talk(child: &mut Child, request: &str) -> Result<Output, RunError> {
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut input) = input {
            // A plugin that does not read its input may still answer.
            let _ = input.write_all(request.as_bytes()).await;
        }
        Ok(())
    };
    let wait = async { child.wait().await.map_err(RunError::Io) };
    let ((), answer, words, status) = tokio::try_join!(write, read_answer(output), read_words(errors), wait)?;
    Ok(Output { answer, status, words })
}

async fn read_answer(output: Option<impl AsyncRead + Unpin>) -> Result<Secret, RunError> {
    let mut bytes = Vec::new();
    if let Some(output) = output {
        output.take(ANSWER_LIMIT + 1).read_to_end(&mut bytes).await.map_err(RunError::Io)?;
    }
    if bytes.len() as u64 > ANSWER_LIMIT {
        return Err(RunError::TooLong);
    }
    Ok(Secret::new(String::from_utf8_lossy(&bytes)))
}

async fn read_words(errors: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, RunError> {
    let mut kept = Vec::new();
    let Some(mut errors) = errors else { return Ok(kept) };
    let mut buffer = [0; 4096];
    let mut cut = false;
    loop {
        let read = errors.read(&mut buffer).await.map_err(RunError::Io)?;
        if read == 0 {
            break;
        }
        let room = WORDS_LIMIT - kept.len();
        cut |= read > room;
        kept.extend_from_slice(&buffer[..read.min(room)]);
    }
    if cut {
        // Half a secret is not known as one.
        let end = kept.iter().rposition(u8::is_ascii_whitespace).unwrap_or_default();
        kept.truncate(end);
    }
    Ok(kept)
}
