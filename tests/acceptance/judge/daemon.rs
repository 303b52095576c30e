//! A real containerd, started inside a namespace that holds the scenario's node and nothing else.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::cri::Cri;
use super::observation::NoService;

/// containerd boots in a tenth of a second; a busy machine may need far longer.
const READY_DEADLINE: Duration = Duration::from_mins(1);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
const SOCKET: &str = "/run/containerd/containerd.sock";

/// The series of containerd that the judge runs, oldest first.
pub const VERSIONS: [&str; 3] = ["1.6", "1.7", "2.1"];

/// Where a series' executable is: the distribution's own, or one that `tests/tools/install.sh` extracted.
pub fn executable(version: &str) -> PathBuf {
    let path = match version {
        "1.6" => PathBuf::from("/usr/bin/containerd"),
        _ => Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("target/tools/containerd-{version}/bin/containerd")),
    };
    assert!(
        path.is_file(),
        "the judge needs containerd {version}: {} does not exist; run tests/tools/install.sh",
        path.display()
    );
    path
}

pub struct Containerd {
    process: Child,
    pub cri: Cri,
    /// As the daemon itself says it, for instance `2.1.9`.
    pub version: String,
    /// The same with what tells whose build it is.
    pub build: String,
}

impl Containerd {
    /// Starts the daemon with the node's `/etc/containerd/config.toml` and waits until its CRI service
    /// answers. `/run` must be a file system of this namespace alone.
    ///
    /// `Err`: it refuses to serve the CRI; a configuration can cause that.
    pub async fn start(version: &str, environment: &[(String, String)], log: &Path) -> Result<Self, NoService> {
        let output = File::create(log).unwrap();
        let process = Command::new(executable(version))
            .args(["--root", "/run/containerd-root", "--log-level", "info"])
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let mut starting = Starting { process: Some(process), log: log.to_owned() };
        let (cri, build) = starting.wait_until_ready().await?;
        let process = starting.process.take().unwrap();
        Ok(Self { process, cri, version: numbers(&build), build })
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        stop(&mut self.process);
    }
}

/// A daemon that is not ready yet, and is stopped when it never becomes so.
struct Starting {
    process: Option<Child>,
    log: PathBuf,
}

impl Starting {
    async fn wait_until_ready(&mut self) -> Result<(Cri, String), NoService> {
        let deadline = Instant::now() + READY_DEADLINE;
        loop {
            if let Some(status) = self.process.as_mut().unwrap().try_wait().unwrap() {
                let reason = format!("containerd does not start ({status}): {}", self.complaint());
                return Err(NoService { reason, message: refused_dial() });
            }
            if let Ok(mut cri) = Cri::connect(Path::new(SOCKET)).await {
                match cri.version().await {
                    Ok(answer) => return Ok((cri, answer.runtime_version)),
                    // The daemon serves, but not the CRI: its plugin could not be loaded.
                    Err(refusal) if refusal.code == "Unimplemented" => {
                        let reason = format!("containerd serves no CRI: {}", self.complaint());
                        let message = cri.pull("registry.example/team/app:1", None).await.unwrap_err().message;
                        return Err(NoService { reason, message });
                    }
                    Err(_) => {}
                }
            }
            assert!(Instant::now() < deadline, "containerd is not ready after {READY_DEADLINE:?}: {}", self.log());
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What the daemon says of the reason: its last words, or why it could not load the CRI.
    fn complaint(&self) -> String {
        let log = self.log();
        let tells_why = |line: &&str| {
            line.starts_with("containerd: ") || (line.contains("failed to load plugin") && line.contains("cri"))
        };
        let complaint = log.lines().rfind(tells_why).unwrap_or_default();
        // Log lines begin with the time, which says nothing here.
        let stripped = complaint.strip_prefix("time=").and_then(|line| line.split_once(' '));
        stripped.map_or(complaint, |(_, rest)| rest).to_owned()
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(process) = self.process.as_mut() {
            stop(process);
        }
    }
}

/// What becomes of dialling where containerd would listen: the reason as it is met, in the words that the
/// gRPC client of kubelet puts around it.
fn refused_dial() -> String {
    let error = std::os::unix::net::UnixStream::connect(SOCKET).expect_err("nobody listens");
    let reason = match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        _ => error.to_string(),
    };
    format!("connection error: desc = \"transport: Error while dialing: dial unix {SOCKET}: connect: {reason}\"")
}

/// `1.6.20~ds1` and `v2.1.9+unknown` without what distributors add.
fn numbers(version: &str) -> String {
    let version = version.trim_start_matches('v');
    version.chars().take_while(|character| character.is_ascii_digit() || *character == '.').collect()
}

fn stop(process: &mut Child) {
    // Fails only when it is gone already.
    let _ = process.kill();
    let _ = process.wait();
}
