//! Who holds the writing end of a plugin's pipe: what it started, and be it in a session of its own.

use std::fs;

use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

/// Ends every process but this one that has one of these pipes open. It can only be what the plugin started:
/// nobody else inherits them.
pub fn kill(pipes: &[u64]) {
    let names: Vec<String> = pipes.iter().map(|pipe| format!("pipe:[{pipe}]")).collect();
    let Ok(entries) = fs::read_dir("/proc") else { return };
    let pids = entries.flatten().filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    for pid in pids.filter(|pid| *pid != getpid()) {
        // Held before it is looked at: its number cannot become another's in between.
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        if holds(pid, &names) {
            // Gone already is as good.
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
    }
}

fn holds(pid: Pid, names: &[String]) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero())) else { return false };
    let mut targets = open.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.any(|target| names.iter().any(|name| target.as_os_str() == name.as_str()))
}
