//! From a key of a credentials file to what it matches, exactly as kubelet's keyring does it.
//!
//! The sources are `pkg/credentialprovider/keyring.go` of Kubernetes and Go's `net/url`.

use go::{glob, url};

/// A key as kubelet indexes it: scheme, query and the API's version are gone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexKey(pub String);

/// Host, port and path of a key or an image, as kubelet takes them apart to compare them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    pub host: String,
    /// Empty: none is named.
    pub port: String,
    pub path: String,
}

impl IndexKey {
    /// `Err`: the key is not a URL, and kubelet passes it over.
    pub fn of(written: &str) -> Result<Self, String> {
        let rest = written.strip_prefix("https://").or_else(|| written.strip_prefix("http://")).unwrap_or(written);
        let (host, path) = split_url(rest)?;
        let path = match path.get(..4) {
            Some("/v1/" | "/v2/") => &path[3..],
            _ => path.as_str(),
        };
        Ok(Self(if path == "/" { host } else { format!("{host}{path}") }))
    }

    /// `None`: never matches.
    pub fn parts(&self) -> Option<Parts> {
        Parts::of(&self.0)
    }

    /// `image` is the repository's full name, `docker.io/library/nginx`.
    pub fn matches(&self, image: &str) -> bool {
        match (self.parts(), Parts::of(image)) {
            (Some(key), Some(image)) => key.matches(&image),
            _ => false,
        }
    }
}

impl Parts {
    pub fn of(schemeless: &str) -> Option<Self> {
        let (authority, path) = split_url(schemeless).ok()?;
        let (host, port) = split_host_port(&authority).unwrap_or((&authority, ""));
        Some(Self { host: host.to_owned(), port: port.to_owned(), path })
    }

    /// Port, path and host, as `URLsMatch` compares them.
    pub fn matches(&self, image: &Self) -> bool {
        self.port == image.port && image.path.starts_with(&self.path) && self.host_matches(image)
    }

    pub fn host_matches(&self, image: &Self) -> bool {
        let (own, other) = (self.host.split('.'), image.host.split('.'));
        own.clone().count() == other.clone().count() && own.zip(other).all(|(own, other)| glob::matches(own, other))
    }
}

/// kubelet's question whether the entry `index.docker.io` may stand in when nothing else matched.
/// It takes `localhost/app` for an image of Docker Hub too.
pub fn falls_back_to_hub(image: &str) -> bool {
    let first = image.split('/').next().unwrap_or_default();
    matches!(first, "docker.io" | "index.docker.io") || (!first.is_empty() && !first.contains(['.', ':']))
}

