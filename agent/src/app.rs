//! What each verb does: it puts the other rooms together.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::access::{Access, Cluster};
use crate::cli::{Cli, ClusterArgs, Color, Format, LogArgs, LogLevel, NodeArgs, OutputArgs, Verb};
use crate::render::text::Style;
use crate::{fault, provider};

mod answers;
mod check;
mod confined;
mod explain;
mod fleet;
mod healthcheck;
mod hosts;
mod lint;
mod plan;
pub mod run;
mod why;

/// The exit code of a subcommand. The numbers are API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    Well,
    /// At least one target is not pullable, or lint found an error.
    Bad,
    /// The request or the settings were wrong.
    Refused,
    /// The answer is unknown.
    Unknown,
}

impl From<ExitStatus> for ExitCode {
    fn from(ending: ExitStatus) -> Self {
        Self::from(match ending {
            ExitStatus::Well => 0,
            ExitStatus::Bad => 1,
            ExitStatus::Refused => 2,
            ExitStatus::Unknown => 3,
        })
    }
}

/// `Some`: this process should have become a credential provider's plugin, and that failed.
pub fn as_plugin() -> Option<ExitCode> {
    let mut arguments = std::env::args_os();
    let is_meant = arguments.next().is_some_and(|name| name == provider::inside::NAME);
    is_meant.then(|| {
        let _ = writeln!(std::io::stderr().lock(), "{}", provider::inside::enter(arguments));
        ExitCode::from(provider::inside::NOT_STARTED)
    })
}

/// Does what was asked for.
pub fn run(cli: Cli) -> ExitStatus {
    fault::tell();
    match cli.verb {
        Verb::Explain { cause, output } => explain::run(cause.as_deref(), output.format),
        Verb::Completions { shell } => completions(shell),
        Verb::Healthcheck { config, live, timeout } => on_runtime(healthcheck::run(config.as_deref(), live, timeout)),
        Verb::Plan { targets, node, output, log } => {
            start_log(&log);
            confined(&node, None, plan::run(&targets, &node, &output))
        }
        Verb::Lint { node, output, log } => {
            start_log(&log);
            confined(&node, None, lint::run(&node, &output))
        }
        Verb::Check { targets, timeout, pull_secrets, node, output, log } => {
            start_log(&log);
            let secrets = pull_secrets.as_deref();
            confined(&node, secrets, check::run(&targets, timeout, secrets, &node, &output))
        }
        Verb::Hosts { targets, plain, since, timeout, node, output, log } => {
            start_log(&log);
            let wish = hosts::Wish { targets: &targets, timeout, plain, since: since.as_deref() };
            confined(&node, since.as_deref(), hosts::run(wish, &node, &output))
        }
        Verb::Fleet { fleet, log } => {
            start_log(&log);
            on_runtime(fleet::run(&fleet))
        }
        Verb::Why { why, output, log } => {
            start_log(&log);
            on_runtime(why::run(&why, &output))
        }
        Verb::Run { dry_run: true, nodes, node, output, log } => {
            start_log(&log);
            confined(&node, None, run::dry_run::run(nodes, &node, &output))
        }
        Verb::Run { node, log, .. } => {
            start_log(&LogArgs { log_level: log.log_level.or(Some(LogLevel::Info)), ..log });
            confined(&node, None, run::run(&node))
        }
    }
}

/// For one request to the API server.
const PATIENCE: Duration = Duration::from_secs(20);

/// The cluster that is meant, and as whom. The error is for people.
async fn cluster(args: &ClusterArgs) -> Result<Cluster, String> {
    Cluster::of(&Access {
        kubeconfig: args.kubeconfig.clone(),
        context: args.context.clone(),
        user: args.impersonate.clone(),
        groups: args.impersonate_groups.clone(),
        patience: PATIENCE,
    })
    .await
}

fn start_log(log: &LogArgs) {
    crate::telemetry::init(log.log_level.unwrap_or(LogLevel::Warn), log.log_format);
}

/// Does the work with nothing but what it needs of the node.
fn confined(node: &NodeArgs, also: Option<&Path>, work: impl Future<Output = ExitStatus>) -> ExitStatus {
    match confined::enter(node, also) {
        Ok(()) => on_runtime(work),
        Err(problems) => refuse(&problems),
    }
}

fn on_runtime(work: impl Future<Output = ExitStatus>) -> ExitStatus {
    // One thread: probes wait, they do not compute, and what is handed between threads is woken twice.
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let ending = runtime.block_on(fault::caught(work)).unwrap_or_else(|fault| {
                complain(&format!("pullprobe has a fault at {fault}: please report it; the answer is unknown"));
                ExitStatus::Unknown
            });
            // A probe that hangs in the kernel must not hold up the end.
            runtime.shutdown_background();
            ending
        }
        Err(error) => {
            complain(&format!("the runtime cannot start: {error}"));
            // Nothing was found to be wrong with any image.
            ExitStatus::Unknown
        }
    }
}

fn completions(shell: clap_complete::Shell) -> ExitStatus {
    use clap::CommandFactory as _;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pullprobe", &mut script);
    print(&String::from_utf8_lossy(&script), ExitStatus::Well)
}

/// Writes the answer to standard output and returns its exit code. A reader that closed the pipe has what it needs, so
/// that is no error. Any other failure to write (a full disk) makes the answer unknown, since nobody got it.
fn print(text: &str, ending: ExitStatus) -> ExitStatus {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            complain(&format!("the answer cannot be written: {error}"));
            ExitStatus::Unknown
        }
        _ => ending,
    }
}

/// Says what keeps a verb from its work.
fn refuse(problems: &[impl AsRef<str>]) -> ExitStatus {
    problems.iter().for_each(|problem| complain(problem.as_ref()));
    ExitStatus::Refused
}

/// Writes a line to standard error.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "pullprobe: {text}");
}

fn style(output: &OutputArgs) -> Style {
    Style { color: is_colored(output.color) && (output.format == Format::Text || output.color == Color::Always) }
}

/// Whether text for a person gets colors.
fn is_colored(color: Color) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
    }
}
