//! A server that lives as long as the test that started it.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use super::tools::output;

/// Killed on drop; what it wrote is kept for the message of a test that fails.
pub struct Daemon {
    process: Child,
    log: PathBuf,
}

impl Daemon {
    pub fn start(command: &mut Command, log: PathBuf) -> Self {
        // Says how to install what is missing, in the words of every other tool.
        output(Command::new(command.get_program()).arg("--version"));
        let file = File::create(&log).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let process = command.spawn().unwrap();
        Self { process, log }
    }

    pub fn has_ended(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Asks it to end; how it did, if it did so in time.
    pub fn terminate(&mut self, within: Duration) -> Option<ExitStatus> {
        let id = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        within_time(within, || self.process.try_wait().unwrap())
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Asks until there is an answer, at most for a minute: the machine may be busy.
pub fn eventually<T>(ask: impl FnMut() -> Option<T>) -> Option<T> {
    within_time(Duration::from_mins(1), ask)
}

fn within_time<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    None
}
