//! The environment that systemd would give a service, from its unit, drop-ins and environment files.

use std::collections::BTreeSet;
use std::path::Path;

use super::ignored::Ignored;
use super::systemd::{self, Setting};
use super::{DaemonEnvironment, EnvVar, FILE_LIMIT, MATTERS, env_file};
use go::place::{Position, SourceLocation};

use crate::host::root::{HostRoot, ReadError};
use crate::model::finding::{Finding, Severity};
use crate::redact::secret::Secret;

/// microk8s starts containerd from a shell script that sources this file.
const MICROK8S_ENV: &str = "/var/snap/microk8s/current/args/containerd-env";

/// containerd's. `None` when the unit is not installed.
pub fn load(root: &HostRoot, unit: &'static str) -> Option<DaemonEnvironment> {
    environment(root, unit, true)
}

/// That of the service's own process.
pub fn load_plain(root: &HostRoot, unit: &'static str) -> Option<DaemonEnvironment> {
    environment(root, unit, false)
}

fn environment(root: &HostRoot, unit: &'static str, of_containerd: bool) -> Option<DaemonEnvironment> {
    let systemd::Settings { list: settings, closed, ignored } = systemd::unit_settings(root, unit)?;
    let systemd::Settings { list: manager, closed: managers, .. } = systemd::manager_settings(root);
    let closed = closed.or(managers);
    let findings = ignored.into_iter().map(Ignored::finding).collect();
    let mut service = Service { root, unit, variables: Vec::new(), closed, findings };
    for setting in effective(&manager, "DefaultEnvironment") {
        service.assign_words(setting);
    }
    for setting in effective(&settings, "PassEnvironment") {
        service.pass_on(setting, &effective(&manager, "ManagerEnvironment"));
    }
    for setting in effective(&settings, "Environment") {
        service.assign_words(setting);
    }
    // systemd reads these when it starts the service, so they win over every `Environment=`.
    for setting in effective(&settings, "EnvironmentFile") {
        service.read_file(setting);
    }
    for setting in effective(&settings, "UnsetEnvironment") {
        service.unset(setting);
    }
    if unit.starts_with("snap.microk8s") {
        service.read_path(MICROK8S_ENV, true);
    }
    if of_containerd && ["k3s", "rke2", "k0s"].iter().any(|distribution| unit.starts_with(distribution)) {
        service.apply_containerd_prefix();
    }
    let command = effective(&settings, "ExecStart").last().map(|setting| service.command(setting)).unwrap_or_default();
    let Service { variables, closed, findings, .. } = service;
    Some(DaemonEnvironment { unit: Some(unit), pid: None, variables, pending: Vec::new(), command, closed, findings })
}

/// The settings of a list-like key: an empty assignment forgets those before it.
fn effective<'a>(settings: &'a [Setting], key: &str) -> Vec<&'a Setting> {
    let mut kept = Vec::new();
    for setting in settings.iter().filter(|setting| setting.key == key) {
        if setting.value.is_empty() {
            kept.clear();
        } else {
            kept.push(setting);
        }
    }
    kept
}

struct Service<'a> {
    root: &'a HostRoot,
    unit: &'static str,
    variables: Vec<EnvVar>,
    closed: Option<ReadError>,
    findings: Vec<Finding>,
}

