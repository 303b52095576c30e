//! Where this node keeps containerd's and kubelet's files: every distribution has places of its own.
//!
//! What somebody named counts first, then containerd's command line, then the service that is
//! installed, then the operating system's name, and last which of the known files are there.

use std::path::{Path, PathBuf};

use super::{DaemonEnvironment, FILE_LIMIT};
use crate::host::root::HostRoot;
use crate::model::finding::{Finding, Severity};
use crate::yaml::{self, Value};

const KUBELET_ROOT: &str = "/var/lib/kubelet";
const UPSTREAM: Distribution = Distribution {
    name: "upstream",
    config: "/etc/containerd/config.toml",
    socket: "/run/containerd/containerd.sock",
    ..Distribution::NONE
};

/// Those with files elsewhere, the ones that bring a containerd of their own first.
const DISTRIBUTIONS: [Distribution; 8] = [
    Distribution {
        name: "k3s",
        config: "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
        below_data_dir: Some("agent/etc/containerd/config.toml"),
        socket: "/run/k3s/containerd/containerd.sock",
        units: &["k3s.service", "k3s-agent.service"],
        settings: Some("/etc/rancher/k3s/config.yaml"),
        ..Distribution::NONE
    },
    Distribution {
        name: "RKE2",
        config: "/var/lib/rancher/rke2/agent/etc/containerd/config.toml",
        below_data_dir: Some("agent/etc/containerd/config.toml"),
        socket: "/run/k3s/containerd/containerd.sock",
        units: &["rke2-server.service", "rke2-agent.service"],
        settings: Some("/etc/rancher/rke2/config.yaml"),
        ..Distribution::NONE
    },
    Distribution {
        name: "k0s",
        config: "/etc/k0s/containerd.toml",
        socket: "/run/k0s/containerd.sock",
        kubelet_root: "/var/lib/k0s/kubelet",
        units: &["k0sworker.service", "k0scontroller.service"],
        ..Distribution::NONE
    },
    Distribution {
        name: "microk8s",
        config: "/var/snap/microk8s/current/args/containerd.toml",
        socket: "/var/snap/microk8s/common/run/containerd.sock",
        kubelet_root: "/var/snap/microk8s/common/var/lib/kubelet",
        units: &["snap.microk8s.daemon-containerd.service"],
        ..Distribution::NONE
    },
    Distribution {
        name: "Canonical Kubernetes",
        config: "/var/snap/k8s/common/etc/containerd/config.toml",
        socket: "/var/snap/k8s/common/run/containerd/containerd.sock",
        ..Distribution::NONE
    },
    Distribution {
        name: "Talos",
        config: "/etc/cri/containerd.toml",
        socket: UPSTREAM.socket,
        os: Some("talos"),
        // The system's own containerd, which kubelet never talks to.
        beside: Some(UPSTREAM.config),
        ..Distribution::NONE
    },
    Distribution {
        name: "Bottlerocket",
        // In the usual place, but written from its settings.
        config: UPSTREAM.config,
        socket: UPSTREAM.socket,
        os: Some("bottlerocket"),
        ..Distribution::NONE
    },
    Distribution {
        name: "Flatcar",
        config: "/usr/share/containerd/config.toml",
        socket: UPSTREAM.socket,
        ..Distribution::NONE
    },
];

/// Every directory that is kubelet's own on some distribution.
pub fn kubelet_roots() -> impl Iterator<Item = &'static str> {
    DISTRIBUTIONS.iter().map(|one| one.kubelet_root).chain([KUBELET_ROOT])
}

/// What the operating system calls itself.
pub fn system(root: &HostRoot) -> Option<String> {
    let files = ["/etc/os-release", "/usr/lib/os-release"];
    let text = files.iter().find_map(|path| root.read_text(Path::new(path), FILE_LIMIT).ok())?;
    let id = text.lines().find_map(|line| line.strip_prefix("ID="))?;
    Some(id.trim_matches(['"', '\'']).to_owned())
}

#[derive(Clone, Copy, Debug)]
struct Distribution {
    name: &'static str,
    config: &'static str,
    /// The file's place in the directory that the service's `--data-dir` names.
    below_data_dir: Option<&'static str>,
    socket: &'static str,
    kubelet_root: &'static str,
    units: &'static [&'static str],
    /// Where `data-dir` may be written too.
    settings: Option<&'static str>,
    /// `ID` in os-release.
    os: Option<&'static str>,
    /// A file that looks like containerd's, and always lies there.
    beside: Option<&'static str>,
}

