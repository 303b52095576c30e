//! Every key of the settings: its default, what is allowed, what it means and where it goes.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::problem::quoted;
use super::read::Reader;
use super::{ImageTarget, ReportReaders, Settings};
use crate::yaml::{Node, Value};

pub struct Key {
    pub path: &'static str,
    /// As one would write it. Empty: not set.
    pub default: &'static str,
    /// Units and range.
    pub allowed: &'static str,
    pub meaning: &'static str,
    set: fn(&mut Settings, &Node, &mut Reader),
}

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);
const INTERVAL: std::ops::RangeInclusive<Duration> = millis(5_000)..=DAY;
const TIMEOUT: std::ops::RangeInclusive<Duration> = millis(100)..=MINUTE;
/// Of `probe.counted_pulls_per_hour`, and of `run --counted-pulls`.
pub const COUNTED_PULLS_LIMIT: u32 = 100;
const SWITCH: &str = "`true`, `false`";
const PATH: &str = "an absolute path";
const PATH_ON_NODE: &str = "an absolute path, as on the node";

macro_rules! keys {
    ($($path:literal, $default:expr, $allowed:expr, $meaning:expr, $set:expr;)*) => {
        /// In the order of the documentation.
        pub const KEYS: &[Key] = &[$(Key { path: $path, default: $default, allowed: $allowed, meaning: $meaning, set: $set }),*];
    };
}

