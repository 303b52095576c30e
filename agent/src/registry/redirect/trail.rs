//! Whether the credentials of a first request still go along, redirect by redirect, as Go's client decides.

use go::release::Go;
use url::Url;

/// The redirects that were followed so far.
#[derive(Clone, Debug)]
pub struct Trail {
    go: Go,
    first: Url,
    /// Where the last redirect came from.
    from: Url,
    /// A redirect led to somebody else.
    is_astray: bool,
}

impl Trail {
    pub fn new(go: Go, first: &Url) -> Self {
        Self { go, first: first.clone(), from: first.clone(), is_astray: false }
    }

    /// Follows a redirect. Whether what the first request carried goes along.
    pub fn keeps_credentials_to(&mut self, to: &Url) -> bool {
        let from = std::mem::replace(&mut self.from, to.clone());
        if !self.go.forgets_credentials_for_good() {
            return self.is_same_party(to, &from);
        }
        self.is_astray |= !self.is_same_party(to, &self.first);
        !self.is_astray
    }

    fn is_same_party(&self, to: &Url, from: &Url) -> bool {
        let same_port = to.port_or_known_default() == from.port_or_known_default();
        let hosts = to.host_str().zip(from.host_str());
        (same_port || self.go.keeps_credential_at_other_port())
            && hosts.is_some_and(|(to, from)| same_or_below(to, from))
    }
}

/// Whether a host is the same or below the other one.
fn same_or_below(to: &str, from: &str) -> bool {
    to.eq_ignore_ascii_case(from) || to.to_ascii_lowercase().ends_with(&format!(".{}", from.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Version;

    /// With which of the redirects the credentials go along.
    fn kept<const N: usize>(version: &str, first: &str, redirects: [&str; N]) -> [bool; N] {
        let go = version.parse::<Version>().unwrap().go();
        let mut trail = Trail::new(go, &first.parse().unwrap());
        redirects.map(|to| trail.keeps_credentials_to(&to.parse().unwrap()))
    }

    #[test]
    fn a_credential_follows_a_redirect_only_to_the_same_host_or_below() {
        let hosts = ["https://r.example/b", "https://cdn.r.example/b", "https://evil-r.example/b", "https://example/b"];
        for (host, expected) in hosts.into_iter().zip([true, true, false, false]) {
            for version in ["1.6.20~ds1", "v2.3.4"] {
                assert_eq!(kept(version, "https://r.example/a", [host]), [expected], "{version} {host}");
            }
        }
    }

    #[test]
    fn a_port_belongs_to_the_host_for_older_releases_of_go() {
        let other_port = ["https://r.example:8443/b"];
        assert_eq!(kept("1.6.20~ds1", "https://r.example/a", other_port), [false]);
        assert_eq!(kept("1.7.24~ds1", "https://r.example/a", other_port), [true]);
    }

    /// Once stripped they stay away from Go 1.22.11 and 1.23.5 on; before, the host before decided.
    #[test]
    fn what_was_left_behind_comes_back_with_older_releases_of_go() {
        let first = "https://r.example/a";
        let twice_elsewhere =
            ["https://cdn.other/b", "https://cdn.other/c", "https://r.example/d", "https://r.example/e"];
        for older in ["1.6.20~ds1", "v1.7.25", "v2.0.1"] {
            assert_eq!(kept(older, first, twice_elsewhere), [false, true, false, true], "{older}");
        }
        for newer in ["1.7.24~ds1", "v1.7.26", "v1.6.38", "v2.3.4"] {
            assert_eq!(kept(newer, first, twice_elsewhere), [false; 4], "{newer}");
        }
        // Below, and back up: to the host before it is another one, to the first it is the same.
        let down_and_up = ["https://cdn.r.example/b", "https://r.example/c"];
        assert_eq!(kept("1.6.20~ds1", first, down_and_up), [true, false]);
        assert_eq!(kept("v2.3.4", first, down_and_up), [true, true]);
    }
}
