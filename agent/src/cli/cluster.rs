//! What `why` and `fleet` take; named as kubectl names it.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

use super::{Color, duration};

/// Which cluster, and as whom.
#[derive(Clone, Debug, Default, Args)]
pub struct ClusterArgs {
    /// The kubeconfig [default: KUBECONFIG, else ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig [default: the current one]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Act as this user
    #[arg(long = "as", value_name = "USER")]
    pub impersonate: Option<String>,
    /// Act as a member of this group; may be given several times
    #[arg(long = "as-group", value_name = "GROUP")]
    pub impersonate_groups: Vec<String>,
    /// The namespace of the agents. A pod there is sent the pull secrets that you ask with
    #[arg(
        long,
        env = "PULLPROBE_AGENT_NAMESPACE",
        value_name = "NAMESPACE",
        default_value = "pullprobe",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub agent_namespace: String,
    /// Time limit of the check on a node, for one image
    #[arg(long, env = "PULLPROBE_TIMEOUT", value_name = "DUR", default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
}

/// Which pods are asked about.
#[derive(Clone, Debug, Default, Args)]
pub struct WhyArgs {
    /// A pod, or KIND/NAME of what has pods (deployment, statefulset, daemonset, job, cronjob and so on). Without: all
    /// pods of the namespace that wait for an image
    #[arg(value_name = "POD|KIND/NAME")]
    pub target: Vec<String>,
    /// The namespace [default: that of the kubeconfig's context]
    #[arg(short, long, value_name = "NAMESPACE", value_parser = NonEmptyStringValueParser::new())]
    pub namespace: Option<String>,
    /// All pods of all namespaces that wait for an image
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Only pods with these labels
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<String>,
    /// So many containers are looked at; how many more wait is told
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Which nodes are asked, and about what.
#[derive(Clone, Debug, Args)]
pub struct FleetArgs {
    /// Image references (`nginx`, `ghcr.io/a/b:1`) or registry hosts (`docker.io`). Without: what the agents watch
    #[arg(value_name = "IMAGE|REGISTRY")]
    pub targets: Vec<String>,
    /// Only nodes with these labels
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<String>,
    /// Only so many nodes of each kind: of one zone, instance type, node pool, architecture, OS image and container runtime
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub sample: Option<u32>,
    /// Check images with the pull secrets of this service account
    #[arg(long, value_name = "NAME")]
    pub service_account: Option<String>,
    /// The namespace of the service account [default: that of the kubeconfig's context]
    #[arg(
        short,
        long,
        value_name = "NAMESPACE",
        requires = "service_account",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub namespace: Option<String>,
    /// A table, the same with no list of nodes cut short, or one JSON document
    #[arg(short = 'o', long, visible_alias = "output", env = "PULLPROBE_FORMAT", value_enum, default_value_t = FleetFormat::Table)]
    pub format: FleetFormat,
    /// Whether text has colors; auto: on a terminal, unless `NO_COLOR` is set
    #[arg(long, env = "PULLPROBE_COLOR", value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FleetFormat {
    #[value(alias = "text")]
    Table,
    Wide,
    Json,
}
