//! What the node's daemons run with: distribution, places of files, systemd units, environment, proxies, trust.
//!
//! Only this environment decides about proxies, never kubelet's or a login shell's. A running process
//! that may be looked at is the truth; otherwise it is what systemd would start from the unit's files.

use std::path::Path;

use ::go::place::SourceLocation;

use crate::host::root::{HostRoot, ReadError};
use crate::model::finding::{Finding, Severity};
use crate::redact::secret::Secret;

/// No unit that configures a daemon has a reason to be larger.
pub const FILE_LIMIT: usize = 1 << 20;
/// What changes the way to a registry.
pub const MATTERS: [&str; 13] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "REQUEST_METHOD",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GODEBUG",
    "RES_OPTIONS",
    "LOCALDOMAIN",
    "HOSTALIASES",
];

mod elsewhere;
mod env_file;
mod go;
mod ignored;
pub mod layout;
pub mod maker;
mod process;
pub mod restart_pending;
mod rules;
mod service;
mod systemd;
pub mod trust;
mod unset;

pub use crate::model::proxy::{ProxyDecision, ProxyUrl};
pub use go::debug_settings;
pub use rules::ProxyRules;

/// The services that run the node's containerd. A distribution that brings its own comes before the
/// plain one, which may then belong to Docker.
const UNITS: [&str; 8] = [
    "k3s.service",
    "k3s-agent.service",
    "rke2-server.service",
    "rke2-agent.service",
    "k0sworker.service",
    "k0scontroller.service",
    "snap.microk8s.daemon-containerd.service",
    "containerd.service",
];

/// The services that run the node's kubelet.
const KUBELET_UNITS: [&str; 9] = [
    "k3s.service",
    "k3s-agent.service",
    "rke2-server.service",
    "rke2-agent.service",
    "k0sworker.service",
    "k0scontroller.service",
    "snap.microk8s.daemon-kubelite.service",
    "snap.k8s.kubelet.service",
    "kubelet.service",
];

/// One variable. Its value may hold a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvVar {
    pub name: String,
    pub value: Secret,
    /// Where it is set, or the process's `environ` file.
    pub origin: SourceLocation,
}

#[derive(Clone, Debug, Default)]
pub struct DaemonEnvironment {
    /// The service it is taken from. `None` when none of those known is installed.
    pub unit: Option<&'static str>,
    /// The process it was read from. `None`: from the unit's files.
    pub pid: Option<u32>,
    /// Each name once.
    pub variables: Vec<EnvVar>,
    /// What the unit's files set by now, and the running process was not started with.
    pub pending: Vec<EnvVar>,
    /// The words of the command, the program first. Empty when not known.
    pub command: Vec<String>,
    /// A file that systemd reads and pullprobe does not: it may say anything, a proxy too.
    pub closed: Option<ReadError>,
    pub findings: Vec<Finding>,
}

impl DaemonEnvironment {
    /// `proc` is where the host's process table is inside the root, when this process sees it.
    pub fn load(root: &HostRoot, proc: Option<&Path>) -> Self {
        let mut loaded = UNITS.iter().find_map(|unit| service::load(root, unit)).unwrap_or_default();
        let found = proc.map_or(Ok(None), |proc| process::find(root, proc, loaded.unit));
        loaded.closed = loaded.closed.or(found.as_ref().err().cloned());
        if let Ok(Some(running)) = found {
            // What the files would give at the next start is not what this process has.
            // What systemd passed over at the last start it passes over at the next.
            let passed_over = |finding: &Finding| ["unit_line_ignored", "drop_in_not_read"].contains(&finding.code);
            loaded.pending = process::not_in_force(&loaded, &running);
            loaded.findings.retain(passed_over);
            let waits = |variable| process::waits(loaded.unit, running.pid, variable);
            loaded.findings.extend(loaded.pending.iter().map(waits));
            loaded.pid = Some(running.pid);
            loaded.variables = running.variables;
            loaded.command = running.command;
            loaded.closed = None;
        }
        loaded.check_proxies();
        let left_to_libc = go::left_to_libc(&loaded);
        loaded.findings.extend(left_to_libc);
        loaded.findings.extend(elsewhere::finding(root, &loaded));
        loaded
    }

    /// kubelet's as systemd starts it; of a distribution that has kubelet in its own process, that one's.
    pub fn of_kubelet(root: &HostRoot) -> Self {
        KUBELET_UNITS.iter().find_map(|unit| service::load_plain(root, unit)).unwrap_or_default()
    }

    /// Those that change the way to a registry.
    pub fn that_matter(&self) -> impl Iterator<Item = &EnvVar> {
        self.variables.iter().filter(|variable| MATTERS.contains(&&*variable.name))
    }

    pub fn get(&self, name: &str) -> Option<&EnvVar> {
        self.variables.iter().find(|variable| variable.name == name)
    }

    /// The upper-case name wins unless it is empty.
    fn either(&self, upper: &str, lower: &str) -> Option<&EnvVar> {
        [upper, lower].iter().find_map(|name| self.get(name).filter(|variable| !variable.value.is_empty()))
    }

