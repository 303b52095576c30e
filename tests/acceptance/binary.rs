//! The program itself, as users start it: to its end, or as an agent that is asked and then ended.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::http::{self, Response};

/// No verb takes longer, not on a busy machine either.
const PATIENCE: Duration = Duration::from_mins(1);

/// The program without anything of this process's environment but the search path.
pub fn pullprobe<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pullprobe"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.args(arguments).stdin(Stdio::null());
    command
}

/// A line of the tests' own results, which is seen where the output of tests that pass is not.
pub fn report(line: &str) {
    use std::io::Write as _;
    writeln!(std::io::stdout().lock(), "{line}").unwrap();
}

/// What a run to the end left.
#[derive(Clone, Debug)]
pub struct Finished {
    /// `None` = a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs to the end; a program that does not end fails the test.
pub fn finish(command: &mut Command) -> Finished {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stdout = collect(child.stdout.take().unwrap());
    let stderr = collect(child.stderr.take().unwrap());
    let status = ended_within(&mut child, PATIENCE);
    if status.is_none() {
        drop(child.kill());
    }
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    let status = status.unwrap_or_else(|| panic!("{command:?} does not end:\n{stdout}\n{stderr}"));
    Finished { code: status.code(), stdout, stderr }
}

/// The document on standard output; anything else there fails the test.
pub fn document(finished: &Finished) -> serde_json::Value {
    serde_json::from_str(&finished.stdout)
        .unwrap_or_else(|error| panic!("standard output is not one JSON document: {error}\n{finished:?}"))
}

/// `pullprobe run`, killed on drop.
#[derive(Debug)]
pub struct Agent {
    process: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Agent {
    /// Starts it; settings have to make it listen on port 0, its log says where that is.
    pub fn start(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        follow(process.stdout.take().unwrap(), &log);
        follow(process.stderr.take().unwrap(), &log);
        let address = eventually(PATIENCE, || {
            let said = log.lock().unwrap().clone();
            if let Some(address) = said.lines().find_map(listening) {
                return Some(Some(address));
            }
            process.try_wait().unwrap().map(|_| None)
        });
        let Some(Some(address)) = address else {
            drop(process.kill());
            panic!("{command:?} does not say where it listens:\n{}", log.lock().unwrap());
        };
        Self { process, address, log }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Of its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn get(&self, path: &str) -> Response {
        http::get(self.address, path).unwrap_or_else(|error| panic!("{path}: {error}\n{}", self.log()))
    }

    /// Waits until its first cycle is over, so that every target has an answer: it is ready for kubelet long before.
    pub fn ready(self) -> Self {
        let is_over = || self.parts().is_some_and(|parts| parts.contains("[+]first-cycle ok")).then_some(());
        assert!(eventually(PATIENCE, is_over).is_some(), "its first cycle is not over:\n{}", self.log());
        self
    }

    /// What it tells of its parts, if it is ready.
    pub fn parts(&self) -> Option<String> {
        let answer = http::get(self.address, "/readyz?verbose").ok()?;
        (answer.status == 200).then(|| answer.text())
    }

    /// Everything it wrote so far, both streams.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn terminate(&self) {
        let id = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    }

    /// How it ended, if it did so in time.
    pub fn ended_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        ended_within(&mut self.process, limit)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Asks until there is an answer or the time is over.
pub fn eventually<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() >= deadline {
            return answer;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn ended_within(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    eventually(limit, || child.try_wait().unwrap())
}

/// The address of a line such as `… listening on 127.0.0.1:10048 …`.
fn listening(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on ")?;
    let end = rest.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(rest.len());
    rest[..end].parse().ok()
}

fn collect(mut stream: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn follow(stream: impl Read + Send + 'static, log: &Arc<Mutex<String>>) {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let mut log = log.lock().unwrap();
            log.push_str(&String::from_utf8_lossy(&line));
            log.push('\n');
        }
    });
}

/// A file of the repository.
pub fn repository(relative: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}
