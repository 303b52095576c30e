//! Findings about one host of a hosts.toml, `server` included.

use std::net::IpAddr;

use go::address::host_and_port;
use go::place::SourceLocation;
use go::toml::{Data, Dialect, Table, Value};

use super::{Lint, error, impossible, info, unread, warning};
use crate::mirrors::certs_d::Host;
use crate::mirrors::hosts_toml::{HostSpec, HostUrl};
use crate::mirrors::tls_files::texts;
use crate::model::finding::Finding;

impl Lint<'_, '_> {
    /// `keys`: the host's own table, or the root of the file for `server`.
    pub(super) fn any_host(&self, host: &Host, keys: &Table, found: &mut Vec<Finding>) {
        let spec = &host.spec;
        tls_files(host, found);
        self.dial_timeout(spec, keys, found);
        self.header_secrets(keys, found);
        let Some(url) = &spec.url else { return };
        if spec.name.split('/').any(|part| part.contains('@')) {
            let message = "the user name and password of a host's URL are dropped: containerd never sends them";
            found.push(warning("host_userinfo_dropped", &spec.place, message, "use an image pull secret"));
        }
        self.path(spec, url, keys, found);
        if spec.tls.skip_verify == Some(true) && url.scheme == "https" {
            let message =
                format!("`{}` is not verified: anyone between it and the node can serve other images", spec.shown());
            let place = self.place(keys, "skip_verify", spec);
            found.push(warning("skip_verify", place, message, "name its authority with `ca` instead"));
        }
        // Nothing goes to a host that there cannot be.
        if never_answers(spec).is_none() {
            self.scheme(spec, url, found);
        }
    }

    /// Where the host's key is written; else where the host is.
    pub(super) fn place<'p>(&self, keys: &'p Table, key: &str, spec: &'p HostSpec) -> &'p SourceLocation {
        keys.field(key, self.version.dialect()).map_or(&spec.place, |value| &value.key)
    }

    fn dial_timeout(&self, spec: &HostSpec, keys: &Table, found: &mut Vec<Finding>) {
        let odd = spec.dial_timeout.filter(|limit| limit.negative || limit.length.is_zero());
        let Some(limit) = odd else { return };
        let what = if limit.negative {
            "every connection fails at once"
        } else {
            "only the operating system's own time limit ends an attempt to connect"
        };
        found.push(warning(
            "dial_timeout_odd",
            self.place(keys, "dial_timeout", spec),
            format!("with this `dial_timeout` {what}"),
            "write a positive duration such as \"5s\"",
        ));
    }

    /// A credential in a header that every user of the node may read.
    fn header_secrets(&self, keys: &Table, found: &mut Vec<Finding>) {
        let header = keys.field("header", self.version.dialect()).and_then(Value::as_table);
        let secret = header.into_iter().flat_map(|header| &header.entries).find(|(name, _)| is_secret(name));
        let Some((name, value)) = secret.filter(|(_, value)| self.reader.is_open_to_all(&value.key.file)) else {
            return;
        };
        found.push(world_readable(&value.key, &format!("the header `{name}`")));
    }

    fn path(&self, spec: &HostSpec, url: &HostUrl, keys: &Table, found: &mut Vec<Finding>) {
        let overridden = keys.field("override_path", self.version.dialect());
        if let Some(value) = overridden.filter(|value| value.data == Data::Boolean(true))
            && !url.path.split('/').any(|part| part == "v2")
        {
            let shown = if url.path.is_empty() { "/" } else { &url.path };
            let message = format!(
                "no /v2 is added to `{}` with `override_path`: requests go to {shown} as it is, where hardly any registry answers",
                spec.shown()
            );
            let fix = "write the whole path, such as https://HOST/v2/PROJECT, or take `override_path` out";
            found.push(warning("override_path_without_v2", &value.key, message, fix));
        }
        if let Some(middle) = url.path.strip_suffix("/v2").filter(|path| path.contains("/v2/")) {
            let message = format!("/v2 is added once more: requests go to {middle}/v2/…");
            found.push(warning("host_path_v2", &spec.place, message, "set `override_path = true`"));
        }
    }

