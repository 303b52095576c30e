//! docs/settings.md, written from the table of keys.

use std::fmt::Write;

use super::table::KEYS;

const HEAD: &str = "# Settings

<!-- Written by a test from the table in agent/src/settings: `make docs`. -->

`pullprobe --config FILE` reads this YAML file; an empty one is valid. A flag wins over its `PULLPROBE_…` variable, and
that over the file. A key that is not listed here is refused, and every problem of a file is told at once, as
`file:line:column: key: found X, allowed: Y.`, with exit code 2.

Durations have units: `500ms`, `60s`, `5m`, `1h30m`. Anchors, aliases and tags are not accepted, nor is a file of more
than 1 MiB.

| key | default | allowed | meaning |
|---|---|---|---|
";

const TAIL: &str = "
```yaml
node: {host_root: /host}
targets:
  registries: [docker.io, registry.k8s.io]
  images:
    - {image: \"docker.io/library/busybox:1.36\", interval: 15m}
probe:
  interval: 60s
  timeouts: {dns: 5s, tcp: 5s, tls: 10s, http: 10s}
web: {listen: [\":10048\"]}
```
";

pub fn document() -> String {
    let mut text = HEAD.to_owned();
    for key in KEYS {
        let default = if key.default.is_empty() { "not set".to_owned() } else { format!("`{}`", key.default) };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| `{}` | {default} | {} | {} |", key.path, key.allowed, key.meaning);
    }
    text + TAIL
}
