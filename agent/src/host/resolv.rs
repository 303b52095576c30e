//! How the node finds addresses: `/etc/resolv.conf` as Go's resolver reads it, with the two files beside it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use go::place::Position;
use go::release::Go;

use super::fields::{fields, number};
use super::hosts_file::HostsFile;
use super::nsswitch::{self, NameService};
use super::root::{HostRoot, ReadError};
use super::zone;
use crate::model::finding::{Finding, Severity};

const PATH: &str = "/etc/resolv.conf";
const HOSTS_PATH: &str = "/etc/hosts";
const PORT: u16 = 53;
/// The resolver's own limit, of libc as of Go: further ones are never asked.
const SERVER_LIMIT: usize = 3;
/// More suffixes than a file written by hand has; each costs questions to every nameserver.
const SEARCH_LIMIT: usize = 32;
const SIZE_LIMIT: usize = 64 << 10;
/// Lists of blocked names reach megabytes.
const HOSTS_SIZE_LIMIT: usize = 4 << 20;

/// Everything that decides which addresses a name has on this node.
#[derive(Clone, Debug)]
pub struct Names {
    pub resolv: ResolvConf,
    pub hosts: HostsFile,
    pub order: Vec<NameService>,
    /// A file that containerd reads and pullprobe may not.
    pub closed: Option<ReadError>,
    pub findings: Vec<Finding>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the file")]
pub struct ResolvConf {
    /// At most three.
    pub servers: Vec<SocketAddr>,
    /// Suffixes, each with its trailing dot.
    pub search: Vec<String>,
    /// A name with this many dots is tried as it is before any suffix.
    pub ndots: usize,
    /// For one question to one server.
    pub timeout: Duration,
    /// Rounds over all servers.
    pub attempts: usize,
    /// Each question begins with the next server.
    pub rotate: bool,
    /// AAAA is asked for when A was answered, not beside it.
    pub single_request: bool,
    pub use_tcp: bool,
    pub trust_ad: bool,
    /// Questions carry an EDNS record: Go's way, unless containerd's environment forbids it.
    pub edns: bool,
    /// The additional records of an answer count, as in newer Go.
    pub reads_additionals: bool,
}

impl Names {
    /// A file that is missing or unreadable leaves Go's defaults and, where that matters, a finding.
    pub fn load(root: &HostRoot) -> Self {
        let (mut findings, mut closed) = (Vec::new(), None);
        let mut read = |path: &str, limit: usize| match root.read(Path::new(path), limit) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.is_ours() => {
                closed.get_or_insert(error);
                None
            }
            Err(error) => {
                if !error.is_not_found() {
                    let message = format!("{error}: pullprobe goes on as if it were empty");
                    let fix = format!("Make {path} a readable file.");
                    findings.push(Finding::new(Severity::Warning, "names_unreadable", message, fix).in_file(path));
                }
                None
            }
        };
        let resolv = read(PATH, SIZE_LIMIT).unwrap_or_default();
        let hosts = read(HOSTS_PATH, HOSTS_SIZE_LIMIT).unwrap_or_default();
        let nsswitch = read(nsswitch::PATH, SIZE_LIMIT).unwrap_or_default();
        let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let (resolv, of_resolv) = ResolvConf::parse(&resolv, &hostname);
        let (order, of_nsswitch) = nsswitch::parse(&nsswitch);
        // Of a file that was not read there is nothing to say.
        let is_closed = |finding: &Finding| {
            let closed = closed.as_ref().map(|error| error.path().to_string_lossy());
            closed.is_some() && closed.as_deref() == finding.file.as_deref()
        };
        findings.extend(of_resolv.into_iter().chain(of_nsswitch).filter(|finding| !is_closed(finding)));
        Self { resolv, hosts: HostsFile::parse(hosts), order, closed, findings }
    }
}

impl Default for ResolvConf {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            search: Vec::new(),
            ndots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
            rotate: false,
            single_request: false,
            use_tcp: false,
            trust_ad: false,
            edns: true,
            reads_additionals: true,
        }
    }
}

impl ResolvConf {
    /// What the Go of the node's containerd does with it.
    pub fn go_by(&mut self, go: Go) {
        self.edns = go.sends_edns();
        self.reads_additionals = go.reads_additional_records();
    }