/// Go's `url.Parse` of `https://` and this text: host with port, and the decoded path.
fn split_url(rest: &str) -> Result<(String, String), String> {
    if let Some(found) = rest.chars().find(char::is_ascii_control) {
        return Err(format!("it has the control character `{}`", found.escape_debug()));
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let rest = rest.split('?').next().unwrap_or_default();
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let host = match authority.rsplit_once('@') {
        Some((user, host)) => {
            check_user(user)?;
            host
        }
        None => authority,
    };
    check_authority(host)?;
    Ok((host.to_owned(), decode_path(path)?))
}

fn check_user(user: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if user.chars().all(allowed) { Ok(()) } else { Err("its user part has a character that may not be there".into()) }
}

fn check_authority(host: &str) -> Result<(), String> {
    let allowed = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=:[]<>\"".contains(c);
    if let Some(found) = host.chars().find(|c| !allowed(*c)) {
        return Err(format!("its host has the character `{}`", found.escape_debug()));
    }
    let after = match (host.rfind('['), host.rfind(']')) {
        (Some(_), None) => return Err("its host has a bracket that is not closed".into()),
        (Some(open), Some(_)) if open > 0 => return Err("its host has a bracket that is not at its begin".into()),
        (Some(_), Some(close)) => &host[close + 1..],
        (None, _) => host.rfind(':').map_or("", |at| &host[at..]),
    };
    let port = after.strip_prefix(':').unwrap_or(after);
    let is_port = after.is_empty() || (after.starts_with(':') && port.bytes().all(|b| b.is_ascii_digit()));
    if is_port { Ok(()) } else { Err(format!("`{after}` is not a port")) }
}

fn decode_path(path: &str) -> Result<String, String> {
    let decoded = url::unescape(path).map_err(|_| "its path has a `%` without two hex digits")?;
    Ok(String::from_utf8_lossy(&decoded).into_owned())
}

/// Go's `net.SplitHostPort`; `None` where it fails, as it does without a port.
fn split_host_port(authority: &str) -> Option<(&str, &str)> {
    let (host, port) = authority.rsplit_once(':')?;
    match host.strip_prefix('[') {
        Some(inner) => {
            let inner = inner.strip_suffix(']')?;
            (!inner.contains(['[', ']']) && !port.contains([']', '['])).then_some((inner, port))
        }
        None => (!host.contains([':', '[', ']']) && !port.contains([']', '['])).then_some((host, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lose_their_scheme_and_the_version_of_the_api() {
        for (written, index) in [
            ("ghcr.io", "ghcr.io"),
            ("https://ghcr.io", "ghcr.io"),
            ("http://ghcr.io", "ghcr.io"),
            ("https://index.docker.io/v1/", "index.docker.io"),
            ("https://index.docker.io/v1", "index.docker.io/v1"),
            ("https://reg.corp/v2/", "reg.corp"),
            ("https://reg.corp/v2", "reg.corp/v2"),
            ("reg.corp/v2/team", "reg.corp/team"),
            ("reg.corp/team", "reg.corp/team"),
            ("reg.corp:443", "reg.corp:443"),
            ("reg.corp/", "reg.corp"),
            // Only the two schemes in lower case are known: the rest is taken for a host.
            ("reg.corp/a%20b", "reg.corp/a b"),
            ("user@reg.corp", "reg.corp"),
            ("reg?.corp", "reg"),
            ("reg.corp#x", "reg.corp"),
            ("HTTPS://ghcr.io", "HTTPS://ghcr.io"),
            ("", ""),
        ] {
            assert_eq!(IndexKey::of(written), Ok(IndexKey(index.to_owned())), "{written}");
        }
    }

    #[test]
    fn what_is_no_url_is_passed_over() {
        for written in [
            "reg corp",
            "reg.corp:port",
            "[::1",
            "reg[12].corp",
            "reg.corp/%zz",
            "reg.corp/%+f",
            "a\u{7}b",
            "a|b",
            "r{e}g",
        ] {
            assert!(IndexKey::of(written).is_err(), "{written}: {:?}", IndexKey::of(written));
        }
    }

    #[test]
    fn port_label_count_and_path_prefix_decide() {
        for (key, image, expected) in [
            ("docker.io", "docker.io/library/nginx", true),
            ("registry-1.docker.io", "docker.io/library/nginx", false),
            ("reg.corp", "reg.corp/app", true),
            ("reg.corp/team", "reg.corp/team/app", true),
            ("reg.corp/team", "reg.corp/team2/app", true),
            ("reg.corp/team", "reg.corp/tea/app", false),
            ("reg.corp/team/app/x", "reg.corp/team/app", false),
            ("reg.corp:443", "reg.corp/app", false),
            ("reg.corp", "reg.corp:443/app", false),
            ("reg.corp:5000", "reg.corp:5000/app", true),
            ("reg.corp:*", "reg.corp:5000/app", false),
            ("*.corp", "reg.corp/app", true),
            ("*.corp", "a.reg.corp/app", false),
            ("*.*.corp", "a.reg.corp/app", true),
            ("*.corp:5000", "reg.corp:5000/app", true),
            ("*", "localhost/app", true),
            ("*", "reg.corp/app", false),
            ("reg*.corp", "registry.corp/app", true),
            ("*.dkr.ecr.*.amazonaws.com", "1234.dkr.ecr.eu-west-1.amazonaws.com/app", true),
            ("reg.corp/*", "reg.corp/app", false),
            ("REG.corp", "reg.corp/app", false),
            ("[::1]", "[::1]/app", false),
            ("[::1]:5000", "[::1]:5000/app", true),
            ("http://reg.corp", "reg.corp/app", true),
            ("reg.corp/v2", "reg.corp/app", false),
            ("reg.corp/v2", "reg.corp/v2/app", true),
        ] {
            let Ok(index) = IndexKey::of(key) else {
                assert!(!expected, "{key} is passed over");
                continue;
            };
            assert_eq!(index.matches(image), expected, "{key} {image}");
        }
    }

    #[test]
    fn the_entry_of_docker_hub_stands_in_for_names_that_are_not_hosts() {
        for (image, expected) in [
            ("docker.io/library/nginx", true),
            ("index.docker.io/x", true),
            ("localhost/app", true),
            ("ghcr.io/a", false),
            ("localhost:5000/app", false),
            ("", false),
        ] {
            assert_eq!(falls_back_to_hub(image), expected, "{image}");
        }
    }
}
