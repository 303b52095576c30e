//! Where this node's distribution keeps what has to be changed, and how its daemons are restarted.
//!
//! Causes and findings name the places of a plain containerd. What they say is put into the words of the
//! distribution here, in one place, so that no fix names a file that nobody reads or that is written anew.

use std::borrow::Cow;

use crate::model::finding::Finding;

/// What the words of causes and findings name.
const HOSTS_DIR: &str = "/etc/containerd/certs.d";
const FILE_NAME: &str = "/hosts.toml";
const CONFIG: &str = "/etc/containerd/config.toml";
const ENVIRONMENT: &str = "/etc/systemd/system/containerd.service.d/http-proxy.conf";

/// One distribution's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DistributionTerms {
    /// Empty: a containerd like that of its packages.
    name: &'static str,
    /// The directory of registries' directories.
    certs_d: String,
    /// Where registries are configured, in backticks, if hosts.toml files are only written from it.
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
    (
        "(`update-ca-certificates` or `update-ca-trust`, then `systemctl restart containerd`)",
        "(a `TrustedRootsConfig` document)",
    ),
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
    pub fn of(facts: &DistributionFacts<'_>) -> Self {
        let own = |usual: &str| facts.certs_d.unwrap_or(usual).to_owned();
        match facts.distribution {
            "k3s" => Self::rancher("k3s", "k3s.service", facts),
            "RKE2" => Self::rancher("rke2", "rke2-server.service", facts),
            "k0s" => Self::k0s(facts, own("/etc/k0s/certs.d")),
            "microk8s" => Self::microk8s(facts, own("/var/snap/microk8s/current/args/certs.d")),
            "Canonical Kubernetes" => Self::canonical(own("/etc/containerd/hosts.d")),
            "Talos" => Self::talos(own("/etc/cri/conf.d/hosts")),
            "Bottlerocket" => Self::bottlerocket(),
            _ => Self::plain(facts, own(HOSTS_DIR)),
        }
    }

    /// A plain containerd, whose directories may lie elsewhere.
    fn plain(facts: &DistributionFacts<'_>, certs_d: String) -> Self {
        let config = match facts.config {
            "" => CONFIG.to_owned(),
            // /usr cannot be written to: its own file is copied, and the service told of the copy.
            "/usr/share/containerd/config.toml" => format!("{CONFIG} (a copy, named by `CONTAINERD_CONFIG`)"),
            config => config.to_owned(),
        };
        Self { certs_d, config, ..Self::default() }
    }

    /// Two of one house: everything is written from registries.yaml and a template.
    fn rancher(program: &'static str, usual_unit: &str, facts: &DistributionFacts<'_>) -> Self {
        let service = facts.unit.unwrap_or(usual_unit).trim_end_matches(".service");
        let restart = format!("systemctl restart {service}");
        let directory = facts.config.rsplit_once('/').map_or("", |(directory, _)| directory).to_owned();
        let template = if facts.reads_schema_3 { "config-v3.toml.tmpl" } else { "config.toml.tmpl" };
        let config = format!("{directory}/{template}");
        let source = format!("`/etc/rancher/{program}/registries.yaml`");
        let hosts = format!(
            "{program} writes hosts.toml anew at each start for every registry that {source} names: change it there, \
             then `{restart}`"
        );
        let whole = format!(
            "{program} writes this file anew at each start: change registries in {source} and the rest in `{config}`, \
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

    fn k0s(facts: &DistributionFacts<'_>, certs_d: String) -> Self {
        let service = facts.unit.unwrap_or("k0sworker.service").trim_end_matches(".service");
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

    fn microk8s(facts: &DistributionFacts<'_>, certs_d: String) -> Self {
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
            rewritten: vec![Rewritten::new(facts.config, "containerd.toml", note)],
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
            source: Some("`machine.registries` of the machine config (`talosctl edit machineconfig`)".to_owned()),
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
            source: Some("`settings.container-registry.mirrors` (`apiclient set`)".to_owned()),
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
        let terms = self.terms();
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(next) = text[at..].chars().next() {
            // The end of a longer path is no path of a plain containerd.
            let is_within_path = next == '/' && text[..at].ends_with(is_of_path);
            if let Some((usual, here)) = self.term(&terms, &text[at..]).filter(|_| !is_within_path) {
                out.push_str(here);
                at += usual;
            } else {
                out.push(next);
                at += next.len_utf8();
            }
        }
        out
    }

    /// What stands at the beginning of the text: how long it is, and what it is called here.
    fn term<'a>(&'a self, terms: &'a [(&str, Cow<'_, str>)], text: &str) -> Option<(usize, &'a str)> {
        let longest = || terms.iter().filter(|(usual, _)| text.starts_with(usual)).max_by_key(|(usual, _)| usual.len());
        self.hosts_file(text).or_else(|| longest().map(|(usual, here)| (usual.len(), &**here)))
    }

    /// A registry's hosts.toml, whatever the registry.
    fn hosts_file(&self, text: &str) -> Option<(usize, &str)> {
        let Some(source) = &self.source else {
            hosts_file_length(text).filter(|_| !self.certs_d.is_empty())?;
            return Some((HOSTS_DIR.len(), &self.certs_d));
        };
        let quoted = text.strip_prefix('`').and_then(hosts_file_length).map(|length| length + 2);
        let quoted = quoted.filter(|length| text.get(..*length).is_some_and(|quoted| quoted.ends_with('`')));
        Some((quoted.or_else(|| hosts_file_length(text))?, source))
    }

    /// What texts name that is a whole here.
    fn terms(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        let mut terms = Vec::new();
        if !self.config.is_empty() {
            terms.push((CONFIG, self.config.as_str().into()));
        }
        if self.name.is_empty() {
            return terms;
        }
        terms.extend([
            (HOSTS_DIR, self.certs_d.as_str().into()),
            (ENVIRONMENT, self.environment.as_str().into()),
            ("journalctl -u containerd", self.log.as_str().into()),
            ("`systemctl status containerd`", "its service".into()),
            ("systemctl restart containerd", self.restart.as_str().into()),
            ("systemctl restart kubelet", self.restart_kubelet.as_str().into()),
            ("restart containerd", format!("restart it (`{}`)", self.restart).into()),
        ]);
        terms.extend(self.phrases.iter().map(|(usual, here)| (*usual, (*here).into())));
        terms
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
                format!("write what these directories say into {source}, then `{}`", self.restart)
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

const fn is_of_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_')
}

/// How long the path of a hosts.toml is that the text begins with.
fn hosts_file_length(text: &str) -> Option<usize> {
    let end = text.strip_prefix(HOSTS_DIR)?.find(FILE_NAME)?;
    let length = HOSTS_DIR.len() + end + FILE_NAME.len();
    (!text[..length].contains(char::is_whitespace)).then_some(length)
}

#[cfg(test)]
mod tests;
