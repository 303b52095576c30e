//! A machine of its own for one scenario: network, mounts and processes that no other test can see.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};

/// Tells the test binary that it is the process inside the namespace, and where its job is described.
pub const JOB_VARIABLE: &str = "PULLPROBE_JUDGE_JOB";

/// Runs the test `entry` of this very binary again, inside fresh namespaces, with `job` as its errand.
///
/// Everything it starts dies with it, and every mount it makes goes with it. `Err` holds its whole output.
pub fn run(entry: &str, job: &Path) -> Result<(), String> {
    let output = Command::new("unshare")
        .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args([entry, "--exact", "--nocapture", "--test-threads=1"])
        .env(JOB_VARIABLE, job)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("the judge needs root and util-linux' unshare: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&said).into_owned())
}

/// Gives this namespace its network: loopback only, with the addresses that the scenario's servers have.
pub fn bring_up_network(addresses: &BTreeSet<IpAddr>) {
    command("ip", &["link", "set", "lo", "up"]);
    for address in addresses.iter().filter(|address| !address.is_loopback()) {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        command("ip", &["address", "add", &format!("{address}/{prefix}"), "dev", "lo"]);
    }
}

/// Makes the node's `/etc` the `/etc` of this namespace, and gives it an empty `/run`.
pub fn enter_node(node: &Path) {
    let etc = node.join("etc");
    command("mount", &["-t", "tmpfs", "tmpfs", "/run"]);
    command("mount", &["--bind", etc.to_str().unwrap(), "/etc"]);
}

fn command(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}