    fn scheme(&self, spec: &HostSpec, url: &HostUrl, found: &mut Vec<Finding>) {
        let shown = spec.shown();
        let port = url.authority.rsplit_once(':').map(|(_, port)| port);
        if url.scheme == "https" && port == Some("80") {
            let message = format!("`{shown}` is asked for TLS on port 80, where registries speak plain HTTP");
            found.push(warning(
                "scheme_port_mismatch",
                &spec.place,
                message,
                "write http://, or the port that speaks TLS",
            ));
        }
        if url.scheme != "http" {
            return;
        }
        if spec.tls.is_set() && self.version.upgrades_http_with_tls() {
            let message = format!(
                "`{shown}` has TLS settings, so containerd {} asks it over https first and falls back to http",
                self.version
            );
            found.push(info("http_upgraded", &spec.place, message, "write https://, or remove the TLS settings"));
        } else if port == Some("443") {
            let message = format!(
                "`{shown}` is asked without encryption on port 443, where registries speak TLS: it answers 400"
            );
            found.push(warning("scheme_port_mismatch", &spec.place, message, "write https://"));
        } else if !is_loopback(&url.authority) {
            let message = format!("images and credentials travel to `{shown}` unencrypted");
            found.push(info("plain_http", &spec.place, message, "use https:// where the registry has it"));
        }
    }
}

fn tls_files(host: &Host, found: &mut Vec<Finding>) {
    let Err(fault) = &host.tls else { return };
    let spec = &host.spec;
    let place = fault.place.as_ref().unwrap_or(&spec.place);
    if fault.unread {
        return found.push(unread(place, &fault.go_message));
    }
    let message =
        format!("every pull of the registry fails, whatever its other hosts would serve: {}", fault.go_message);
    let fix = if spec.tls.client.len() == 2 && spec.tls.client.iter().all(|(_, key)| key.is_none()) {
        "a certificate and its key are a pair: client = [[\"cert\", \"key\"]]"
    } else {
        "put a PEM file in its place, or take the path out"
    };
    found.push(error("tls_file_unusable", place, message, fix));
}

pub(super) fn world_readable(place: &SourceLocation, what: &str) -> Finding {
    let message = format!("every user of the node can read {what}: the file is open to all");
    let fix = format!("chmod 600 {}; containerd reads it as root", place.file);
    warning("secret_world_readable", place, message, fix)
}

/// Why containerd fails at a host of this name. `None`: it does not.
pub(super) fn never_answers(spec: &HostSpec) -> Option<String> {
    let (name, shown) = (spec.name.as_str(), spec.shown());
    let takes_http = name.starts_with("http");
    match &spec.url {
        None if name.is_empty() => Some("a host without a name".into()),
        None if takes_http => Some(format!("`{shown}` starts with \"http\" but is no URL with a host")),
        None => Some(format!("`{shown}` has no host, even with the https:// that containerd puts before it")),
        Some(url) if !takes_http && name.contains("://") => Some(format!(
            "`{shown}` does not start with \"http\" in small letters: containerd puts https:// before it, which makes {} the host and {} the path",
            url.authority, url.path
        )),
        Some(url) if url.scheme != "http" && url.scheme != "https" => {
            Some(format!("containerd does not speak the `{}` of `{shown}`", url.scheme))
        }
        Some(url) if !has_usable_port(&url.authority) => Some(format!("`{shown}` has a port beyond 65535")),
        Some(url) => impossible::why(&url.authority, &shown),
    }
}

/// None, an empty one, or one that there is.
pub(super) fn has_usable_port(authority: &str) -> bool {
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    port.is_empty() || port.contains(']') || port.parse::<u16>().is_ok()
}

/// Headers that are credentials, by their names.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["authorization", "cookie", "token", "secret", "password", "api-key", "apikey"]
        .iter()
        .any(|word| name.contains(word))
}

/// Whether requests stay on the node.
pub(super) fn is_loopback(authority: &str) -> bool {
    let host = host_and_port(authority).0.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Paths that start at the directory of hosts.toml, which surprises those who expect another.
pub(super) fn relative_paths(table: &Table, dialect: Dialect, found: &mut Vec<Finding>) {
    for key in ["ca", "client"] {
        let paths = table.field(key, dialect).map(texts).unwrap_or_default();
        if let Some((path, place)) = paths.into_iter().find(|(path, _)| !path.starts_with('/')) {
            let message = format!("`{path}` in `{key}` is relative: it starts at the directory of this hosts.toml");
            found.push(info(
                "tls_path_relative",
                place,
                message,
                "write it from the root, so that it holds wherever the file is copied to",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_on_the_node_is_loopback() {
        for on_node in ["localhost", "localhost:32000", "127.0.0.1:5000", "127.8.8.8", "[::1]:5000"] {
            assert!(is_loopback(on_node), "{on_node}");
        }
        for elsewhere in ["mirror.example", "10.0.0.1:5000", "[fd00::1]:5000", "localhost.example"] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn a_port_that_there_is_not_is_no_usable_one() {
        for usable in ["m", "m:", "m:5000", "[::1]", "[::1]:65535"] {
            assert!(has_usable_port(usable), "{usable}");
        }
        assert!(!has_usable_port("m:65536") && !has_usable_port("[::1]:99999"));
    }
}
