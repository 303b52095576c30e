//! Which credentials Go's client takes along when it follows redirects.

use url::Url;

use crate::release::Go;

/// What becomes of the credentials of the first request at a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    Kept,
    Dropped,
    /// Go before 1.22.11 and 1.23.5 sends them to somebody they are not meant for (CVE-2024-45336). pullprobe does not.
    Withheld,
}

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

    /// Follows a redirect.
    pub fn follow(&mut self, to: &Url) -> Passing {
        let from = std::mem::replace(&mut self.from, to.clone());
        let is_meant = self.is_same_party(to, &self.first);
        self.is_astray |= !is_meant;
        let goes_along =
            if self.go.forgets_credentials_for_good() { !self.is_astray } else { self.is_same_party(to, &from) };
        match (goes_along, is_meant) {
            (true, true) => Passing::Kept,
            (true, false) => Passing::Withheld,
            (false, _) => Passing::Dropped,
        }
    }

    /// Whose credentials they are.
    pub fn first(&self) -> &Url {
        &self.first
    }

    /// Whether a host is the one of the first request, or below it.
    pub fn is_of_first(&self, to: &Url) -> bool {
        to.host_str().zip(self.first.host_str()).is_some_and(|(to, first)| same_or_below(to, first))
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
    use super::Passing::{Dropped, Kept, Withheld};
    use super::*;
    use crate::release::{GoDebug, Release};

    /// What becomes of the credentials at each of the redirects.
    fn kept<const N: usize>((minor, patch): (u32, u32), first: &str, redirects: [&str; N]) -> [Passing; N] {
        let go = Go { release: Release::new(minor, patch), line: minor, told: GoDebug::UNTOLD };
        let mut trail = Trail::new(go, &first.parse().unwrap());
        redirects.map(|to| trail.follow(&to.parse().unwrap()))
    }

    #[test]
    fn a_credential_follows_a_redirect_only_to_the_same_host_or_below() {
        let hosts = ["https://r.example/b", "https://cdn.r.example/b", "https://evil-r.example/b", "https://example/b"];
        for (host, expected) in hosts.into_iter().zip([Kept, Kept, Dropped, Dropped]) {
            for release in [(19, 8), (26, 0)] {
                assert_eq!(kept(release, "https://r.example/a", [host]), [expected], "{release:?} {host}");
            }
        }
    }

    #[test]
    fn a_port_belongs_to_the_host_for_older_releases_of_go() {
        let other_port = ["https://r.example:8443/b"];
        assert_eq!(kept((19, 8), "https://r.example/a", other_port), [Dropped]);
        assert_eq!(kept((24, 4), "https://r.example/a", other_port), [Kept]);
    }

    /// Once stripped they stay away from Go 1.22.11 and 1.23.5 on; before, the host before decided.
    #[test]
    fn what_was_left_behind_comes_back_with_older_releases_of_go() {
        let first = "https://r.example/a";
        let twice_elsewhere =
            ["https://cdn.other/b", "https://cdn.other/c", "https://r.example/d", "https://r.example/e"];
        for older in [(19, 8), (22, 10), (23, 4)] {
            assert_eq!(kept(older, first, twice_elsewhere), [Dropped, Withheld, Dropped, Kept], "{older:?}");
        }
        for newer in [(22, 11), (23, 5), (24, 4), (26, 0)] {
            assert_eq!(kept(newer, first, twice_elsewhere), [Dropped; 4], "{newer:?}");
        }
        // Below, and back up: to the host before it is another one, to the first it is the same.
        let down_and_up = ["https://cdn.r.example/b", "https://r.example/c"];
        assert_eq!(kept((19, 8), first, down_and_up), [Kept, Dropped]);
        assert_eq!(kept((26, 0), first, down_and_up), [Kept, Kept]);
    }
}
