//! docs/settings.md, written from the table of keys.

use std::fmt::Write;

use super::table::KEYS;

const HEAD: &str = "# Settings

<!-- Written by a test from the table in agent/src/settings: `make docs`. -->

Read this to write pullprobe's settings file. `pullprobe --config FILE` reads it as YAML. An empty file is valid. A flag wins over its
`PULLPROBE_…` variable, and the variable wins over the file.

`PULLPROBE_FORMAT`, `PULLPROBE_COLOR` and `PULLPROBE_TIMEOUT` hold for every verb that has the flag, except the timeout of `healthcheck`.
Every verb understands the formats `text` and `json`. Only `fleet` has `table` and `wide`, and the other verbs refuse them.
`NO_COLOR` keeps colors away unless `--color` asks for them. `PULLPROBE_NO_CREDENTIALS` keeps back the node's own logins:
kubelet's and containerd's. The pull secrets that `check --pull-secrets` gets are used all the same, also in the check that `why` and
`fleet IMAGE` run in an agent's pod. Without any, that check is anonymous.

An unknown key is an error. pullprobe then exits with code 2 and lists every problem of the file at once, as
`file:line:column: key: found X, allowed: Y.`

Durations have units: `500ms`, `60s`, `5m`, `1h30m`. Anchors, aliases and tags are not allowed. The file may have at most 1 MiB.

| key | default | allowed | meaning |
|---|---|---|---|
";

const TAIL: &str = "
## Flags and variables

These keys have a flag and a variable of `check`, `hosts`, `plan`, `lint` and `run`. What a flag or a variable says counts instead of the key:

| key | flag | variable |
|---|---|---|
| `node.host_root` | `--host-root` | `PULLPROBE_HOST_ROOT` |
| `node.containerd_config` | `--containerd-config` | `PULLPROBE_CONTAINERD_CONFIG` |
| `node.certs_d` | `--certs-d` | `PULLPROBE_CERTS_D` |
| `node.containerd_version` | `--containerd-version` | `PULLPROBE_CONTAINERD_VERSION` |
| `node.platform` | `--platform` | `PULLPROBE_PLATFORM` |
| `node.kubelet_root` | `--kubelet-root` | `PULLPROBE_KUBELET_ROOT` |
| `credentials.provider_config` | `--credential-provider-config` | `PULLPROBE_CREDENTIAL_PROVIDER_CONFIG` |
| `credentials.provider_bin_dir` | `--credential-provider-bin-dir` | `PULLPROBE_CREDENTIAL_PROVIDER_BIN_DIR` |
| `probe.counted_pulls_per_hour` | `--counted-pulls` of `run` | `PULLPROBE_COUNTED_PULLS` |

- `check` and `hosts` do not go by `probe.counted_pulls_per_hour`: there `--counted-pulls` is for each target, and 1 when not given. `plan` and `lint` send
  nothing, so it changes nothing there.
- No other key has a flag. Other flags have no key: `--help` of each verb names them, with their variables.

## Example

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
