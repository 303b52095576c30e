//! pullprobe in a real Kubernetes: etcd, control plane, kubelet and containerd run beside the lab's registries, and
//! the tests ask what a user would.
//!
//! It runs itself again in mount, network and process namespaces of its own. Nothing listens outside of them, and
//! all of it ends with the first process in there.

mod agent;
mod api;
mod cases;
mod cgroup;
mod cluster;
mod image;
mod lab;
mod node;
mod pki;
mod process;
mod tests;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

/// What goes wrong here is for people to read.
pub type Result<T = (), E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// Tests pullprobe in a real Kubernetes.
#[derive(Debug, Parser)]
struct Options {
    /// The static program that is tested
    #[arg(long)]
    pullprobe: PathBuf,
    /// Keep the cluster after the tests until Ctrl-C, for trying things out
    #[arg(long)]
    keep: bool,
    /// Run no test: only with --keep
    #[arg(long, requires = "keep")]
    no_tests: bool,
    /// Only tests whose name contains one of these
    only: Vec<String>,
}

/// Set, to the pid outside, for the run in namespaces of its own.
pub const OUTSIDE: &str = "PULLPROBE_E2E_OUTSIDE";

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let result = if std::env::var_os(OUTSIDE).is_none() { outside().await } else { inside(&options).await };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("e2e: {problem}");
            ExitCode::from(2)
        }
    }
}

/// Runs this program in its namespaces, and removes what is not in one of them: the pods' control group.
async fn outside() -> Result<bool> {
    let mut ends = signal(SignalKind::terminate())?;
    let id = std::process::id().to_string();
    let mut child = Command::new("unshare")
        .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(OUTSIDE, &id)
        .spawn()
        .map_err(|error| format!("unshare: {error}"))?;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            // The terminal sends it to those inside as well, and they come to their end.
            _ = tokio::signal::ctrl_c() => {}
            _ = ends.recv() => child.start_kill()?,
        }
    };
    cgroup::remove(&id).await?;
    match status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => Err(format!("the tests ended with {status}").into()),
    }
}

async fn inside(options: &Options) -> Result<bool> {
    let began = Instant::now();
    let pullprobe = std::fs::canonicalize(&options.pullprobe)
        .map_err(|error| format!("{}: {error}", options.pullprobe.display()))?;
    let cluster = cluster::Cluster::start(&pullprobe).await?;
    println!("e2e: the node is ready after {:.1} s", began.elapsed().as_secs_f64());
    let passed = if options.no_tests { Ok(true) } else { tests::run(&cluster, &options.only).await };
    if options.keep {
        cluster.offer()?;
        tokio::signal::ctrl_c().await?;
    }
    cluster.stop().await?;
    println!("== e2e: {} s", began.elapsed().as_secs());
    passed
}

/// The repository.
fn repository(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(relative)
}
