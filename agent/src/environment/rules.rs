//! Which proxy a request of containerd takes: the rules of Go's `httpproxy` package.

use std::net::{IpAddr, Ipv6Addr};

use super::DaemonEnvironment;
use crate::model::host::Scheme;
use crate::model::proxy::{ProxyDecision, ProxyUrl};
use crate::version::Version;

/// The proxy settings of one environment, read once as Go reads them.
#[derive(Clone, Debug, Default)]
pub struct ProxyRules {
    http: Option<ProxyUrl>,
    https: Option<ProxyUrl>,
    exceptions: Vec<Exception>,
    /// A domain may be the end of an address.
    addresses_end_like_domains: bool,
    /// The environment is that of a CGI program, whose `HTTP_PROXY` may come from a request's header.
    cgi: bool,
}

/// An entry of `NO_PROXY`.
#[derive(Clone, Debug)]
struct Exception {
    /// As written, spaces trimmed.
    text: String,
    matches: Pattern,
}

#[derive(Clone, Debug)]
enum Pattern {
    All,
    Network {
        base: Ipv6Addr,
        bits: u32,
    },
    Address {
        address: IpAddr,
        port: Option<String>,
    },
    /// `suffix` begins with a dot. `apex`: the name without that dot matches too.
    Domain {
        suffix: String,
        apex: bool,
        port: Option<String>,
    },
}

impl ProxyRules {
    pub fn of(environment: &DaemonEnvironment, version: Version) -> Self {
        let text = |value: Option<&super::EnvVar>| value.map_or("", |variable| variable.value.expose()).to_owned();
        let [http, https, no_proxy] = [environment.http_proxy(), environment.https_proxy(), environment.no_proxy()];
        let cgi = environment.get("REQUEST_METHOD").is_some_and(|method| !method.value.is_empty());
        let read = Self::new(version, &text(http), &text(https), &text(no_proxy));
        let told = |url: Option<ProxyUrl>, variable: Option<&super::EnvVar>| {
            url.zip(variable).map(|(url, variable)| url.set_by(&variable.name, &variable.origin))
        };
        Self { cgi, http: told(read.http, http), https: told(read.https, https), ..read }
    }

    /// From the values of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`; empty means not set. A proxy that
    /// does not parse counts as not set: that is what Go makes of it.
    pub fn new(version: Version, http: &str, https: &str, no_proxy: &str) -> Self {
        let read = |value| ProxyUrl::read(value, version.go().takes_any_proxy_scheme());
        Self {
            http: read(http),
            https: read(https),
            exceptions: no_proxy.split(',').filter_map(Exception::parse).collect(),
            addresses_end_like_domains: !version.go().tells_addresses_from_domains(),
            cgi: false,
        }
    }

    /// Go's words where no request of this scheme is sent at all, be it directly or through a proxy.
    pub fn refusal(&self, scheme: Scheme) -> Option<&'static str> {
        let refused = self.cgi && scheme == Scheme::Http && self.http.is_some();
        refused.then_some("refusing to use HTTP_PROXY value in CGI environment; see golang.org/s/cgihttpproxy")
    }

    /// `host` is without brackets.
    pub fn decide(&self, scheme: Scheme, host: &str, port: u16) -> ProxyDecision {
        let (proxy, name) = match scheme {
            Scheme::Http => (&self.http, "HTTP_PROXY"),
            Scheme::Https => (&self.https, "HTTPS_PROXY"),
        };
        let direct = |rule: String| ProxyDecision { proxy: None, rule };
        let Some(proxy) = proxy else { return direct("none".into()) };
        let host = to_ascii(host);
        let address: Option<IpAddr> = host.parse().ok();
        if host == "localhost" || address.is_some_and(|ip| ip.to_canonical().is_loopback()) {
            return direct("none".into());
        }
        let host = host.to_lowercase();
        // A `*` anywhere in the list outweighs the entries around it.
        let star = self.exceptions.iter().find(|entry| matches!(entry.matches, Pattern::All));
        let fits = |entry: &&Exception| {
            let is_known = self.addresses_end_like_domains || !matches!(entry.matches, Pattern::Domain { .. });
            (is_known || address.is_none()) && entry.matches.covers(&host, address, port)
        };
        let hit = star.or_else(|| self.exceptions.iter().find(fits));
        match hit {
            Some(entry) => direct(format!("NO_PROXY={}", entry.text)),
            None => ProxyDecision { proxy: Some(proxy.clone()), rule: name.into() },
        }
    }
}