keys! {
    "node.host_root", "", PATH, "Where the node's root file system is mounted. Default `/`.",
        |s, node, read| read.path(node, &mut s.node.host_root);
    "node.containerd_config", "", PATH_ON_NODE, "containerd's configuration. Default: what containerd is started with, else where the distribution has it.",
        |s, node, read| read.path(node, &mut s.node.containerd_config);
    "node.containerd_root", "", PATH_ON_NODE, "containerd's own directory, which holds images. Default: as its command line or configuration says, else `/var/lib/containerd`.",
        |s, node, read| read.path(node, &mut s.node.containerd_root);
    "node.certs_d", "", "absolute paths with `:` between them", "Replaces `registry.config_path` of config.toml.",
        |s, node, read| read.paths(node, &mut s.node.certs_d);
    "node.kubelet_root", "", PATH_ON_NODE, "Where kubelet's `config.json` is looked for. Default: the distribution's, mostly `/var/lib/kubelet`.",
        |s, node, read| read.path(node, &mut s.node.kubelet_root);
    "node.containerd_version", "auto", "`auto`, X.Y, X.Y.Z or a build", "The containerd version whose rules apply. `auto`: as the CRI socket says, else as the configuration shows, else the newest. `v2.1.9` is the project's build, `2.1.9~ds1` is Debian's. With `2.1.9` the build is open: where the two builds differ, the answer is unknown.",
        |s, node, read| read.or_auto(node, "auto, or a version such as 2.1 or 2.1.9", &mut s.node.containerd_version);
    "node.platform", "auto", "`auto` or OS/ARCH[/VARIANT]", "The platform that images must support. `auto`: the node's own.",
        |s, node, read| read.or_auto(node, "auto, or OS/ARCH[/VARIANT] such as linux/arm64", &mut s.node.platform);
    "node.allow_unconfined", "false", SWITCH, "Start with the node's whole root although the kernel does not let pullprobe limit itself to the files that it needs. `false`: it refuses then, because it could read every file of the node, and write to what is mounted below its root. With single directories below `host_root` it starts in any case.",
        |s, node, read| read.switch(node, &mut s.node.allow_unconfined);
    "node.name", "$NODE_NAME", "a name, or `$` and a variable's name", "The node's name. Only this value may name an environment variable. If the variable is not set, the host's name is used.",
        |s, node, read| read.node_name(node, &mut s.node.name);

    "targets.registries", "[]", "at most 256 names such as `docker.io`, `r.example:5000`", "Registries to probe besides those found.",
        |s, node, read| s.targets.registries = read.list(node, "a list of registries").iter().filter_map(|item| read.registry(item)).collect();
    "targets.images", "[]", "at most 256 mappings `{image: REFERENCE, interval: 5s to 24h}`", "Images to probe. `interval` is 5m when not given.",
        |s, node, read| s.targets.images = read.list(node, "a list of mappings {image: …, interval: …}").iter().filter_map(|item| image(item, read)).collect();
    "targets.discover.certs_d", "true", SWITCH, "Probe the registries that have a directory in certs.d.",
        |s, node, read| read.switch(node, &mut s.targets.discover.certs_d);
    "targets.discover.sandbox_image", "true", SWITCH, "Probe the image of the pod sandbox (`pause`).",
        |s, node, read| read.switch(node, &mut s.targets.discover.sandbox_image);
    "targets.discover.waiting_pods", "", SWITCH, "Probe the images that pods of this node wait for, at once and then every minute while they wait, 100 at most. Default: on where the agent has a token for the Kubernetes API.",
        |s, node, read| { let mut on = true; read.switch(node, &mut on); s.targets.discover.waiting_pods = Some(on); };
    "targets.discover.node_pods", "false", SWITCH, "Probe the images of all pods of this node, as the Kubernetes API names them, every 30 minutes and never with a counted pull. Needs a token for that API; images beyond the five hundredth are left out and counted, and the report names up to 100 of them. Those that pods wait for come first.",
        |s, node, read| read.switch(node, &mut s.targets.discover.node_pods);
    "targets.discover.node_images", "false", SWITCH, "Probe the images that containerd has, by their tags, and those of its containers, every 30 minutes and never with a counted pull. Needs its socket; the same limit holds.",
        |s, node, read| read.switch(node, &mut s.targets.discover.node_images);

    "probe.interval", "60s", "5s to 24h", "How often each endpoint is probed. An endpoint that fails is probed less often.",
        |s, node, read| read.duration(node, INTERVAL, &mut s.probe.interval);
    "probe.timeouts.dns", "5s", "100ms to 1m", "Deadline of looking up a name. If containerd would wait longer, pullprobe calculates how long, and how the lookup would end, from what each nameserver answered. If containerd would also listen to a silent nameserver for longer (5 s, or `options timeout` of resolv.conf), the answer is unknown.",
        |s, node, read| read.duration(node, TIMEOUT, &mut s.probe.timeouts.dns);
    "probe.timeouts.tcp", "5s", "100ms to 1m", "Deadline of connecting, to the registry or its proxy. containerd itself waits 30 s. Below 5 s a silent address leaves the answer unknown.",
        |s, node, read| read.duration(node, TIMEOUT, &mut s.probe.timeouts.tcp);
    "probe.timeouts.tls", "10s", "100ms to 1m", "Deadline of the TLS handshake. containerd's own is 10 s, and no handshake has longer. Below 10 s one that does not end leaves the answer unknown.",
        |s, node, read| read.duration(node, TIMEOUT, &mut s.probe.timeouts.tls);
    "probe.timeouts.http", "10s", "100ms to 1m", "Deadline of one request, from its first byte to the answer's last. containerd itself waits 30 s for the head of an answer since 2.3, and without limit before. A silence that containerd would outlast leaves the answer unknown.",
        |s, node, read| read.duration(node, TIMEOUT, &mut s.probe.timeouts.http);
    "probe.concurrency", "8", "1 to 64", "How many targets are probed at the same time.",
        |s, node, read| read.count(node, 1..=64, &mut s.probe.concurrency);
    "probe.spread_start", "true", SWITCH, "After a start, each target is first probed within half its interval (at most 15 minutes), at the node's own time: a fleet that is restarted at once does not ask at once. What a pod waits for is probed at once all the same. `false`: everything is probed at once.",
        |s, node, read| read.switch(node, &mut s.probe.spread_start);
    "probe.follow_private", "false", SWITCH, "Follow redirects and realms to the node itself, to link-local addresses, to metadata services of clouds and to the agent's own port, also for a registry that is elsewhere. `false`: `run` does not connect there, the answer is unknown, and the finding `private_target` says so. `check` always follows, as containerd does.",
        |s, node, read| read.switch(node, &mut s.probe.follow_private);
    "probe.counted_pulls_per_hour", "0", "0 to 100", "How many requests per hour, for all targets together, may count against a registry's pull limit. 0: none, with one exception: a registry that announces its limit only in the answer to such a request costs one before pullprobe knows.",
        |s, node, read| read.count(node, 0..=COUNTED_PULLS_LIMIT, &mut s.probe.counted_pulls_per_hour);
    "probe.counted_pulls_file", "", PATH, "The file that keeps the times of these requests over a restart of the agent. The manifests that they brought are beside it in `NAME.d`. `NAME.hosts` lists the registries that announce their limit only in such an answer. `NAME.history` keeps what changed in the last 24 hours. Not set: `/var/lib/pullprobe/counted-pulls` if that directory is there. Otherwise all of it is in memory, and a new agent makes no such request for its first hour.",
        |s, node, read| read.path(node, &mut s.probe.counted_pulls_file);

    "credentials.kubelet", "true", SWITCH, "Use the logins in kubelet's own files on the node (`config.json`, `.dockercfg`). `false`: not these. Pull secrets, credential providers and the logins in containerd's own configuration are used all the same.",
        |s, node, read| read.switch(node, &mut s.credentials.kubelet);
    "credentials.provider_config", "", PATH_ON_NODE, "The same value as kubelet's `--image-credential-provider-config`.",
        |s, node, read| read.path(node, &mut s.credentials.provider_config);
    "credentials.provider_bin_dir", "", PATH_ON_NODE, "The same value as kubelet's `--image-credential-provider-bin-dir`.",
        |s, node, read| read.path(node, &mut s.credentials.provider_bin_dir);
    "credentials.pull_secrets_dir", "", PATH, "A directory with pull secrets, mounted into the agent.",
        |s, node, read| read.path(node, &mut s.credentials.pull_secrets_dir);

    "web.listen", "[\":10048\"]", "at most 256 of `:PORT`, `IPV4:PORT`, `[IPV6]:PORT`, none of which covers another", "Where metrics, page and JSON are served. `:PORT` means every address; port 0 takes a free one.",
        listen;
    "web.report", "loopback", "`open`, `authenticated`, `loopback`, `off`", "Who may read the page (`/`) and the full report (`/api/v1/report`). `loopback`: readers on the node itself, which `kubectl port-forward` reaches. `open`: everybody who reaches the port. `authenticated`: with a password or a client certificate of `web.config_file`. `off`: nobody. Health, metrics and summary are for everybody, unless `web.config_file` asks for a password or certificate.",
        |s, node, read| read.choice(node, &ReportReaders::NAMES, &mut s.web.report);
    "web.hosts", "[]", "at most 256 host names", "More host names under which the agent answers for the page and the report where `web.report` is `loopback`, besides `localhost`, addresses and the node's name. A request under any other name gets 421, as a protection against DNS rebinding. Health, metrics and summary are answered under any name.",
        |s, node, read| s.web.hosts = read.list(node, "a list of host names").iter().filter_map(|item| read.host(item)).collect();
    "web.config_file", "", PATH, "The web configuration file of Prometheus' exporter-toolkit: TLS, client certificates, passwords and headers for the agent's port ([what of it there is](deployment.md#tls-and-passwords)). The agent reads it again when it changes, and keeps the last whole one.",
        |s, node, read| read.path(node, &mut s.web.config_file);

    "metrics.detail", "standard", "`standard`, `full`", "How many series there are. `standard`: at most 20 for each endpoint, with its registry, and 2 for each image, which the shipped alerts and dashboards use. `full`: all that docs/metrics.md lists.",
        |s, node, read| read.detail(node, &mut s.metrics.detail);
    "metrics.bucket_key_file", "", PATH, "A file with a secret of at least 16 characters, the same on every node. It is the key of `pullprobe_rate_limit_bucket_info`, which shows the nodes that share one pull limit. It is read once, at the start. Not set: no such metric.",
        |s, node, read| read.path(node, &mut s.metrics.bucket_key_file);
    "signals.node_condition", "false", SWITCH, "Report the node condition `RegistryReachable` to the Kubernetes API. Needs a token and the right `patch` on `nodes/status` ([node-signals.md](node-signals.md)).",
        |s, node, read| read.switch(node, &mut s.signals.node_condition);
    "signals.events", "false", SWITCH, "Write events with cause and fix on the node and on pods of it that wait for an image. Needs a token and the rights `create` and `patch` on `events`; for pods, also those of `targets.discover.waiting_pods`.",
        |s, node, read| read.switch(node, &mut s.signals.events);
    "signals.registries", "[]", "at most 256 names such as `docker.io`, `r.example:5000`", "The registries that condition and events go by. They are probed, too. Empty: all that are probed.",
        |s, node, read| s.signals.registries = read.list(node, "a list of registries").iter().filter_map(|item| read.registry(item)).collect();
    "signals.min_hosts", "2", "1 to 256", "The condition is `False` only where at least so many different hosts were tried and none was reached; with fewer it is `Unknown`. With 1 the outage of a single host can make it `False` on every node of a fleet.",
        |s, node, read| read.count(node, 1..=256, &mut s.signals.min_hosts);
    "signals.looks", "5", "2 to 20", "How many looks are remembered. There is one every `probe.interval`.",
        |s, node, read| read.count(node, 2..=20, &mut s.signals.looks);
    "signals.looks_alike", "3", "2 to 20", "So many looks in a row that reach nothing make the condition `False`; so many of the remembered ones that reach something make it `True` again. A value above `signals.looks` raises that, too.",
        |s, node, read| read.count(node, 2..=20, &mut s.signals.looks_alike);

    "labels.node", "false", SWITCH, "Add the label `node` to every series, for scrapes that cannot.",
        |s, node, read| read.switch(node, &mut s.labels.node);
}

