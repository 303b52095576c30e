//! A proxy as containerd's environment names it, and whether it is used for a host.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use go::place::SourceLocation;
use go::url;
use zeroize::Zeroizing;

use crate::redact::secret::Secret;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyScheme {
    Http,
    /// TLS to the proxy itself.
    Https,
    /// The proxy resolves names, as Go has it for `socks5` and `socks5h` alike.
    Socks5,
}

impl ProxyScheme {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
        }
    }

    /// What a URL's scheme means, and its default port. Of `any` the unknown ones are plain HTTP without one.
    fn parse(text: &str, any: bool) -> Option<(Self, u16)> {
        match text.to_ascii_lowercase().as_str() {
            "http" => Some((Self::Http, 80)),
            "https" => Some((Self::Https, 443)),
            "socks5" => Some((Self::Socks5, 1080)),
            "socks5h" if any => Some((Self::Socks5, 1080)),
            other => (any && is_scheme(other)).then_some((Self::Http, 0)),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyCredentials {
    pub username: Secret,
    /// Empty when the URL has none.
    pub password: Secret,
}

impl ProxyCredentials {
    /// The value of the header that has them.
    pub fn basic(&self) -> Zeroizing<String> {
        let pair = Zeroizing::new(format!("{}:{}", self.username.expose(), self.password.expose()));
        basic(pair.as_bytes())
    }
}

/// Of user and password, with a colon between them (RFC 7617, section 2).
pub fn basic(pair: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(format!("Basic {}", STANDARD.encode(pair)))
}

/// A proxy's URL. Its `Display` never shows the user information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyUrl {
    pub scheme: ProxyScheme,
    /// Without brackets.
    pub host: String,
    pub port: u16,
    /// `None` when the URL has no user information.
    pub credentials: Option<ProxyCredentials>,
    /// An `@` stands behind what Go takes for the host: that is a part of a password with a `#`, `/` or `?`.
    pub holds_password: bool,
    /// Which variable it was read from, and where that is set. `None`: not known.
    pub set_by: Option<(String, SourceLocation)>,
}

/// In place of a host that is a part of a password.
const VEILED: &str = "***";

impl ProxyUrl {
    /// As it was set: the variable's name, and its place.
    #[must_use]
    pub fn set_by(self, variable: &str, origin: &SourceLocation) -> Self {
        Self { set_by: Some((variable.to_owned(), origin.clone())), ..self }
    }

    /// Whether a value has an `@` behind a `#`, `/` or `?`: those stand in a password, where Go reads its end.
    pub fn has_open_password(value: &str) -> bool {
        let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
        rest.find(['#', '/', '?']).is_some_and(|end| rest[end..].contains('@'))
    }

    /// The variable to correct, with its place where that is known.
    pub fn setting(&self) -> String {
        match &self.set_by {
            Some((variable, origin)) => format!("`{variable}` ({origin})"),
            None => "`HTTPS_PROXY`".to_owned(),
        }
    }

    /// Reads a value of `HTTPS_PROXY` as Go does: one that is no URL with a host is tried once more behind
    /// `http://`. `None`: Go takes it for bogus and, without a word, uses no proxy.
    pub fn parse(value: &str) -> Option<Self> {
        Self::read(value, true)
    }

    /// The same; unless it is of `any_scheme`, older Go tries it behind `http://` by its scheme alone.
    pub fn read(value: &str, any_scheme: bool) -> Option<Self> {
        if value.is_empty() || value.chars().any(char::is_control) {
            return None;
        }
        let of_scheme = value.split_once(':').and_then(|(scheme, rest)| {
            let has_host = rest.strip_prefix("//").is_some_and(|rest| !host_and_port(rest).is_empty());
            (has_host || !any_scheme).then_some(())?;
            Self::parse_after_scheme(ProxyScheme::parse(scheme, any_scheme)?, rest)
        });
        of_scheme
            .or_else(|| Self::parse_after_scheme((ProxyScheme::Http, 80), &format!("//{value}")))
            .or_else(|| is_opaque(value).then(Self::nowhere))
    }

    /// What Go keeps of `user:pa#ss@proxy`: a URL of the scheme `user` without a host, which no dial reaches.
    const fn nowhere() -> Self {
        Self {
            scheme: ProxyScheme::Http,
            host: String::new(),
            port: 0,
            credentials: None,
            holds_password: false,
            set_by: None,
        }
    }

    fn parse_after_scheme((scheme, default_port): (ProxyScheme, u16), rest: &str) -> Option<Self> {
        // `http:proxy:3128` is a URL without a host to Go.
        let rest = rest.strip_prefix("//").unwrap_or_default();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        unescape(rest[authority.len()..].split('?').next().unwrap_or_default())?;
        let (credentials, address) = match authority.rsplit_once('@') {
            Some((user, address)) => (Some(parse_credentials(user)?), address),
            None => (None, authority),
        };
        let (host, port) = split_port(address)?;
        let tail = &rest[authority.len()..];
        // Go tries a URL that it cannot read once more behind `http://`, and then takes `http` for the host.
        let is_second_try = port.is_empty() && address.ends_with(':') && tail.starts_with("//");
        let holds_password = tail.contains('@') && !is_second_try;
        // Go keeps a number that is no port and fails to dial it. So does port 0.
        let port = if port.is_empty() { default_port } else { port.parse().unwrap_or(0) };
        Some(Self { scheme, host: parse_host(host)?, port, credentials, holds_password, set_by: None })
    }

    /// `host:port`, an IPv6 literal in brackets.
    pub fn host_port(&self) -> String {
        if self.holds_password {
            return VEILED.to_owned();
        }
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host_port())
    }
}