impl Exception {
    /// `None` for an entry that Go drops: an empty one, or one without a host.
    fn parse(entry: &str) -> Option<Self> {
        let text = entry.trim();
        let matches = Pattern::parse(&text.to_lowercase())?;
        Some(Self { text: text.to_owned(), matches })
    }
}

impl Pattern {
    fn parse(entry: &str) -> Option<Self> {
        if entry.is_empty() {
            return None;
        }
        if entry == "*" {
            return Some(Self::All);
        }
        if let Some(network) = parse_network(entry) {
            return Some(network);
        }
        let (host, port) = split_host_port(entry).unwrap_or((entry, ""));
        let port = (!port.is_empty()).then(|| port.to_owned());
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(Self::Address { address: address.to_canonical(), port });
        }
        let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        if host.is_empty() {
            return None;
        }
        let apex = !host.starts_with('.');
        let name = to_ascii(host.strip_prefix('.').unwrap_or(host));
        Some(Self::Domain { suffix: format!(".{name}"), apex, port })
    }

    fn covers(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        let on_port = |wanted: &Option<String>| wanted.as_ref().is_none_or(|wanted| *wanted == port.to_string());
        match self {
            Self::All => true,
            Self::Network { base, bits } => {
                address.is_some_and(|ip| prefix(to_bits(ip), *bits) == prefix(*base, *bits))
            }
            Self::Address { address: own, port } => {
                address.is_some_and(|ip| ip.to_canonical() == *own) && on_port(port)
            }
            Self::Domain { suffix, apex, port } => {
                (host.ends_with(suffix.as_str()) || (*apex && host == &suffix[1..])) && on_port(port)
            }
        }
    }
}

fn parse_network(entry: &str) -> Option<Pattern> {
    let (address, bits) = entry.split_once('/')?;
    let (address, bits): (IpAddr, u32) = (address.parse().ok()?, parse_prefix_length(bits)?);
    let (offset, longest) = if address.is_ipv4() { (96, 32) } else { (0, 128) };
    (bits <= longest).then(|| Pattern::Network { base: to_bits(address), bits: bits + offset })
}

