//! Findings about what an accepted hosts.toml says.

use go::place::SourceLocation;
use go::toml::{Table, Value};

use super::host::{is_loopback, never_answers, relative_paths};
use super::{Lint, error, info, warning};
use crate::mirrors::certs_d::{Host, HostDirectory};
use crate::mirrors::hosts_toml::{HOST_KEYS, HostSpec};
use crate::model::finding::Finding;
use crate::model::nearest::nearest;
use crate::redact::urls;

const WHOLE_URL: &str = "write the host as https://HOST[:PORT] or http://HOST[:PORT], the scheme in small letters";

impl Lint<'_, '_> {
    /// `domain`: the registry that the directory serves. `None`: it serves many.
    pub(super) fn hosts_file(
        &self,
        domain: Option<&str>,
        directory: &HostDirectory,
        table: &Table,
        found: &mut Vec<Finding>,
    ) {
        let dialect = self.version.dialect();
        let root: Vec<&str> = HOST_KEYS.into_iter().chain(["server", "host"]).collect();
        self.unknown(table, &root, found);
        let hosts = table.field("host", dialect).and_then(Value::as_table);
        for (name, value) in hosts.into_iter().flat_map(|hosts| &hosts.entries) {
            if let Some(keys) = value.as_table() {
                self.unknown(keys, &HOST_KEYS, found);
                relative_paths(keys, dialect, found);
            }
            if !directory.hosts.iter().any(|host| host.spec.name == *name) {
                let name = urls::redacted(name);
                let message = format!(
                    "containerd {} finds hosts only in [host.\"…\"] headers: `{name}` is never asked",
                    self.version
                );
                found.push(error(
                    "host_vanishes",
                    &value.key,
                    message,
                    format!("write it as a table of its own, [host.\"{name}\"]"),
                ));
            }
        }
        relative_paths(table, dialect, found);
        let none = Table::default();
        for host in &directory.hosts {
            let keys = hosts.and_then(|hosts| hosts.table(&host.spec.name));
            self.host(host, keys.unwrap_or(&none), found);
        }
        self.server(domain, directory, table, found);
        repeated(directory, hosts, found);
        self.less_than_meant(domain, directory, hosts, table, found);
        let resolves = |spec: &HostSpec| spec.capabilities.pull && spec.capabilities.resolve;
        let upstream_is_added = directory.server.spec.url.is_none();
        if !upstream_is_added && !directory.hosts.iter().chain([&directory.server]).any(|host| resolves(&host.spec)) {
            let message =
                "no host may both pull and resolve: a tag can never be resolved (`no resolve hosts: not found`)";
            found.push(error(
                "no_host_resolves",
                &directory.server.spec.place,
                message,
                "give one host the capabilities pull and resolve",
            ));
        }
    }

    fn unknown(&self, table: &Table, known: &[&str], found: &mut Vec<Finding>) {
        let dialect = self.version.dialect();
        let taken: Vec<_> =
            known.iter().filter_map(|name| table.field(name, dialect)).map(|found| &found.key).collect();
        for (key, value) in &table.entries {
            let is_known = taken.contains(&&value.key);
            if is_known && key.eq_ignore_ascii_case("dial_timeout") && !self.version.knows_dial_timeout() {
                let message = format!(
                    "containerd {} does not know `dial_timeout`: a dead host costs 30 seconds a request",
                    self.version
                );
                found.push(warning(
                    "dial_timeout_ignored",
                    &value.key,
                    message,
                    "upgrade containerd to 2.0.7 or newer",
                ));
            }
            if is_known {
                continue;
            }
            let fix = match key.as_str() {
                "rewrite" if self.version.knows_rewrite() => {
                    found.push(rewritten(&value.key));
                    continue;
                }
                "server" => "write `server` at the top of the file, before all tables".into(),
                "rewrite" => {
                    "only the containerd of k3s and RKE2 knows it; elsewhere use a path and `override_path`".into()
                }
                key => of_config(key)
                    .or_else(|| nearest(key, known.iter().copied()))
                    .map_or_else(|| "remove it".into(), |name| format!("did you mean `{name}`?")),
            };
            found.push(warning(
                "hosts_file_unknown_key",
                &value.key,
                format!("containerd ignores `{key}` here and logs nothing"),
                fix,
            ));
        }
    }

    fn host(&self, host: &Host, keys: &Table, found: &mut Vec<Finding>) {
        let spec = &host.spec;
        if let Some(why) = never_answers(spec) {
            let message = format!("{why}, so containerd fails there and asks the next host");
            found.push(error("host_url_unusable", &spec.place, message, WHOLE_URL));
        }
        if !spec.capabilities.resolve && spec.capabilities.pull {
            let message = format!(
                "`{}` may not resolve: pulls by tag ask the next host for the tag, and this one for the contents only",
                spec.shown()
            );
            found.push(info(
                "host_without_resolve",
                self.place(keys, "capabilities", spec),
                message,
                "add `resolve` to its capabilities if it keeps tags up to date",
            ));
        }
        self.any_host(host, keys, found);
    }

