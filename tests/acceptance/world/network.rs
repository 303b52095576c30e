//! Real servers around a node, and what the network does to packets on their way: for a world that has
//! a network namespace to itself.

mod nameserver;
mod openssl;
mod process;
mod socks;
mod squid;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use pullprobe_lab::Lab;
use serde::Deserialize;

use nameserver::Nameserver;
use process::Process;

/// What is there besides the lab's own parts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Given {
    /// The addresses of names, where it matters which; what serves a name listens on the first.
    pub names: BTreeMap<String, Vec<IpAddr>>,
    /// What resolv.conf lists, unless the file is given; empty = the lab's name server.
    pub nameservers: Vec<Nameserver>,
    pub squids: Vec<squid::Config>,
    pub socks: Vec<socks::Config>,
    /// `openssl s_server`, for what rustls does not speak.
    pub openssl: Vec<openssl::Config>,
    /// Rules of nftables for what arrives, in force once all servers run.
    pub firewall: Vec<String>,
    /// Arguments of `ip route add`.
    pub routes: Vec<String>,
}

/// What runs; it ends when dropped.
#[derive(Debug)]
pub struct Network {
    _processes: Vec<Process>,
    /// Files of the servers, which may run as other users.
    _files: tempfile::TempDir,
}

impl Given {
    /// Whether none of it is there: such a world fits beside others on this machine's loopback.
    fn is_empty(&self) -> bool {
        self.names.is_empty() && self.nameservers.is_empty() && self.firewall.is_empty() && self.routes.is_empty()
    }

    /// Gives this namespace the addresses; nothing can listen on them before.
    pub fn bring_up(&self) {
        if self.is_empty() {
            return;
        }
        command("ip", &["link", "set", "lo", "up"], "");
        let of_servers = self.nameservers.iter().map(|server| server.at);
        let addresses: BTreeSet<IpAddr> = self.names.values().flatten().copied().chain(of_servers).collect();
        let unreachable = |address: &&IpAddr| self.routes.iter().any(|route| route.contains(&address.to_string()));
        for address in addresses.iter().filter(|address| !address.is_loopback() && !unreachable(address)) {
            let prefix = if address.is_ipv4() { 32 } else { 128 };
            command("ip", &["address", "add", &format!("{address}/{prefix}"), "dev", "lo"], "");
        }
        for route in &self.routes {
            command("ip", &[&["route", "add"], route.split(' ').collect::<Vec<_>>().as_slice()].concat(), "");
        }
    }

    /// Starts every server, waits until each answers, then lets the firewall fall in.
    pub fn start(&self, lab: &Lab) -> Network {
        let files = tempfile::tempdir().unwrap();
        readable(files.path());
        let mut processes = Vec::new();
        for server in &self.nameservers {
            processes.extend(server.start(&self.names, files.path()));
        }
        for squid in &self.squids {
            processes.push(squid.start(self, lab, files.path()));
        }
        for socks in &self.socks {
            processes.push(socks.start(self, files.path()));
        }
        for server in &self.openssl {
            processes.push(server.start(&self.names, lab, files.path()));
        }
        if !self.firewall.is_empty() {
            let rules = self.firewall.join("\n");
            let table =
                format!("table inet lab {{\nchain input {{\ntype filter hook input priority 0\n{rules}\n}}\n}}\n");
            command("nft", &["-f", "-"], &table);
        }
        Network { _processes: processes, _files: files }
    }
}

/// The first address of a name.
fn address_of(names: &BTreeMap<String, Vec<IpAddr>>, host: &str) -> IpAddr {
    let addresses = names.get(host).unwrap_or_else(|| panic!("[given.network.names] has no address for {host}"));
    addresses[0]
}

/// Lets servers that give up root's rights read here.
fn readable(directory: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn command(program: &str, arguments: &[&str], input: &str) {
    use std::io::Write as _;
    let mut command = Command::new(program);
    command.args(arguments).stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
