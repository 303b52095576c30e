//! Findings about what an accepted hosts.toml says.

use super::super::certs_d::{Host, HostDirectory};
use super::super::document::{Dialect, Place, Table, Value};
use super::super::gotext::nearest;
use super::super::gourl;
use super::super::hosts_toml::{HOST_KEYS, HostSpec};
use super::{Lint, error, info, warning};
use crate::model::finding::Finding;

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
                let name = gourl::shown(name);
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
        for host in &directory.hosts {
            self.host(host, found);
        }
        self.server(domain, &directory.server, table, found);
        repeated(domain, directory, found);
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
        for (key, value) in &table.entries {
            let is_known =
                known.iter().any(|name| table.field(name, dialect).is_some_and(|found| found.key == value.key));
            if is_known && key.eq_ignore_ascii_case("dial_timeout") && !self.version.knows_dial_timeout() {
                let message = format!(
                    "containerd {} does not know `dial_timeout`: a dead host costs 30 seconds a request",
                    self.version
                );
                found.push(warning("dial_timeout_ignored", &value.key, message, "upgrade containerd to 2.1"));
            }
            if is_known {
                continue;
            }
            let fix = match key.as_str() {
                "server" => "write `server` at the top of the file, before all tables".into(),
                "rewrite" => {
                    "only the containerd of k3s and RKE2 knows it; elsewhere use a path and `override_path`".into()
                }
                key => nearest(key, known.iter().copied())
                    .map_or_else(|| "remove it".into(), |name| format!("did you mean `{name}`?")),
            };
            found.push(warning(
                "hosts_file_unknown_key",
                &value.key,
                format!("containerd ignores `{key}` here, without a word"),
                fix,
            ));
        }
    }

    fn host(&self, host: &Host, found: &mut Vec<Finding>) {
        let spec = &host.spec;
        if spec.url.is_none() {
            let message = format!(
                "`{}` starts with \"http\" but is no URL with a host: containerd asks it in vain and goes on",
                spec.shown()
            );
            found.push(error("host_url_unusable", &spec.place, message, "write https:// or http:// before the host"));
        }
        if !spec.capabilities.resolve && spec.capabilities.pull {
            let message = format!(
                "`{}` may not resolve: pulls by tag ask the next host for the tag, and this one for the contents only",
                spec.shown()
            );
            found.push(info(
                "host_without_resolve",
                &spec.place,
                message,
                "add `resolve` to its capabilities if it keeps tags up to date",
            ));
        }
        self.common(host, found);
    }

    fn server(&self, domain: Option<&str>, host: &Host, table: &Table, found: &mut Vec<Finding>) {
        let spec = &host.spec;
        match &spec.url {
            Some(url) if url.authority == "docker.io" => {
                let message =
                    "`server` is taken literally: docker.io is not the registry of Docker Hub, and pulls from it fail";
                found.push(error(
                    "server_docker_io",
                    &spec.place,
                    message,
                    "write server = \"https://registry-1.docker.io\", or leave it out",
                ));
            }
            Some(_) => {}
            None if !spec.name.is_empty() => {
                let message = format!(
                    "`server = \"{}\"` has no host: containerd takes it for unset and asks {}",
                    spec.shown(),
                    domain.unwrap_or("the registry itself")
                );
                found.push(error(
                    "host_url_unusable",
                    &spec.place,
                    message,
                    "write https:// or http:// before the host",
                ));
            }
            None => {
                if let Some(capabilities) = table.field("capabilities", self.version.dialect()) {
                    let message = "without `server`, `capabilities` at the root count for nothing: the registry itself is asked with all of them";
                    found.push(warning(
                        "root_capabilities_ignored",
                        &capabilities.key,
                        message,
                        "set `server` too, or write them in a [host.\"…\"] table",
                    ));
                }
            }
        }
        self.common(host, found);
    }

    /// What may be wrong with any host, `server` included.
    fn common(&self, host: &Host, found: &mut Vec<Finding>) {
        let spec = &host.spec;
        if let Err(fault) = &host.tls {
            let message =
                format!("every pull of the registry fails, whatever its other hosts would serve: {}", fault.wording);
            let fix = if spec.tls.client.len() == 2 && spec.tls.client.iter().all(|(_, key)| key.is_none()) {
                "a certificate and its key are a pair: client = [[\"cert\", \"key\"]]"
            } else {
                "put a PEM file in its place, or take the path out"
            };
            found.push(error("tls_file_unusable", &spec.place, message, fix));
        }
        if let Some(limit) = spec.dial_timeout.filter(|limit| limit.negative || limit.length.is_zero()) {
            let what = if limit.negative {
                "every connection fails at once"
            } else {
                "connecting takes as long as the system lets it"
            };
            found.push(warning(
                "dial_timeout_odd",
                &spec.place,
                format!("with this `dial_timeout` {what}"),
                "write a positive duration such as \"5s\"",
            ));
        }
        let Some(url) = &spec.url else { return };
        if spec.name.split('/').any(|part| part.contains('@')) {
            let message = "the user name and password of a host's URL are dropped: containerd never sends them";
            found.push(warning("host_userinfo_dropped", &spec.place, message, "use an image pull secret"));
        }
        if let Some(middle) = url.path.strip_suffix("/v2").filter(|path| path.contains("/v2/")) {
            let message = format!("/v2 is added once more: requests go to {middle}/v2/…");
            found.push(warning("host_path_v2", &spec.place, message, "set `override_path = true`"));
        }
        if spec.tls.skip_verify == Some(true) && url.scheme == "https" {
            let message = format!(
                "`{}` is not verified: whoever can stand between it and the node can serve other images",
                spec.shown()
            );
            found.push(warning("skip_verify", &spec.place, message, "name its authority with `ca` instead"));
        }
        if url.scheme == "http" {
            let upgraded = spec.tls.is_set() && self.version.upgrades_http_with_tls();
            found.push(if upgraded {
                let message = format!(
                    "`{}` has TLS settings, so containerd {} asks it over https first and falls back to http",
                    spec.shown(),
                    self.version
                );
                info("http_upgraded", &spec.place, message, "write https://, or remove the TLS settings")
            } else {
                info(
                    "plain_http",
                    &spec.place,
                    format!("images and credentials travel to `{}` in the clear", spec.shown()),
                    "use https:// where the registry has it",
                )
            });
        }
    }
}

