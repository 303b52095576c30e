//! Which names of directories a lookup can reach.

use go::address::host_and_port;

/// Why no image's registry leads to a directory of this name, with what was probably meant.
pub fn unreachable(name: &str) -> Option<(String, String)> {
    let not = |why: &str, meant: String| Some((why.to_owned(), meant));
    if name == "_default" {
        return None;
    }
    if ["default", "_default_", "*", "_all", "_"].contains(&name) {
        return not("only `_default` serves all other registries", "name it _default".into());
    }
    if ["registry-1.docker.io", "index.docker.io", "registry.hub.docker.com", "hub.docker.com"].contains(&name) {
        return not("images of Docker Hub are looked up as docker.io", "name it docker.io".into());
    }
    if let Some(rest) = ["https:", "http:", "https_", "http_"].iter().find_map(|scheme| name.strip_prefix(scheme)) {
        return not("a registry's name has no scheme", format!("name it {}", rest.trim_matches(['/', '_'])));
    }
    if name.contains('*') {
        return not(
            "there are no patterns: a directory serves one registry",
            "make one directory for each registry, or name it _default".into(),
        );
    }
    let domain = match port_of(name) {
        Some((host, port)) => format!("{host}:{port}"),
        None => name.to_owned(),
    };
    if let Some((host, port)) = without_last_underscore(name) {
        return not("the form with underscores ends in one", format!("name it {host}_{port}_ or {host}:{port}"));
    }
    let (host, _) = host_and_port(&domain);
    if host.ends_with('.') {
        return not(
            "no image reference has a registry that ends in a dot",
            format!("name it {}", name.replacen(host, host.trim_end_matches('.'), 1)),
        );
    }
    if host.chars().any(|c| c.is_ascii_uppercase()) {
        return not(
            "names are compared letter by letter, and image references write the registry in lower case",
            format!("name it {}", name.to_lowercase()),
        );
    }
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let valid = |label: &str| {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        edge(label.chars().next())
            && edge(label.chars().last())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    if !bracketed && !host.split('.').all(valid) {
        return not(
            "no image reference can have a registry of this name",
            "name it as image references write the registry, HOST or HOST:PORT".into(),
        );
    }
    if !domain.contains(['.', ':']) && domain != "localhost" {
        return not(
            "a first part without a dot or a port is no registry: such images are of docker.io",
            "name it with its domain or port".into(),
        );
    }
    None
}

/// The registry that a directory serves; `None` for `_default`.
pub fn domain_of(name: &str) -> Option<String> {
    (name != "_default").then(|| port_of(name).map_or_else(|| name.to_owned(), |(host, port)| format!("{host}:{port}")))
}

/// Host and port of `host_port_`.
fn port_of(name: &str) -> Option<(&str, &str)> {
    let (host, port) = name.strip_suffix('_')?.rsplit_once('_')?;
    is_port(port).then_some((host, port))
}

fn without_last_underscore(name: &str) -> Option<(&str, &str)> {
    let (host, port) = name.rsplit_once('_')?;
    (is_port(port) && !host.is_empty()).then_some((host, port))
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_image_references_lead_to_are_reachable() {
        for name in [
            "_default",
            "docker.io",
            "r.example:5000",
            "r.example_5000_",
            "localhost",
            "localhost:5000",
            "reg:5000",
            "reg_5000_",
            "[::1]",
            "[::1]:5000",
            "[::1]_5000_",
            "10.0.0.1",
        ] {
            assert_eq!(unreachable(name), None, "{name}");
        }
    }

    #[test]
    fn other_names_are_told_with_what_was_meant() {
        let meant = |name: &str| unreachable(name).unwrap().1;
        assert_eq!(meant("registry-1.docker.io"), "name it docker.io");
        assert_eq!(meant("r.example_5000"), "name it r.example_5000_ or r.example:5000");
        assert_eq!(meant("R.example"), "name it r.example");
        assert_eq!(meant("r.example."), "name it r.example");
        assert_eq!(meant("r.example.:5000"), "name it r.example:5000");
        assert_eq!(meant("https:__r.example"), "name it r.example");
        assert!(meant("*.example").contains("_default") && meant("default").contains("_default"));
        assert!(
            unreachable("registry").is_some()
                && unreachable("a b.example").is_some()
                && unreachable("-a.example").is_some()
        );
    }
}
