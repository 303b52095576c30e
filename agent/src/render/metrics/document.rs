//! docs/metrics.md, written from the table of families.

use std::fmt::Write;

use super::detail::{Target, series};
use super::{Family, Standard, families};
use crate::model::detail::Detail;

const HEAD: &str = "# Metrics

<!-- Written by a test from the table in agent/src/render/metrics: `make docs`. -->

Read this to write queries, dashboards or alerts on the agent's metrics. `GET /metrics` serves them in Prometheus' text format.

- **An absent series means not measured or unknown. Zero means measured and bad.**
- The values are those of the last probe. pullprobe probes on its own schedule, never because of a scrape.
- The unit is in the name: `_seconds`, `_bytes`, `_timestamp_seconds` (Unix time). Counters end in `_total`.
- There is no `node` label. Let the scrape add it (the chart's PodMonitor does), or set `labels.node: true`.
- No label holds a resolved address, a token, a URL path or the text of an error. `nameserver` is the address in resolv.conf.
- When a target goes away, its series end. The series of a token or redirect host end when no pull was sent there for six hours, or
  when its registry has sixteen newer ones.

| label | values |
|---|---|
| `namespace` | the registry's name in image references, `docker.io` |
| `endpoint` | `scheme://host[:port]`, as containerd's configuration has it |
| `role` | `mirror`, `upstream`; or a host that a registry sends pulls to: `token` (token service), `redirect` (manifests or blobs) |
| `bucket` | twelve hexadecimal digits, the same on every node whose pulls a registry counts together |
| `stage` | `config` (the node's files), `dns`, `tcp`, `proxy`, `tls`, `ping` (`/v2/`), `token`, `manifest`, `platform`, `blob`, `node` (its disk, clock and containerd) |
| `cause` | a name of [causes.md](causes.md), as `pullprobe explain` lists them; `pullprobe_waiting_containers` has three more words (below) |
| `owner` | who can fix it: `image`, `credentials`, `config`, `node`, `network`, `registry` |
| `image` | the reference as containerd writes it; only images that are configured or discovered, up to a limit |
| `family` | `ipv4`, `ipv6` |
| `state` | of addresses: `up`, `down`. Of a pull limit: `limited`, `unlimited` (the registry announces none), `unknown`, `blocked` (nothing is left, or it answered 429) |
| `kind` | of a request: `ping` (`/v2/`), `token`, `head` and `get` (of a manifest), `blob` |
| `source` | where a credential is from: `kubelet-config-json`, `provider:NAME`, `containerd-config`, `pull-secret:NAMESPACE/NAME` (`-` for a namespace that is not known) |
| `registry` | the key by which a credential is looked up, such as `ghcr.io` |
| `provider` | the name of a credential provider in kubelet's configuration of them |
| `severity` | of a finding: `error`, `warning`, `info` |
| `hash` | hexadecimal digits, the same on every node with the same pull configuration |

## How many series

The setting `metrics.detail` is `standard` unless you change it. `standard` has what the shipped alerts and dashboards use, `full` has all.

SERIES
The column `standard` says what `standard` has of a metric: `all` of it, a part, or `–` for nothing. The column `series` has how many series of
it one target has at most: in `full`, and behind the slash in `standard`. Stages, causes and requests that are not met have none.

| metric | type | labels | standard | series | meaning |
|---|---|---|---|---|---|
";

const TAIL: &str = "
`process_*` (CPU, memory, threads, file descriptors, start time) are the same as in every Prometheus client library.
";

/// One endpoint is counted with its registry, one image by itself.
fn table() -> String {
    let of = |target| (series(target, Detail::Standard), series(target, Detail::Full));
    let (endpoint, image) = (of(Target::Endpoint), of(Target::Image));
    format!(
        "| target | standard, at most | full |\n|---|---|---|\n\
         | an endpoint, with its registry | {} | {}, and one for each stage and cause at which it failed |\n| an image | {} | {} |\n",
        endpoint.0, endpoint.1, image.0, image.1
    )
}

const fn part(family: &Family) -> &'static str {
    match &family.standard {
        Standard::Whole => "all",
        Standard::Part { which, .. } => which,
        Standard::Nothing => "–",
    }
}

fn counts(family: &Family) -> String {
    if family.target() == Target::Node {
        return String::new();
    }
    format!("{} / {}", family.series_in(Detail::Full), family.series_in(Detail::Standard))
}

pub fn document() -> String {
    let mut text = HEAD.replace("SERIES\n", &format!("{}\n", table()));
    for family in families() {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {} |",
            family.name,
            family.kind.as_str(),
            labels.join(", "),
            part(family),
            counts(family),
            family.help
        );
    }
    text + TAIL
}