fn parse_prefix_length(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// One number line for both families, so that an IPv4-mapped IPv6 literal equals its IPv4 form.
fn to_bits(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

fn prefix(address: Ipv6Addr, bits: u32) -> u128 {
    address.to_bits().checked_shr(128 - bits).unwrap_or(0)
}

/// As Go's `net.SplitHostPort`: `None` unless there is exactly one colon outside brackets.
fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    if let Some(inner) = host.strip_prefix('[') {
        return inner.strip_suffix(']').filter(|inner| !inner.contains(['[', ']'])).map(|inner| (inner, port));
    }
    let plain = !host.contains([':', '[', ']']) && !port.contains(['[', ']']);
    plain.then_some((host, port))
}

/// An international name in its ASCII form; any other as it is.
fn to_ascii(host: &str) -> String {
    if host.is_ascii() {
        return host.to_owned();
    }
    match url::Host::parse(host) {
        Ok(url::Host::Domain(ascii)) => ascii,
        _ => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(no_proxy: &str, host: &str, port: u16) -> String {
        ProxyRules::new(Version::NEWEST, "", "http://proxy:3128", no_proxy).decide(Scheme::Https, host, port).rule
    }

    #[test]
    fn the_entries_of_no_proxy_match_as_in_go() {
        let proxied = "HTTPS_PROXY";
        let cases = [
            ("", "r.example", 443, proxied),
            ("example.com", "example.com", 443, "NO_PROXY=example.com"),
            ("example.com", "a.b.example.com", 443, "NO_PROXY=example.com"),
            ("example.com", "notexample.com", 443, proxied),
            (".example.com", "example.com", 443, proxied),
            (".example.com", "a.example.com", 443, "NO_PROXY=.example.com"),
            ("*.example.com", "example.com", 443, proxied),
            ("*.example.com", "a.example.com", 443, "NO_PROXY=*.example.com"),
            ("*example.com", "a.example.com", 443, proxied),
            ("a.*.com", "a.b.com", 443, proxied),
            ("EXAMPLE.com", "Example.COM", 443, "NO_PROXY=EXAMPLE.com"),
            (" x , example.com ", "example.com", 443, "NO_PROXY=example.com"),
            ("example.com:5000", "example.com", 5000, "NO_PROXY=example.com:5000"),
            ("example.com:5000", "example.com", 443, proxied),
            ("example.com:", "example.com", 443, "NO_PROXY=example.com:"),
            (":443", "example.com", 443, proxied),
            ("x,*", "example.com", 443, "NO_PROXY=*"),
            ("example.com,*", "example.com", 443, "NO_PROXY=*"),
            ("10.0.0.0/8", "10.1.2.3", 443, "NO_PROXY=10.0.0.0/8"),
            ("10.1.2.3/8", "10.9.9.9", 443, "NO_PROXY=10.1.2.3/8"),
            ("10.0.0.0/8", "11.1.2.3", 443, proxied),
            ("10.0.0.0/8", "registry.internal", 443, proxied),
            ("0.0.0.0/0", "2001:db8::1", 443, proxied),
            ("2001:db8::/32", "2001:db8::1", 443, "NO_PROXY=2001:db8::/32"),
            ("10.0.0.0/33", "10.0.0.1", 443, proxied),
            ("10.0.0.0/+8", "10.0.0.1", 443, proxied),
            ("10.0.0.1", "10.0.0.1", 443, "NO_PROXY=10.0.0.1"),
            ("10.0.0.1:5000", "10.0.0.1", 443, proxied),
            ("10.0.0.1:5000", "10.0.0.1", 5000, "NO_PROXY=10.0.0.1:5000"),
            ("[2001:db8::1]:5000", "2001:db8::1", 5000, "NO_PROXY=[2001:db8::1]:5000"),
            ("2001:db8::1", "2001:db8::1", 443, "NO_PROXY=2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1", 443, proxied),
            ("1.2.3", "10.1.2.3", 443, proxied),
            (".2.3", "10.1.2.3", 443, proxied),
            ("bücher.example", "xn--bcher-kva.example", 443, "NO_PROXY=bücher.example"),
            ("https://example.com", "example.com", 443, proxied),
            ("", "localhost", 5000, "none"),
            ("", "127.0.0.2", 5000, "none"),
            ("", "::1", 5000, "none"),
            ("", "::ffff:127.0.0.1", 5000, "none"),
            ("", "foo.localhost", 443, proxied),
            ("", "LOCALHOST", 443, proxied),
        ];
        for (no_proxy, host, port, expected) in cases {
            assert_eq!(rule(no_proxy, host, port), expected, "NO_PROXY={no_proxy:?} {host}:{port}");
        }
    }

    #[test]
    fn each_scheme_has_its_own_proxy_and_a_bogus_one_is_none() {
        let rules = ProxyRules::new(Version::NEWEST, "http://plain:1", "http://secure:2", "");
        let proxy = |scheme| rules.decide(scheme, "r.example", 80).proxy.map(|proxy| proxy.to_string());
        assert_eq!(proxy(Scheme::Http).as_deref(), Some("http://plain:1"));
        assert_eq!(proxy(Scheme::Https).as_deref(), Some("http://secure:2"));
        let bogus = ProxyRules::new(Version::NEWEST, "", "http://user:50%@proxy", "");
        let bogus = bogus.decide(Scheme::Https, "r.example", 443);
        assert_eq!(bogus, ProxyDecision { proxy: None, rule: "none".into() });
    }

    #[test]
    fn older_go_takes_the_end_of_an_address_for_a_domain() {
        let rule = |version, no_proxy| {
            let rules = ProxyRules::new(version, "", "http://proxy:3128", no_proxy);
            rules.decide(Scheme::Https, "192.0.2.10", 443).rule
        };
        let (old, new) = (Version::new(1, 6, 37), Version::new(1, 6, 38));
        for suffix in [".2.10", "2.10"] {
            assert_eq!((rule(old, suffix), rule(new, suffix)), (format!("NO_PROXY={suffix}"), "HTTPS_PROXY".into()));
        }
        assert_eq!(rule(new, "192.0.2.10"), "NO_PROXY=192.0.2.10");
    }

    #[test]
    fn in_the_environment_of_a_cgi_program_nothing_is_sent_by_http_proxy() {
        let rules = |http| ProxyRules { cgi: true, ..ProxyRules::new(Version::NEWEST, http, "http://secure:2", "") };
        assert!(rules("http://plain:1").refusal(Scheme::Http).is_some());
        assert_eq!(rules("http://plain:1").refusal(Scheme::Https), None);
        assert_eq!(rules("").refusal(Scheme::Http), None);
    }
}
