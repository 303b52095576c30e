//! Hosts that a registry names in its answers. If such a host cannot be reached, the name that the registry gave is
//! at fault, not the network.

use std::net::IpAddr;

use crate::cause::{Cause, Owner};
use crate::model::host::Endpoint;
use crate::model::outcome::Failure;
use crate::model::reach::place;
use crate::model::stage::Stage;
use crate::redact::clip::clip;
use crate::route::network::reach::is_kept_back;

/// Where the name stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// As the realm of a challenge.
    Realm,
    /// As the target of a redirect.
    Redirect,
}

/// Suffixes that no public name has: names of clusters, of containers and of private networks.
const INSIDE: [&str; 13] = [
    "localhost",
    "local",
    "localdomain",
    "internal",
    "svc",
    "cluster",
    "lan",
    "home",
    "corp",
    "intranet",
    "private",
    "docker",
    "invalid",
];

impl Named {
    const fn place(self) -> &'static str {
        match self {
            Self::Realm => "challenge (`realm` in `WWW-Authenticate`)",
            Self::Redirect => "redirect (`Location`)",
        }
    }

    const fn what(self) -> &'static str {
        match self {
            Self::Realm => "token service",
            Self::Redirect => "storage",
        }
    }

    const fn fix(self) -> &'static str {
        match self {
            Self::Realm => {
                "Set the address of the token service right at the registry: `auth.token.realm` in \
                 `/etc/distribution/config.yml`, `external_url` in `/etc/gitlab/gitlab.rb` or Harbor's `harbor.yml`; and let a \
                 proxy before it pass `Host` and `X-Forwarded-Proto` on."
            }
            Self::Redirect => {
                "Give the storage an address that nodes reach (`storage.s3.regionendpoint` in `/etc/distribution/config.yml`), or \
                 switch the redirect off (`storage.redirect.disable` there, `disableredirect` in Harbor)."
            }
        }
    }
}

/// A failure on the way to a host that `by` named.
pub fn blame(failure: Failure, named: &Endpoint, by: &Endpoint, how: Named) -> Failure {
    let on_the_way = matches!(failure.stage, Stage::Dns | Stage::Tcp);
    // Where pullprobe itself does not go, nobody has failed to answer.
    if is_kept_back(&failure) || !on_the_way || named.host().eq_ignore_ascii_case(by.host()) {
        return failure;
    }
    let (place, what) = (how.place(), how.what());
    let detail = clip(format!("{}; the name is from the {place} of {}", failure.detail, by.authority));
    let failure = Failure { detail: detail.into(), ..failure };
    let is_unknown = how == Named::Realm && failure.cause == Cause::DnsNxdomain;
    if is_unknown || (is_inside(named.host()) && !is_inside(by.host())) {
        let summary = format!("The registry names a {what} that this node cannot reach, `{named}`, in its {place}.");
        return failure.owned_by(Owner::Registry).summarized(summary).fixed_by(how.fix());
    }
    failure
}

/// Whether the name has a meaning only in its own network.
fn is_inside(host: &str) -> bool {
    if let Ok(address) = host.parse::<IpAddr>() {
        return place(address).is_some();
    }
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    match host.rsplit_once('.') {
        None => true,
        Some((_, last)) => INSIDE.contains(&last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::host::Scheme;

    #[test]
    fn names_of_a_house_are_told_from_those_for_everybody() {
        for inside in [
            "localhost",
            "core",
            "harbor-core.svc",
            "x.svc.cluster.local",
            "127.0.0.1",
            "0.0.0.0",
            "::1",
            "fe80::1",
            "::ffff:127.0.0.1",
            "169.254.169.254",
            "minio.internal.",
        ] {
            assert!(is_inside(inside), "{inside}");
        }
        for outside in ["auth.docker.io", "192.0.2.1", "registry.example", "10.0.0.1", "2001:db8::1"] {
            assert!(!is_inside(outside), "{outside}");
        }
    }

    #[test]
    fn the_registry_is_to_blame_for_a_name_that_leads_to_nobody() {
        let at = |authority: &str| Endpoint::new(Scheme::Https, authority);
        let failure = |cause| Failure::new(Stage::Tcp, cause, "refused");
        let told = |named: &str, by: &str| blame(failure(Cause::TcpRefused), &at(named), &at(by), Named::Realm);
        assert_eq!(told("localhost:5001", "registry.example").owner(), Owner::Registry);
        assert!(told("localhost:5001", "registry.example").summary().contains("challenge"));
        assert_eq!(told("localhost:5001", "localhost:5000"), failure(Cause::TcpRefused));
        let far = told("auth.example", "registry.example");
        assert_eq!(far.owner(), Owner::Network);
        assert!(far.detail.contains("of registry.example"), "{}", far.detail);
        let inside = told("auth.svc", "registry.svc");
        assert_eq!(inside.owner(), Owner::Network);
        let broken = Failure::new(Stage::Tls, Cause::TlsExpired, "x");
        assert_eq!(blame(broken.clone(), &at("core"), &at("r.example"), Named::Realm), broken);
    }
}
