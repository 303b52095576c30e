//! An agent with a web configuration file, and curl, which asks it as people do.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use pullprobe_lab::ca::{Authority, CertKind};

use super::super::binary::{Agent, eventually};
use super::super::world::{Given, World};

pub const PATIENCE: Duration = Duration::from_secs(30);
/// What the certificates name.
pub const NAME: &str = "node.example";
pub const PASSWORD: &str = "open sesame";

/// The files of one agent, and what it looks at: nothing.
pub struct Served {
    pub world: World,
    pub authority: Authority,
    files: tempfile::TempDir,
}

impl Served {
    /// With a pair of its own authority.
    pub fn new() -> Self {
        Self::beside(World::start(Given::default()))
    }

    pub fn beside(world: World) -> Self {
        let authority = Authority::new("one").unwrap();
        let served = Self { world, authority, files: tempfile::tempdir().unwrap() };
        served.pair(&served.authority);
        served.write("ca.crt", &served.authority.root_pem());
        served
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// `tls.crt` and `tls.key`, anew.
    pub fn pair(&self, authority: &Authority) {
        let leaf = authority.leaf(CertKind::Good, &[NAME]).unwrap();
        self.write("tls.crt", &leaf.cert_pem());
        self.write("tls.key", &leaf.key_pem());
    }

    /// `NAME.crt` and `NAME.key` of a client; what curl needs to show them.
    pub fn client(&self, authority: &Authority, name: &str) -> Vec<String> {
        let leaf = authority.client(name).unwrap();
        self.write(&format!("{name}.crt"), &leaf.cert_pem());
        self.write(&format!("{name}.key"), &leaf.key_pem());
        let path = |end: &str| self.path(&format!("{name}.{end}")).display().to_string();
        vec!["--cert".into(), path("crt"), "--key".into(), path("key")]
    }

    /// The settings, with these below `web` besides the file.
    pub fn settings(&self, listen: &str, web: &str) {
        self.world.settings(&[]);
        let settings = std::fs::read_to_string(self.world.node.path("/pullprobe.yaml")).unwrap();
        let file = self.path("web.yaml").display().to_string();
        let web = format!("web: {{listen: [\"{listen}\"], hosts: [{NAME}], config_file: {file}{web}}}");
        self.world.node.write("/pullprobe.yaml", settings.replace("web: {listen: [\"127.0.0.1:0\"]}", &web)).unwrap();
    }

    /// Until its first cycle is over, which it tells its own node without a password.
    pub fn start(&self, config: &str, web: &str) -> Agent {
        self.write("web.yaml", config);
        self.settings("127.0.0.1:0", web);
        self.ready(Agent::start(&mut self.world.command("run")))
    }

    pub fn ready(&self, agent: Agent) -> Agent {
        let is_ready = || {
            let said = |scheme| self.curl(agent.address(), scheme, "/readyz?verbose", &["--insecure"]).answer;
            let is_over = |said: String| said.contains("[+]first-cycle ok");
            (is_over(said("https")) || is_over(said("http"))).then_some(())
        };
        eventually(PATIENCE, is_ready).unwrap_or_else(|| panic!("its first cycle is not over:\n{}", agent.log()));
        agent
    }

    pub fn curl<S: AsRef<str>>(&self, address: SocketAddr, scheme: &str, path: &str, more: &[S]) -> Curled {
        self.curl_in(&[], address, scheme, path, more)
    }

    /// Trusts the agent's own authority. `wrapper`: what curl is run by.
    pub fn curl_in<S: AsRef<str>>(
        &self,
        wrapper: &[&str],
        address: SocketAddr,
        scheme: &str,
        path: &str,
        more: &[S],
    ) -> Curled {
        let words: Vec<&str> = wrapper.iter().copied().chain(["curl"]).collect();
        let mut curl = Command::new(words[0]);
        curl.args(&words[1..]).args(["--silent", "--show-error", "--max-time", "20", "--noproxy", "*", "--cacert"]);
        curl.arg(self.path("ca.crt")).args(["--include", "--write-out", "\n%{http_code}"]);
        curl.arg("--resolve").arg(format!("{NAME}:{}:{}", address.port(), address.ip()));
        curl.args(more.iter().map(AsRef::as_ref)).arg(format!("{scheme}://{NAME}:{}{path}", address.port()));
        let output = curl.output().unwrap_or_else(|error| panic!("curl: {error}: run tests/tools/install.sh"));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (answer, status) = text.rsplit_once('\n').unwrap_or((&text, "0"));
        Curled {
            status: status.trim().parse().unwrap_or(0),
            answer: answer.to_owned(),
            complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code().unwrap_or(-1),
        }
    }
}

/// What curl got: head and body in one.
#[derive(Debug)]
pub struct Curled {
    /// 0: there was no answer.
    pub status: u16,
    pub answer: String,
    pub complaint: String,
    pub code: i32,
}

/// A line of `basic_auth_users` as htpasswd writes it, with a cost that a test can wait for.
pub fn hashed(user: &str, password: &str) -> String {
    let made = Command::new("htpasswd").args(["-nbBC", "4", user, password]).output();
    let made = made.unwrap_or_else(|error| panic!("htpasswd: {error}: run tests/tools/install.sh"));
    let line = String::from_utf8(made.stdout).unwrap();
    let (user, hash) = line.trim().split_once(':').unwrap();
    format!("  {user}: {hash}\n")
}

pub fn users(names: &[&str]) -> String {
    let lines: String = names.iter().map(|name| hashed(name, PASSWORD)).collect();
    format!("basic_auth_users:\n{lines}")
}

pub const TLS: &str = "tls_server_config:\n  cert_file: tls.crt\n  key_file: tls.key\n";
/// More of that section: clients need a certificate of the same authority.
pub const CLIENTS: &str = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n";
