//! Where this node's distribution keeps what has to be changed, and how its daemons are restarted.
//!
//! Causes and findings name the places of a plain containerd. What they say is put into the words of the
//! distribution here, in one place, so that no fix names a file that nobody reads or that is written anew.

use crate::model::finding::Finding;

/// What the words of causes and findings name.
const HOSTS_DIR: &str = "/etc/containerd/certs.d";
const CONFIG: &str = "/etc/containerd/config.toml";
const ENVIRONMENT: &str = "/etc/systemd/system/containerd.service.d/http-proxy.conf";

/// One distribution's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DistributionTerms {
    /// Empty: a containerd like that of its packages.
    name: &'static str,
    /// The directory of registries' directories.
    certs_d: String,
    /// Where registries are configured, if hosts.toml files are only written from it.
    source: Option<String>,
    /// Where config.toml's settings are to be written.
    config: String,
    /// The file where containerd's environment is set.
    environment: String,
    restart: String,
    restart_kubelet: String,
    log: String,
    /// Further phrases with what they are here.
    phrases: &'static [(&'static str, &'static str)],
    rewritten: Vec<Rewritten>,
}

/// Files that the distribution writes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rewritten {
    /// The start of their paths.
    below: String,
    /// The end of their paths; may be empty.
    ending: &'static str,
    note: String,
}

impl Rewritten {
    fn new(below: impl Into<String>, ending: &'static str, note: impl Into<String>) -> Self {
        Self { below: below.into(), ending, note: note.into() }
    }

    fn covers(&self, file: &str) -> bool {
        file.starts_with(&self.below) && file.ends_with(self.ending)
    }
}

/// What is known of the node.
#[derive(Clone, Copy, Debug, Default)]
pub struct DistributionFacts<'a> {
    /// As `environment::layout` names it.
    pub distribution: &'a str,
    /// The service that runs containerd, where one is installed.
    pub unit: Option<&'a str>,
    /// The configuration that is read.
    pub config: &'a str,
    /// The first directory of `config_path`, where it names one.
    pub certs_d: Option<&'a str>,
    /// Whether containerd is of 2.x, which reads schema 3.
    pub reads_schema_3: bool,
}

const RANCHER_PHRASES: &[(&str, &str)] = &[
    (" (read at every pull)", " (read at its start)"),
    ("; containerd reads it at every pull, no restart is needed", ""),
    ("; no restart is needed", ""),
    ("name it as `ca` in", "name it as `ca_file` (`configs`, HOST, `tls`) in"),
    ("name the intermediate as `ca` in", "name the intermediate as `ca_file` (`configs`, HOST, `tls`) in"),
    (
        "Name the authority's PEM file as `ca` in",
        "Name the authority's PEM file as `ca_file` (`configs`, HOST, `tls`) in",
    ),
    ("with its authority as `ca`", "with its authority as `ca_file`"),
    ("`client = [[\"CERT_FILE\", \"KEY_FILE\"]]`", "`cert_file` and `key_file` (`configs`, HOST, `tls`)"),
    (
        "`[host.\"https://mirror.example/v2/project\"]`, with `override_path = true`",
        "the endpoint `https://mirror.example/v2/project`",
    ),
    ("name it in hosts.toml as `ca` or `client`", "name it in `configs` there"),
];

const TALOS_PHRASES: &[(&str, &str)] = &[
    ("`systemctl daemon-reload` and ", ""),
    ("(`update-ca-certificates` or `update-ca-trust`, then `talosctl reboot`)", "(a `TrustedRootsConfig` document)"),
    ("as `ca` in", "as `config.HOST.tls.ca` in"),
    ("with its authority as `ca`", "with its authority as `config.HOST.tls.ca`"),
    ("`client = [[\"CERT_FILE\", \"KEY_FILE\"]]`", "`config.HOST.tls.clientIdentity`"),
    (
        "`[host.\"https://mirror.example/v2/project\"]`, with `override_path = true`",
        "the endpoint `https://mirror.example/v2/project`, with `overridePath: true`",
    ),
];

const NO_SYSTEMD: &[(&str, &str)] = &[("`systemctl daemon-reload` and ", "")];

impl DistributionTerms {
    pub fn of(ground: &DistributionFacts<'_>) -> Self {
        let own = |usual: &str| ground.certs_d.unwrap_or(usual).to_owned();
        match ground.distribution {
            "k3s" => Self::rancher("k3s", "k3s.service", ground),
            "RKE2" => Self::rancher("rke2", "rke2-server.service", ground),
            "k0s" => Self::k0s(ground, own("/etc/k0s/certs.d")),
            "microk8s" => Self::microk8s(ground, own("/var/snap/microk8s/current/args/certs.d")),
            "Canonical Kubernetes" => Self::canonical(own("/etc/containerd/hosts.d")),
            "Talos" => Self::talos(own("/etc/cri/conf.d/hosts")),
            "Bottlerocket" => Self::bottlerocket(),
            _ => Self::plain(ground, own(HOSTS_DIR)),
        }
    }

