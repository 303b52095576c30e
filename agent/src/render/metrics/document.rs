//! docs/metrics.md, written from the table of families.

use std::fmt::Write;

use super::families;

const HEAD: &str = "# Metrics

<!-- Written by a test from the table in agent/src/render/metrics: `UPDATE_DOCS=1 cargo test docs_metrics`. -->

`GET /metrics` gives these in Prometheus' text format. **Absent means not measured; zero means measured and bad.**
The values are those of the last probe: pullprobe probes on its own schedule and never because of a scrape.

There is no `node` label: let the scrape add it (the chart's PodMonitor does), or set `labels.node: true`.
No label ever holds a resolved address, a token, a URL path or an error's text; `nameserver` is the address as
resolv.conf has it. A target that goes away takes its series with it;
a token or redirect host goes when no pull was sent there for six hours, or when sixteen others of its registry are newer.

| label | values |
|---|---|
| `namespace` | the registry's name in image references, `docker.io` |
| `endpoint` | `scheme://host[:port]`, as containerd's configuration has it |
| `role` | `mirror`, `upstream`; or a host that those send to: `token` (token service), `redirect` (manifests or blobs) |
| `stage`, `cause`, `owner` | closed sets: see `pullprobe explain` |
| `image` | the reference as containerd writes it; only images that are configured or discovered, up to a cap |

| metric | type | labels | meaning |
|---|---|---|---|
";

const TAIL: &str = "
`process_*` (CPU, memory, threads, file descriptors, start time) are those of every Prometheus client library.
";

pub fn document() -> String {
    let mut text = HEAD.to_owned();
    for family in families() {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            family.name,
            family.kind.as_str(),
            labels.join(", "),
            family.help
        );
    }
    text + TAIL
}