/// Whether a request goes through a proxy, and which setting decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyDecision {
    /// `None`: directly.
    pub proxy: Option<ProxyUrl>,
    /// `none`, `HTTPS_PROXY`, `HTTP_PROXY`, or `NO_PROXY=` and the entry that matched.
    pub rule: String,
}

fn parse_credentials(text: &str) -> Option<ProxyCredentials> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !text.chars().all(allowed) {
        return None;
    }
    let (username, password) = text.split_once(':').unwrap_or((text, ""));
    Some(ProxyCredentials { username: Secret::new(unescape(username)?), password: Secret::new(unescape(password)?) })
}

/// What stands in a URL between the user, if any, and the path.
fn host_and_port(rest: &str) -> &str {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

fn split_port(address: &str) -> Option<(&str, &str)> {
    let after = address.rfind(']').map_or(0, |at| at + 1);
    match address[after..].rfind(':') {
        None if address[after..].is_empty() || after == 0 => Some((address, "")),
        None => None,
        Some(at) => {
            let (host, port) = (&address[..after + at], &address[after + at + 1..]);
            port.bytes().all(|byte| byte.is_ascii_digit()).then_some((host, port))
        }
    }
}

fn parse_host(host: &str) -> Option<String> {
    if let Some(inner) = host.strip_prefix('[') {
        return inner.strip_suffix(']').map(str::to_owned);
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || !c.is_ascii() || "-._~!$&'()*+,;=:<>\"".contains(c);
    host.chars().all(allowed).then(|| host.to_owned())
}

/// `scheme:something`, the something not beginning with a slash.
fn is_opaque(value: &str) -> bool {
    value.split_once(':').is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.starts_with('/'))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// Percent-decoding. `None` for a broken escape or when the result is not UTF-8.
fn unescape(text: &str) -> Option<String> {
    String::from_utf8(url::unescape(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_value_reads_as_in_go() {
        let shown = |value: &str| ProxyUrl::parse(value).map(|url| url.to_string());
        let cases = [
            ("http://proxy:3128", Some("http://proxy:3128")),
            ("https://proxy", Some("https://proxy:443")),
            ("HTTP://proxy/path?q", Some("http://proxy:80")),
            ("proxy:3128", Some("http://proxy:3128")),
            ("proxy.example", Some("http://proxy.example:80")),
            ("10.0.0.1:3128", Some("http://10.0.0.1:3128")),
            ("user:pass@proxy:3128", Some("http://proxy:3128")),
            ("socks5://proxy", Some("socks5://proxy:1080")),
            ("socks5h://proxy:9050", Some("socks5://proxy:9050")),
            ("http://[::1]:3128", Some("http://[::1]:3128")),
            ("socks5h://proxy", Some("socks5://proxy:1080")),
            ("ftp://proxy:21", Some("http://proxy:21")),
            ("socks4://user:pw@proxy:1080", Some("http://proxy:1080")),
            ("socks4://proxy", Some("http://proxy:0")),
            ("http://", Some("http://http:80")),
            ("http://proxy:", Some("http://proxy:80")),
            (" http://proxy:3128", None),
            ("http://pro xy:3128", Some("http://http:80")),
            ("http://proxy:port", Some("http://http:80")),
            ("http://[::1", Some("http://http:80")),
            ("http://p%41:1", Some("http://http:80")),
            ("http://user:pa/ss@proxy:3128", Some("http://http:80")),
            ("http://user:pa#ss@proxy:3128", Some("http://http:80")),
            ("user:pa#ss@proxy:3128", Some("http://:0")),
            ("http://user:p@ss@proxy:1", Some("http://proxy:1")),
            ("http://proxy:99999", Some("http://proxy:0")),
            ("http://user:50%@proxy", None),
            ("http://proxy:3128\n", None),
            ("", None),
        ];
        for (value, expected) in cases {
            assert_eq!(shown(value).as_deref(), expected, "{value:?}");
        }
    }

    #[test]
    fn a_password_with_a_hash_is_never_taken_for_a_host_in_what_is_shown() {
        for value in ["http://user:12#ss@proxy:3128", "http://user:pa@ss#1@proxy:3128", "http://me@pw?x@proxy:1"] {
            let url = ProxyUrl::parse(value).unwrap();
            assert!(url.holds_password, "{value}");
            assert_eq!((url.to_string(), url.host_port()), ("http://***".into(), "***".into()), "{value}");
        }
        assert!(!ProxyUrl::parse("http://user:p%23ss@proxy:3128/path").unwrap().holds_password);
        let open = ["http://user:pa#ss@proxy:3128", "user:pa/ss@proxy", "http://user:pa@ss#1@proxy"];
        assert!(open.into_iter().all(ProxyUrl::has_open_password));
        assert!(!["http://user:p@ss@proxy/", "http://proxy/#x"].into_iter().any(ProxyUrl::has_open_password));
    }

    #[test]
    fn older_go_takes_a_scheme_that_it_does_not_know_for_a_name() {
        let shown = |value: &str| ProxyUrl::read(value, false).map(|url| url.to_string());
        for (value, expected) in [
            ("socks5h://proxy:1080", "http://socks5h:80"),
            ("socks4://proxy:1080", "http://socks4:80"),
            ("ftp://proxy:21", "http://ftp:80"),
            ("socks5://proxy", "socks5://proxy:1080"),
            ("proxy:3128", "http://proxy:3128"),
            ("http://", "http://:80"),
        ] {
            assert_eq!(shown(value).as_deref(), Some(expected), "{value:?}");
        }
    }

    #[test]
    fn user_information_is_decoded_and_never_shown() {
        let url = ProxyUrl::parse("http://us%40er:p%3Aw@proxy:3128").unwrap();
        let credentials = url.credentials.clone().unwrap();
        assert_eq!((credentials.username.expose(), credentials.password.expose()), ("us@er", "p:w"));
        assert!(!format!("{url} {url:?}").contains("p:w"));
        assert_eq!(*credentials.basic(), "Basic dXNAZXI6cDp3");
        for broken in ["http://u:p%@proxy", "http://u:p%4@proxy", "http://u:p%+4@proxy", "http://u:p%zz@proxy"] {
            assert_eq!(ProxyUrl::parse(broken), None, "{broken}");
        }
    }
}