impl Distribution {
    const NONE: Self = Self {
        name: "",
        config: "",
        below_data_dir: None,
        socket: "",
        kubelet_root: KUBELET_ROOT,
        units: &[],
        settings: None,
        os: None,
        beside: None,
    };
}

/// Which files are containerd's and kubelet's on this node, and why.
#[derive(Clone, Debug)]
pub struct Layout {
    pub distribution: &'static str,
    pub config: PathBuf,
    /// It was named, by a person or by containerd's command line: then it must exist.
    pub config_named: bool,
    /// Half a sentence: what made it this file.
    pub reason: String,
    pub kubelet_root: PathBuf,
    /// Where this containerd listens.
    pub socket: String,
    pub findings: Vec<Finding>,
}

impl Layout {
    /// `config` and `kubelet_root`: as named by a person.
    pub fn find(
        root: &HostRoot,
        environment: &DaemonEnvironment,
        config: Option<&Path>,
        kubelet_root: Option<&Path>,
    ) -> Self {
        let search = Search { root, environment };
        let mut layout = search.layout(config);
        if let Some(named) = kubelet_root {
            named.clone_into(&mut layout.kubelet_root);
        } else if !search.is_there(&layout.kubelet_root) {
            layout.kubelet_root = KUBELET_ROOT.into();
        }
        if let Some(address) = environment.address_argument() {
            address.clone_into(&mut layout.socket);
        }
        layout
    }
}

struct Search<'a> {
    root: &'a HostRoot,
    environment: &'a DaemonEnvironment,
}

