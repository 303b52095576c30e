//! What can be typed on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::image::platform::Platform;
use crate::version::{Version, own};
use crate::{settings, telemetry};

/// Can this node pull this image as containerd would, and if not, why?
#[derive(Debug, Parser)]
#[command(name = "pullprobe", version = version(), disable_help_subcommand = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Verb,
}

/// The version and, where the build knew it, the revision.
fn version() -> String {
    match own::REVISION {
        Some(revision) => format!("{} (revision {revision})", own::VERSION),
        None => own::VERSION.to_owned(),
    }
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// The agent: probe on a schedule, serve metrics, page and JSON
    Run {
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        log: LogArgs,
    },
    /// Would this node pull it, and if not why?
    ///
    /// Exit codes: 0 all well, 1 something is not pullable, 2 the request or the settings are wrong,
    /// 3 it could not be told.
    Check {
        /// Image references (`nginx`, `ghcr.io/a/b:1`) or registry hosts (`docker.io`); none: the
        /// configured targets
        targets: Vec<String>,
        /// Deadline of one target; more than the usual 30s gives its slowest request more time, too
        #[arg(long, env = "PULLPROBE_TIMEOUT", value_name = "DUR", default_value = "30s", value_parser = duration)]
        timeout: Duration,
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        log: LogArgs,
    },
    /// What containerd would try, in order, and why; no traffic
    ///
    /// Exit codes: 0 there are hosts to ask, 1 no host is asked, 2 the request or the settings are
    /// wrong, 3 it could not be told.
    Plan {
        /// Image references or registry hosts
        #[arg(required = true)]
        targets: Vec<String>,
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        log: LogArgs,
    },
    /// What is wrong with the node's files, with file and line; no traffic
    ///
    /// Exit codes: 0 nothing that containerd will not do as written, 1 an error was found, 2 the
    /// request or the settings are wrong.
    Lint {
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        log: LogArgs,
    },
    /// What a cause means and how to fix it; or which causes a message can come from
    ///
    /// Reads events, container statuses and log lines of kubectl, kubelet, containerd, Docker and CRI-O:
    /// `kubectl describe pod POD | pullprobe explain`.
    Explain {
        /// A cause as `check` names it, or a message; `-`: from standard input; none: what is piped
        /// in, else the list of causes
        #[arg(value_name = "CAUSE|TEXT|-")]
        cause: Option<String>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Every host and port that pulls need from this node, as seen by probing: a firewall's allow-list
    ///
    /// Exit codes: 0 all well, 1 something is not pullable, 2 the request or the settings are wrong,
    /// 3 it could not be told.
    Hosts {
        /// Image references or registry hosts, as for `check`; none: the configured targets
        targets: Vec<String>,
        /// Only `host:port`, one a line, without nameservers; goes before --format
        #[arg(long)]
        plain: bool,
        /// An earlier `hosts --format json`: which hosts are new since, at the same port
        #[arg(long, value_name = "FILE", conflicts_with = "plain")]
        since: Option<PathBuf>,
        /// Deadline of one target; more than the usual 30s gives its slowest request more time, too
        #[arg(long, env = "PULLPROBE_TIMEOUT", value_name = "DUR", default_value = "30s", value_parser = duration)]
        timeout: Duration,
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        log: LogArgs,
    },
    /// A completion script for a shell
    Completions { shell: clap_complete::Shell },
}

/// Where the node is and how it is read.
#[derive(Clone, Debug, Default, Args)]
pub struct NodeArgs {
    /// pullprobe's settings (YAML)
    #[arg(long, env = "PULLPROBE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the node's root file system is mounted; every node path is looked up inside it [default: /]
    #[arg(long, env = "PULLPROBE_HOST_ROOT", value_name = "DIR")]
    pub host_root: Option<PathBuf>,
    /// [default: what the node's containerd is started with, else where the distribution has it]
    #[arg(long, env = "PULLPROBE_CONTAINERD_CONFIG", value_name = "FILE")]
    pub containerd_config: Option<PathBuf>,
    /// Overrides `registry.config_path`: try a mirror configuration before rolling it out
    #[arg(long, env = "PULLPROBE_CERTS_D", value_name = "DIR[:DIR]")]
    pub certs_d: Option<String>,
    /// Whose semantics apply: X.Y, X.Y.Z or a build (v2.1.9 the project's, 2.1.9~ds1 Debian's), or auto [default: auto]
    #[arg(long, env = "PULLPROBE_CONTAINERD_VERSION", value_name = "VERSION", value_parser = version_choice)]
    pub containerd_version: Option<VersionChoice>,
    /// [default: the node's]
    #[arg(long, env = "PULLPROBE_PLATFORM", value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<Platform>,
    /// Where config.json is looked for [default: the distribution's, mostly /var/lib/kubelet]
    #[arg(long, env = "PULLPROBE_KUBELET_ROOT", value_name = "DIR")]
    pub kubelet_root: Option<PathBuf>,
    /// As the kubelet's --image-credential-provider-config
    #[arg(long, env = "PULLPROBE_CREDENTIAL_PROVIDER_CONFIG", value_name = "FILE")]
    pub credential_provider_config: Option<PathBuf>,
    /// As the kubelet's --image-credential-provider-bin-dir
    #[arg(long, env = "PULLPROBE_CREDENTIAL_PROVIDER_BIN_DIR", value_name = "DIR")]
    pub credential_provider_bin_dir: Option<PathBuf>,
    /// Anonymous only
    #[arg(long, env = "PULLPROBE_NO_CREDENTIALS")]
    pub no_credentials: bool,
    /// How many requests that a registry counts as a pull each target may cost [default: 1 for check, 0 for run]
    #[arg(long, env = "PULLPROBE_COUNTED_PULLS", value_name = "N")]
    pub counted_pulls: Option<u32>,
}

/// `--containerd-version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionChoice {
    Auto,
    Of(Version),
}

#[derive(Clone, Debug, Args)]
pub struct OutputArgs {
    #[arg(long, env = "PULLPROBE_FORMAT", value_enum, default_value_t = Format::Text)]
    pub format: Format,
    #[arg(long, env = "PULLPROBE_COLOR", value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

/// Logs go to standard error.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// [default: info for run, else warn]
    #[arg(long, env = "PULLPROBE_LOG_LEVEL", value_enum)]
    pub log_level: Option<LogLevel>,
    #[arg(long, env = "PULLPROBE_LOG_FORMAT", value_enum, default_value_t = LogFormat::Logfmt)]
    pub log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Logfmt,
    Json,
}

impl From<LogLevel> for tracing::Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

impl From<LogFormat> for telemetry::Format {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Logfmt => Self::Logfmt,
            LogFormat::Json => Self::Json,
        }
    }
}

fn version_choice(text: &str) -> Result<VersionChoice, String> {
    if text == "auto" { Ok(VersionChoice::Auto) } else { text.parse().map(VersionChoice::Of) }
}

/// Reads `30s`, `1m30s`, `500ms`; a deadline of nothing is a mistake.
fn duration(text: &str) -> Result<Duration, String> {
    settings::duration::parse(text)
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| format!("found `{text}`, expected a duration such as 30s, 1m30s or 500ms"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["", "30", "s", "0s", "-1s", "1x", "99999999999h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
