//! What can be typed on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

mod cluster;

pub use cluster::{ClusterArgs, FleetArgs, FleetFormat, WhyArgs};

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

/// How kubectl calls its plugins, and what people type for that.
const PLUGIN: (&str, &str) = ("kubectl-pullprobe", "kubectl pullprobe");

impl Cli {
    /// What was typed; help and usage name the program as it was called.
    pub fn typed() -> Self {
        let called = std::env::args_os().next().map(PathBuf::from);
        let is_plugin = called.is_some_and(|called| called.file_name().is_some_and(|name| name == PLUGIN.0));
        let command = if is_plugin { Self::command().bin_name(PLUGIN.1) } else { Self::command() };
        let typed = command.get_matches();
        if contradicts_itself(&typed) {
            let problem = "--no-credentials and --pull-secrets contradict each other: leave one of them out\n";
            clap::Error::raw(ErrorKind::ArgumentConflict, problem).exit();
        }
        Self::from_arg_matches(&typed).unwrap_or_else(|error| error.exit())
    }
}

/// Logins are handed over, and the same line says to send none. The variable is no contradiction: it holds for the node's own logins.
fn contradicts_itself(typed: &ArgMatches) -> bool {
    let Some(("check", check)) = typed.subcommand() else { return false };
    check.contains_id("pull_secrets") && check.value_source("no_credentials") == Some(ValueSource::CommandLine)
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
    /// Run the agent: probe on a schedule, serve metrics, a page and JSON
    ///
    /// Exit codes: 0 it was told to end, 1 it cannot listen, 2 the request or the settings are wrong. With `--dry-run`: 0 all
    /// well, 1 a registry has no host to ask, 2 the request or the settings are wrong, 3 it is unknown which hosts would be
    /// asked.
    #[command(
        mut_arg("format", |format| format.help("Of --dry-run: text for people, or one JSON document")),
        // The text of --dry-run has no colors.
        mut_arg("color", |color| color.hide(true)),
        mut_arg("counted_pulls", |pulls| pulls
            .value_parser(clap::value_parser!(u32).range(..=i64::from(settings::COUNTED_PULLS_LIMIT)))
            .help("How many requests in an hour, for all targets together, may count against a registry's pull limit: 0 to 100 \
                   [default: that of the settings, else 0]"))
    )]
    Run {
        /// Only print what would be probed, how often, and what that costs each registry; sends nothing
        #[arg(long)]
        dry_run: bool,
        /// How many nodes like this one the fleet has
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000), requires = "dry_run")]
        nodes: u32,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        log: LogArgs,
    },
    /// Check whether this node can pull an image, and why not
    ///
    /// Exit codes: 0 all well, 1 something is not pullable, 2 the request or the settings are wrong,
    /// 3 the answer is unknown.
    Check {
        /// Image references (`nginx`, `ghcr.io/a/b:1`) or registry hosts (`docker.io`). Without any: the targets of the
        /// settings, the registries of certs.d, and the pod sandbox's image
        targets: Vec<String>,
        /// Time limit for one target. With more than 30s a single request may take longer, too
        #[arg(long, env = "PULLPROBE_TIMEOUT", value_name = "DUR", default_value = "30s", value_parser = duration)]
        timeout: Duration,
        /// The pull secrets of a pod, in its order: what `kubectl get secret NAME… -o json` prints, or one
        /// dockerconfigjson. `-` reads one JSON document from standard input, and waits for it for at most 10s
        #[arg(long, value_name = "FILE|-")]
        pull_secrets: Option<PathBuf>,
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        log: LogArgs,
    },
    /// Say why pods of a cluster wait for their images: from a stuck pod to its cause
    ///
    /// Acts with your kubeconfig and your rights. Asks the agent on the pod's node to check the image with the pod's own
    /// pull secrets. At a registry with a pull limit, each check may spend one pull: at most one for each image, node and set
    /// of secrets. Exit codes: 0 nothing waits, or the next pull should succeed, 1 an image is not pullable, 2 the request is
    /// wrong, 3 the answer is unknown.
    Why {
        #[command(flatten)]
        why: WhyArgs,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        log: LogArgs,
    },
    /// Ask the agents of all nodes what they can pull, and find what the nodes that cannot have in common
    ///
    /// Acts with your kubeconfig and your rights. Without an argument: every registry and image that the agents watch. With an
    /// image, each node checks it now, which costs no counted pull. Exit codes: 0 every node can, 1 a node cannot, 2 the
    /// request is wrong, 3 a node could not be asked or does not know.
    Fleet {
        #[command(flatten)]
        fleet: FleetArgs,
        #[command(flatten)]
        log: LogArgs,
    },
    /// Show which hosts containerd would ask, in order, and why; sends nothing
    ///
    /// Exit codes: 0 there are hosts to ask, 1 no host is asked, 2 the request or the settings are
    /// wrong, 3 the answer is unknown.
    #[command(mut_arg("counted_pulls", |pulls| pulls.hide(true)))]
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
    /// List what is wrong with the node's files, with file and line; sends nothing
    ///
    /// Exit codes: 0 no errors (warnings may be there), 1 at least one error, 2 the request or
    /// the settings are wrong.
    #[command(mut_arg("counted_pulls", |pulls| pulls.hide(true)))]
    Lint {
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        log: LogArgs,
    },
    /// Explain a cause and its fix, or find the causes that fit an error message
    ///
    /// Reads events, container statuses and log lines of kubectl, kubelet, containerd, Docker and CRI-O:
    /// `kubectl describe pod POD | pullprobe explain`. Exit codes: 0 explained, 2 the word or message is not known, or
    /// nothing came through the pipe.
    Explain {
        /// A cause as `check` names it, or a message. `-` reads standard input. Without an argument:
        /// what is piped in, or else the list of all causes
        #[arg(value_name = "CAUSE|TEXT|-")]
        cause: Option<String>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// List every host and port that pulls from this node need, for a firewall's allow-list
    ///
    /// Exit codes: 0 all well, 1 something is not pullable, 2 the request or the settings are wrong,
    /// 3 the answer is unknown.
    Hosts {
        /// Image references or registry hosts, as for `check`. Without any: the targets of the settings, the registries of
        /// certs.d, and the pod sandbox's image
        targets: Vec<String>,
        /// Print only `host:port`, one per line, without nameservers; overrides --format
        #[arg(long)]
        plain: bool,
        /// The output of an earlier `hosts --format json`: mark the hosts that are new since then
        #[arg(long, value_name = "FILE", conflicts_with = "plain")]
        since: Option<PathBuf>,
        /// Time limit for one target. With more than 30s a single request may take longer, too
        #[arg(long, env = "PULLPROBE_TIMEOUT", value_name = "DUR", default_value = "30s", value_parser = duration)]
        timeout: Duration,
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        log: LogArgs,
    },
    /// Ask the agent of this node whether it is ready: for kubelet's exec probes
    ///
    /// Reads in the settings where the agent listens, and needs no password or certificate. Exit codes: 0 ready, 1 not ready or
    /// no answer, 2 the request or the settings are wrong.
    Healthcheck {
        /// pullprobe's settings (YAML), those of the agent
        #[arg(long, env = "PULLPROBE_CONFIG", value_name = "FILE")]
        config: Option<PathBuf>,
        /// Ask whether it answers at all, although it may not be ready
        #[arg(long)]
        live: bool,
        /// Time limit; `PULLPROBE_TIMEOUT` is for checks, not for this
        #[arg(long, value_name = "DUR", default_value = "4s", value_parser = duration)]
        timeout: Duration,
    },
    /// Print a completion script for a shell
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
    /// containerd's configuration [default: the file that the node's containerd is started with, else where the
    /// distribution has it]
    #[arg(long, env = "PULLPROBE_CONTAINERD_CONFIG", value_name = "FILE")]
    pub containerd_config: Option<PathBuf>,
    /// Overrides `registry.config_path`: try a mirror configuration before rolling it out
    #[arg(long, env = "PULLPROBE_CERTS_D", value_name = "DIR[:DIR]")]
    pub certs_d: Option<String>,
    /// The containerd version whose rules apply: X.Y, X.Y.Z or a build (v2.1.9 the project's, 2.1.9~ds1 Debian's), or
    /// auto [default: auto]
    #[arg(long, env = "PULLPROBE_CONTAINERD_VERSION", value_name = "VERSION", value_parser = version_choice)]
    pub containerd_version: Option<VersionChoice>,
    /// The platform that images must support [default: the node's]
    #[arg(long, env = "PULLPROBE_PLATFORM", value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<Platform>,
    /// kubelet's root directory, where its config.json is [default: the distribution's, mostly /var/lib/kubelet]
    #[arg(long, env = "PULLPROBE_KUBELET_ROOT", value_name = "DIR")]
    pub kubelet_root: Option<PathBuf>,
    /// The same value as kubelet's --image-credential-provider-config
    #[arg(long, env = "PULLPROBE_CREDENTIAL_PROVIDER_CONFIG", value_name = "FILE")]
    pub credential_provider_config: Option<PathBuf>,
    /// The same value as kubelet's --image-credential-provider-bin-dir
    #[arg(long, env = "PULLPROBE_CREDENTIAL_PROVIDER_BIN_DIR", value_name = "DIR")]
    pub credential_provider_bin_dir: Option<PathBuf>,
    /// Ask anonymously: no login of kubelet, and none that containerd itself would send (`auth` and headers of its
    /// configuration, headers of hosts.toml). The answer is then not containerd's: findings say what is kept back
    #[arg(long, env = "PULLPROBE_NO_CREDENTIALS")]
    pub no_credentials: bool,
    /// How many requests for each target may count against a registry's pull limit [default: 1]
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
    /// Text for people, or one JSON document
    #[arg(short = 'o', long, visible_alias = "output", env = "PULLPROBE_FORMAT", value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Whether text has colors; auto: on a terminal, unless `NO_COLOR` is set
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
    /// Which log lines go to standard error [default: info for run, else warn]
    #[arg(long, env = "PULLPROBE_LOG_LEVEL", value_enum)]
    pub log_level: Option<LogLevel>,
    /// The format of log lines
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
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Every flag that a variable stands for, and the options that a verb has no use for.
    #[test]
    fn each_verb_offers_what_it_uses_and_the_same_flag_has_the_same_variable() {
        let command = Cli::command();
        let offered = |verb: &str, id: &str| {
            let mut arguments = command.find_subcommand(verb).unwrap().get_arguments();
            arguments.any(|argument| argument.get_id() == id && !argument.is_hide_set())
        };
        for (verb, counts) in [("check", true), ("hosts", true), ("run", true), ("plan", false), ("lint", false)] {
            assert_eq!(offered(verb, "counted_pulls"), counts, "{verb}");
            assert!(offered(verb, "no_credentials"), "{verb}");
        }
        assert!(offered("check", "color") && !offered("run", "color"), "what the agent writes has no colors");
        // By flag, the verbs with each variable.
        let mut variables: BTreeMap<&str, BTreeMap<Option<&str>, Vec<&str>>> = BTreeMap::new();
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "healthcheck") {
            for (flag, argument) in verb.get_arguments().filter_map(|one| Some((one.get_long()?, one))) {
                let variable = argument.get_env().and_then(|name| name.to_str());
                variables.entry(flag).or_default().entry(variable).or_default().push(verb.get_name());
            }
        }
        let differing: Vec<_> = variables.iter().filter(|(_, ways)| ways.len() > 1).collect();
        assert!(differing.is_empty(), "{differing:?}");
        for (flag, variable, least) in [
            ("format", "PULLPROBE_FORMAT", 8),
            ("color", "PULLPROBE_COLOR", 8),
            ("timeout", "PULLPROBE_TIMEOUT", 4),
            ("counted-pulls", "PULLPROBE_COUNTED_PULLS", 5),
        ] {
            let verbs = variables[flag].get(&Some(variable)).map_or(0, Vec::len);
            assert!(verbs >= least, "{flag}: {:?}", variables[flag]);
        }
    }

    #[test]
    fn only_what_is_typed_contradicts_secrets_that_are_handed_over() {
        let read = |line: &[&str]| {
            let typed = Cli::command().try_get_matches_from([&["pullprobe"], line].concat()).unwrap();
            contradicts_itself(&typed)
        };
        assert!(read(&["check", "--no-credentials", "--pull-secrets", "-", "r.example"]));
        for line in [
            &["check", "--no-credentials", "r.example"][..],
            &["check", "--pull-secrets", "-", "r.example"],
            &["plan", "--no-credentials", "r.example"],
        ] {
            assert!(!read(line), "{line:?}");
        }
    }

    #[test]
    fn counted_pulls_of_run_have_the_range_of_their_setting() {
        let taken = |verb: &str, number: &str| {
            let target = (verb != "run").then_some("registry.example");
            Cli::try_parse_from(["pullprobe", verb, "--counted-pulls", number].into_iter().chain(target)).is_ok()
        };
        for (number, of_run) in [("0", true), ("100", true), ("101", false)] {
            assert_eq!(taken("run", number), of_run, "{number}");
            assert!(taken("check", number) && taken("plan", number), "{number}");
        }
        assert!(!taken("run", "-1") && !taken("run", "many"));
    }

    #[test]
    fn the_document_of_the_settings_has_each_flag_of_a_key_with_its_variable() {
        let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md")).unwrap();
        let flags = NodeArgs::augment_args(clap::Command::new("node"));
        let mut seen = 0;
        // The file itself has no key, nor has the wish for no logins.
        for flag in flags.get_arguments().filter(|flag| !["config", "no_credentials"].contains(&flag.get_id().as_str()))
        {
            let (name, variable) = (flag.get_long().unwrap(), flag.get_env().unwrap().to_str().unwrap());
            let row = |line: &&str| line.contains(&format!("`--{name}`")) && line.contains(&format!("`{variable}`"));
            let row = document.lines().find(row);
            let row = row.unwrap_or_else(|| panic!("docs/settings.md has no row of --{name} and {variable}"));
            let key = row.split('`').nth(1).unwrap();
            // As `--credential-provider-config` and `credentials.provider_config`, `--counted-pulls` and `probe.counted_pulls_per_hour`.
            let (id, last) = (flag.get_id().as_str(), key.rsplit('.').next().unwrap());
            assert!(id.ends_with(last) || last.starts_with(id), "{key} is no key of --{name}");
            let is_key = document.lines().any(|line| line.starts_with(&format!("| `{key}` |")) && line != row);
            assert!(is_key, "{key} of --{name} is not among the keys");
            seen += 1;
        }
        assert!(seen > 5, "{seen}");
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
