//! Arguments to library to exit code. No logic.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    pullprobe::app::run(pullprobe::cli::Cli::parse()).into()
}
