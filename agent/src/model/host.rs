//! A host that containerd would ask, as the configuration describes it.

use std::fmt;
use std::time::Duration;

use go::address::host_and_port;
use go::place::SourceLocation;

use super::rewrites::Rewrites;
use crate::cause::Cause;
use crate::redact::clean::Clean;
use crate::redact::secret::Secret;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// The role of a host for a registry name: the plan names it, or a planned host sends pulls to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It stands in for the upstream.
    Mirror,
    Upstream,
    /// It gives the tokens that the registry asks for.
    Token,
    /// Manifests or blobs are redirected to it.
    Redirect,
}

impl Role {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mirror => "mirror",
            Self::Upstream => "upstream",
            Self::Token => "token",
            Self::Redirect => "redirect",
        }
    }

    /// Whether the plan names it, so that it is asked for images itself.
    pub const fn is_planned(self) -> bool {
        matches!(self, Self::Mirror | Self::Upstream)
    }
}

/// What hosts.toml allows a host to be used for.
#[expect(clippy::struct_excessive_bools, reason = "hosts.toml has these four")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    pub pull: bool,
    pub resolve: bool,
    pub push: bool,
    pub referrers: bool,
}

impl Capabilities {
    pub const ALL: Self = Self { pull: true, resolve: true, push: true, referrers: true };
    pub const NONE: Self = Self { pull: false, resolve: false, push: false, referrers: false };

    pub fn names(self) -> Vec<&'static str> {
        [(self.pull, "pull"), (self.resolve, "resolve"), (self.push, "push"), (self.referrers, "referrers")]
            .into_iter()
            .filter_map(|(has, name)| has.then_some(name))
            .collect()
    }
}

/// The registry's name in image references, and one of the hosts that containerd asks for it.
pub type EndpointKey = (String, Endpoint);

/// `scheme://host[:port]`, the value of the `endpoint` label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    pub scheme: Scheme,
    /// Host and port as the configuration writes them: `mirror.example:5000`, `[::1]:5000`.
    pub authority: Clean,
}

impl Endpoint {
    pub fn new(scheme: Scheme, authority: impl Into<Clean>) -> Self {
        Self { scheme, authority: authority.into() }
    }

    /// The host without port and brackets.
    pub fn host(&self) -> &str {
        let host = self.explicit_port().map_or(self.authority.as_str(), |(host, _)| host);
        host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host)
    }

    pub fn port(&self) -> u16 {
        self.explicit_port().and_then(|(_, port)| port.parse().ok()).unwrap_or(self.scheme.default_port())
    }

    pub fn has_port(&self) -> bool {
        self.explicit_port().is_some_and(|(_, port)| !port.is_empty())
    }

    /// The port as written, if it is impossible: the highest is 65535.
    pub fn impossible_port(&self) -> Option<&str> {
        let (_, port) = self.explicit_port()?;
        (!port.is_empty() && port.parse::<u16>().is_err()).then_some(port)
    }

    /// As Go asks it: a colon without a port behind it is dropped.
    #[must_use]
    pub fn without_empty_port(self) -> Self {
        let authority = self.authority.strip_suffix(':').map(Clean::from).unwrap_or(self.authority);
        Self { authority, ..self }
    }

    /// `host:port`, the port always there.
    pub fn host_port(&self) -> String {
        if self.has_port() {
            return self.authority.to_string();
        }
        let host = self.explicit_port().map_or(self.authority.as_str(), |(host, _)| host);
        format!("{host}:{}", self.port())
    }

    /// Whether both lead to the same place, however it is written.
    pub fn same_place(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.port() == other.port() && self.host().eq_ignore_ascii_case(other.host())
    }

    /// Host and digits; there may be none behind the colon.
    fn explicit_port(&self) -> Option<(&str, &str)> {
        let (host, port) = host_and_port(&self.authority);
        Some((host, port?))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority)
    }
}

/// A file that a host's TLS settings name, with what reading it gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PemFile {
    /// The path on the node.
    pub path: String,
    pub pem: Secret,
}

/// A client certificate and its key, each from its file (often the same).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientPair {
    pub certificate: PemFile,
    pub key: PemFile,
}

