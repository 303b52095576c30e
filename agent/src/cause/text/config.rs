//! Words for containerd's own files and for hosts that they name wrongly.

use super::Text;

pub const NOT_A_REGISTRY: Text = Text {
    summary: "Something answers at this address, but it is not a container registry, or not at this path.",
    evidence: "The base of the API answers with a web page, with 404, or with something that is not the distribution API.",
    confirm: "`curl -sS -D- https://REGISTRY/v2/` shows a page instead of 200 or 401 with `WWW-Authenticate`.",
    fix: "Correct the host in `/etc/containerd/certs.d/REGISTRY/hosts.toml`. If the registry's API is below a path, write the \
          whole path, as in `[host.\"https://mirror.example/v2/project\"]`, with `override_path = true`.",
};

pub const CONFIG_INVALID: Text = Text {
    summary: "containerd's configuration cannot be used as it is, and so no pod can pull.",
    evidence: "`config.toml` or a file that it imports does not parse, or combines registry settings that containerd refuses \
               (as `mirrors` beside `config_path`), or its login for the registry is none that containerd can read; file and \
               line are in the detail.",
    confirm: "`containerd --config /etc/containerd/config.toml config dump` fails; `ctr plugins ls` shows the `cri` plugin with \
              status `error`, and `journalctl -u containerd` its reason.",
    fix: "Correct the named line of `/etc/containerd/config.toml`; set `config_path` and move `mirrors` and `configs` into \
          `/etc/containerd/certs.d/REGISTRY/hosts.toml`; then `systemctl restart containerd`.",
};

pub const HOSTS_FILE_INVALID: Text = Text {
    summary: "A `hosts.toml` cannot be used, so containerd does not use the mirrors that it names.",
    evidence: "The file does not parse or has a value that this version of containerd does not accept; what that version then \
               does is in the detail.",
    confirm: "`journalctl -u containerd | grep 'failed to decode'` appears after a pull; `pullprobe lint` prints file, line and \
              column.",
    fix: "Correct `/etc/containerd/certs.d/REGISTRY/hosts.toml` at the named line; containerd reads it at every pull, no restart \
          is needed.",
};

pub const CA_UNUSABLE: Text = Text {
    summary: "A certificate file that containerd is told to use for this registry is missing or not usable, and the pull fails \
              before any request.",
    evidence: "The `ca` or `client` file that the configuration names cannot be read, or is not PEM, or key and certificate do \
               not belong together.",
    confirm: "`openssl x509 -noout -subject -enddate -in FILE` fails on the node.",
    fix: "Put the PEM file where `/etc/containerd/certs.d/REGISTRY/hosts.toml` says, readable for root, or correct the path \
          there (relative paths start at the directory of the file); no restart is needed.",
};
