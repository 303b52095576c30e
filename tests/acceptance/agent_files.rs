//! `pullprobe run` while the node's files are written: half a file takes nothing down, what the
//! daemons keep stays in force, and a finding says so until the file is whole.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::time::Duration;

use pullprobe_lab::node::CERTS_D;
use serde_json::Value;

use super::binary::{Agent, eventually};
use super::exposition::Exposition;
use super::world::{Given, World};

const IMAGE: &str = "mirrored.example/demo/app:1.0";
const PRIVATE: &str = "private.example/demo/app:1.0";
const CONFIG: &str = "/etc/containerd/config.toml";
const HOSTS: &str = "/etc/containerd/certs.d/mirrored.example/hosts.toml";
const LOGINS: &str = "/var/lib/kubelet/config.json";

/// Long enough for a busy machine; nothing waits that long when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// One image that only the mirror of hosts.toml has, one that wants a login.
fn world() -> World {
    let given = "
        hosts = {'mirrored.example' = '[host.\"https://registry.example\"]'}
        credentials = {'private.example' = {user = 'robot', password = 'hunter2'}}
        [[registries]]
        host = 'registry.example'
        tls = {}
        push = [{repository = 'demo/app', tag = '1.0', content = {index = {manifests = [{platform = 'linux/amd64'}]}}}]
        [[registries]]
        host = 'private.example'
        tls = {}
        auth = {basic = {users = {robot = 'hunter2'}}}
        push = [{repository = 'demo/app', tag = '1.0', content = {index = {manifests = [{platform = 'linux/amd64'}]}}}]
    ";
    let world = World::start(toml::from_str::<Given>(given).unwrap());
    world.settings(&[IMAGE, PRIVATE]);
    world
}

struct Watched<'a> {
    world: &'a World,
    agent: Agent,
}

impl<'a> Watched<'a> {
    /// An agent that has found both images pullable.
    fn start(world: &'a World) -> Self {
        let watched = Self { world, agent: Agent::start(&mut world.command("run")).ready() };
        assert_eq!(watched.pullable(), [true, true], "{:#}", watched.report());
        watched
    }

    fn report(&self) -> Value {
        serde_json::from_slice(&self.agent.get("/api/v1/report").body).unwrap()
    }

    fn pullable(&self) -> Vec<bool> {
        pullable(&self.report())
    }

    fn config(&self) -> (String, f64) {
        let metrics = Exposition::read(&self.agent.get("/metrics").text());
        let hash = metrics.of("pullprobe_config_info", &[])[0].label("hash").to_owned();
        (hash, metrics.value("pullprobe_config_last_change_timestamp_seconds", &[]).unwrap())
    }

    fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let report = eventually(PATIENCE, || Some(self.report()).filter(|report| holds(report)));
        report.unwrap_or_else(|| panic!("never {what}: {:#}\n{}", self.report(), self.agent.log()))
    }

    /// Waits until each image was asked for once more.
    fn probed_again(&self) {
        for host in ["registry.example", "private.example"] {
            let asked =
                || self.world.at(host).requests().iter().filter(|request| !request.reference.is_empty()).count();
            let before = asked();
            eventually(PATIENCE, || (asked() > before).then_some(())).unwrap_or_else(|| panic!("{}", self.agent.log()));
        }
    }

    /// Writes half of a file and then all of it: the finding comes and goes, and all stays pullable.
    /// The half stays for another probe of each image where `lasting`.
    fn halve(&self, file: &str, line: usize, lasting: bool) -> Value {
        let path = self.world.node.path(file);
        let whole = std::fs::read(&path).unwrap();
        let before = self.config();
        std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        let report = self.until("a finding", |report| kept(report, file).is_some());
        assert_eq!(pullable(&report), [true, true], "{report:#}");
        let finding = kept(&report, file).unwrap();
        assert_eq!((&finding["severity"], &finding["line"]), (&"error".into(), &line.into()), "{finding}");
        let message = finding["message"].as_str().unwrap();
        assert!(message.contains("broken since 20") && message.contains("still in force"), "{message}");
        assert_eq!(self.config(), before, "another configuration is said to be in force");
        if lasting {
            self.probed_again();
            self.probed_again();
            assert_eq!(self.pullable(), [true, true], "{:#}\n{}", self.report(), self.agent.log());
            assert_eq!(kept(&self.report(), file).as_ref(), Some(&finding), "it is another finding");
        }
        std::fs::write(&path, &whole).unwrap();
        let after = self.until("whole again", |report| kept(report, file).is_none());
        assert_eq!(pullable(&after), [true, true], "{after:#}");
        assert_eq!(self.agent.get("/livez").status, 200);
        finding
    }
}

