//! squid as the proxy that containerd's environment names.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;

use pullprobe_lab::Lab;
use pullprobe_lab::ca::CertKind;
use serde::Deserialize;

use super::address_of;
use super::process::Process;

const PORT: u16 = 3128;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A name of the world.
    pub host: String,
    /// It wants one of these, by user name.
    #[serde(default)]
    pub passwords: BTreeMap<String, String>,
    /// Lines of its configuration, before all else is allowed.
    #[serde(default)]
    pub options: Vec<String>,
    /// It is spoken to over TLS, with such a certificate of the lab.
    pub tls: Option<CertKind>,
}

impl Config {
    pub fn start(&self, given: &super::Given, lab: &Lab, files: &Path) -> Process {
        let names = &given.names;
        let nameserver = given.nameservers.first().map_or(IpAddr::from([127, 0, 0, 1]), |server| server.at);
        let path = |suffix: &str| files.join(format!("squid-{}{suffix}", self.host));
        let known: String = names
            .iter()
            .flat_map(|(name, addresses)| addresses.iter().map(move |address| format!("{address} {name}\n")))
            .collect();
        std::fs::write(path(".hosts"), known).unwrap();
        let at = SocketAddr::new(address_of(names, &self.host), PORT);
        let mut text = match self.tls {
            None => format!("http_port {at}\n"),
            Some(kind) => {
                let leaf = lab.authority.leaf(kind, &[&self.host]).unwrap();
                std::fs::write(path(".pem"), leaf.cert_pem() + &leaf.key_pem()).unwrap();
                format!("https_port {at} tls-cert={}\n", path(".pem").display())
            }
        };
        write!(
            text,
            "pid_filename none\ncache deny all\naccess_log none\ncache_log /dev/null\nnetdb_filename none\n\
             pinger_enable off\nshutdown_lifetime 0 seconds\ncoredump_dir none\nvisible_hostname {}\n\
             hosts_file {}\ndns_nameservers {nameserver}\ndns_timeout 1 second\nconnect_timeout 2 seconds\n",
            self.host,
            path(".hosts").display()
        )
        .unwrap();
        if !self.passwords.is_empty() {
            write_passwords(&path(".passwords"), &self.passwords);
            let helper = "/usr/lib/squid/basic_ncsa_auth";
            let passwords = path(".passwords");
            write!(
                text,
                "auth_param basic program {helper} {}\nauth_param basic children 1\n\
                 acl known proxy_auth REQUIRED\nhttp_access deny !known\n",
                passwords.display()
            )
            .unwrap();
        }
        let text = self.options.iter().fold(text, |text, option| text + option + "\n") + "http_access allow all\n";
        std::fs::write(path(".conf"), text).unwrap();
        let mut command = Command::new("squid");
        command.args(["-N", "-d", "1", "-f"]).arg(path(".conf"));
        Process::start(&mut command, &path(".log")).accepting(at)
    }
}

fn write_passwords(path: &Path, passwords: &BTreeMap<String, String>) {
    std::fs::write(path, "").unwrap();
    for (user, password) in passwords {
        let status = Command::new("htpasswd").arg("-bBC4").arg(path).args([user, password]).output().unwrap().status;
        assert!(status.success(), "htpasswd: {status}");
    }
}