/// Paths that start at the directory of hosts.toml, which surprises those who expect another.
fn relative_paths(table: &Table, dialect: Dialect, found: &mut Vec<Finding>) {
    for key in ["ca", "client"] {
        let Some(value) = table.field(key, dialect) else { continue };
        if texts(value).iter().any(|path| !path.starts_with('/')) {
            let message = format!("the path in `{key}` is relative: it starts at the directory of this hosts.toml");
            found.push(info("tls_path_relative", &value.key, message, "nothing needs fixing if the file is there"));
        }
    }
}

fn texts(value: &Value) -> Vec<&str> {
    match &value.data {
        super::super::document::Data::String(text) => vec![text],
        super::super::document::Data::Array(items) => items.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// Hosts that are asked twice: once more in vain for whatever the first time lacked.
fn repeated(domain: Option<&str>, directory: &HostDirectory, found: &mut Vec<Finding>) {
    let upstream = domain.map(|domain| if domain == "docker.io" { "registry-1.docker.io" } else { domain });
    let mut seen: Vec<(String, &Place)> = Vec::new();
    for host in directory.hosts.iter().chain([&directory.server]) {
        let spec = &host.spec;
        let url = match (&spec.url, upstream) {
            (Some(url), _) => format!("{}://{}{}", url.scheme, url.authority, url.path),
            (None, Some(upstream)) if spec.name.is_empty() => format!("https://{upstream}/v2"),
            _ => continue,
        };
        if let Some((_, first)) = seen.iter().find(|(known, _)| *known == url) {
            let message = format!(
                "{url} is asked twice, here and for line {}: a request that fails there is made once more",
                first.line
            );
            found.push(warning("host_repeated", &spec.place, message, "keep one table for each host with its sub-tables right below it, and set `server` to a host that is not listed"));
        } else {
            seen.push((url, &spec.place));
        }
    }
}