fn pullable(report: &Value) -> Vec<bool> {
    report["images"].as_array().unwrap().iter().map(|image| image["pullable"] == Value::Bool(true)).collect()
}

/// The finding that says that what the file said before is in force.
fn kept(report: &Value, file: &str) -> Option<Value> {
    let found = report["findings"].as_array().unwrap().iter();
    found.filter(|finding| finding["code"] == "last_good_in_force").find(|finding| finding["file"] == file).cloned()
}

#[test]
fn half_a_file_leaves_the_last_whole_one_in_force() {
    let world = world();
    let watched = Watched::start(&world);
    let lines = std::fs::read_to_string(world.node.path(CONFIG)).unwrap().lines().count();
    let config = watched.halve(CONFIG, lines, true);
    assert!(config["message"].as_str().unwrap().contains("restart"), "{config}");
    let logins = watched.halve(LOGINS, 1, true);
    assert!(!logins.to_string().contains("hunter2") && !watched.agent.log().contains("hunter2"));
    watched.halve(HOSTS, 1, false);
    let log = watched.agent.log();
    assert_eq!(log.matches("still in force").count(), 3, "each is told once:\n{log}");
}

#[test]
fn a_hosts_file_that_stays_broken_counts_as_it_does_for_containerd() {
    let world = world();
    let watched = Watched::start(&world);
    world.node.write(HOSTS, "[host.\"https://registry.exam").unwrap();
    watched.until("in force", |report| kept(report, HOSTS).is_some());
    let over = watched.until("containerd's answer", |report| pullable(report) == [false, true]);
    assert!(kept(&over, HOSTS).is_none(), "{over:#}");
    assert!(over["findings"].as_array().unwrap().iter().any(|finding| finding["code"] == "hosts_file_invalid"));
}

#[test]
fn a_changed_configuration_has_another_hash_from_now_on() {
    let world = world();
    let watched = Watched::start(&world);
    let (hash, changed) = watched.config();
    let text = std::fs::read_to_string(world.node.path(CONFIG)).unwrap();
    let elsewhere = format!("{CERTS_D}.new");
    world
        .node
        .write(&format!("{elsewhere}/mirrored.example/hosts.toml"), "server = \"https://no-such-name.example\"\n")
        .unwrap();
    world.node.write(CONFIG, text.replace(CERTS_D, &elsewhere)).unwrap();
    let report = watched.until("used", |report| pullable(report) == [false, true]);
    assert_eq!(report["containerd"]["config_path"], serde_json::json!([elsewhere]), "{report:#}");
    let (new_hash, new_changed) = watched.config();
    assert!(new_hash != hash && new_changed >= changed && new_changed > 0.0, "{changed} {new_changed}");
}

#[test]
fn a_node_that_is_out_of_sight_stays_as_it_was_last_seen() {
    let world = world();
    let watched = Watched::start(&world);
    let (root, aside) = (world.node.root().to_owned(), world.node.root().with_extension("aside"));
    std::fs::rename(&root, &aside).unwrap();
    let shown = root.to_string_lossy().into_owned();
    let gone = watched.until("a finding", |report| kept(report, &shown).is_some());
    assert_eq!(pullable(&gone), [true, true], "{gone:#}");
    std::fs::rename(&aside, &root).unwrap();
    watched.until("in sight again", |report| kept(report, &shown).is_none());
}
