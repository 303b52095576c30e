//! Every way an agent dies, and what it does instead: the table in docs/deaths.md names a test for each.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pullprobe_lab::node::CERTS_D;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::binary::{Agent, eventually, repository};
use super::exposition::Exposition;
use super::http;
use super::judge::daemon::executable;
use super::judge::namespace;
use super::world::{Given, World};

const IMAGE: &str = "registry.example/demo/app:1.0";
const PATIENCE: Duration = Duration::from_secs(60);

/// A registry that counts pulls and says so, and an agent that may spend some.
fn world() -> World {
    let given = "
        containerd = '2.1'
        [[registries]]
        host = 'registry.example'
        tls = {}
        rate_limit = {limit = 100, remaining = 50}
        push = [{repository = 'demo/app', tag = '1.0', content = {index = {manifests = [{platform = 'linux/amd64'}]}}}]
    ";
    let world = World::start(Given { counted_pulls: Some(5), ..toml::from_str(given).unwrap() });
    world.settings(&[IMAGE]);
    world
}

fn start(world: &World) -> Agent {
    Agent::start(&mut world.command("run")).ready()
}

fn image(agent: &Agent) -> Value {
    let report: Value = serde_json::from_slice(&agent.get("/api/v1/report").body).unwrap();
    report["images"][0].clone()
}

/// Waits until the image can be pulled, as far as the agent knows.
fn well(agent: &Agent, when: &str) {
    let is_well = || (image(agent)["pullable"] == true).then_some(());
    eventually(PATIENCE, is_well).unwrap_or_else(|| panic!("{when}: {:#}\n{}", image(agent), agent.log()));
}

fn blamed_nobody(agent: &Agent) {
    assert!(!agent.log().contains("answer=\"not pullable\""), "{}", agent.log());
}

/// The same command after a line of shell, in a mount namespace of its own; `$0` is the directory of the agent's record.
fn prepared(world: &World, script: &str) -> Command {
    prepared_at(world, script, &world.node.path("/state"))
}

fn prepared_at(world: &World, script: &str, directory: &Path) -> Command {
    let given = world.command("run");
    let mut command = Command::new("unshare");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).stdin(Stdio::null());
    command.args(["--mount", "--propagation", "private", "bash", "-c", script]).arg(directory);
    command.arg(given.get_program()).args(given.get_args());
    command
}

fn record(world: &World) -> Vec<i64> {
    let text = std::fs::read_to_string(world.node.path("/state/counted-pulls")).unwrap_or_default();
    text.lines().map(|line| line.parse().unwrap_or_else(|_| panic!("half a line: {text}"))).collect()
}

#[test]
fn an_agent_that_is_killed_leaves_a_whole_record_and_the_next_one_goes_by_it() {
    let world = world();
    let first = start(&world);
    well(&first, "at first");
    let paid = world.counted_pulls();
    assert!(paid > 0);
    // At whatever it does by then: without a signal that it could catch.
    drop(first);
    assert_eq!(record(&world).len() as u64, paid);
    for _ in 0..5 {
        drop(Agent::start(&mut world.command("run")));
        assert_eq!(record(&world).len() as u64, paid);
    }
    well(&start(&world), "after it was killed");
    assert_eq!(world.counted_pulls(), paid, "what was paid for is paid for once");
}

#[test]
fn where_its_disk_is_full_or_read_only_the_agent_serves_and_spends_nothing() {
    for prepare in [
        "mount -t tmpfs -o size=16k tmpfs \"$0\" && ! cat /dev/zero > \"$0/fill\" 2>/dev/null",
        "mount -t tmpfs -o size=1m tmpfs \"$0\" && mount -o remount,ro \"$0\"",
    ] {
        let world = world();
        let agent = Agent::start(&mut prepared(&world, &format!("{prepare} && exec \"$@\""))).ready();
        assert_eq!(image(&agent)["pullable"], Value::Null, "{prepare}: {:#}", image(&agent));
        assert_eq!(world.counted_pulls(), 0, "{prepare}");
        assert!(agent.log().contains("cannot write down counted pulls"), "{prepare}: {}", agent.log());
        assert_eq!(agent.get("/livez").status, 200);
    }
}

