//! unbound, dnsmasq and knot as the node's name servers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::process::Process;

/// One address that resolv.conf may list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nameserver {
    pub at: IpAddr,
    pub software: Software,
    /// Lines of a zone file; without them it knows the world's names.
    pub records: Option<Vec<String>>,
    /// Lines of its configuration: of unbound's `server:` clause, of dnsmasq's file.
    #[serde(default)]
    pub options: Vec<String>,
    /// Domains that knot is to serve and has no zone file for.
    #[serde(default)]
    pub broken: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Software {
    /// A resolver that knows its names by itself and asks nobody.
    Unbound,
    /// What home routers and many nodes run; it refuses what it does not know.
    Dnsmasq,
    /// An authoritative server of the root zone: it follows aliases.
    Knot,
    /// The port is closed.
    Nothing,
}

type Names = BTreeMap<String, Vec<IpAddr>>;

impl Nameserver {
    /// `None` where nothing runs.
    pub fn start(&self, names: &Names, files: &Path) -> Option<Process> {
        let stem = format!("{:?}-{}", self.software, self.at).replace([':', '.'], "-");
        let path = |suffix: &str| files.join(format!("{stem}{suffix}"));
        let (config, log) = (path(".conf"), path(".log"));
        let mut command = match self.software {
            Software::Nothing => return None,
            Software::Unbound => {
                std::fs::write(&config, self.unbound(names)).unwrap();
                let mut command = Command::new("unbound");
                command.args(["-d", "-c"]).arg(&config);
                command
            }
            Software::Dnsmasq => {
                std::fs::write(&config, self.dnsmasq(names)).unwrap();
                let mut command = Command::new("dnsmasq");
                command.args(["--keep-in-foreground", "--no-hosts", "--no-resolv", "--user=root"]);
                command.arg(format!("--conf-file={}", config.display()));
                command
            }
            Software::Knot => {
                let (directory, zone) = (path(""), path(".zone"));
                std::fs::create_dir(&directory).unwrap();
                std::fs::write(&zone, self.root_zone(names)).unwrap();
                std::fs::write(&config, self.knot(&directory, &zone)).unwrap();
                let mut command = Command::new("knotd");
                command.arg("-c").arg(&config);
                command
            }
        };
        Some(Process::start(&mut command, &log).answering(SocketAddr::new(self.at, 53)))
    }

    fn records(&self, names: &Names) -> Vec<String> {
        let of_names = || {
            let pairs = names.iter().flat_map(|(name, addresses)| addresses.iter().map(move |one| (name, one)));
            let line = |(name, address): (&String, &IpAddr)| {
                format!("{name}. {} {address}", if address.is_ipv4() { "A" } else { "AAAA" })
            };
            pairs.map(line).collect()
        };
        self.records.clone().unwrap_or_else(of_names)
    }

    fn unbound(&self, names: &Names) -> String {
        let mut text = format!(
            "server:\n  interface: {}\n  do-daemonize: no\n  username: \"\"\n  chroot: \"\"\n  pidfile: \"\"\n  \
             use-syslog: no\n  module-config: iterator\n  local-zone: . static\n",
            self.at
        );
        if !self.options.iter().any(|option| option.starts_with("access-control")) {
            text.push_str("  access-control: 0.0.0.0/0 allow\n  access-control: ::/0 allow\n");
        }
        for option in &self.options {
            writeln!(text, "  {option}").unwrap();
        }
        for record in self.records(names) {
            writeln!(text, "  local-data: \"{record}\"").unwrap();
        }
        text + "remote-control:\n  control-enable: no\n"
    }

    /// Records of addresses only.
    fn dnsmasq(&self, names: &Names) -> String {
        let mut text = format!("listen-address={}\nbind-interfaces\nport=53\npid-file=\n", self.at);
        for record in self.records(names) {
            let fields: Vec<&str> = record.split_whitespace().collect();
            let [name, "A" | "AAAA", address] = fields[..] else { panic!("{record:?} is no address of a name") };
            writeln!(text, "host-record={},{address}", name.trim_end_matches('.')).unwrap();
        }
        self.options.iter().fold(text, |text, option| text + option + "\n")
    }

    fn root_zone(&self, names: &Names) -> String {
        let own = if self.at.is_ipv4() { "A" } else { "AAAA" };
        let head = format!("$ORIGIN .\n$TTL 5\n@ SOA ns. admin. 1 3600 600 86400 5\n@ NS ns.\nns. {own} {}\n", self.at);
        self.records(names).iter().fold(head, |zone, record| zone + record + "\n")
    }

    fn knot(&self, directory: &Path, zone: &Path) -> String {
        let (at, directory) = (self.at, directory.display());
        let mut text = format!(
            "server:\n  listen: {at}@53\n  rundir: {directory}\n  udp-workers: 1\n  tcp-workers: 1\n  \
             background-workers: 1\ncontrol:\n  listen: {directory}/control\ndatabase:\n  storage: {directory}\n\
             log:\n- target: stderr\n  any: warning\nzone:\n- domain: .\n  file: {}\n  journal-content: none\n",
            zone.display()
        );
        for domain in &self.broken {
            writeln!(text, "- domain: {domain}\n  file: {directory}/missing").unwrap();
        }
        text
    }
}
