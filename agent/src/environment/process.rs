//! Finds the running containerd in the host's process table and reads its environment.

use std::path::Path;

use super::{DaemonEnvironment, EnvVar, FILE_LIMIT};
use go::place::SourceLocation;

use crate::environment::restart_pending;
use crate::host::root::{HostRoot, ReadError};
use crate::model::finding::{Finding, Severity};
use crate::redact::secret::Secret;

pub struct Process {
    pub pid: u32,
    pub variables: Vec<EnvVar>,
    pub command: Vec<String>,
}

/// The containerd of `unit`; without one of that unit, the only containerd that runs. `None` when there
/// is none, several, or its environment may not be read: the files tell then. `Err`: it is longer than what is read of it.
pub fn find(root: &HostRoot, proc: &Path, unit: Option<&str>) -> Result<Option<Process>, ReadError> {
    let entries = match root.list(proc) {
        Ok(entries) => entries,
        Err(error) if error.is_too_large() => return Err(error),
        Err(_) => return Ok(None),
    };
    let pids = entries.iter().filter_map(|entry| entry.name.to_str()?.parse::<u32>().ok());
    let running: Vec<u32> = pids.filter(|pid| is_containerd(root, &proc.join(pid.to_string()))).collect();
    let of_unit = |pid: &&u32| {
        let cgroup = root.read_text(&proc.join(pid.to_string()).join("cgroup"), FILE_LIMIT).unwrap_or_default();
        unit.is_some_and(|unit| cgroup.lines().any(|line| line.split('/').any(|part| part == unit)))
    };
    let only = if let [only] = running.as_slice() { Some(only) } else { None };
    match running.iter().find(of_unit).or(only) {
        Some(pid) => read(root, &proc.join(pid.to_string()), *pid),
        None => Ok(None),
    }
}

/// What the unit's files set by now and the process was not started with.
pub fn not_in_force(unit: &DaemonEnvironment, running: &Process) -> Vec<EnvVar> {
    let differs = |set: &&EnvVar| {
        let has = running.variables.iter().find(|variable| variable.name == set.name);
        has.is_none_or(|has| has.value.expose() != set.value.expose())
    };
    unit.that_matter().filter(differs).cloned().collect()
}

/// Likewise, for people.
pub fn waits(unit: Option<&str>, pid: u32, variable: &EnvVar) -> Finding {
    let message = format!(
        "the running containerd (process {pid}) was started without this value of {}: it takes effect only after a restart",
        variable.name
    );
    let fix = restart_pending::restart(unit.unwrap_or("containerd"));
    Finding::new(Severity::Warning, restart_pending::CODE, message, fix).located(&variable.origin)
}

fn is_containerd(root: &HostRoot, dir: &Path) -> bool {
    root.read(&dir.join("comm"), 64).is_ok_and(|comm| comm == b"containerd\n")
}

fn read(root: &HostRoot, dir: &Path, pid: u32) -> Result<Option<Process>, ReadError> {
    let path = dir.join("environ");
    let environ = match root.read(&path, FILE_LIMIT) {
        Ok(environ) => environ,
        Err(error) if error.is_too_large() => return Err(error),
        Err(_) => return Ok(None),
    };
    let origin = SourceLocation::whole(path.to_string_lossy().into_owned());
    let variables = strings(&environ).filter_map(|entry| {
        let (name, value) = entry.split_once('=')?;
        Some(EnvVar { name: name.into(), value: Secret::new(value), origin: origin.clone() })
    });
    let command = match root.read(&dir.join("cmdline"), FILE_LIMIT) {
        Err(error) if error.is_too_large() => return Err(error),
        read => read.unwrap_or_default(),
    };
    Ok(Some(Process { pid, variables: variables.collect(), command: strings(&command).collect() }))
}

/// NUL-terminated strings.
fn strings(bytes: &[u8]) -> impl Iterator<Item = String> {
    bytes
        .split(|byte| *byte == 0)
        .filter(|text| !text.is_empty())
        .map(|text| String::from_utf8_lossy(text).into_owned())
}
