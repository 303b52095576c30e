//! Which proxy a request of containerd takes, as Go's `httpproxy` package decides it.

use go::no_proxy::{Match, NoProxy};

use super::DaemonEnvironment;
use crate::model::host::Scheme;
use crate::model::proxy::{ProxyDecision, ProxyUrl};
use crate::version::Version;

/// The proxy settings of one environment, read once as Go reads them.
#[derive(Clone, Debug, Default)]
pub struct ProxyRules {
    http: Option<ProxyUrl>,
    https: Option<ProxyUrl>,
    exceptions: NoProxy,
    /// The environment is that of a CGI program, whose `HTTP_PROXY` may come from a request's header.
    cgi: bool,
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
        Self { http: read(http), https: read(https), exceptions: NoProxy::parse(no_proxy, version.go()), cgi: false }
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
        match self.exceptions.find(host, port) {
            Match::Own => direct("none".into()),
            Match::Entry(entry) => direct(format!("NO_PROXY={entry}")),
            Match::None => ProxyDecision { proxy: Some(proxy.clone()), rule: name.into() },
        }
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