impl Search<'_> {
    fn layout(&self, named: Option<&Path>) -> Layout {
        if let Some(path) = named {
            return self.named(path, "it was named".into());
        }
        if let Some(path) = self.environment.config_argument() {
            let whose = match (self.environment.pid, self.environment.unit) {
                (Some(pid), _) => format!("the running containerd (process {pid}) was started with it"),
                (None, unit) => format!("{} starts containerd with it", unit.unwrap_or("the service")),
            };
            return self.named(Path::new(path), whose);
        }
        let (distribution, evidence) = self.by_unit().or_else(|| self.by_system()).unwrap_or((UPSTREAM, None));
        let config = self.config_of(&distribution);
        let others = self.others(&distribution, &config);
        match evidence {
            Some(why) if self.is_there(&config) || others.is_empty() => {
                let mut layout = of(&distribution, config, why.clone());
                layout.findings.extend(candidates(Severity::Info, &layout.config, &why, &others));
                layout
            }
            _ => self.by_files(),
        }
    }

    /// The place tells the distribution, and with it where kubelet's files are.
    fn named(&self, path: &Path, reason: String) -> Layout {
        let same = |distribution: &&Distribution| self.config_of(distribution) == path;
        // k3s and RKE2 may keep theirs anywhere, in directories of this name.
        let moved = |one: &&Distribution| one.below_data_dir.is_some_and(|below| path.ends_with(below));
        let distribution = with_own_place().find(same).copied().or_else(|| Some(self.by_unit()?.0));
        let distribution = distribution.or_else(|| with_own_place().find(moved).copied());
        Layout { config_named: true, ..of(&distribution.unwrap_or(UPSTREAM), path.to_owned(), reason) }
    }

    fn by_unit(&self) -> Option<(Distribution, Option<String>)> {
        let unit = self.environment.unit?;
        let reason = format!("{unit} is installed");
        match DISTRIBUTIONS.iter().find(|distribution| distribution.units.contains(&unit)) {
            Some(distribution) => Some((*distribution, Some(reason))),
            // Several distributions run a service of this name, each with its files.
            None => self.by_system().or(Some((UPSTREAM, Some(reason)))),
        }
    }

    fn by_system(&self) -> Option<(Distribution, Option<String>)> {
        let id = system(self.root)?;
        let distribution = DISTRIBUTIONS.iter().find(|distribution| distribution.os == Some(&*id))?;
        Some((*distribution, Some(format!("the node runs {}", distribution.name))))
    }

    /// Nothing says who runs containerd: the files and sockets have to.
    fn by_files(&self) -> Layout {
        let all = with_own_place().chain([&UPSTREAM]).map(|one| (*one, self.config_of(one)));
        let there: Vec<(Distribution, PathBuf)> = all.filter(|(_, config)| self.is_there(config)).collect();
        let listens = |one: &&(Distribution, PathBuf)| self.is_there(Path::new(one.0.socket));
        let Some((first, config)) = there.iter().find(listens).or(there.first()) else {
            return of(&UPSTREAM, UPSTREAM.config.into(), "it is containerd's default".into());
        };
        let others: Vec<PathBuf> =
            there.iter().map(|(_, other)| other.clone()).filter(|other| other != config).collect();
        let served = there.iter().filter(|one| listens(one)).count() == 1;
        let reason = match (others.is_empty(), served) {
            (true, _) => "it is the only file in the places that distributions use".to_owned(),
            (false, true) => format!("only {} has a socket", first.name),
            (false, false) => format!("it is where {} has its own", first.name),
        };
        let severity = if served { Severity::Info } else { Severity::Warning };
        let mut layout = of(first, config.clone(), reason.clone());
        layout.findings.extend(candidates(severity, config, &reason, &others));
        layout
    }

    fn config_of(&self, distribution: &Distribution) -> PathBuf {
        let moved = distribution.below_data_dir.and_then(|below| Some(self.data_dir(distribution)?.join(below)));
        moved.unwrap_or_else(|| distribution.config.into())
    }

    /// `--data-dir` of the service, or of its own settings.
    fn data_dir(&self, distribution: &Distribution) -> Option<PathBuf> {
        let command = &self.environment.command;
        let of_this = self.environment.unit.is_some_and(|unit| distribution.units.contains(&unit));
        let typed = command.iter().enumerate().filter(|_| of_this).find_map(|(at, word)| match word.split_once('=') {
            Some(("--data-dir" | "-d", value)) => Some(value.to_owned()),
            None if ["--data-dir", "-d"].contains(&word.as_str()) => command.get(at + 1).cloned(),
            _ => None,
        });
        let written = || {
            let text = self.root.read_text(Path::new(distribution.settings?), FILE_LIMIT).ok()?;
            let Value::Map(entries) = yaml::load(&text).ok()??.value else { return None };
            let (_, node) = entries.into_iter().find(|(key, _)| key.name == "data-dir")?;
            if let Value::Scalar { text, .. } = node.value { Some(text) } else { None }
        };
        typed.or_else(written).map(PathBuf::from).filter(|dir| dir.is_absolute())
    }

    /// Known files that are there and are not the one.
    fn others(&self, distribution: &Distribution, config: &Path) -> Vec<PathBuf> {
        let all = with_own_place().chain([&UPSTREAM]).map(|one| self.config_of(one));
        let foreign =
            |path: &PathBuf| path != config && distribution.beside.is_none_or(|beside| path != Path::new(beside));
        all.filter(foreign).filter(|path| self.is_there(path)).collect()
    }

    fn is_there(&self, path: &Path) -> bool {
        self.root.stat(path).is_ok()
    }
}

/// Those that a file's place tells.
fn with_own_place() -> impl Iterator<Item = &'static Distribution> {
    DISTRIBUTIONS.iter().filter(|one| one.config != UPSTREAM.config)
}

fn of(distribution: &Distribution, config: PathBuf, reason: String) -> Layout {
    Layout {
        distribution: distribution.name,
        config,
        config_named: false,
        reason,
        kubelet_root: distribution.kubelet_root.into(),
        socket: distribution.socket.to_owned(),
        findings: Vec::new(),
    }
}

fn candidates(severity: Severity, config: &Path, reason: &str, others: &[PathBuf]) -> Option<Finding> {
    if others.is_empty() {
        return None;
    }
    let shown: Vec<String> = others.iter().map(|path| path.display().to_string()).collect();
    let message = format!(
        "pullprobe reads this file as containerd's configuration, because {reason}. It does not read {}: that may belong to another containerd",
        shown.join(", ")
    );
    let fix = "pass the file that kubelet's containerd reads with --containerd-config, or remove the files of the other containerd";
    Some(Finding::new(severity, "config_candidates", message, fix).in_file(config.display().to_string()))
}

#[cfg(test)]
mod tests;
