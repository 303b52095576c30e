//! The planted faults again, with real containerds as witnesses: what `lint` calls refused, rejected or
//! unusable is so, and what it does not call so is not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pullprobe_lab::node::Node;
use tempfile::TempDir;

use super::super::judge::daemon::{VERSIONS, executable};
use super::fault::Fault;
use super::tree::Material;

/// A containerd boots in a second; a busy machine may need far longer.
const PATIENCE: Duration = Duration::from_mins(1);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Runs a program with the node's `/etc`, alone and without a network.
const INSIDE: [&str; 6] = ["--mount", "--net", "--propagation", "private", "sh", "-c"];
/// What containerd says of a certificate or a key that it cannot use.
const TLS_WORDS: [&str; 4] = ["unable to read CA", "unable to load CA", "unable to read CERT", "X509 key pair"];
const DIRECTORY_WORDS: [&str; 3] = ["too many levels of symbolic links", "is a directory", "not a directory"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Refused,
    WithoutCri,
    Serves,
}

impl Start {
    /// What the findings claim.
    fn claimed(fault: &Fault) -> Self {
        let has = |codes: &[&str]| fault.codes().any(|code| codes.contains(&code));
        if has(&[
            "config_syntax",
            "config_type",
            "config_import",
            "config_schema",
            "plugin_name_invalid",
            "config_refused",
        ]) {
            Self::Refused
        } else if has(&[
            "cri_disabled",
            "mirrors_and_config_path",
            "configs_tls_and_config_path",
            "config_value_invalid",
        ]) {
            Self::WithoutCri
        } else {
            Self::Serves
        }
    }

    /// `None`: it is not decided yet.
    fn seen(process: &mut Child, log: &Path) -> Option<Self> {
        let ended = process.try_wait().unwrap().is_some();
        let log = std::fs::read_to_string(log).unwrap_or_default();
        if !log.contains("containerd successfully booted") {
            return ended.then_some(Self::Refused);
        }
        let of_cri =
            |words: &str| log.lines().any(|line| line.contains(words) && line.contains("io.containerd.grpc.v1.cri"));
        let serves = of_cri("loading plugin") && !of_cri("failed to load plugin");
        Some(if serves { Self::Serves } else { Self::WithoutCri })
    }
}

/// A containerd that ends with the test.
pub struct Daemon {
    process: Child,
    directory: TempDir,
}

impl Daemon {
    pub fn spawn(series: &str, etc: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let script = r#"mount --bind "$1" /etc && exec "$2" --root "$3/root" --state "$3/state" --address "$3/sock" --log-level info"#;
        let log = File::create(directory.path().join("log")).unwrap();
        let process = Command::new("unshare")
            .args(INSIDE)
            .args([script, "sh"])
            .args([etc, &executable(series), directory.path()])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { process, directory }
    }

    pub fn start(&mut self) -> Start {
        let log = self.directory.path().join("log");
        wait(|| Start::seen(&mut self.process, &log))
            .unwrap_or_else(|| panic!("{}", std::fs::read_to_string(&log).unwrap()))
    }

    pub fn wait_until_it_listens(&self) {
        wait(|| UnixStream::connect(self.directory.path().join("sock")).ok()).unwrap();
    }

    /// The configuration as containerd has it after reading the node's.
    fn dump(series: &str, node: &Node) -> String {
        let script = r#"mount --bind "$1" /etc && exec "$2" config dump"#;
        let output = Command::new("unshare")
            .args(INSIDE)
            .args([script, "sh"])
            .args([&node.path("/etc"), &executable(series)])
            .output()
            .unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// What the client of the same version says when it looks up the hosts of a registry of the node.
    pub fn pull(&self, series: &str, node: &Node, image: &str) -> String {
        let local = if series == "2.1" { "--local" } else { "" };
        let script = r#"mount --bind "$1" /etc && exec "$2" --debug --address "$3" images pull $4 --hosts-dir /etc/containerd/certs.d "$5""#;
        let output = Command::new("unshare")
            .args(INSIDE)
            .args([script, "sh"])
            .args([&node.path("/etc"), &executable(series).with_file_name("ctr"), &self.directory.path().join("sock")])
            .args([local, image])
            .output()
            .unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Fails only when it is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn wait<T>(mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(done) = attempt() {
            return Some(done);
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    None
}

fn faults_of(series: &str) -> Vec<Fault> {
    Fault::all().into_iter().filter(|fault| fault.series() == series).collect()
}

#[test]
fn containerd_starts_with_a_configuration_unless_lint_says_that_it_does_not() {
    let material = Material::new();
    let mut asked = 0;
    for series in VERSIONS {
        for fault in faults_of(series) {
            let node = fault.node(&material);
            let about_config = !node.path("/etc/containerd/certs.d").exists() && !fault.name.starts_with("kubelet");
            if about_config {
                let mut daemon = Daemon::spawn(series, &node.path("/etc"));
                assert_eq!(daemon.start(), Start::claimed(&fault), "{} with containerd {series}", fault.name);
                asked += 1;
            }
        }
    }
    assert!(asked > 30, "{asked}");
}

#[test]
fn what_a_fix_says_makes_containerd_read_certs_d() {
    let material = Material::new();
    let mut asked = 0;
    for series in VERSIONS {
        for fault in faults_of(series) {
            let Some(mended) = fault.mended() else { continue };
            let node = fault.node(&material);
            node.write("/etc/containerd/config.toml", &mended).unwrap();
            let mut daemon = Daemon::spawn(series, &node.path("/etc"));
            assert_eq!(daemon.start(), Start::Serves, "{} with containerd {series}", fault.name);
            let dump = Daemon::dump(series, &node);
            let reads = |quote: &str| dump.contains(&format!(" config_path = {quote}/etc/containerd/certs.d{quote}"));
            assert!(reads("'") || reads("\""), "{} with containerd {series}: {dump}", fault.name);
            let said = fault.lint(&node);
            assert!(said.stdout.ends_with("nothing found\n"), "{}: {}", fault.name, said.stdout);
            asked += 1;
        }
    }
    assert!(asked >= 8, "{asked}");
}

#[test]
fn containerd_rejects_what_lint_says_that_it_rejects() {
    let material = Material::new();
    let mut asked = 0;
    for series in VERSIONS {
        let plain = Node::temporary().unwrap();
        plain.write("/etc/containerd/config.toml", "version = 2\n").unwrap();
        let mut daemon = Daemon::spawn(series, &plain.path("/etc"));
        daemon.start();
        daemon.wait_until_it_listens();
        for fault in faults_of(series) {
            let node = fault.node(&material);
            let certs_d = node.path("/etc/containerd/certs.d");
            let is_there = |name: &&str| certs_d.join(name).symlink_metadata().is_ok();
            let Some(registry) = ["r.example", "docker.io"].into_iter().find(is_there) else { continue };
            let said = daemon.pull(series, &node, &format!("{registry}/library/x:1"));
            let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
            let claims = |code: &str| fault.codes().any(|claimed| claimed == code);
            let seen = (says(&["failed to decode"]), says(&TLS_WORDS), says(&DIRECTORY_WORDS));
            let claimed = (claims("hosts_file_invalid"), claims("tls_file_unusable"), claims("host_dir_unusable"));
            assert_eq!(seen, claimed, "{} with containerd {series}: {said}", fault.name);
            assert!(said.contains("failed to"), "{}: {said}", fault.name);
            asked += 1;
        }
    }
    assert!(asked > 50, "{asked}");
}
