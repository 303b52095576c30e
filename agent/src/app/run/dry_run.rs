//! `pullprobe run --dry-run`: what the agents of a fleet would ask of each registry. No traffic.

use std::fmt::{Display, Write as _};

use jiff::Timestamp;
use serde::Serialize;

use super::forecast::{self, HostLoad, PLAYED, WINDOW};
use crate::agent::cost::{self, Cost};
use crate::agent::{schedule, wanted};
use crate::app::{ExitStatus, print, refuse};
use crate::cli::{Format, NodeArgs, OutputArgs};
use crate::model::host::Scheme;
use crate::model::urgency::Urgency;
use crate::pods::Book;
use crate::reading::options::Options;
use crate::reading::{self, Node};
use crate::render::json;

#[derive(Serialize)]
struct Document {
    schema_version: u32,
    node: String,
    nodes: u32,
    /// A peak is the busiest so many seconds.
    window_seconds: usize,
    targets: TargetCounts,
    registries: Vec<Registry>,
    total: Load,
    counted_pulls_per_hour: u64,
    assumptions: Vec<String>,
}

#[derive(Serialize)]
struct TargetCounts {
    registries: usize,
    images: usize,
    /// Of these images, those that are only on the node.
    background: usize,
    left_out: usize,
}

#[derive(Serialize)]
struct Registry {
    registry: String,
    images: usize,
    interval_seconds: f64,
    /// Null: containerd would ask the hosts below.
    error: Option<String>,
    /// Not null: it is unknown which hosts containerd would ask, and this is why.
    unknown: Option<String>,
    hosts: Vec<Host>,
}

#[derive(Serialize)]
struct Host {
    endpoint: String,
    role: &'static str,
    /// Always null: whether it sends clients to a token service is unknown until it is asked.
    token_service: Option<String>,
    #[serde(flatten)]
    load: Load,
}

/// Of the whole fleet.
#[derive(Clone, Default, Serialize)]
struct Load {
    requests_per_hour: u64,
    /// At most: as if it sent clients to a token service.
    token_requests_per_hour: u64,
    handshakes_per_hour: u64,
    mean_requests_per_second: f64,
    peak_requests_per_second: f64,
    peak_requests_per_second_after_start: f64,
}

pub async fn run(nodes: u32, node: &NodeArgs, output: &OutputArgs) -> ExitStatus {
    let (node, options) = match reading::prepare(node).await {
        Ok(ready) => ready,
        Err(problems) => return refuse(&problems),
    };
    let document = describe(&node, &options, nodes);
    let has = |found: fn(&Registry) -> bool| document.registries.iter().any(found);
    let ending = match (has(|one| one.error.is_some()), has(|one| one.unknown.is_some())) {
        (true, _) => ExitStatus::Bad,
        (false, true) => ExitStatus::Unknown,
        (false, false) => ExitStatus::Well,
    };
    let told = match output.format {
        Format::Json => json::text(&document),
        Format::Text => text(&document),
    };
    print(&told, ending)
}

fn describe(node: &Node, options: &Options, nodes: u32) -> Document {
    let settings = &options.settings;
    let (targets, jobs) = wanted::of(settings, node, &Book::default(), None);
    let loads = forecast::fleet(&schedule(options, Timestamp::now()), &targets, &jobs, nodes);
    let images = forecast::images(&jobs);
    let registry = |(name, namespace): (&String, &crate::model::namespace::Namespace)| {
        let broken = |inconclusive| namespace.broken.as_ref().filter(|failure| failure.inconclusive == inconclusive);
        Registry {
            registry: name.clone(),
            images: images.get(name).copied().unwrap_or_default(),
            interval_seconds: settings.probe.interval.as_secs_f64(),
            error: broken(false).map(|failure| format!("{}: {}", failure.cause, failure.detail)),
            unknown: broken(true).map(|failure| failure.detail.to_string()),
            hosts: loads.iter().filter(|load| load.registry == *name).map(Host::from).collect(),
        }
    };
    let background = jobs.iter().filter(|job| job.urgency == Urgency::Background).count();
    let counted = options.counted_pulls.unwrap_or(settings.probe.counted_pulls_per_hour);
    Document {
        schema_version: json::SCHEMA_VERSION,
        node: options.node_name.clone(),
        nodes,
        window_seconds: WINDOW,
        targets: TargetCounts {
            registries: targets.namespaces.len(),
            images: targets.images.len(),
            background,
            left_out: targets.left_out.count,
        },
        registries: targets.namespaces.iter().map(registry).collect(),
        total: total(&loads),
        counted_pulls_per_hour: u64::from(counted) * u64::from(nodes),
        assumptions: assumptions(options, nodes),
    }
}

