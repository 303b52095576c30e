//! A program that runs while it is measured, and what the kernel says of it.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::Pid;

/// The program is read from the disk again, as on a node that was started. How large the pieces are in which the kernel maps it depends
/// on how it came into the page cache: one that was just written takes up to 1 MiB more of memory.
pub fn forget(program: &Path) -> io::Result<()> {
    let dropped = || {
        let file = std::fs::File::open(program)?;
        // What is not on the disk yet stays.
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).map_err(io::Error::from)
    };
    dropped().map_err(|error| io::Error::other(format!("{}: {error}", program.display())))
}

/// Ends with its value.
pub struct Running(Child);

impl Running {
    pub fn start(command: &mut Command, log: std::fs::File) -> io::Result<Self> {
        let (name, value) = pullprobe_lab::RELEASED_WITH;
        let child = command.env(name, value).stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log).spawn();
        child.map(Self).map_err(|error| named(command, &error))
    }

    /// A line for who waits for one.
    pub fn go_on(&mut self) -> io::Result<()> {
        self.0.stdin.as_mut().map_or(Ok(()), |input| input.write_all(b"\n"))
    }

    /// CPU time so far, user and system together, of all its threads. `/proc/PID/stat` has it in hundredths of a second, which are ten
    /// probes each.
    pub fn cpu(&self) -> io::Result<Duration> {
        let id = self.0.id().try_into().map_err(io::Error::other)?;
        Ok(nix::time::clock_getcpuclockid(Pid::from_raw(id))?.now()?.into())
    }

    /// Resident memory now and at its highest, in bytes.
    pub fn memory(&self) -> io::Result<(u64, u64)> {
        let status = self.read("status")?;
        Ok((kilobytes(&status, "VmRSS:") * 1024, kilobytes(&status, "VmHWM:") * 1024))
    }

    /// What of it is its own, the heap above all, and what is pages of the program's file, in bytes.
    pub fn kinds(&self) -> io::Result<(u64, u64)> {
        let status = self.read("status")?;
        Ok((kilobytes(&status, "RssAnon:") * 1024, kilobytes(&status, "RssFile:") * 1024))
    }

    fn read(&self, file: &str) -> io::Result<String> {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.0.id()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn kilobytes(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_suffix(" kB"));
    line.and_then(|kilobytes| kilobytes.trim().parse().ok()).unwrap_or_default()
}

/// How long a command takes that has to succeed.
pub async fn wall(mut command: Command) -> io::Result<Duration> {
    let run = move || {
        let began = Instant::now();
        let output = command.stdin(Stdio::null()).output().map_err(|error| named(&command, &error))?;
        let took = began.elapsed();
        if output.status.success() {
            return Ok(took);
        }
        let said = String::from_utf8_lossy(if output.stdout.is_empty() { &output.stderr } else { &output.stdout });
        Err(io::Error::other(format!("{command:?} ended with {}: {said}", output.status)))
    };
    // The servers run in this process: their runtime must not wait for the command.
    tokio::task::spawn_blocking(run).await.map_err(io::Error::other)?
}

pub fn median<T: Ord + Copy + Default>(mut values: Vec<T>) -> T {
    values.sort();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn named(command: &Command, error: &io::Error) -> io::Error {
    let program = command.get_program().display();
    io::Error::other(format!("{program}: {error} (tests/tools/install.sh installs what the bench runs)"))
}