    fn server(&self, domain: Option<&str>, directory: &HostDirectory, table: &Table, found: &mut Vec<Finding>) {
        let spec = &directory.server.spec;
        match &spec.url {
            Some(url) if url.authority == "docker.io" && !serves_hub(directory) => {
                let message =
                    "`server` is taken literally: docker.io is not the registry of Docker Hub, and pulls from it fail";
                found.push(error(
                    "server_docker_io",
                    &spec.place,
                    message,
                    "write server = \"https://registry-1.docker.io\", or leave it out",
                ));
            }
            Some(_) => {
                if let Some(why) = never_answers(spec) {
                    let message = format!("{why}: a pull that no other host serves fails");
                    found.push(error("host_url_unusable", &spec.place, message, WHOLE_URL));
                }
            }
            None if !spec.name.is_empty() => {
                let message = format!(
                    "`server = \"{}\"` has no host: containerd ignores it and asks {}",
                    spec.shown(),
                    domain.unwrap_or("the registry itself")
                );
                found.push(error("host_url_unusable", &spec.place, message, WHOLE_URL));
            }
            None => {
                if let Some(capabilities) = table.field("capabilities", self.version.dialect()) {
                    let message = "without `server`, containerd ignores `capabilities` at the root: it asks the registry itself with all of them";
                    found.push(warning(
                        "root_capabilities_ignored",
                        &capabilities.key,
                        message,
                        "set `server` too, or write them in a [host.\"…\"] table",
                    ));
                }
            }
        }
        self.any_host(&directory.server, table, found);
    }
}

/// Whether Docker Hub's registry itself is listed, so that a wrong `server` behind it is never needed.
fn serves_hub(directory: &HostDirectory) -> bool {
    let serves = |spec: &HostSpec| spec.capabilities.pull && spec.capabilities.resolve;
    let is_hub = |spec: &HostSpec| spec.url.as_ref().is_some_and(|url| url.authority == "registry-1.docker.io");
    directory.hosts.iter().any(|host| is_hub(&host.spec) && serves(&host.spec))
}

/// The key that takes the place of one of config.toml.
fn of_config(key: &str) -> Option<&'static str> {
    Some(match key {
        "ca_file" => "ca",
        "cert_file" | "key_file" => "client",
        "insecure_skip_verify" => "skip_verify",
        "headers" => "header",
        _ => return None,
    })
}

fn rewritten(place: &SourceLocation) -> Finding {
    let message = "the containerd of k3s and RKE2 asks this host for repositories under their rewritten names, and so does pullprobe";
    let fix = "leave it as it is; any other containerd ignores `rewrite`";
    info("host_rewrite", place, message, fix)
}

/// The table below a host that stands last in the file.
fn last_table(keys: &Table) -> Option<&SourceLocation> {
    let tables = keys.entries.iter().filter(|(_, value)| value.as_table().is_some());
    tables.map(|(_, value)| &value.key).max_by_key(|place| place.line())
}

/// One host, however it is written: its usual port may be left out, and names have no case.
fn without_usual_port(scheme: &str, authority: &str) -> String {
    let usual = if scheme == "http" { ":80" } else { ":443" };
    let host = authority.strip_suffix(usual).or_else(|| authority.strip_suffix(':')).unwrap_or(authority);
    host.to_ascii_lowercase()
}

/// Hosts that are asked twice: once more in vain for whatever the first time lacked. The registry itself comes last
/// in any case, and to give it settings of its own it has to stand among the hosts.
fn repeated(directory: &HostDirectory, hosts: Option<&Table>, found: &mut Vec<Finding>) {
    let mut seen: Vec<(String, &SourceLocation)> = Vec::new();
    for host in &directory.hosts {
        let spec = &host.spec;
        let Some(parsed) = &spec.url else { continue };
        let (scheme, authority, path) = (&parsed.scheme, &parsed.authority, &parsed.path);
        let url = format!("{scheme}://{authority}{path}");
        let asked = format!("{scheme}://{}{path}", without_usual_port(scheme, authority));
        if is_loopback(authority) {
            continue;
        }
        if let Some((_, first)) = seen.iter().find(|(known, _)| *known == asked) {
            let message = format!(
                "{url} is asked twice, here and for line {}: a request that fails there is made once more",
                first.line()
            );
            let again =
                if spec.place == **first { hosts.and_then(|hosts| last_table(hosts.table(&spec.name)?)) } else { None };
            found.push(warning(
                "host_repeated",
                again.unwrap_or(&spec.place),
                message,
                "keep one table for each host, with its sub-tables right below it",
            ));
        } else {
            seen.push((asked, &spec.place));
        }
    }
}