fn assumptions(options: &Options, nodes: u32) -> Vec<String> {
    let discover = &options.settings.targets.discover;
    let mut all = vec![
        "every host answers, and the first host of a registry has each of its images".to_owned(),
        "whether a host has a token service is unknown until it is asked: each is taken to have one, with a token for each probe"
            .to_owned(),
        format!("an image has one manifest for each platform and {} layers, and nothing of it is on the node", cost::LAYERS),
        "handshakes count all connections to hosts with TLS, those with a token service elsewhere left out; many resume an \
         earlier session"
            .to_owned(),
        "no pod waits for an image: each that one waits for is one probe a minute more on its node".to_owned(),
        format!(
            "no registry has a pull limit: where one has, and no counted pull is left, an image costs {} requests and not {}",
            Cost::HEAD_ONLY.requests,
            Cost::IMAGE.requests
        ),
        "a registry that announces its pull limit only with a manifest costs each node one counted pull before that is known"
            .to_owned(),
    ];
    if nodes > 1 {
        all.push("all nodes have the files and settings of this one".to_owned());
    }
    if nodes > PLAYED {
        all.push(format!(
            "the schedules of {PLAYED} nodes are played and multiplied, so the peaks are rather too high"
        ));
    }
    if discover.node_pods {
        all.push("the images of pods (`node_pods`) are not counted: the Kubernetes API is not asked".to_owned());
    }
    all
}

fn total(loads: &[HostLoad]) -> Load {
    loads.iter().map(Load::from).fold(Load::default(), |sum, one| Load {
        requests_per_hour: sum.requests_per_hour + one.requests_per_hour,
        token_requests_per_hour: sum.token_requests_per_hour + one.token_requests_per_hour,
        handshakes_per_hour: sum.handshakes_per_hour + one.handshakes_per_hour,
        mean_requests_per_second: sum.mean_requests_per_second + one.mean_requests_per_second,
        // Not at the same time everywhere: no more than this.
        peak_requests_per_second: sum.peak_requests_per_second + one.peak_requests_per_second,
        peak_requests_per_second_after_start: sum.peak_requests_per_second_after_start
            + one.peak_requests_per_second_after_start,
    })
}

impl From<&HostLoad> for Load {
    fn from(load: &HostLoad) -> Self {
        Self {
            requests_per_hour: load.cost.requests,
            token_requests_per_hour: load.cost.tokens,
            handshakes_per_hour: if load.endpoint.scheme == Scheme::Https { load.cost.connections } else { 0 },
            mean_requests_per_second: rounded(load.mean),
            peak_requests_per_second: rounded(load.peak),
            peak_requests_per_second_after_start: rounded(load.peak_after_start),
        }
    }
}

impl From<&HostLoad> for Host {
    fn from(load: &HostLoad) -> Self {
        Self { endpoint: load.endpoint.to_string(), role: load.role.as_str(), token_service: None, load: load.into() }
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

fn text(document: &Document) -> String {
    let Document { nodes, targets, total, .. } = document;
    let of_images = [("only on the node", targets.background), ("more left out", targets.left_out)];
    let of_images: Vec<String> =
        of_images.iter().filter(|(_, many)| *many > 0).map(|(what, many)| format!("{many} {what}")).collect();
    let of_images = if of_images.is_empty() { String::new() } else { format!(" ({})", of_images.join(", ")) };
    let mut out = format!(
        "{} like {}: {} and {} each{of_images}\n\n",
        counted(nodes, "node", "nodes"),
        document.node,
        counted(&targets.registries, "registry", "registries"),
        counted(&targets.images, "image", "images"),
    );
    let of =
        |registry: &Registry| registry.hosts.iter().map(|host| host.endpoint.chars().count()).max().unwrap_or_default();
    let width = document.registries.iter().map(of).max().unwrap_or_default().max("every host".len());
    let header = ["requests/h", "tokens/h", "handshakes/h", "mean/s", "peak/s", "after start/s"];
    let _ = writeln!(out, "  {:width$}  {}", "host", header.map(|name| format!("{name:>13}")).join(" "));
    for registry in &document.registries {
        let _ = writeln!(
            out,
            "{}  every {} s, {}",
            registry.registry,
            registry.interval_seconds,
            counted(&registry.images, "image", "images")
        );
        if let Some(error) = &registry.error {
            let _ = writeln!(out, "  no host is asked: {error}");
        }
        if let Some(why) = &registry.unknown {
            let _ = writeln!(out, "  it is unknown which hosts are asked: {why}");
        }
        registry.hosts.iter().for_each(|host| line(&mut out, width, &host.endpoint, &host.load));
    }
    line(&mut out, width, "every host", total);
    let _ = writeln!(out, "\ncounted pulls in an hour: at most {}", document.counted_pulls_per_hour);
    let _ = writeln!(out, "A peak is the mean of the busiest {WINDOW} s; after start: if all nodes start at once.");
    out.push_str("Assumed:\n");
    document.assumptions.iter().for_each(|one| {
        let _ = writeln!(out, "- {one}");
    });
    out
}

fn counted<T: Display + PartialEq + From<u8>>(many: &T, one: &str, several: &str) -> String {
    format!("{many} {}", if *many == T::from(1) { one } else { several })
}

fn line(out: &mut String, width: usize, name: &str, load: &Load) {
    let counts = [load.requests_per_hour, load.token_requests_per_hour, load.handshakes_per_hour];
    let rates =
        [load.mean_requests_per_second, load.peak_requests_per_second, load.peak_requests_per_second_after_start];
    let cells = counts.map(|count| format!("{count:>13}")).into_iter().chain(rates.map(|rate| format!("{rate:>13.2}")));
    let _ = writeln!(out, "  {name:width$}  {}", cells.collect::<Vec<_>>().join(" "));
}