    /// A plain containerd, whose directories may lie elsewhere.
    fn plain(ground: &DistributionFacts<'_>, certs_d: String) -> Self {
        let config = match ground.config {
            "" => CONFIG.to_owned(),
            // /usr cannot be written to: its own file is copied, and the service told of the copy.
            "/usr/share/containerd/config.toml" => format!("{CONFIG} (a copy, named by `CONTAINERD_CONFIG`)"),
            config => config.to_owned(),
        };
        Self { certs_d, config, ..Self::default() }
    }

    /// Two of one house: everything is written from registries.yaml and a template.
    fn rancher(program: &'static str, usual_unit: &str, ground: &DistributionFacts<'_>) -> Self {
        let service = ground.unit.unwrap_or(usual_unit).trim_end_matches(".service");
        let restart = format!("systemctl restart {service}");
        let directory = ground.config.rsplit_once('/').map_or("", |(directory, _)| directory).to_owned();
        let template = if ground.reads_schema_3 { "config-v3.toml.tmpl" } else { "config.toml.tmpl" };
        let config = format!("{directory}/{template}");
        let source = format!("/etc/rancher/{program}/registries.yaml");
        let hosts = format!(
            "{program} writes hosts.toml anew at each start for every registry that `{source}` names: change it there, \
             then `{restart}`"
        );
        let whole = format!(
            "{program} writes this file anew at each start: change registries in `{source}` and the rest in `{config}`, \
             then `{restart}`"
        );
        let environment = match program {
            "k3s" => format!("/etc/systemd/system/{service}.service.env"),
            _ => format!("/etc/default/{service}"),
        };
        Self {
            name: program,
            certs_d: format!("{directory}/certs.d"),
            source: Some(source),
            environment,
            restart_kubelet: restart.clone(),
            restart,
            log: format!("journalctl -u {service}"),
            phrases: RANCHER_PHRASES,
            rewritten: vec![
                Rewritten::new(format!("{directory}/certs.d"), "", hosts),
                Rewritten::new(format!("{directory}/config.toml"), "config.toml", whole),
            ],
            config,
        }
    }

    fn k0s(ground: &DistributionFacts<'_>, certs_d: String) -> Self {
        let service = ground.unit.unwrap_or("k0sworker.service").trim_end_matches(".service");
        let restart = format!("systemctl restart {service}");
        let config = "/etc/k0s/containerd.d/registry.toml".to_owned();
        let anew = |when: &str| {
            format!("k0s writes this file anew at each start{when}: put the setting into `{config}`, then `{restart}`")
        };
        Self {
            name: "k0s",
            certs_d,
            environment: format!("/etc/systemd/system/{service}.service.d/http-proxy.conf"),
            log: format!("journalctl -u {service}"),
            rewritten: vec![
                Rewritten::new("/run/k0s/", ".toml", anew("")),
                Rewritten::new("/etc/k0s/containerd.toml", "", anew(" while it begins with `# k0s_managed=true`")),
            ],
            restart_kubelet: restart.clone(),
            restart,
            config,
            ..Self::default()
        }
    }

    fn microk8s(ground: &DistributionFacts<'_>, certs_d: String) -> Self {
        let config = "/var/snap/microk8s/current/args/containerd-template.toml".to_owned();
        let restart = "snap restart microk8s.daemon-containerd".to_owned();
        let note = format!("microk8s makes this file from `{config}` at each start: change that, then `{restart}`");
        Self {
            name: "microk8s",
            certs_d,
            environment: "/var/snap/microk8s/current/args/containerd-env".to_owned(),
            restart_kubelet: "snap restart microk8s.daemon-kubelite".to_owned(),
            log: "journalctl -u snap.microk8s.daemon-containerd".to_owned(),
            phrases: NO_SYSTEMD,
            rewritten: vec![Rewritten::new(ground.config, "containerd.toml", note)],
            restart,
            config,
            ..Self::default()
        }
    }

    fn canonical(certs_d: String) -> Self {
        Self {
            name: "Canonical Kubernetes",
            certs_d,
            config: "/etc/containerd/conf.d/registry.toml".to_owned(),
            environment: "/etc/systemd/system/snap.k8s.containerd.service.d/http-proxy.conf".to_owned(),
            restart: "snap restart k8s.containerd".to_owned(),
            restart_kubelet: "snap restart k8s.kubelet".to_owned(),
            log: "journalctl -u snap.k8s.containerd".to_owned(),
            ..Self::default()
        }
    }

