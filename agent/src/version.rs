//! containerd's releases and builds, and the rules of a pull that several rooms ask; pullprobe's own version.
//!
//! The sources are containerd's own release tags. What goes by the Go that a containerd was built with is in
//! [`go::release`], and which Go that is in [`builds`].

mod builds;
pub mod own;

pub use builds::{Build, Maker};

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A containerd version, and whose build it is. A patch that was not given counts as the newest of its series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
    pub build: Build,
}

/// Which client CRI pulls with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullMode {
    /// The classic client: always up to 2.0, and later when configuration forces it.
    Local,
    /// The transfer service, the default since 2.1.
    Transfer,
}

/// Where the version was learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionSource {
    Cri,
    /// Evidence in the configuration file (its schema version, its plugin names).
    Config,
    Assumed,
    Flag,
}

impl VersionSource {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cri => "cri",
            Self::Config => "config",
            Self::Assumed => "assumed",
            Self::Flag => "flag",
        }
    }
}

impl Version {
    /// Every series that there are rules for, oldest first.
    pub const SERIES: [Self; 6] = [
        Self::series(1, 6),
        Self::series(1, 7),
        Self::series(2, 0),
        Self::series(2, 1),
        Self::series(2, 2),
        Self::series(2, 3),
    ];
    /// What is assumed when nothing tells.
    pub const NEWEST: Self = Self::SERIES[Self::SERIES.len() - 1];

    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch, build: Build::OPEN }
    }

    /// A whole series, taken at its newest patch.
    pub const fn series(major: u32, minor: u32) -> Self {
        Self::new(major, minor, u32::MAX)
    }

    /// Whether a change that first came in each of these releases is in this one. A change that was
    /// carried back is listed once a series; series after the last listed one have it.
    pub fn since(self, firsts: &[(u32, u32, u32)]) -> bool {
        let same_series = firsts.iter().find(|(major, minor, _)| (*major, *minor) == (self.major, self.minor));
        match (same_series, firsts.last()) {
            (Some((_, _, patch)), _) => self.patch >= *patch,
            (None, Some((major, minor, _))) => (self.major, self.minor) > (*major, *minor),
            (None, None) => false,
        }
    }

    /// The highest `version` a config.toml may have.
    pub fn config_schema(self) -> u32 {
        match (self.major, self.minor) {
            (0 | 1, _) => 2,
            (2, 0..=2) => 3,
            _ => 4,
        }
    }

    /// Plugin sections of drop-ins merge key by key; before, a later file replaces a whole section.
    pub fn merges_plugins_deeply(self) -> bool {
        self.major >= 2
    }

    /// Each file of an import is migrated on its own before merging.
    pub fn migrates_each_file(self) -> bool {
        self.since(&[(2, 3, 0)])
    }

    /// `config_path` and `mirrors` both empty means two default directories.
    pub fn has_default_config_path(self) -> bool {
        self.since(&[(2, 2, 0)])
    }

    /// A pull goes through the transfer service unless configuration forces the classic client.
    pub fn pulls_by_transfer(self) -> bool {
        self.since(&[(2, 1, 0)])
    }

    /// `registry.configs.*.tls` is honoured.
    pub fn has_configs_tls(self) -> bool {
        self.major < 2
    }

    /// hosts.toml without any `[host]` table is accepted.
    pub fn accepts_hosts_file_without_host(self) -> bool {
        self.since(&[(1, 7, 32), (2, 0, 0)])
    }

    /// hosts.toml's `dial_timeout` is known.
    pub fn knows_dial_timeout(self) -> bool {
        self.since(&[(2, 0, 7), (2, 1, 0)])
    }

    /// The capability `referrers` is known; before, it makes the file unusable.
    pub fn knows_referrers(self) -> bool {
        self.since(&[(2, 2, 0)])
    }

    /// The order of hosts comes from table headers, each occurrence counted; before, by line of the
    /// table, each once.
    pub fn orders_hosts_by_header(self) -> bool {
        self.major >= 2
    }

    /// The error that got furthest is reported; before, the first that is not a 404.
    pub fn ranks_resolve_errors(self) -> bool {
        self.major >= 2
    }

    /// A digest is looked for under `/blobs/` only if every host answered 404 or nothing.
    pub fn spares_blob_lookup(self) -> bool {
        match (self.major, self.minor) {
            // On this branch it came after its last release that is known, 2.1.9.
            (2, 1) => (10..u32::MAX).contains(&self.patch),
            _ => self.since(&[(2, 0, 11), (2, 2, 6), (2, 3, 0)]),
        }
    }

    /// The last host is asked once more after a 500, 503 or 504.
    pub fn retries_server_errors(self) -> bool {
        self.since(&[(2, 1, 0)])
    }

    /// The last host is asked again where a connection breaks off, or something is waited for in vain.
    pub fn retries_transport_errors(self) -> bool {
        self.since(&[(2, 3, 2)])
    }

    /// How many requests one logical request may take in all.
    pub fn request_limit(self) -> u32 {
        if self.since(&[(2, 3, 2)]) { 5 } else { 6 }
    }

    /// Response headers must come within 30 s; before, there is no limit.
    pub fn response_header_timeout(self) -> Option<Duration> {
        self.since(&[(2, 3, 0)]).then_some(Duration::from_secs(30))
    }

    /// What becomes of a pull for whose answer it waits without end. Seen on 1.7.34, 2.0.11, 2.1.9 and 2.2.7.
    pub const fn end_of_silence(self) -> &'static str {
        match (self.major, self.minor) {
            (1, 7) | (2, 0) => "its pull ends after 300 s of silence, with `context canceled`",
            _ => "its pull does not end while the silence lasts",
        }
    }

    /// The status of the GET that follows a HEAD without digest is looked at.
    pub fn checks_get_after_head(self) -> bool {
        self.since(&[(2, 3, 0)])
    }

    /// A HEAD that got 403 is followed by a GET for its body.
    pub fn explains_forbidden_head(self) -> bool {
        self.since(&[(2, 3, 3)])
    }

    /// Headers of hosts.toml also go to the token service, and a configured User-Agent replaces.
    pub fn sends_headers_to_token_service(self) -> bool {
        self.since(&[(2, 1, 0)])
    }

    /// An `http://` host with TLS settings is asked over https first.
    pub fn upgrades_http_with_tls(self) -> bool {
        self.since(&[(1, 6, 25), (1, 7, 7)])
    }

    /// ... and falls back after a handshake timeout,
    pub fn falls_back_on_handshake_timeout(self) -> bool {
        self.since(&[(1, 6, 32), (1, 7, 16), (2, 0, 0)])
    }

    /// ... and after a refused or timed out connection when the URL has no port.
    pub fn falls_back_on_refused(self) -> bool {
        self.since(&[(1, 7, 24), (2, 0, 0)])
    }

    /// `unexpected status from GET request to URL` instead of `unexpected status code URL`.
    pub fn words_get_status_anew(self) -> bool {
        self.since(&[(2, 1, 3)])
    }

    /// `unexpected status from HEAD request to URL` instead of the text with `pulling from host`.
    pub fn words_head_status_anew(self) -> bool {
        self.since(&[(1, 6, 25), (1, 7, 0)])
    }

    /// Unpacking reads as much of a config as it needs; before, the whole of it.
    pub fn reads_configs_in_part(self) -> bool {
        self.since(&[(2, 1, 0)])
    }

    /// The classic client names the image where a layer cannot be unpacked after the pull.
    pub fn names_image_of_layer(self) -> bool {
        self.since(&[(2, 0, 0)])
    }

    /// Schema 1 is turned into what can be unpacked.
    pub fn converts_schema_1(self) -> bool {
        self.major < 2
    }

    /// Schema 1 is looked into, if only to be refused.
    pub fn reads_schema_1(self) -> bool {
        !self.since(&[(2, 1, 0)])
    }

    /// Only images are unpacked, not other artifacts.
    pub fn unpacks_images_only(self) -> bool {
        self.since(&[(1, 7, 0)])
    }

    /// Docker's media type for layers packed with zstd is one of a layer.
    pub fn knows_docker_zstd(self) -> bool {
        self.since(&[(2, 0, 0)])
    }

    /// Takes from a descriptor's `data` what it describes, and does not ask for it.
    pub fn takes_embedded_data(self) -> bool {
        self.since(&[(1, 7, 0)])
    }

    /// Knows `artifactType` of indexes and manifests.
    pub fn reads_artifact_types(self) -> bool {
        self.since(&[(1, 7, 0)])
    }

    /// A missing Basic credential is an error of its own; before, the 401 stands.
    pub fn names_missing_basic(self) -> bool {
        self.since(&[(1, 7, 0)])
    }

    /// A token whose time is over is not used any more; before, one lasts for a whole pull.
    pub fn renews_tokens(self) -> bool {
        self.since(&[(1, 7, 28), (2, 0, 0)])
    }

    /// `short read: expected N bytes but got M` instead of `failed to read expected number of bytes`.
    pub fn words_short_read_anew(self) -> bool {
        self.since(&[(2, 1, 3)])
    }

    /// Undoes every `Content-Encoding` itself, and fails at one that it does not know; before, Go undid gzip alone.
    pub fn decodes_content(self) -> bool {
        self.since(&[(2, 0, 0)])
    }

    /// Query values in transport errors are replaced.
    pub fn redacts_queries(self) -> bool {
        self.since(&[(1, 7, 30), (2, 0, 8), (2, 1, 6), (2, 2, 1)])
    }
}

