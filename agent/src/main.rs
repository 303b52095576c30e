//! Arguments to library to exit code. No logic.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    if let Some(ended) = pullprobe::app::as_plugin() {
        return ended;
    }
    pullprobe::app::run(pullprobe::cli::Cli::parse()).into()
}