fn listen(settings: &mut Settings, node: &Node, read: &mut Reader) {
    let items = read.list(node, "a list of addresses");
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        read.wrong(node, "at least one address", "");
    }
    settings.web.listen.clear();
    for item in items {
        let Some(address) = read.address(item) else { continue };
        match settings.web.listen.iter().find(|other| overlap(**other, address)) {
            Some(other) => read.wrong(item, &format!("an address apart from {other}, which is listed already"), ""),
            None => settings.web.listen.push(address),
        }
    }
}

/// Whether only one of them can be listened on.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let covers = |wide: SocketAddr, narrow: SocketAddr| match wide.ip() {
        IpAddr::V6(ip) if ip.is_unspecified() => true,
        IpAddr::V4(ip) if ip.is_unspecified() => narrow.is_ipv4(),
        ip => ip == narrow.ip(),
    };
    one.port() == other.port() && one.port() != 0 && (covers(one, other) || covers(other, one))
}

fn image(item: &Node, read: &mut Reader) -> Option<ImageTarget> {
    let Value::Map(entries) = &item.value else {
        read.wrong(item, "a mapping {image: …, interval: …}", "");
        return None;
    };
    let list = std::mem::take(&mut read.key);
    let mut image = None;
    let mut interval = ImageTarget::INTERVAL;
    for (key, value) in entries {
        read.key = format!("{list}.{}", short(&key.name));
        match key.name.as_str() {
            "image" => image = Some(read.image(value)),
            "interval" => read.duration(value, INTERVAL, &mut interval),
            _ => unknown(&key.name, key.at, &["image", "interval"], read),
        }
    }
    read.key = list;
    if image.is_none() {
        read.problem(item.at, "no `image`", "{image: REFERENCE, interval: DURATION}", "");
    }
    Some(ImageTarget { image: image??, interval })
}