impl FromStr for Version {
    type Err = String;

    /// Reads `2.1`, `2.1.9`, and with whose build it is `v2.1.9`, `1.7.24~ds1`, `1.7.27-k3s1`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("found `{text}`, expected a containerd version such as 2.1 or 2.1.9");
        let mut parts = text.trim().trim_start_matches('v').splitn(3, '.');
        let mut number = |last: bool| -> Result<Option<u32>, String> {
            let Some(part) = parts.next() else { return Ok(None) };
            let digits: &str = part.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
            if digits.is_empty() || (!last && digits.len() != part.len()) {
                return Err(wrong());
            }
            digits.parse().map(Some).map_err(|_| wrong())
        };
        let major = number(false)?.ok_or_else(wrong)?;
        let minor = number(true)?.ok_or_else(wrong)?;
        let patch = number(true)?.unwrap_or(u32::MAX);
        Ok(Self { build: Build::of(text), ..Self::new(major, minor, patch) })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.patch == u32::MAX { Ok(()) } else { write!(f, ".{}", self.patch) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn the_numbers_stand_before_whose_build_it_is() {
        let numbers = |text: &str| (v(text).major, v(text).minor, v(text).patch);
        assert_eq!(numbers("1.7.24~ds1-6+deb13u1"), (1, 7, 24));
        assert_eq!(numbers("v1.7.27-k3s1"), (1, 7, 27));
        assert_eq!(v("2.1"), Version::series(2, 1));
        assert!("2".parse::<Version>().is_err() && "x.y".parse::<Version>().is_err());
    }

    #[test]
    fn a_change_that_was_carried_back_is_looked_up_in_its_own_series() {
        assert!(!v("1.7.31").accepts_hosts_file_without_host());
        assert!(v("1.7.32").accepts_hosts_file_without_host() && v("2.0.0").accepts_hosts_file_without_host());
        assert!(!v("1.6.39").accepts_hosts_file_without_host());
        assert!(v("2.0.7").knows_dial_timeout() && !v("2.0.6").knows_dial_timeout() && v("2.3").knows_dial_timeout());
        assert!(v("2.1.10").spares_blob_lookup() && !v("2.1").spares_blob_lookup() && !v("2.2.5").spares_blob_lookup());
        assert!(
            v("2.0.11").spares_blob_lookup() && !v("2.1.9").spares_blob_lookup() && v("2.3.0").spares_blob_lookup()
        );
    }

    /// What came between 2.1.9 and 2.3.4: the first release that has it, and the last that has it not.
    #[test]
    fn what_the_newest_releases_changed_begins_with_them() {
        type Rule = fn(Version) -> bool;
        let rules: [(&str, Rule, &[&str], &[&str]); 17] = [
            ("capability referrers", Version::knows_referrers, &["2.2.0"], &["2.1.9"]),
            ("default directories", Version::has_default_config_path, &["2.2.0"], &["2.1.9"]),
            ("pulls by transfer", Version::pulls_by_transfer, &["2.1.0"], &["2.0.11"]),
            (
                "queries hidden",
                Version::redacts_queries,
                &["1.7.30", "2.0.8", "2.1.6", "2.2.1"],
                &["1.7.29", "2.0.7", "2.2.0"],
            ),
            (
                "/blobs/ after 404",
                Version::spares_blob_lookup,
                &["2.0.11", "2.2.6", "2.3.0"],
                &["2.0.10", "2.1.9", "2.2.5"],
            ),
            ("files migrated", Version::migrates_each_file, &["2.3.0"], &["2.2.7"]),
            ("header waited for", |v| v.response_header_timeout().is_some(), &["2.3.0"], &["2.2.7", "1.7.34"]),
            ("GET's status", Version::checks_get_after_head, &["2.3.0"], &["2.2.7"]),
            ("os.features", Version::checks_os_features, &["2.3.0"], &["2.2.7"]),
            ("5 attempts", |v| v.request_limit() == 5, &["2.3.2"], &["2.3.1"]),
            ("last host again", Version::retries_transport_errors, &["2.3.2"], &["2.3.1"]),
            ("HEAD 403 explained", Version::explains_forbidden_head, &["2.3.3"], &["2.3.2"]),
            ("schema 4", |v| v.config_schema() == 4, &["2.3.0"], &["2.2.7"]),
            ("configs in part", Version::reads_configs_in_part, &["2.1.0"], &["2.0.11"]),
            ("schema 1", |v| !v.reads_schema_1(), &["2.1.0"], &["2.0.11"]),
            ("no schema 1 converted", |v| !v.converts_schema_1(), &["2.0.0"], &["1.7.34"]),
            ("Docker's zstd", Version::knows_docker_zstd, &["2.0.0"], &["1.7.34"]),
        ];
        for (name, rule, have, have_not) in rules {
            for version in have {
                assert!(rule(v(version)), "{name} on {version}");
            }
            for version in have_not {
                assert!(!rule(v(version)), "{name} on {version}");
            }
        }
    }
}