impl Service<'_> {
    fn assign_words(&mut self, setting: &Setting) {
        let origin = setting.place();
        let words = systemd::words(&setting.value).unwrap_or_else(|before| {
            let message = "a quote is not closed, or an escape is unknown: systemd ignores the line from there on";
            self.warn(&origin, message, "close the quote; write a backslash as \\\\");
            before
        });
        for word in words {
            let word = self.expand(&word, &origin);
            match word.split_once('=').filter(|(name, _)| is_name(name)) {
                Some((name, value)) => self.set(name, value, &origin),
                // The word itself may be half a password: it is not shown.
                None => self.warn(
                    &origin,
                    "systemd ignores a word that is not NAME=value",
                    "quote values that contain spaces",
                ),
            }
        }
    }

    /// Variables of systemd's own environment. Of that, only what its settings add stands in a file.
    fn pass_on(&mut self, setting: &Setting, of_manager: &[&Setting]) {
        let (variables, findings) = (Vec::new(), Vec::new());
        let mut own = Service { root: self.root, unit: self.unit, variables, closed: None, findings };
        of_manager.iter().for_each(|setting| own.assign_words(setting));
        let words = systemd::words(&setting.value).unwrap_or_else(|before| before);
        let names: BTreeSet<&str> = words.iter().map(String::as_str).collect();
        for variable in own.variables.iter().filter(|variable| names.contains(variable.name.as_str())) {
            self.set(&variable.name, variable.value.expose(), &variable.origin);
        }
        let is_known = |name: &&&str| own.variables.iter().any(|variable| variable.name == **name);
        for name in names.iter().filter(|name| MATTERS.contains(*name) && !is_known(name)) {
            let message = format!(
                "PassEnvironment takes {name} from systemd's own environment, which no file shows: pullprobe treats it as not set"
            );
            let fix = "set it with Environment=, or let pullprobe see the host's processes";
            let finding = Finding::new(Severity::Info, "environment_passed_on", message, fix);
            self.findings.push(finding.located(&setting.place()));
        }
    }

    fn read_file(&mut self, setting: &Setting) {
        let origin = setting.place();
        let (path, optional) =
            setting.value.strip_prefix('-').map_or((setting.value.as_str(), false), |path| (path, true));
        let path = self.expand(path, &origin);
        if !path.starts_with('/') {
            self.warn(&origin, "systemd ignores an EnvironmentFile whose path is not absolute", "write the whole path");
        } else if path.contains(['*', '?', '[']) {
            self.read_pattern(&path);
        } else if self.read_path(&path, false).is_none() && !optional && self.closed.is_none() {
            let message = format!("EnvironmentFile {path} cannot be read: systemd does not start {}", self.unit);
            let finding = Finding::new(
                Severity::Error,
                "environment_file_missing",
                message,
                "create the file, or write EnvironmentFile=-PATH",
            );
            self.findings.push(finding.located(&origin));
        }
    }

    /// A pattern in the last component, the only kind seen on nodes.
    fn read_pattern(&mut self, pattern: &str) {
        let Some((dir, pattern)) = pattern.rsplit_once('/') else { return };
        let listed = self.root.list(Path::new(dir)).map_err(|error| self.note(error));
        for entry in listed.unwrap_or_default() {
            if let Some(name) = entry.name.to_str().filter(|name| !name.starts_with('.') && matches_glob(pattern, name))
            {
                self.read_path(&format!("{dir}/{name}"), false);
            }
        }
    }

    /// `None` when the file cannot be read. A shell's file may say `export`; systemd's may not.
    fn read_path(&mut self, path: &str, shell: bool) -> Option<()> {
        let text = self.root.read_text(Path::new(path), FILE_LIMIT).map_err(|error| self.note(error)).ok()?;
        for assignment in env_file::parse(&text) {
            let origin = SourceLocation::new(path, Position::of_line(assignment.line));
            let exported = assignment.name.strip_prefix("export ").map(str::trim_start);
            let name = exported.filter(|_| shell).unwrap_or(&assignment.name);
            if is_name(name) {
                self.set(name, &assignment.value, &origin);
            } else if exported.is_some() {
                self.warn(&origin, "systemd does not know `export`: it ignores the line", "remove the word export");
            }
        }
        Some(())
    }

    /// What only pullprobe does not read.
    fn note(&mut self, error: ReadError) {
        self.closed = self.closed.take().or(Some(error).filter(ReadError::is_ours));
    }

    fn unset(&mut self, setting: &Setting) {
        for word in systemd::words(&setting.value).unwrap_or_else(|before| before) {
            let gone = |variable: &EnvVar| match word.split_once('=') {
                Some((name, value)) => variable.name == name && variable.value.expose() == value,
                None => variable.name == word,
            };
            self.variables.retain(|variable| !gone(variable));
        }
    }

    /// k3s, rke2 and k0s hand their environment to their containerd, `CONTAINERD_X` there being `X`.
    fn apply_containerd_prefix(&mut self) {
        let (prefixed, plain): (Vec<_>, Vec<_>) = std::mem::take(&mut self.variables)
            .into_iter()
            .partition(|variable| variable.name.starts_with("CONTAINERD_"));
        self.variables = plain;
        for variable in prefixed.iter().filter(|variable| variable.name != "CONTAINERD_LOG_LEVEL") {
            let name = variable.name.trim_start_matches("CONTAINERD_");
            self.set(name, variable.value.expose(), &variable.origin);
        }
    }

    fn command(&self, setting: &Setting) -> Vec<String> {
        let line = setting.value.trim_start_matches(['-', '@', ':', '+', '!', '|']);
        let words = systemd::command_words(line);
        words.iter().flat_map(|word| self.substitute(&systemd::expand_specifiers(word, self.unit).0)).collect()
    }

    /// `$NAME` as a whole word becomes the value's words; `${NAME}` is replaced in place.
    fn substitute(&self, word: &str) -> Vec<String> {
        let value = |name: &str| {
            self.variables.iter().find(|variable| variable.name == name).map_or("", |variable| variable.value.expose())
        };
        if let Some(name) = word.strip_prefix('$').filter(|name| is_name(name)) {
            return systemd::command_words(value(name));
        }
        let mut pieces = word.split("${");
        let mut out = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            match piece.split_once('}') {
                Some((name, rest)) => out.extend([value(name), rest]),
                None => out.extend(["${", piece]),
            }
        }
        vec![out.replace("$$", "$")]
    }

    fn expand(&mut self, text: &str, origin: &SourceLocation) -> String {
        let (expanded, unknown) = systemd::expand_specifiers(text, self.unit);
        if let Some(letter) = unknown {
            let message =
                format!("%{letter} is a systemd specifier whose value is not known here; it was left as written");
            self.warn(origin, &message, "write a literal percent sign as %%");
        }
        expanded
    }

    fn set(&mut self, name: &str, value: &str, origin: &SourceLocation) {
        self.variables.retain(|variable| variable.name != name);
        self.variables.push(EnvVar { name: name.into(), value: Secret::new(value), origin: origin.clone() });
    }

    fn warn(&mut self, origin: &SourceLocation, message: &str, fix: &str) {
        self.findings.push(Finding::new(Severity::Warning, "unit_line_ignored", message, fix).located(origin));
    }
}

pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// `*` and `?` only.
fn matches_glob(pattern: &str, name: &str) -> bool {
    match (pattern.chars().next(), name.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            matches_glob(&pattern[1..], name)
                || name.chars().next().is_some_and(|c| matches_glob(pattern, &name[c.len_utf8()..]))
        }
        (Some('?'), Some(c)) => matches_glob(&pattern[1..], &name[c.len_utf8()..]),
        (Some(p), Some(c)) if p == c => matches_glob(&pattern[p.len_utf8()..], &name[c.len_utf8()..]),
        _ => false,
    }
}
