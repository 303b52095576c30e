//! What pullprobe costs, as ratios to other programs doing the same work on this machine, in one run.
//!
//! It measures; it does not judge whether answers are right. It runs itself again in a mount namespace
//! of its own, where its resolv.conf takes the place of the machine's for the programs it compares.

mod endpoints;
mod goal;
mod http;
mod inspect;
mod pods;
mod process;
mod relay;
mod round_trips;
mod scrape;
mod world;

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Parser;

/// Measures pullprobe against `blackbox_exporter` and skopeo.
#[derive(Debug, Parser)]
struct Options {
    /// The program that is measured
    #[arg(long)]
    pullprobe: PathBuf,
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
    /// Only what a scrape costs
    #[arg(long)]
    scrape: bool,
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
    let mut goals = Vec::new();
    if !options.scrape {
        goals.extend(others(&world, options).await?);
    }
    goals.push(scrape::measure(&world, options).await?);
    println!("\n== goals");
    for goal in &goals {
        println!("{goal}");
    }
    Ok(goals.iter().all(goal::Goal::is_met))
}

/// What is compared with other programs.
async fn others(world: &world::World, options: &Options) -> std::io::Result<Vec<goal::Goal>> {
    let mut goals = endpoints::measure(world, options).await?;
    goals.push(pods::measure(world, options).await?);
    goals.push(inspect::measure(world, options).await?);
    goals.push(round_trips::measure(world, options).await?);
    Ok(goals)
}
