//! docs/settings.md, written from the table of keys.

use std::fmt::Write;

use super::table::KEYS;

const HEAD: &str = "# Settings

<!-- Written by a test from the table in agent/src/settings: `make docs`. -->

Read this to write pullprobe's settings file. `pullprobe --config FILE` reads it as YAML. An empty file is valid. A flag wins over its
`PULLPROBE_…` variable, and the variable wins over the file.

An unknown key is an error. pullprobe then exits with code 2 and lists every problem of the file at once, as
`file:line:column: key: found X, allowed: Y.`

Durations have units: `500ms`, `60s`, `5m`, `1h30m`. Anchors, aliases and tags are not allowed. The file may have at most 1 MiB.

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
