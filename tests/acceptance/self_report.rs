//! What alerts need to know of the node's containerd, of the limits that nodes share, and of the agent itself.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::binary::{Agent, document, eventually, finish};
use super::exposition::Exposition;
use super::judge::daemon::executable;
use super::world::World;

const PATIENCE: Duration = Duration::from_secs(60);

fn world() -> World {
    World::of_one_image("rate_limit = {limit = 100, remaining = 42, source = '192.0.2.77'}")
}

fn with_key(world: &World, key: &str) -> Agent {
    let settings = std::fs::read_to_string(world.node.path("/pullprobe.yaml")).unwrap();
    let settings = settings.split("metrics:").next().unwrap();
    world.node.write("/key", key).unwrap();
    let file = serde_json::Value::from(world.node.path("/key").to_string_lossy());
    world.node.write("/pullprobe.yaml", format!("{settings}metrics: {{bucket_key_file: {file}}}\n")).unwrap();
    Agent::start(&mut world.command("run"))
}

fn bucket(agent: &Agent) -> Option<String> {
    eventually(PATIENCE, || {
        let read = Exposition::read(&agent.get("/metrics").text());
        let limits = !read.of("pullprobe_rate_limit_remaining", &[]).is_empty();
        let info = read.of("pullprobe_rate_limit_bucket_info", &[("namespace", "registry.example")]);
        limits.then(|| info.first().map(|one| one.label("bucket").to_owned()))
    })
    .unwrap_or_else(|| panic!("no limit is shown:\n{}", agent.log()))
}

#[test]
fn nodes_that_share_a_limit_show_the_same_bucket_and_not_what_it_is_counted_by() {
    let world = world();
    assert_eq!(bucket(&Agent::start(&mut world.command("run"))), None, "without a key");
    let one = with_key(&world, "a key of this fleet\n");
    let first = bucket(&one).unwrap();
    let metrics = one.get("/metrics").text();
    assert!(!metrics.contains("192.0.2.77") && !one.log().contains("a key of this fleet"));
    drop(one);
    assert_eq!(bucket(&with_key(&world, "a key of this fleet")).unwrap(), first);
    assert_ne!(bucket(&with_key(&world, "a key of that fleet")).unwrap(), first);
}

#[test]
fn an_agent_whose_key_is_too_short_does_not_start() {
    let world = world();
    drop(with_key(&world, "a key of this fleet"));
    world.node.write("/key", "short\n").unwrap();
    let refused = finish(&mut world.command("run"));
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("the key is shorter than 16 characters"), "{refused:?}");
}

struct Daemon(Child);

impl Daemon {
    fn start(directory: &Path, socket: &Path) -> Self {
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let (at, socket) = (directory.display(), socket.display());
        let config = format!(
            "version = 2\nroot = '{at}/root'\nstate = '{at}/state'\n[grpc]\naddress = '{socket}'\n\
             [plugins.'io.containerd.grpc.v1.cri'.containerd]\nsnapshotter = 'native'\n"
        );
        std::fs::write(directory.join("config.toml"), config).unwrap();
        let log = File::create(directory.join("log")).unwrap();
        let daemon = Command::new(executable("1.6"))
            .arg("--config")
            .arg(directory.join("config.toml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        Self(daemon.unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A real one that runs, hangs, goes on, and is stopped, which takes its socket away.
#[test]
fn a_containerd_that_does_not_answer_is_seen_whether_it_hangs_or_is_gone() {
    let world = world();
    let agent = Agent::start(&mut world.command("run")).ready();
    let up = || Exposition::read(&agent.get("/metrics").text()).value("pullprobe_containerd_up", &[]);
    assert_eq!(up(), None, "there is no socket");
    let directory = tempfile::tempdir().unwrap();
    let socket = world.node.path("/run/containerd/containerd.sock");
    let daemon = Daemon::start(directory.path(), &socket);
    let becomes = |value: f64, when: &str| {
        let seen = eventually(PATIENCE, || (up() == Some(value)).then_some(()));
        let log = || std::fs::read_to_string(directory.path().join("log")).unwrap_or_default();
        assert!(seen.is_some(), "{when}: {:?}\n{}\n{}", up(), agent.log(), log());
    };
    becomes(1.0, "it runs");
    daemon.signal(Signal::STOP);
    becomes(0.0, "it hangs");
    daemon.signal(Signal::CONT);
    becomes(1.0, "it goes on");
    daemon.signal(Signal::TERM);
    assert!(eventually(PATIENCE, || (!socket.exists()).then_some(())).is_some(), "it takes its socket away");
    becomes(0.0, "it is stopped");
}

/// As without the rights of root, or under `SELinux`: that says something of pullprobe, and nothing of containerd.
#[test]
fn a_socket_that_pullprobe_may_not_open_is_no_sign_of_a_dead_containerd() {
    let world = world();
    let socket = world.node.path("/run/containerd/containerd.sock");
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let _listener = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::chown(&socket, Some(65534), Some(65534)).unwrap();
    let limited = |verb: &str| {
        let (given, mut command) = (world.command(verb), Command::new("setpriv"));
        command.args(["--bounding-set=-dac_override", "--inh-caps=-dac_override"]);
        // Whoever is told the version asks nobody for it.
        let asks = |argument: &&OsStr| *argument != "--containerd-version" && *argument != "2.1";
        command.arg(given.get_program()).args(given.get_args().filter(asks));
        command
    };
    let told = document(&finish(limited("lint").args(["--format", "json"])));
    let codes: Vec<_> = told["findings"].as_array().unwrap().iter().map(|finding| &finding["code"]).collect();
    assert!(codes.iter().any(|code| **code == "containerd_not_asked"), "{told:#}");
    assert!(codes.iter().all(|code| **code != "containerd_unreachable"), "{told:#}");
    let agent = Agent::start(&mut limited("run")).ready();
    let read = Exposition::read(&agent.get("/metrics").text());
    assert_eq!(read.value("pullprobe_containerd_up", &[]), None, "{}", agent.log());
}