    /// `hostname` gives the suffix when the file names none.
    pub fn parse(text: &str, hostname: &str) -> (Self, Vec<Finding>) {
        let mut conf = Self::default();
        let mut findings = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if !line.starts_with([';', '#']) {
                conf.read_line(line, index + 1, &mut findings);
            }
        }
        if conf.servers.is_empty() {
            let message = "no nameserver: Go asks 127.0.0.1 and ::1";
            findings.push(finding(
                Severity::Warning,
                "resolv_no_nameserver",
                message,
                "Add a `nameserver` line.",
                None,
            ));
            conf.servers = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()]
                .map(|address| SocketAddr::new(address, PORT))
                .to_vec();
        }
        if conf.search.is_empty() {
            conf.search = default_search(hostname);
        }
        (conf, findings)
    }

    fn read_line(&mut self, line: &str, number: usize, findings: &mut Vec<Finding>) {
        let mut fields = fields(line);
        match fields.next() {
            Some("nameserver") => {
                if let Some(ignored) = fields.next().and_then(|address| self.add_server(address).err()) {
                    let fix = "Name at most three nameservers, each by its IP address.";
                    findings.push(finding(Severity::Warning, "resolv_nameserver_ignored", ignored, fix, Some(number)));
                }
            }
            Some("domain") => {
                if let Some(domain) = fields.next() {
                    self.search = vec![rooted(domain)];
                }
            }
            Some("search") => {
                self.search = fields.map(rooted).filter(|name| name != ".").take(SEARCH_LIMIT).collect();
            }
            Some("options") => {
                for option in fields {
                    self.read_option(option, number, findings);
                }
            }
            // `lookup` is OpenBSD's; known to Go, and without meaning on Linux.
            None | Some("lookup") => {}
            Some(keyword) => findings.push(unknown(keyword, number)),
        }
    }

    fn add_server(&mut self, text: &str) -> Result<(), String> {
        let server = zone::parse(text).ok_or_else(|| format!("`{text}` is not an IP address: it is never asked"))?;
        if self.servers.len() == SERVER_LIMIT {
            return Err(format!("`{text}` is beyond the third: it is never asked"));
        }
        self.servers.push(server.with_port(PORT));
        Ok(())
    }

    fn read_option(&mut self, option: &str, line: usize, findings: &mut Vec<Finding>) {
        match option.split_once(':').map_or((option, None), |(name, value)| (name, Some(number(value)))) {
            ("ndots", Some(n)) => self.ndots = usize::try_from(n.min(15)).unwrap_or(15),
            ("timeout", Some(n)) => self.timeout = Duration::from_secs(n.max(1)),
            ("attempts", Some(n)) => self.attempts = usize::try_from(n.max(1)).unwrap_or(usize::MAX),
            ("rotate", None) => self.rotate = true,
            ("single-request" | "single-request-reopen", None) => self.single_request = true,
            ("use-vc" | "usevc" | "tcp", None) => self.use_tcp = true,
            ("trust-ad", None) => self.trust_ad = true,
            // Go sends EDNS without being told.
            ("edns0", None) => {}
            ("no-reload", None) => findings.push(finding(
                Severity::Info,
                "resolv_no_reload",
                "`no-reload`: containerd keeps what this file said when it was started; pullprobe reads it as it is now",
                "After a change, restart containerd.",
                Some(line),
            )),
            _ => findings.push(unknown(option, line)),
        }
    }
}

fn rooted(name: &str) -> String {
    if name.ends_with('.') { name.to_owned() } else { format!("{name}.") }
}

fn default_search(hostname: &str) -> Vec<String> {
    hostname
        .split_once('.')
        .filter(|(_, domain)| !domain.is_empty())
        .map(|(_, domain)| rooted(domain))
        .into_iter()
        .collect()
}

fn unknown(word: &str, line: usize) -> Finding {
    let message = format!(
        "`{word}` is unknown to Go's resolver: a containerd that is linked with libc leaves all names to libc because of \
         it; a static one ignores it, and so does pullprobe"
    );
    finding(Severity::Info, "resolv_option_unknown", message, "Remove it unless something else needs it.", Some(line))
}

fn finding(
    severity: Severity,
    code: &'static str,
    message: impl Into<String>,
    fix: &str,
    line: Option<usize>,
) -> Finding {
    let finding = Finding::new(severity, code, message, fix).in_file(PATH);
    match line {
        Some(line) => finding.at(Position::of_line(line)),
        None => finding,
    }
}

#[cfg(test)]
mod tests;