/// Sets what the file says, key by key.
pub fn apply(root: &Node, settings: &mut Settings, read: &mut Reader) {
    section("", root, settings, read);
}

/// At most as deep as the longest path of the table.
fn section(path: &str, node: &Node, settings: &mut Settings, read: &mut Reader) {
    path.clone_into(&mut read.key);
    let names = children(path);
    let entries = match &node.value {
        Value::Map(entries) => entries,
        _ if node.is_null() => return,
        _ => return read.wrong(node, &format!("a mapping with {}", names.join(", ")), ""),
    };
    for (key, value) in entries {
        let full = if path.is_empty() { key.name.clone() } else { format!("{path}.{}", key.name) };
        match KEYS.iter().find(|known| known.path == full) {
            // Nothing written is nothing set.
            Some(_) if value.is_null() => {}
            Some(known) => {
                read.key = full;
                (known.set)(settings, value, read);
            }
            None if names.contains(&key.name.as_str()) => section(&full, value, settings, read),
            None => {
                read.key = if path.is_empty() { short(&key.name) } else { format!("{path}.{}", short(&key.name)) };
                unknown(&key.name, key.at, &names, read);
            }
        }
    }
}

/// The names that may stand in a section, in the table's order.
fn children(path: &str) -> Vec<&'static str> {
    let mut names = Vec::new();
    for known in KEYS {
        let rest = if path.is_empty() {
            Some(known.path)
        } else {
            known.path.strip_prefix(path).and_then(|rest| rest.strip_prefix('.'))
        };
        if let Some(name) = rest.and_then(|rest| rest.split('.').next())
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

fn unknown(name: &str, at: go::place::Position, names: &[&str], read: &mut Reader) {
    let elsewhere = KEYS.iter().find(|known| known.path.rsplit('.').next() == Some(name));
    read.unknown(name, at, names, elsewhere.map(|known| known.path));
}

/// A key's name as a part of a path, short whatever the file has.
fn short(name: &str) -> String {
    quoted(name).trim_matches('`').to_owned()
}
