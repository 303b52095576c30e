//! Under which names people may ask for page and report, where loopback is what protects them.
//!
//! A page of somebody else can give its own name this node's address (DNS rebinding), and a browser then lets it
//! read what is asked under that name. It cannot make the browser say another name than its own.

use std::collections::BTreeSet;
use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::HOST;
use go::address::host_and_port;

/// Besides addresses and `localhost`. In small letters.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeSet<String>);

impl Names {
    pub fn of(node: &str, further: &[String]) -> Self {
        let names = further.iter().map(String::as_str).chain([node]).filter(|name| !name.is_empty());
        Self(names.map(|name| name.trim_end_matches('.').to_ascii_lowercase()).collect())
    }

    /// Without the header it is no browser that asks.
    pub fn allow(&self, headers: &HeaderMap) -> bool {
        headers.get_all(HOST).iter().all(|value| value.to_str().is_ok_and(|host| self.has(host)))
    }

    fn has(&self, host: &str) -> bool {
        let name = without_port(host).trim_end_matches('.').to_ascii_lowercase();
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
        name == "localhost" || bare.parse::<IpAddr>().is_ok() || self.0.contains(&name)
    }
}

fn without_port(host: &str) -> &str {
    let (name, _) = host_and_port(host);
    // An address of IPv6 without brackets has no port.
    let is_address = name.contains(':') && !name.ends_with(']');
    if name.is_empty() || is_address { host } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_asked_by_its_addresses_its_names_and_no_others() {
        let names = Names::of("Worker-3", &["pullprobe.example".to_owned()]);
        let allows = |host: &str| {
            let headers: HeaderMap = [(HOST, host.parse().unwrap())].into_iter().collect();
            names.allow(&headers)
        };
        for own in [
            "localhost",
            "LOCALHOST:10048",
            "localhost.:1",
            "127.0.0.1:10048",
            "192.0.2.7",
            "[::1]",
            "[2001:db8::7]:10048",
            "worker-3:10048",
            "pullprobe.example",
            "Pullprobe.Example.:443",
        ] {
            assert!(allows(own), "{own}");
        }
        for foreign in [
            "evil.example",
            "evil.example:10048",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1:1@evil.example",
            "worker-3.evil.example",
            "worker-30",
            "localhost:x",
            "",
            ":10048",
        ] {
            assert!(!allows(foreign), "{foreign}");
        }
        assert!(names.allow(&HeaderMap::new()), "HTTP/1.0 has no such header, and no browser speaks it");
        let both: HeaderMap = [(HOST, "localhost".parse().unwrap()), (HOST, "evil.example".parse().unwrap())]
            .into_iter()
            .fold(HeaderMap::new(), |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            });
        assert!(!names.allow(&both));
    }

    #[test]
    fn a_node_without_a_name_has_none() {
        let headers: HeaderMap = [(HOST, "".parse().unwrap())].into_iter().collect();
        assert!(!Names::of("", &[]).allow(&headers));
    }
}
