//! Programs: those that run beside the tests, each with a log of its own, and those that are run to their end.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::Result;

/// How long a program may take to end after it was asked to.
const PATIENCE: Duration = Duration::from_secs(10);

/// A program that runs until it is stopped.
pub struct Program(Child);

impl Program {
    /// Starts `command`; what it says goes to `NAME.log` in `logs`.
    pub fn start(name: &str, command: &mut Command, logs: &Path) -> Result<Self> {
        let path = logs.join(format!("{name}.log"));
        let log = File::options().create(true).append(true).open(&path)?;
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        Ok(Self(child.map_err(|error| format!("{name}: {error}: `make e2e` builds it"))?))
    }

    /// Asks it to end, by pid, and insists if it does not.
    pub async fn stop(mut self) -> Result {
        let pid = self.0.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM)?;
        }
        if tokio::time::timeout(PATIENCE, self.0.wait()).await.is_err() {
            self.0.kill().await?;
        }
        Ok(())
    }
}

/// Runs a program that has to succeed; what it printed.
pub async fn run<S: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = S>,
) -> Result<String> {
    succeed(Command::new(program).args(arguments)).await
}

/// Likewise, with everything else that a command can have.
pub async fn succeed(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().await.map_err(|error| format!("{command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    Err(format!("{command:?}: {}\n{said}{}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}
