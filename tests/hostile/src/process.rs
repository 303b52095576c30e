//! The program while it runs: how long, how much memory, and all that it says.

use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// More of a stream is counted and not kept.
const KEPT: usize = 8 << 20;
/// How often the kernel is asked for the peak. What grows in the last one of these is not seen.
const LOOK: Duration = Duration::from_millis(3);

/// What was said, and how much there was.
#[derive(Clone, Debug, Default)]
pub struct Said {
    pub text: Vec<u8>,
    pub length: usize,
}

/// A run to the end.
#[derive(Debug)]
pub struct Finished {
    /// `None` = it had to be killed.
    pub status: Option<ExitStatus>,
    pub time: Duration,
    pub peak: u64,
    pub stdout: Said,
    pub stderr: Said,
}

/// Runs to the end, for so long at most.
pub fn finish(command: &mut Command, stdin: &[u8], limit: Duration) -> io::Result<Finished> {
    let began = Instant::now();
    let mut child = spawn(command.stdin(Stdio::piped()))?;
    if let Some(mut pipe) = child.stdin.take() {
        let bytes = stdin.to_vec();
        std::thread::spawn(move || io::Write::write_all(&mut pipe, &bytes));
    }
    let (stdout, stderr) = (follow(child.stdout.take()), follow(child.stderr.take()));
    let mut most = 0;
    let status = loop {
        most = most.max(peak(child.id()).unwrap_or_default());
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if began.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            break None;
        }
        std::thread::sleep(LOOK);
    };
    let time = began.elapsed();
    Ok(Finished { status, time, peak: most, stdout: stdout.all(), stderr: stderr.all() })
}

fn spawn(command: &mut Command) -> io::Result<Child> {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    child.map_err(|error| io::Error::other(format!("{}: {error}", command.get_program().display())))
}

/// The most that a process took so far, in bytes; `None` once it is gone.
pub fn peak(id: u32) -> Option<u64> {
    // For a moment after it was spawned a process still has the memory of who spawned it.
    let is_not_begun = std::fs::read_link(format!("/proc/{id}/exe")).ok()? == std::env::current_exe().ok()?;
    if is_not_begun {
        return Some(0);
    }
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

/// A stream that is read as it comes.
pub struct Followed {
    said: Arc<Mutex<Said>>,
    reader: JoinHandle<()>,
}

impl Followed {
    pub fn so_far(&self) -> Said {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// To its end. Who still holds the other end of a pipe after a moment is not waited for.
    fn all(self) -> Said {
        let deadline = Instant::now() + Duration::from_secs(2);
        while !self.reader.is_finished() && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
        self.so_far()
    }
}

fn follow(stream: Option<impl Read + Send + 'static>) -> Followed {
    let said = Arc::<Mutex<Said>>::default();
    let to = Arc::clone(&said);
    let reader = std::thread::spawn(move || {
        let Some(mut stream) = stream else { return };
        let mut piece = vec![0; 64 << 10];
        while let Ok(count @ 1..) = stream.read(&mut piece) {
            let mut said = to.lock().unwrap_or_else(PoisonError::into_inner);
            said.length += count;
            let room = KEPT.saturating_sub(said.text.len()).min(count);
            said.text.extend_from_slice(&piece[..room]);
        }
    });
    Followed { said, reader }
}

/// A program that goes on until it is ended; killed on drop.
pub struct Running {
    child: Child,
    stdout: Option<Followed>,
    stderr: Option<Followed>,
}

impl Running {
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = spawn(command.stdin(Stdio::null()))?;
        let (stdout, stderr) = (follow(child.stdout.take()), follow(child.stderr.take()));
        Ok(Self { child, stdout: Some(stdout), stderr: Some(stderr) })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        let said = |stream: &Option<Followed>| stream.as_ref().map(Followed::so_far).unwrap_or_default().text;
        let (stdout, stderr) = (said(&self.stdout), said(&self.stderr));
        String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Asks it to end, and waits for so long at most.
    pub fn terminate(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        let deadline = Instant::now() + limit;
        loop {
            let ended = self.child.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                return Ok(ended);
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
