//! Arguments to library to exit code. No logic.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(ended) = pullprobe::app::as_plugin() {
        return ended;
    }
    pullprobe::app::run(pullprobe::cli::Cli::typed()).into()
}