/// A mount below the node's root that says nothing, and a link to it: neither is needed to read the node.
#[test]
fn a_mount_that_hangs_and_is_not_needed_keeps_the_agent_from_nothing() {
    let world = world();
    std::fs::create_dir(world.node.path("/hangs")).unwrap();
    symlink("hangs/data", world.node.path("/data")).unwrap();
    // Nobody reads from the descriptor what the kernel asks.
    let hang =
        "exec 9<>/dev/fuse && mount -i -t fuse -o fd=9,rootmode=40000,user_id=0,group_id=0 hangs \"$0/../hangs\"";
    let agent = Agent::start(&mut prepared(&world, &format!("{hang} && exec \"$@\""))).ready();
    well(&agent, "beside a mount that hangs");
}

/// A file system whose daemon never comes: whoever looks at anything there waits for ever.
#[test]
fn where_the_disk_of_its_record_hangs_the_agent_serves_probes_and_ends() {
    let world = world();
    the_record_hangs(&world, &world.node.path("/state"));
    let directory = tempfile::tempdir().unwrap();
    let settings = std::fs::read_to_string(world.node.path("/pullprobe.yaml")).unwrap();
    let (place, other) = (world.node.path("/state"), directory.path());
    let settings = settings.replace(&*place.to_string_lossy(), &other.to_string_lossy());
    world.node.write("/pullprobe.yaml", settings).unwrap();
    the_record_hangs(&world, other);
}

/// In a directory of the node's root, or elsewhere.
fn the_record_hangs(world: &World, directory: &Path) {
    // The kernel's question to FUSE's daemon is never read.
    let hang = "exec 7<>/dev/fuse
        mount -i -t fuse -o fd=7,rootmode=40000,user_id=0,group_id=0 none \"$0\" && exec \"$@\"";
    let mut agent = Agent::start(&mut prepared_at(world, hang, directory)).ready();
    assert_eq!(agent.get("/livez").status, 200);
    assert_eq!(image(&agent)["pullable"], Value::Null, "{:#}", image(&agent));
    assert_eq!(world.counted_pulls(), 0);
    agent.terminate();
    assert!(agent.ended_within(PATIENCE).is_some(), "{}", agent.log());
}

#[test]
fn an_agent_that_may_open_nothing_more_blames_nobody_and_goes_on_when_it_may() {
    let world = world();
    let agent = start(&world);
    well(&agent, "at first");
    let limit = |files: &str| {
        let process = agent.id().to_string();
        let set = Command::new("prlimit").args(["--pid", &process, &format!("--nofile={files}:")]).status().unwrap();
        assert!(set.success());
    };
    limit("5");
    let told = || agent.log().contains("answer=unknown").then_some(());
    eventually(PATIENCE, told).unwrap_or_else(|| panic!("{}", agent.log()));
    limit("1024");
    well(&agent, "with descriptors again");
    blamed_nobody(&agent);
}

#[test]
fn an_agent_that_was_suspended_answers_who_asked_meanwhile() {
    let world = world();
    let agent = start(&world);
    well(&agent, "at first");
    let process = Pid::from_raw(agent.id().try_into().unwrap()).unwrap();
    kill_process(process, Signal::STOP).unwrap();
    let mut asked = TcpStream::connect(agent.address()).unwrap();
    asked.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    asked.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(asked.read(&mut [0]).is_err(), "it is suspended");
    kill_process(process, Signal::CONT).unwrap();
    asked.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    asked.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    well(&agent, "after it was suspended");
    blamed_nobody(&agent);
}

fn shell(line: &str) {
    assert!(Command::new("sh").args(["-c", line]).status().unwrap().success(), "{line}");
}

