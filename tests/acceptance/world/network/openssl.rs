//! `openssl s_server`: old protocols, old cipher suites, keys that rustls has no use for.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;

use pullprobe_lab::Lab;
use serde::Deserialize;

use super::address_of;
use super::process::Process;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A name of the world; port 443.
    pub host: String,
    /// Of the certificate, which signs itself and which the node trusts: `rsa:2048`, `ec` (on P-256), `ec:P-521`.
    pub key: String,
    /// As `-tls1_2 -cipher ECDHE-RSA-AES128-SHA`.
    pub arguments: String,
}

impl Config {
    /// The certificate is `${openssl}` in the texts of the world.
    pub fn start(&self, names: &BTreeMap<String, Vec<IpAddr>>, lab: &Lab, files: &Path) -> Process {
        let path = |suffix: &str| files.join(format!("openssl-{}{suffix}", self.host));
        let (certificate, key) = (path(".pem"), path(".key"));
        let mut request = Command::new("openssl");
        let (kind, curve) = match self.key.strip_prefix("ec") {
            Some(curve) => ("ec", Some(curve.strip_prefix(':').unwrap_or("P-256"))),
            None => (self.key.as_str(), None),
        };
        request.args(["req", "-x509", "-nodes", "-days", "30", "-newkey", kind]);
        if let Some(curve) = curve {
            request.args(["-pkeyopt", &format!("ec_paramgen_curve:{curve}")]);
        }
        request.args(["-subj", &format!("/CN={}", self.host)]);
        request.args(["-addext", &format!("subjectAltName=DNS:{}", self.host)]);
        let output = request.arg("-keyout").arg(&key).arg("-out").arg(&certificate).output().unwrap();
        assert!(output.status.success(), "openssl req: {}", String::from_utf8_lossy(&output.stderr));
        lab.peers.set("openssl", &std::fs::read_to_string(&certificate).unwrap());
        let at = SocketAddr::new(address_of(names, &self.host), 443);
        let mut command = Command::new("openssl");
        command.args(["s_server", "-www", "-accept", &at.to_string()]).arg("-cert").arg(&certificate);
        command.arg("-key").arg(&key).args(self.arguments.split_whitespace());
        Process::start(&mut command, &path(".log")).accepting(at)
    }
}
