//! The lab as a program: a demo to try the agent in, or one registry described by a file.

use std::io;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use pullprobe_lab::Lab;
use pullprobe_lab::demo::Demo;
use pullprobe_lab::registry::Config;
use tokio::signal::unix::{SignalKind, signal};

/// Registries whose faults are data, on loopback.
#[derive(Parser)]
#[command(name = "pullprobe-lab", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Start registries, good and bad, and write a node's files and the agent's settings for them.
    Demo {
        /// Where DIR/node and DIR/pullprobe.yaml are written.
        #[arg(long)]
        dir: PathBuf,
    },
    /// Start one registry from a TOML file and print its endpoint.
    Registry {
        /// The registry: content, authentication, limits, faults.
        #[arg(long)]
        config: PathBuf,
        /// Where root.pem is written, for a registry over TLS.
        #[arg(long)]
        ca_dir: Option<PathBuf>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Arguments::parse().verb {
        Verb::Demo { dir } => run_demo(&dir).await,
        Verb::Registry { config, ca_dir } => run_registry(&config, ca_dir.as_deref()).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pullprobe-lab: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run_demo(dir: &Path) -> io::Result<()> {
    let demo = Demo::start(dir).await?;
    if demo.name_server().is_none() {
        eprintln!("pullprobe-lab: no permission for port 53: the names are in the node's hosts file");
    }
    announce(&format!("ready {}", dir.display())).await
}

async fn run_registry(config: &Path, ca_dir: Option<&Path>) -> io::Result<()> {
    let text = std::fs::read_to_string(config)?;
    let parsed: Config =
        toml::from_str(&text).map_err(|error| io::Error::other(format!("{}: {error}", config.display())))?;
    let lab = Lab::new()?;
    if let Some(dir) = ca_dir {
        lab.authority.write(dir)?;
    }
    let registry = lab.registry(parsed)?;
    announce(registry.endpoint()).await
}

/// Prints the line that others wait for, then lives until it is told to end.
async fn announce(line: &str) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    drop(out);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
