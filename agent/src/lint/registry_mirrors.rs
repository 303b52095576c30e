//! Findings about the endpoints of the deprecated `registry.mirrors`.

use go::place::SourceLocation;
use go::url::GoUrl;

use super::host::has_usable_port;
use super::{Lint, error, impossible, warning};
use crate::containerd::settings::Mirror;
use crate::model::finding::Finding;
use crate::redact::urls;

const WHOLE_URL: &str = "write it as https://HOST[:PORT] or http://HOST[:PORT]";

impl Lint<'_, '_> {
    pub(super) fn mirrors(&self, found: &mut Vec<Finding>) {
        for mirror in &self.settings.mirrors {
            let of_all = mirror.name == "*";
            let of_mirror = |finding: Finding| if of_all { finding } else { finding.about(&mirror.name) };
            found.extend(self.port_of_mirror(mirror));
            for (endpoint, place) in &mirror.endpoints {
                found.extend(of_endpoint(mirror, endpoint, place).map(of_mirror));
            }
        }
    }
}

fn of_endpoint(mirror: &Mirror, endpoint: &str, place: &SourceLocation) -> Option<Finding> {
    let shown = urls::redacted(endpoint);
    let has_scheme = endpoint.contains("://");
    let parsed = if has_scheme { urls::parse(endpoint) } else { urls::parse(&format!("https://{endpoint}")) };
    let url = match parsed {
        Ok(url) => url,
        Err(reason) => {
            let registries = match mirror.name.as_str() {
                "*" => "every pull from a registry without an entry of its own",
                name => &format!("every pull from {name}"),
            };
            let message = format!("{registries} fails, whatever its other endpoints would serve: {reason}");
            return Some(error("mirror_endpoint_unusable", place, message, WHOLE_URL));
        }
    };
    if let Some(why) = never_answers(&shown, has_scheme, &url) {
        let message = format!("{why}, so containerd fails there and goes on to the next");
        return Some(error("mirror_endpoint_unusable", place, message, WHOLE_URL));
    }
    if has_scheme && !url.path.is_empty() && !url.path.ends_with("/v2") {
        let message = format!("`{shown}` has a path, and a mirror's path is taken as it is: no /v2 is added");
        return Some(warning("mirror_path_without_v2", place, message, "end the URL in /v2, or leave the path out"));
    }
    None
}

fn never_answers(shown: &str, has_scheme: bool, url: &GoUrl) -> Option<String> {
    if url.host.is_empty() {
        return Some(format!("`{shown}` has no host"));
    }
    if has_scheme && url.scheme != "http" && url.scheme != "https" {
        return Some(format!("containerd does not speak the `{}` of `{shown}`", url.scheme));
    }
    if !has_scheme && ["http:", "https:"].contains(&url.host.as_str()) {
        return Some(format!("`{shown}` has no `://`, which makes {} the host", url.host));
    }
    if !has_usable_port(&url.host) {
        return Some(format!("`{shown}` has a port beyond 65535"));
    }
    impossible::why(&url.host, shown)
}
