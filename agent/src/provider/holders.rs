//! Finds the processes that hold the writing end of a plugin's pipe: what it started, also in another session.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use rustix::process::{Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open, pidfd_send_signal};

/// Ends every process but this one that has one of these pipes open. It can only be what the plugin started: nobody else
/// inherits them, but for a process of ours that has not yet become the program it is to be (of another plugin, say), and
/// loses them when it does.
pub fn kill(pipes: &[u64]) {
    let names: Vec<String> = pipes.iter().map(|pipe| format!("pipe:[{pipe}]")).collect();
    let Ok(entries) = fs::read_dir("/proc") else { return };
    let pids = entries.flatten().filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    let own = program("self");
    for pid in pids.filter(|pid| *pid != getpid()) {
        // Held before it is looked at: its number cannot become another's in between. Old kernels have no such hold.
        let process = pidfd_open(pid, PidfdFlags::empty());
        let is_ours = || own.is_some() && program(&pid.as_raw_nonzero().to_string()) == own;
        if holds(pid, &names) && !is_ours() {
            // Gone already is as good.
            let _ = match process {
                Ok(process) => pidfd_send_signal(process, Signal::KILL),
                Err(_) => kill_process(pid, Signal::KILL),
            };
        }
    }
}

/// The file that a process runs, as the kernel tells it from others.
fn program(process: &str) -> Option<(u64, u64)> {
    let file = fs::metadata(format!("/proc/{process}/exe")).ok()?;
    Some((file.dev(), file.ino()))
}

fn holds(pid: Pid, names: &[String]) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero())) else { return false };
    let mut targets = open.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.any(|target| names.iter().any(|name| target.as_os_str() == name.as_str()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_in_another_session_that_has_the_pipe_is_ended_and_no_other() {
        let start = || Command::new("setsid").args(["sleep", "60"]).stdout(Stdio::piped()).spawn().unwrap();
        let (mut holder, mut other) = (start(), start());
        let pipe = rustix::fs::fstat(holder.stdout.as_ref().unwrap()).unwrap().st_ino;
        kill(&[pipe]);
        assert_eq!(holder.wait().unwrap().signal(), Some(Signal::KILL.as_raw()));
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }

    /// Runs until its input ends, as this very program.
    #[test]
    #[ignore = "a process for the test below"]
    fn waits_for_its_input() {
        std::io::stdin().lines().for_each(drop);
    }

    /// It stands for one between fork and exec: that one has the pipes of others for a moment.
    #[test]
    fn a_process_that_still_is_this_program_is_spared() {
        let name = format!("{}::waits_for_its_input", module_path!().split_once("::").unwrap().1);
        let mut own = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", &name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        kill(&[rustix::fs::fstat(own.stdout.as_ref().unwrap()).unwrap().st_ino]);
        assert!(own.try_wait().unwrap().is_none());
        drop(own.stdin.take());
        assert!(own.wait_with_output().unwrap().status.success());
    }
}
