//! What is worth knowing about credential files: what kubelet skips, ignores or can never match.

use std::collections::HashMap;
use std::path::Path;

use super::damage;
use super::dockerconfig::{DockerConfig, Entry, Malformed};
use super::key::IndexKey;
use crate::model::finding::{Finding, Severity};
use go::place::Position;

/// More findings than these on one file tell nothing new.
const FINDING_LIMIT: usize = 100;

/// The code of a file that kubelet skips.
pub const REJECTED: &str = "credentials_file_rejected";
/// The code of a login that a shell or an editor changed.
pub const DAMAGED: &str = "credentials_login_damaged";

pub fn unreadable(file: &str, why: &str) -> Finding {
    let message = format!("{why}: what kubelet does with it is unknown");
    let fix = format!("let pullprobe read {file}: it must run as root, as kubelet does, and see what links lead to");
    Finding::new(Severity::Warning, "credentials_file_unreadable", message, fix).in_file(file)
}

pub fn passed_over(file: &str, reason: &str) -> Finding {
    let message = format!("kubelet cannot read it ({reason}) and looks further");
    let fix = format!("remove {file}, or replace it by a regular file");
    Finding::new(Severity::Warning, "credentials_file_unreadable", message, fix).in_file(file)
}

pub fn shadowed(file: &str, used: &str) -> Finding {
    let message = format!("kubelet never reads it: {used} comes first and is valid");
    let fix = format!("move its entries into {used}, or remove that file");
    Finding::new(Severity::Warning, "credentials_file_shadowed", message, fix).in_file(file)
}

pub fn rejected(file: &str, malformed: &Malformed) -> Finding {
    let message = format!("kubelet skips the whole file and logs nothing: {}", malformed.reason);
    let fix = format!("correct {file} (`jq . {file}` shows faults of syntax); kubelet reads it again within 5 minutes");
    located(Finding::new(Severity::Error, REJECTED, message, fix).in_file(file), malformed.position)
}

pub fn depends_on_home(file: &str, home: &Path) -> Finding {
    let message = format!("kubelet uses it only while HOME={} is in its environment", home.display());
    let fix = "move it to /var/lib/kubelet/config.json, where kubelet always looks first".to_owned();
    Finding::new(Severity::Info, "credentials_file_needs_home", message, fix).in_file(file)
}

/// The file that kubelet uses, entry by entry.
pub fn entries(file: &str, config: &DockerConfig) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, position) in &config.unused {
        let message = format!("kubelet does not know `{name}`: it never runs docker's credential helpers");
        let fix = "write the login under `auths`, or set up a credential provider of the kubelet".to_owned();
        findings.push(located(Finding::new(Severity::Warning, "credentials_field_unused", message, fix), *position));
    }
    if config.entries.is_empty() {
        let why = if config.has_auths { "its `auths` is empty" } else { "it has no `auths`" };
        let message = format!("valid but without credentials ({why}); no other file is read because of it");
        let fix = format!("add logins under `auths`, or remove {file}");
        findings.push(Finding::new(Severity::Warning, "credentials_file_empty", message, fix));
    }
    let mut first_written: HashMap<IndexKey, &str> = HashMap::new();
    for entry in &config.entries {
        if findings.len() >= FINDING_LIMIT {
            break;
        }
        // A pattern may match any registry.
        let registry = Some(&entry.key).filter(|key| !key.contains('*'));
        let about = |finding: Finding| Finding { about: registry.map(Into::into).into_iter().collect(), ..finding };
        let of_entry = entry_findings(entry, &mut first_written).into_iter();
        findings.extend(of_entry.map(|one| about(located(one, entry.position))));
    }
    findings.into_iter().map(|finding| finding.in_file(file)).collect()
}

