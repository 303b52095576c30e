//! A real containerd of its own: root, state and socket in a directory of the test.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::daemon::{Daemon, eventually};
use super::tools::{command, output, success};

/// What containerd gives a container that asks for nothing.
const DEFAULT_CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

pub struct Containerd {
    socket: PathBuf,
    daemon: Daemon,
    _directory: TempDir,
}

impl Containerd {
    pub fn start() -> Self {
        Self::start_by(command("containerd", ["--config"]))
    }

    /// With a network of its own, in which each port is free. Its containers share it as those of the node do.
    pub fn start_in_own_network() -> Self {
        Self::start_by(command(
            "unshare",
            ["--net", "sh", "-c", r#"ip link set lo up && exec containerd --config "$1""#, "sh"],
        ))
    }

    fn start_by(mut server: Command) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("containerd.sock");
        let config = directory.path().join("config.toml");
        std::fs::write(&config, configuration(directory.path(), &socket)).unwrap();
        let log = directory.path().join("log");
        let daemon = Daemon::start(server.arg(&config), log);
        let containerd = Self { socket, daemon, _directory: directory };
        eventually(|| output(&mut containerd.ctr(["version"])).status.success().then_some(()))
            .unwrap_or_else(|| panic!("containerd did not answer:\n{}", containerd.daemon.log()));
        containerd
    }

    pub fn import(&self, archive: &Path) {
        success(self.ctr(["images", "import", "--snapshotter", "native"]).arg(archive));
    }

    /// Runs a container under what the `DaemonSet` leaves it: the node's network, no capabilities, a
    /// read-only root, and `mounts` as `ctr` writes them.
    pub fn run(&self, name: &str, mounts: &[String], arguments: &[&str]) -> Command {
        self.run_with(&[], name, mounts, arguments)
    }

    /// The same with these capabilities.
    pub fn run_with(&self, kept: &[&str], name: &str, mounts: &[String], arguments: &[&str]) -> Command {
        self.container(kept, mounts, &["--snapshotter", "native", "pullprobe:test", name], arguments)
    }

    /// The same with a directory as the container's root, and no image.
    pub fn run_in(&self, root: &Path, name: &str, mounts: &[String], arguments: &[&str]) -> Command {
        self.container(&[], mounts, &["--rootfs", &root.to_string_lossy(), name], arguments)
    }

    /// The same, and what else `ctr` is told of it.
    pub fn run_limited(
        &self,
        limits: &[String],
        root: &Path,
        name: &str,
        mounts: &[String],
        arguments: &[&str],
    ) -> Command {
        let root = root.to_string_lossy();
        let what: Vec<&str> = limits.iter().map(String::as_str).chain(["--rootfs", &root, name]).collect();
        self.container(&[], mounts, &what, arguments)
    }

    /// A command in a container that runs, as kubelet's exec probes are.
    pub fn exec(&self, container: &str, id: &str, arguments: &[&str]) -> Command {
        let mut exec = self.ctr(["tasks", "exec", "--exec-id"]);
        exec.args([id, container]).args(arguments);
        exec
    }

    /// A program in its network.
    pub fn in_its_network(&self, program: &[&str]) -> Command {
        let mut inside = command("nsenter", [format!("--net=/proc/{}/ns/net", self.daemon.id()), "--".to_owned()]);
        inside.args(program);
        inside
    }

    fn container(&self, kept: &[&str], mounts: &[String], what: &[&str], arguments: &[&str]) -> Command {
        let mut run = self.ctr(["run", "--rm", "--net-host", "--read-only", "--seccomp"]);
        for capability in DEFAULT_CAPABILITIES.iter().filter(|capability| !kept.contains(capability)) {
            run.arg(format!("--cap-drop=CAP_{capability}"));
        }
        for mount in mounts {
            run.args(["--mount", mount]);
        }
        run.args(what).args(arguments);
        run
    }

    fn ctr<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut ctr = command("ctr", ["--address"]);
        // runc keeps containers by namespace and name, and not by daemon: one that a killed run left is in nobody's way.
        let namespace = format!("pullprobe-{}", std::process::id());
        ctr.arg(&self.socket).args(["--namespace", &namespace]).args(arguments);
        ctr
    }
}

fn configuration(directory: &Path, socket: &Path) -> String {
    let (directory, socket) = (directory.display(), socket.display());
    format!(
        "version = 2\nroot = '{directory}/root'\nstate = '{directory}/state'\n\
         disabled_plugins = ['io.containerd.grpc.v1.cri']\n[grpc]\naddress = '{socket}'\n"
    )
}