    pub fn http_proxy(&self) -> Option<&EnvVar> {
        self.either("HTTP_PROXY", "http_proxy")
    }

    pub fn https_proxy(&self) -> Option<&EnvVar> {
        self.either("HTTPS_PROXY", "https_proxy")
    }

    pub fn no_proxy(&self) -> Option<&EnvVar> {
        self.either("NO_PROXY", "no_proxy")
    }

    pub fn ssl_cert_file(&self) -> Option<&EnvVar> {
        self.get("SSL_CERT_FILE").filter(|variable| !variable.value.is_empty())
    }

    pub fn ssl_cert_dir(&self) -> Option<&EnvVar> {
        self.get("SSL_CERT_DIR").filter(|variable| !variable.value.is_empty())
    }

    fn godebug(&self) -> Option<&EnvVar> {
        self.get("GODEBUG")
    }

    /// containerd's `--config` or `-c`. `None` when not given, or when the command is that of a
    /// distribution which starts containerd itself.
    pub fn config_argument(&self) -> Option<&str> {
        self.argument(&["--config", "-config", "-c", "--c"])
    }

    pub fn root_argument(&self) -> Option<&str> {
        self.argument(&["--root", "-root"])
    }

    pub fn address_argument(&self) -> Option<&str> {
        self.argument(&["--address", "-address", "-a", "--a"])
    }

    fn argument(&self, names: &[&str]) -> Option<&str> {
        let program = Path::new(self.command.first()?).file_name()?;
        if program != "containerd" {
            return None;
        }
        self.command.iter().enumerate().skip(1).find_map(|(at, word)| match word.split_once('=') {
            Some((name, value)) if names.contains(&name) => Some(value),
            None if names.contains(&word.as_str()) => self.command.get(at + 1).map(String::as_str),
            _ => None,
        })
    }

    fn check_proxies(&mut self) {
        let bogus = |variable: &&EnvVar| {
            let value = variable.value.expose();
            ProxyUrl::parse(value).is_none_or(|url| {
                url.port == 0 || url.host == "http" || ProxyUrl::has_open_password(value) || has_odd_scheme(value)
            })
        };
        // What swallowed others is told as that.
        let is_one = |variable: &&EnvVar| unset::swallowed(variable).is_empty();
        let mut findings: Vec<Finding> = [self.http_proxy(), self.https_proxy()]
            .into_iter()
            .flatten()
            .filter(is_one)
            .filter(bogus)
            .map(bogus_proxy)
            .collect();
        if let Some(variable) = self.no_proxy().filter(is_one) {
            findings
                .extend(variable.value.expose().split(',').map(str::trim).filter_map(|entry| useless(variable, entry)));
        }
        findings.extend(unset::together(self));
        findings.extend(unset::https_unset(self));
        self.findings.extend(findings);
    }
}

/// Whether it begins with a scheme that Go has no way for, such as `socks4`.
fn has_odd_scheme(value: &str) -> bool {
    let known =
        |scheme: &str| ["http", "https", "socks5", "socks5h"].iter().any(|own| own.eq_ignore_ascii_case(scheme));
    value.split_once("://").is_some_and(|(scheme, _)| !scheme.contains(['@', '/']) && !known(scheme))
}

fn bogus_proxy(variable: &EnvVar) -> Finding {
    let what = if ProxyUrl::has_open_password(variable.value.expose()) {
        "has a password with a `#`, `/` or `?` in it: containerd takes what is in front of that for the proxy's name, and \
         reaches none"
    } else {
        "is not a proxy URL as Go reads it: containerd connects directly, to a host that does not exist, or speaks HTTP to it"
    };
    let message = format!("{} {what}", variable.name);
    let fix =
        format!("set {} to http://host:port; write @ : / # % inside a password as %40 %3A %2F %23 %25", variable.name);
    Finding::new(Severity::Error, "proxy_url_invalid", message, fix).located(&variable.origin)
}

/// A `NO_PROXY` entry of a form that other programs know and Go does not.
fn useless(variable: &EnvVar, entry: &str) -> Option<Finding> {
    let name = entry.strip_prefix("*.").unwrap_or(entry);
    let why = if entry.contains("://") {
        "a URL is never matched: write the host name alone"
    } else if entry != "*" && name.contains('*') {
        "`*` is known only alone or as a leading `*.`: write the domain, which covers its subdomains"
    } else if entry.contains(';') {
        "entries are separated by commas, not by semicolons"
    } else if entry.contains(['"', '\'', '`']) {
        "a quote is a part of the name: write the entry without quotes"
    } else if entry.contains(char::is_whitespace) {
        "entries are separated by commas, not by spaces"
    } else {
        return None;
    };
    // A whole proxy URL put here by mistake has its password before the `@`.
    let shown = entry.rsplit('@').next().unwrap_or_default();
    let message = format!("{} entry {shown:?} matches no host in containerd", variable.name);
    Some(Finding::new(Severity::Warning, "no_proxy_entry_useless", message, why).located(&variable.origin))
}

#[cfg(test)]
mod tests;