/// The TLS settings of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostTls {
    /// Added to the node's own roots.
    pub ca: Vec<PemFile>,
    pub client: Vec<ClientPair>,
    /// `None`: not set. That differs from `Some(false)` for an `http://` host.
    pub skip_verify: Option<bool>,
}

impl HostTls {
    /// Whether any TLS key is set, which makes containerd try https on an `http://` host.
    pub const fn is_set(&self) -> bool {
        !self.ca.is_empty() || !self.client.is_empty() || self.skip_verify.is_some()
    }
}

/// Why a host is in the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of a file on the node.
    File(SourceLocation),
    /// containerd adds the registry itself.
    ImplicitUpstream,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(place) => place.fmt(f),
            Self::ImplicitUpstream => f.write_str("implicit upstream"),
        }
    }
}

/// One host of the plan, complete: everything a probe needs to speak to it as containerd would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryHost {
    pub endpoint: Endpoint,
    pub role: Role,
    /// The prefix of every request path: `/v2`, or what `override_path` left of it.
    pub path: String,
    pub capabilities: Capabilities,
    pub tls: HostTls,
    /// In file order, one entry a value.
    pub headers: Vec<(String, Secret)>,
    /// Replaces the 30 s for connecting. `None`: not set, or the version does not know the key.
    pub dial_timeout: Option<Duration>,
    /// containerd asks over https first and falls back to http; `endpoint.scheme` is then https.
    pub http_fallback: bool,
    /// Of k3s and RKE2: under which name the host has a repository.
    pub rewrites: Rewrites,
    /// Added as `?ns=` to requests: the image's host where it differs from this one.
    pub namespace_query: Option<String>,
    /// containerd's own `registry.configs.<host>.auth`, used when kubelet sent no credential.
    pub own_credential: Option<super::credential::Credential>,
    /// containerd's own credential is written in a way that it fails on when the host asks for it.
    pub unusable_credential: Option<super::outcome::Failure>,
    /// Why nothing can be sent to it: one of its headers is none that HTTP can carry.
    pub unsendable: Option<super::outcome::Failure>,
    pub origin: Origin,
}

impl RegistryHost {
    /// Who can fix it if containerd cannot ask the host as it is written.
    pub fn misspelled(&self) -> Cause {
        match &self.origin {
            Origin::ImplicitUpstream => Cause::ReferenceInvalid,
            Origin::File(place) if place.file.ends_with("hosts.toml") => Cause::HostsFileInvalid,
            Origin::File(_) => Cause::ConfigInvalid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_same_with_its_usual_port_and_in_any_case() {
        let of = |authority| Endpoint::new(Scheme::Https, authority);
        assert!(of("R.example").same_place(&of("r.example:443")) && !of("r.example").same_place(&of("r.example:5000")));
        assert!(!of("r.example:443").same_place(&Endpoint::new(Scheme::Http, "r.example:443")));
    }

    #[test]
    fn a_port_may_be_empty_or_impossible() {
        let of = |authority| Endpoint::new(Scheme::Https, authority);
        let parts =
            |authority: &'static str| (of(authority).host().to_owned(), of(authority).port(), of(authority).has_port());
        assert_eq!(parts("m:"), ("m".to_owned(), 443, false));
        assert_eq!(of("m:").without_empty_port().authority, "m");
        assert_eq!(of("m:99999").impossible_port(), Some("99999"));
        assert_eq!((of("m:99999").host().to_owned(), of("m:99999").host_port()), ("m".into(), "m:99999".into()));
        for possible in ["m", "m:", "m:65535", "[::1]", "[::1]:5000"] {
            assert_eq!(of(possible).impossible_port(), None, "{possible}");
        }
    }

    #[test]
    fn a_port_is_told_from_the_colons_of_an_ipv6_literal() {
        let of = |authority| Endpoint::new(Scheme::Https, authority);
        assert_eq!((of("[::1]").host(), of("[::1]").port()), ("::1", 443));
        assert_eq!((of("[::1]:5000").host(), of("[::1]:5000").port()), ("::1", 5000));
        assert_eq!(
            (of("r.example").host_port(), of("r.example:80").host_port()),
            ("r.example:443".into(), "r.example:80".into())
        );
        assert_eq!((of("r.example:").host(), of("r.example:").host_port()), ("r.example", "r.example:443".into()));
    }
}
