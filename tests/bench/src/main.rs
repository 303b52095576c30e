//! What pullprobe costs, as ratios to other programs doing the same work on this machine, in one run.
//!
//! It measures; it does not judge whether answers are right. It runs itself again in a mount namespace
//! of its own, where its resolv.conf takes the place of the machine's for the programs it compares.

mod endpoints;
mod goal;
mod http;
mod inspect;
mod memory;
mod pods;
mod process;
mod ready;
mod relay;
mod round_trips;
mod scrape;
mod world;

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::{Parser, ValueEnum};

/// Measures pullprobe against `blackbox_exporter` and skopeo.
#[derive(Debug, Parser)]
struct Options {
    /// The program that is measured
    #[arg(long)]
    pullprobe: PathBuf,
    /// `pullprobe-bare`, for the CPU time of a handshake and a request alone
    #[arg(long)]
    bare: Option<PathBuf>,
    /// End with 1 when a goal is missed
    #[arg(long)]
    strict: bool,
    /// Endpoints that both probers watch
    #[arg(long, default_value_t = 100)]
    endpoints: usize,
    /// How often each prober is started anew, in turn
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Cycles over all of them that are measured in a round, after one that warms up
    #[arg(long, default_value_t = 4)]
    cycles: usize,
    /// Runs of each command of which the median counts
    #[arg(long, default_value_t = 15)]
    runs: usize,
    /// Only these parts
    #[arg(long, value_enum)]
    only: Vec<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// CPU time and memory, against `blackbox_exporter`
    Endpoints,
    /// Resident memory of a small and of a large node
    Memory,
    /// Memory for the pods of a node
    Pods,
    /// Wall time of a check, against skopeo
    Check,
    /// Round trips of a first check
    RoundTrips,
    /// How soon an agent is ready
    Ready,
    /// CPU time of a scrape
    Scrape,
}

/// Set for the run in the namespace of its own.
const INSIDE: &str = "PULLPROBE_BENCH_INSIDE";

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    if std::env::var_os(INSIDE).is_none() {
        // It returns only when it could not be done.
        let error = Command::new("unshare")
            .arg("--mount")
            .args(std::env::current_exe())
            .args(std::env::args_os().skip(1))
            .env(INSIDE, "1")
            .exec();
        eprintln!("bench: unshare: {error}");
        return ExitCode::from(2);
    }
    match measure(&options).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(u8::from(options.strict)),
        Err(problem) => {
            eprintln!("bench: {problem}");
            ExitCode::from(2)
        }
    }
}

async fn measure(options: &Options) -> std::io::Result<bool> {
    let world = world::World::new()?;
    process::forget(&options.pullprobe)?;
    let mut goals = Vec::new();
    for part in Part::value_variants() {
        if !options.only.is_empty() && !options.only.contains(part) {
            continue;
        }
        match part {
            Part::Endpoints => goals.extend(endpoints::measure(&world, options).await?),
            Part::Memory => goals.extend(memory::measure(&world, options).await?),
            Part::Pods => goals.push(pods::measure(&world, options).await?),
            Part::Check => goals.push(inspect::measure(&world, options).await?),
            Part::RoundTrips => goals.push(round_trips::measure(&world, options).await?),
            Part::Ready => goals.push(ready::measure(&world, options).await?),
            Part::Scrape => goals.push(scrape::measure(&world, options).await?),
        }
    }
    println!("\n== goals");
    for goal in &goals {
        println!("{goal}");
    }
    Ok(goals.iter().all(goal::Goal::is_met))
}