fn entry_findings<'c>(entry: &'c Entry, first_written: &mut HashMap<IndexKey, &'c str>) -> Vec<Finding> {
    let key = entry.key.as_str();
    let mut findings = Vec::new();
    for name in &entry.unused {
        let instead = if entry.password.is_empty() { " and sends no password instead" } else { "" };
        let message = format!("`{key}`: kubelet does not know `{name}`{instead}");
        let fix = "write `auth`, the base64 of user, colon and password, or use a credential provider".to_owned();
        findings.push(Finding::new(Severity::Warning, "credentials_field_unused", message, fix));
    }
    let lacks = match (entry.username.is_empty(), entry.password.is_empty()) {
        (true, true) => Some("has neither user nor password"),
        (true, false) => Some("has a password without a user"),
        (false, true) => Some("has a user without a password"),
        (false, false) => None,
    };
    if let Some(lacks) = lacks.filter(|_| entry.unused.is_empty()) {
        let message = format!("`{key}` {lacks}: it matches, and the pull is anonymous");
        let fix = "write `auth`, or remove the entry".to_owned();
        findings.push(Finding::new(Severity::Warning, "credentials_entry_empty", message, fix));
    }
    findings.extend(damaged(entry));
    let index = match IndexKey::of(key) {
        Ok(index) => index,
        Err(reason) => {
            let message = format!("kubelet skips the key `{key}`: {reason}");
            let fix = "write the registry's host, with its port if images have one: `registry.example:5000`".to_owned();
            findings.push(Finding::new(Severity::Error, "credentials_key_invalid", message, fix));
            return findings;
        }
    };
    if let Some(Doubt { never, why, better }) = doubt(&index) {
        let (severity, how) =
            if never { (Severity::Error, "no image") } else { (Severity::Warning, "hardly any image") };
        let message = format!("the key `{key}` matches {how}: {why}");
        findings.push(Finding::new(severity, "credentials_key_never_matches", message, format!("write `{better}`")));
    }
    match first_written.get(&index) {
        Some(first) => {
            let message = format!("`{key}` and `{first}` are one key for kubelet: it tries both, in random order");
            let fix = "keep one of them".to_owned();
            findings.push(Finding::new(Severity::Warning, "credentials_key_repeated", message, fix));
        }
        None => {
            first_written.insert(index, key);
        }
    }
    findings
}

/// The login itself came to harm before it was written here.
fn damaged(entry: &Entry) -> impl Iterator<Item = Finding> {
    let found = damage::of_login(&entry.username, &entry.password, &entry.key).into_iter();
    found.map(|one| {
        // Without the registry nobody knows that a name is wrong.
        let (severity, is) = if one.certain { (Severity::Warning, "is") } else { (Severity::Info, "may be") };
        let message = format!("the login for `{}` {is} damaged: {}. kubelet sends it as it is", entry.key, one.what);
        Finding::new(severity, DAMAGED, message, one.fix)
    })
}

/// What is wrong with a key that is a URL.
pub struct Doubt {
    /// True: no image name can match it. False: only names that nobody uses match it.
    pub never: bool,
    pub why: &'static str,
    /// What was probably meant.
    pub better: String,
}

pub fn doubt(index: &IndexKey) -> Option<Doubt> {
    let parts = index.parts()?;
    let host = match parts.port.as_str() {
        "" => parts.host.clone(),
        port => format!("{}:{port}", parts.host),
    };
    let hub = "https://index.docker.io/v1/";
    let never = |why: &'static str, better: String| Some(Doubt { never: true, why, better });
    let rarely = |why: &'static str, better: String| Some(Doubt { never: false, why, better });
    if parts.host.is_empty() {
        return never("it names no host", "registry.example".into());
    }
    if parts.host == "index.docker.io" {
        let only_host = parts.path.is_empty() && parts.port.is_empty();
        return if only_host {
            None
        } else {
            never("the entry of Docker Hub must end in `/v1/` or be the host alone", hub.into())
        };
    }
    if parts.host == "registry-1.docker.io" {
        return rarely("images of Docker Hub are named `docker.io`, not by the host that serves them", hub.into());
    }
    if let Some(path) = parts.path.strip_prefix("//") {
        return never("only `https://` and `http://` in lower case are taken for a scheme", path.to_owned());
    }
    if matches!(parts.path.as_str(), "/v1" | "/v2") {
        return rarely("only with a slash at the end is the version of the API not taken for a repository", host);
    }
    if parts.host.starts_with('[') {
        return never("without a port the brackets of an IPv6 address are taken for a pattern", format!("{host}:443"));
    }
    if parts.path.contains('*') {
        return never("a `*` in the path stands for itself", format!("{host}{}", parts.path.replace('*', "")));
    }
    if parts.path.chars().any(char::is_uppercase) {
        return never("repositories are always in lower case", format!("{host}{}", parts.path.to_lowercase()));
    }
    None
}

fn located(finding: Finding, position: Option<Position>) -> Finding {
    match position {
        Some(position) => finding.at(position),
        None => finding,
    }
}
