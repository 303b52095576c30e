//! Hosts that no name server and no network can have: what was meant to be several, a pattern, or a placeholder.

use std::net::{Ipv4Addr, Ipv6Addr};

/// What no host's name may exceed, and none of its parts.
const NAME_LIMIT: usize = 253;
const LABEL_LIMIT: usize = 63;

/// Why there can be no such host. `authority`: as containerd takes it from what is written, of which `shown` is
/// what may be shown.
pub fn why(authority: &str, shown: &str) -> Option<String> {
    if let Some(why) = not_one_url(authority, shown) {
        return Some(why);
    }
    let host = match host_of(authority) {
        Ok(host) => host,
        Err(why) => return Some(format!("`{shown}`: {why}")),
    };
    let host = host.as_str();
    let no_name = |why: &str| Some(format!("`{host}` of `{shown}` is no host name: {why}"));
    if host.contains('*') {
        return no_name("containerd knows no patterns in host names");
    }
    if let Some(c) = host.chars().find(|c| matches!(c, '<' | '>' | '$' | '(' | ')' | '{' | '}')) {
        return no_name(&format!("`{c}` belongs to a placeholder that was never filled in"));
    }
    if let Some(c) = host.chars().find(|c| c.is_ascii() && !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_'))
    {
        return no_name(&format!("no name has `{c}` in it"));
    }
    let labels: Vec<&str> = host.trim_end_matches('.').split('.').collect();
    if labels.iter().any(|label| label.is_empty()) {
        return no_name("a part before or between its dots is empty");
    }
    if host.len() > NAME_LIMIT || labels.iter().any(|label| label.len() > LABEL_LIMIT) {
        return no_name("it is longer than names may be");
    }
    if labels.iter().any(|label| label.starts_with('-')) {
        return no_name("a part of it begins with `-`");
    }
    let is_number = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_number && host.parse::<Ipv4Addr>().is_err() {
        return no_name("it is no IPv4 address either: that has four numbers from 0 to 255 without leading zeros");
    }
    None
}

/// Several URLs, or one within another.
fn not_one_url(authority: &str, shown: &str) -> Option<String> {
    let rest = shown.split_once("://").map_or(shown, |(_, rest)| rest);
    let separators = [',', ';', ' ', '|'];
    let more =
        || rest.split(separators).skip(1).any(|piece| piece.starts_with("http://") || piece.starts_with("https://"));
    if authority.contains(separators) || more() {
        return Some(format!(
            "containerd reads `{shown}` as one host, `{authority}`: a list is not allowed here, each host needs a table of its own"
        ));
    }
    let name = authority.trim_end_matches(':');
    // One in the path may be a proxy's, which is asked for what the path names.
    let is_nested = rest.split_once("://").is_some_and(|(before, _)| !before.contains('/'));
    let nested = ["http", "https"].contains(&name) || is_nested;
    nested.then(|| format!("`{shown}` is a URL within a URL, which makes `{name}` the host"))
}

/// Without its port.
fn host_of(authority: &str) -> Result<String, String> {
    if let Some(rest) = authority.strip_prefix('[') {
        let inside = rest.split_once(']').map_or(rest, |(inside, _)| inside);
        let address = inside.split('%').next().unwrap_or_default();
        return if address.parse::<Ipv6Addr>().is_ok() {
            // Nothing more is to be said of it.
            Ok("localhost".into())
        } else {
            Err(format!("`[{inside}]` is no IPv6 address"))
        };
    }
    if authority.matches(':').count() < 2 {
        return Ok(authority.split(':').next().unwrap_or_default().to_owned());
    }
    let (front, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
    if authority.parse::<Ipv6Addr>().is_ok() || front.parse::<Ipv6Addr>().is_ok() {
        return Err(format!(
            "an IPv6 address needs brackets, [{authority}]: without them `{port}` is taken for the port"
        ));
    }
    Err(format!("a host has one port at most: `{front}` is taken for its name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the host of a URL of one.
    fn told(authority: &str) -> String {
        why(authority, &format!("https://{authority}/v2")).unwrap_or_default()
    }

    #[test]
    fn hosts_that_can_be_are_let_pass() {
        for fine in [
            "mirror.example",
            "mirror.example:5000",
            "mirror.example.:443",
            "registry",
            "10.0.0.1:5000",
            "[::1]:5000",
            "[fe80::1%eth0]:5000",
            "my_registry.example",
            "xn--bcher-kva.example",
            "b\u{fc}cher.example",
            "3.example",
            "m:",
        ] {
            assert_eq!(told(fine), "", "{fine}");
        }
        assert_eq!(why("m.example", "m.example/v2/https/a,b"), None);
        for written in ["https://m.example/proxy/https://r.example", "http://m.example:5000/v2/http://r.example/v2"] {
            assert_eq!(why(if written.contains(":5000") { "m.example:5000" } else { "m.example" }, written), None);
        }
    }

    #[test]
    fn hosts_that_cannot_be_are_told_by_what_was_meant() {
        for (authority, word) in [
            ("*", "no patterns"),
            ("*.m.example", "no patterns"),
            ("<ip>:5000", "placeholder"),
            ("$REGISTRY", "placeholder"),
            ("a.example,b.example", "a list"),
            ("fd00::1", "[fd00::1]"),
            ("fd00::1:5000", "brackets"),
            ("[fd00::x]", "no IPv6 address"),
            ("m.example:5000:5001", "one port"),
            ("m..example", "between its dots is empty"),
            (".m.example", "between its dots is empty"),
            ("-m.example", "begins with `-`"),
            ("10.0.0.256", "four numbers"),
            ("10.0.0", "four numbers"),
            ("010.0.0.1:5000", "leading zeros"),
            ("m'example", "no name has `'`"),
            (&format!("{}.example", "m".repeat(64)), "longer than names may be"),
        ] {
            assert!(told(authority).contains(word), "{authority}: {}", told(authority));
        }
    }

    #[test]
    fn several_urls_and_one_within_another_are_told() {
        for (authority, written, word) in [
            ("a:5000,http:", "http://a:5000,http://b:5000", "a list"),
            ("a.example", "https://a.example/v2,https://b.example/v2", "a list"),
            ("http:", "https://http://m.example:5000", "makes `http` the host"),
            ("https", "https://https//m.example", "makes `https` the host"),
            ("docker.i:", "https://docker.i://registry-1.docker.io", "makes `docker.i` the host"),
        ] {
            let told = why(authority, written).unwrap_or_default();
            assert!(told.contains(word), "{written}: {told}");
        }
    }
}
