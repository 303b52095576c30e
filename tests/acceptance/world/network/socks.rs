//! microsocks as a SOCKS 5 proxy that containerd's environment names.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::address_of;
use super::process::Process;

const PORT: u16 = 1080;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A name of the world.
    pub host: String,
    /// It wants this user and password.
    pub login: Option<(String, String)>,
    /// Names that the proxy does not know, though the world does.
    #[serde(default)]
    pub ignorant_of: Vec<String>,
}

impl Config {
    pub fn start(&self, given: &super::Given, files: &Path) -> Process {
        let names = &given.names;
        let path = |suffix: &str| files.join(format!("socks-{}{suffix}", self.host));
        let known = names.iter().filter(|(name, _)| !self.ignorant_of.contains(name));
        let mut hosts = String::new();
        for (name, addresses) in known {
            addresses.iter().for_each(|address| writeln!(hosts, "{address} {name}").unwrap());
        }
        std::fs::write(path(".hosts"), hosts).unwrap();
        let at = SocketAddr::new(address_of(names, &self.host), PORT);
        // It asks libc for names: the hosts file is its own in a mount namespace of its own.
        let script = "mount --bind \"$0\" /etc/hosts && exec microsocks \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script]).arg(path(".hosts"));
        command.args(["-i", &at.ip().to_string(), "-p", &PORT.to_string()]);
        if let Some((user, password)) = &self.login {
            command.args(["-u", user, "-P", password]);
        }
        Process::start(&mut command, &path(".log")).accepting(at)
    }
}