#[test]
fn a_link_that_goes_down_is_told_and_one_that_comes_up_again_is_used() {
    if std::env::var_os(namespace::JOB_VARIABLE).is_none() {
        let name = "deaths::a_link_that_goes_down_is_told_and_one_that_comes_up_again_is_used";
        return namespace::run(name, &repository("tests/scenarios/network")).unwrap_or_else(|said| panic!("{said}"));
    }
    shell("ip link set lo up");
    let world = world();
    let agent = start(&world);
    well(&agent, "at first");
    shell("ip link set lo down");
    let told = |line: &str| line.contains("the answer changed") && line.contains(IMAGE) && line.contains("cause=");
    let is_told = || agent.log().lines().any(told).then_some(());
    eventually(PATIENCE, is_told).unwrap_or_else(|| panic!("{}", agent.log()));
    shell("ip link set lo up");
    let asked = || http::get(agent.address(), "/api/v1/report").ok();
    let is_well = || asked().is_some_and(|answer| answer.text().contains("\"pullable\": true")).then_some(());
    eventually(PATIENCE, is_well).unwrap_or_else(|| panic!("{}", agent.log()));
}

struct Daemon(Child);

impl Daemon {
    fn start(version: &str, directory: &Path, socket: &Path) -> Self {
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let (at, socket) = (directory.join(version), socket.display());
        std::fs::create_dir_all(&at).unwrap();
        let config = format!(
            "version = 2\nroot = '{at}/root'\nstate = '{at}/state'\n[grpc]\naddress = '{socket}'\n\
             [plugins.'io.containerd.grpc.v1.cri'.containerd]\nsnapshotter = 'native'\n",
            at = at.display()
        );
        std::fs::write(at.join("config.toml"), config).unwrap();
        let log = File::create(at.join("log")).unwrap();
        let mut command = Command::new(executable(version));
        command.arg("--config").arg(at.join("config.toml")).stdin(Stdio::null());
        Self(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }

    fn stop(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Two real ones, one after the other, on one socket.
#[test]
fn a_containerd_that_is_upgraded_under_the_agent_is_followed() {
    let world = world();
    // Both can read it.
    world
        .node
        .containerd_config(&format!(
            "version = 2\n\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \"{CERTS_D}\"\n"
        ))
        .unwrap();
    let mut command = world.command("run");
    let given: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
    let mut told = super::binary::pullprobe::<&str>([]);
    // Whoever is told the version asks nobody for it.
    told.args(given.into_iter().filter(|argument| argument != "--containerd-version" && argument != "2.1"));
    command = told;
    let directory = tempfile::tempdir().unwrap();
    let socket = world.node.path("/run/containerd/containerd.sock");
    let old = Daemon::start("1.7", directory.path(), &socket);
    let agent = Agent::start(&mut command).ready();
    let becomes = |version: &str| {
        let said = || {
            let summary: Value = serde_json::from_slice(&agent.get("/api/v1/summary").body).unwrap();
            summary["containerd"].as_str().unwrap_or_default().to_owned()
        };
        let is_it = || said().starts_with(version).then_some(());
        eventually(PATIENCE, is_it).unwrap_or_else(|| panic!("{version}, not {}:\n{}", said(), agent.log()));
        well(&agent, version);
    };
    becomes("1.7");
    old.stop();
    let _new = Daemon::start("2.1", directory.path(), &socket);
    becomes("2.1");
    assert!(agent.parts().unwrap().contains("[+]containerd ok"), "{:?}", agent.parts());
}

/// A link that takes the place of another, as kubelet and configuration managers do it.
fn relink(link: &Path, target: &str) {
    let beside = link.with_file_name("link-beside");
    symlink(target, &beside).unwrap();
    std::fs::rename(&beside, link).unwrap();
}

#[test]
fn a_certs_d_that_is_swapped_by_a_link_is_read_anew() {
    let world = world();
    let (name, certs_d) = ("elsewhere.example", world.node.path(CERTS_D));
    world.node.hosts_toml(name, "server = \"https://no-such-name.example\"\n").unwrap();
    std::fs::rename(&certs_d, certs_d.with_file_name("certs-1")).unwrap();
    relink(&certs_d, "certs-1");
    let second = certs_d.with_file_name("certs-2").join(name);
    std::fs::create_dir_all(&second).unwrap();
    std::fs::write(second.join("hosts.toml"), "server = \"https://registry.example\"\n").unwrap();
    world.settings(&["elsewhere.example/demo/app:1.0"]);
    let agent = start(&world);
    assert_eq!(image(&agent)["pullable"], false, "{:#}", image(&agent));
    relink(&certs_d, "certs-2");
    well(&agent, "after the swap");
}

/// As kubelet updates what a config map is mounted as. The agent's own settings hold from its start to its end.
#[test]
fn a_config_map_that_is_updated_changes_the_settings_at_the_next_start() {
    let world = world();
    let settings = std::fs::read_to_string(world.node.path("/pullprobe.yaml")).unwrap();
    world.node.write("/settings/..1/config.yaml", &settings).unwrap();
    world.node.write("/settings/..2/config.yaml", settings.replace(IMAGE, "registry.example/demo/other:1.0")).unwrap();
    let data = world.node.path("/settings/..data");
    relink(&data, "..1");
    symlink("..data/config.yaml", world.node.path("/settings/config.yaml")).unwrap();
    let before = world.node.path("/pullprobe.yaml");
    let command = || {
        let given = world.command("run");
        let mounted = world.node.path("/settings/config.yaml").into_os_string();
        let mut command = super::binary::pullprobe::<&str>([]);
        command.args(given.get_args().map(|argument| if argument == before { &mounted } else { argument }));
        command
    };
    let agent = Agent::start(&mut command()).ready();
    let probes = || Exposition::read(&agent.get("/metrics").text()).value("pullprobe_probes_total", &[]);
    relink(&data, "..2");
    let first = probes().unwrap_or_default();
    eventually(PATIENCE, || probes().filter(|count| *count >= first + 2.0))
        .unwrap_or_else(|| panic!("{}", agent.log()));
    assert_eq!(image(&agent)["requested"], IMAGE);
    drop(agent);
    let agent = Agent::start(&mut command()).ready();
    assert_eq!(image(&agent)["requested"], "registry.example/demo/other:1.0");
}

/// Its socket is full, and nobody reads from it.
#[test]
fn a_service_manager_that_takes_nothing_delays_neither_the_last_write_nor_the_end() {
    let world = world();
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("notify");
    let _manager = UnixDatagram::bind(&place).unwrap();
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send_to(b"WATCHDOG=1", &place).is_ok() {}
    let mut command = world.command("run");
    let mut agent = Agent::start(command.env("NOTIFY_SOCKET", &place)).ready();
    let file = world.node.path("/state/counted-pulls.history");
    eventually(PATIENCE, || file.exists().then_some(())).unwrap_or_else(|| panic!("{}", agent.log()));
    std::fs::remove_file(&file).unwrap();
    world.node.hosts_file(&[("127.255.255.254".parse().unwrap(), "registry.example")]).unwrap();
    let fails = || (image(&agent)["pullable"] == false).then_some(());
    eventually(PATIENCE, fails).unwrap_or_else(|| panic!("{}", agent.log()));
    agent.terminate();
    assert!(agent.ended_within(PATIENCE).is_some(), "{}", agent.log());
    assert!(std::fs::read_to_string(&file).unwrap().contains("tcp_refused"), "{}", agent.log());
}

/// As systemd does with `Type=notify` and `WatchdogSec=`, for an agent that gave up its rights to files.
#[test]
fn a_service_manager_hears_of_the_start_of_the_life_and_of_the_end() {
    let world = world();
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("notify");
    let manager = UnixDatagram::bind(&place).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let said = || {
        let mut words = [0; 64];
        let length = manager.recv(&mut words).unwrap();
        String::from_utf8_lossy(&words[..length]).trim_end().to_owned()
    };
    let mut command = world.command("run");
    let mut agent = Agent::start(command.env("NOTIFY_SOCKET", &place).env("WATCHDOG_USEC", "200000"));
    assert_eq!(said(), "READY=1", "{}", agent.log());
    for _ in 0..3 {
        assert_eq!(said(), "WATCHDOG=1", "{}", agent.log());
    }
    agent.terminate();
    let last = std::iter::repeat_with(said).find(|words| words != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"), "{}", agent.log());
    assert_eq!(agent.ended_within(PATIENCE).unwrap().code(), Some(0), "{}", agent.log());
}