    fn talos(certs_d: String) -> Self {
        let note = "Talos writes this file from the machine config: change `machine.registries` or `machine.files` there, \
                    with `talosctl edit machineconfig`";
        Self {
            name: "Talos",
            certs_d,
            source: Some("machine.registries` of the machine config (`talosctl edit machineconfig`)".to_owned()),
            config: "/etc/cri/conf.d/20-customization.part".to_owned(),
            environment: "machine.env".to_owned(),
            restart: "talosctl reboot".to_owned(),
            restart_kubelet: "talosctl service kubelet restart".to_owned(),
            log: "talosctl logs cri".to_owned(),
            phrases: TALOS_PHRASES,
            rewritten: vec![Rewritten::new("/etc/cri/", "", note)],
        }
    }

    fn bottlerocket() -> Self {
        let note = "Bottlerocket writes this file from its settings: change `settings.container-registry`, with \
                    `apiclient set`";
        Self {
            name: "Bottlerocket",
            certs_d: HOSTS_DIR.to_owned(),
            source: Some("settings.container-registry.mirrors` (`apiclient set`)".to_owned()),
            config: "settings.container-runtime".to_owned(),
            environment: "settings.network.https-proxy".to_owned(),
            restart: "apiclient reboot".to_owned(),
            restart_kubelet: "apiclient reboot".to_owned(),
            log: "journalctl -u containerd".to_owned(),
            phrases: NO_SYSTEMD,
            rewritten: vec![Rewritten::new("/etc/containerd/", "", note)],
        }
    }

    /// What to change, in the words of this node. What is said of other places stays as it is.
    pub fn fix(&self, text: &str) -> String {
        if *self == Self::default() {
            return text.to_owned();
        }
        let hosts_file = self.source.as_deref().map(backticked);
        let mut text = replace_hosts_files(text, &self.certs_d, hosts_file.as_deref());
        if !self.config.is_empty() {
            text = text.replace(CONFIG, &self.config);
        }
        if self.name.is_empty() {
            return text;
        }
        text = text.replace(HOSTS_DIR, &self.certs_d);
        text = text.replace(ENVIRONMENT, &self.environment);
        text =
            text.replace("journalctl -u containerd", &self.log).replace("`systemctl status containerd`", "its service");
        text = text.replace("systemctl restart containerd", &self.restart);
        text = text.replace("systemctl restart kubelet", &self.restart_kubelet);
        text = text.replace("restart containerd", &format!("restart it (`{}`)", self.restart));
        self.phrases.iter().fold(text, |text, (usual, here)| text.replace(usual, here))
    }

    /// The finding with a fix that helps on this node.
    #[must_use]
    pub fn mended(&self, finding: Finding) -> Finding {
        // What is said of a plain containerd names its own files already.
        if self.name.is_empty() {
            return finding;
        }
        let fix = match (&self.source, finding.code) {
            // Nobody can point `config_path` elsewhere, or put files into the directory that is read.
            (Some(source), "certs_d_unread" | "config_path_unset") => {
                format!("write what these directories say into {}, then `{}`", backticked(source), self.restart)
            }
            (None, "certs_d_unread") => format!("move the directories to {}", self.certs_d),
            (None, "config_path_unset") => format!(
                "move the directories to {0}, set `config_path = \"{0}\"` in `{1}`, then `{2}`",
                self.certs_d, self.config, self.restart
            ),
            _ => self.fix(&finding.fix),
        };
        let rewritten = self.rewritten.iter().find(|one| finding.file.as_ref().is_some_and(|file| one.covers(file)));
        let fix = match rewritten {
            Some(rewritten) if fix.is_empty() => rewritten.note.clone(),
            Some(rewritten) => format!("{fix}; {}", rewritten.note),
            None => fix,
        };
        Finding { fix: fix.into(), ..finding }
    }
}

/// A source may bring its own closing backtick, and words behind it.
fn backticked(source: &str) -> String {
    if source.contains('`') { format!("`{source}") } else { format!("`{source}`") }
}

/// `/etc/containerd/certs.d/REGISTRY/hosts.toml`, whatever the registry, with its backticks if it has them.
fn replace_hosts_files(text: &str, certs_d: &str, source: Option<&str>) -> String {
    let mut pieces = text.split(HOSTS_DIR);
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find("/hosts.toml").filter(|end| !piece[..*end].contains(char::is_whitespace));
        match (end, source) {
            (Some(end), Some(source)) => {
                let rest = &piece[end + "/hosts.toml".len()..];
                let quoted = out.ends_with('`') && rest.starts_with('`');
                if quoted {
                    out.pop();
                }
                out.push_str(source);
                out.push_str(if quoted { &rest[1..] } else { rest });
            }
            (Some(_), None) => {
                out.push_str(certs_d);
                out.push_str(piece);
            }
            (None, _) => {
                out.push_str(HOSTS_DIR);
                out.push_str(piece);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests;
