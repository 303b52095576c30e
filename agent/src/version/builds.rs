//! Whose build a containerd is, and which Go it was built with.
//!
//! One version exists as several builds: the project's own, a distribution's from the same sources with another Go, and
//! those of vendors, which are close to the project's own.

use std::cmp::Ordering;

use go::release::{Go, GoDebug, Release};

use super::Version;

/// Who built a containerd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Maker {
    /// Nothing tells.
    #[default]
    Open,
    /// The project, or somebody who builds as it does.
    Official,
    Debian,
}

impl Maker {
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Open => None,
            Self::Official => Some("project"),
            Self::Debian => Some("debian"),
        }
    }
}

/// A build, as far as it was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Build {
    pub maker: Maker,
    /// As the running daemon says it.
    pub go: Option<Release>,
    /// What its environment tells Go.
    pub told: GoDebug,
    /// Whether it is the one of k3s and RKE2, which has patches of theirs. `None`: nothing tells.
    pub ranchers: Option<bool>,
}

impl Build {
    /// Of which nothing is known.
    pub const OPEN: Self = Self { maker: Maker::Open, go: None, told: GoDebug::UNTOLD, ranchers: None };

    /// What a version's text tells: `v2.1.9` and `1.7.27-k3s1` are the project's or a vendor's, `1.7.24~ds1` and
    /// `2.1.9+unknown` are Debian's, and `2.1.9` may be anybody's.
    pub fn of(text: &str) -> Self {
        let text = text.trim();
        let numbers = text.trim_start_matches('v').split(|c: char| !c.is_ascii_digit() && c != '.').next();
        let behind = &text.trim_start_matches('v')[numbers.unwrap_or_default().len()..];
        let of_debian = ["~ds", "+ds", "+dfsg", "~dfsg", "+unknown"].iter().any(|mark| behind.starts_with(mark));
        let maker = match behind {
            _ if of_debian || behind.contains("+deb") => Maker::Debian,
            // Ubuntu builds without the project's go.mod, as Debian does, and with a Go of its own.
            _ if behind.contains("ubuntu") => Maker::Open,
            "" if !text.starts_with('v') => Maker::Open,
            _ => Maker::Official,
        };
        let of_rancher = ["-k3s", "-rke2"].iter().any(|mark| behind.contains(mark));
        Self { maker, ranchers: of_rancher.then_some(true), ..Self::default() }
    }
}

/// What Debian built: the version, its Go, and the `go` line whose settings it keeps. Read off the executables: they are built
/// without their go.mod, so that every setting stands as before the first of them.
const OF_DEBIAN: [((u32, u32, u32), Release); 3] =
    [((1, 6, 20), Release::new(19, 8)), ((1, 7, 24), Release::new(24, 4)), ((2, 1, 9), Release::new(27, 1))];
const BEFORE_ALL_SETTINGS: u32 = 18;

/// The numbers of a series, and what its releases were built with.
type Series = (u32, u32, &'static [(u32, Release, u32)]);

/// The Go of the project's releases: from this patch of a series on, with this release and this `go` line. Taken from the
/// workflows and Dockerfiles that release them, and from their go.mod.
#[rustfmt::skip]
const OF_PROJECT: [Series; 6] = [
    (1, 6, &[
        (0, Release::new(17, 2), 16), (3, Release::new(17, 9), 17), (5, Release::new(17, 11), 17),
        (7, Release::new(17, 13), 17), (9, Release::new(18, 7), 17), (10, Release::new(18, 8), 17),
        (12, Release::new(18, 9), 17), (16, Release::new(18, 10), 17), (18, Release::new(19, 6), 17),
        (20, Release::new(19, 7), 17), (21, Release::new(19, 9), 17), (22, Release::new(19, 11), 18),
        (23, Release::new(19, 12), 18), (24, Release::new(20, 8), 19), (25, Release::new(20, 10), 19),
        (26, Release::new(20, 12), 19), (27, Release::new(20, 13), 19), (29, Release::new(21, 8), 19),
        (32, Release::new(21, 10), 19), (33, Release::new(21, 11), 19), (34, Release::new(21, 12), 19),
        (36, Release::new(22, 7), 19), (37, Release::new(22, 10), 19), (38, Release::new(23, 7), 20),
        (39, Release::new(23, 11), 23),
    ]),
    (1, 7, &[
        (0, Release::new(20, 2), 19), (1, Release::new(20, 4), 19), (3, Release::new(20, 6), 19),
        (4, Release::new(20, 7), 19), (6, Release::new(20, 8), 19), (8, Release::new(20, 10), 19),
        (11, Release::new(20, 12), 19), (12, Release::new(20, 13), 19), (14, Release::new(21, 8), 21),
        (16, Release::new(21, 9), 21), (17, Release::new(21, 10), 21), (18, Release::new(21, 11), 21),
        (20, Release::new(21, 12), 21), (21, Release::new(22, 6), 21), (22, Release::new(22, 7), 21),
        (23, Release::new(22, 8), 21), (24, Release::new(22, 9), 21), (25, Release::new(22, 10), 21),
        (26, Release::new(23, 6), 21), (27, Release::new(23, 7), 21), (28, Release::new(23, 11), 23),
        (29, Release::new(24, 9), 23), (30, Release::new(24, 11), 24), (31, Release::new(25, 9), 24),
        (33, Release::new(25, 11), 24), (34, Release::new(25, 12), 25),
    ]),
    (2, 0, &[
        (0, Release::new(23, 2), 22), (1, Release::new(23, 4), 22), (3, Release::new(23, 6), 22),
        (4, Release::new(23, 7), 22), (5, Release::new(23, 8), 23), (6, Release::new(23, 11), 23),
        (7, Release::new(24, 9), 23), (8, Release::new(25, 9), 23), (10, Release::new(25, 11), 23),
        (11, Release::new(25, 12), 23),
    ]),
    (2, 1, &[
        (0, Release::new(23, 8), 23), (2, Release::new(23, 10), 23), (4, Release::new(23, 11), 23),
        (5, Release::new(24, 9), 23), (6, Release::new(24, 11), 24), (7, Release::new(25, 9), 24),
        (9, Release::new(25, 11), 24),
    ]),
    (2, 2, &[
        (0, Release::new(24, 9), 24), (1, Release::new(24, 11), 24), (2, Release::new(25, 7), 24),
        (3, Release::new(25, 9), 24), (4, Release::new(25, 10), 24), (5, Release::new(25, 11), 25),
        (6, Release::new(25, 12), 25),
    ]),
    (2, 3, &[
        (0, Release::new(26, 2), 26), (1, Release::new(26, 3), 26), (2, Release::new(26, 4), 26),
        (3, Release::new(26, 5), 26),
    ]),
];

impl Version {
    /// The Go that it was built with. Of an open build the project's counts.
    pub fn go(self) -> Go {
        let (release, line) = match self.build.maker {
            Maker::Debian => self.of_debian(),
            Maker::Open | Maker::Official => self.of_project(),
        };
        Go { release: self.build.go.unwrap_or(release), line, told: self.build.told }
    }

    /// A release of Debian's that is not known is one with the Go of the known one before it.
    fn of_debian(self) -> (Release, u32) {
        let known = OF_DEBIAN.iter().rev().find(|(version, _)| *version <= (self.major, self.minor, self.patch));
        (known.unwrap_or(&OF_DEBIAN[0]).1, BEFORE_ALL_SETTINGS)
    }

    fn of_project(self) -> (Release, u32) {
        let series = OF_PROJECT.iter().rev().find(|(major, minor, _)| (*major, *minor) <= (self.major, self.minor));
        let (major, minor, patches) = series.unwrap_or(&OF_PROJECT[0]);
        let patch = match (*major, *minor).cmp(&(self.major, self.minor)) {
            Ordering::Less => u32::MAX,
            Ordering::Equal => self.patch,
            Ordering::Greater => 0,
        };
        let of_patch = patches.iter().rev().find(|(first, ..)| *first <= patch).or(patches.first());
        of_patch.map_or((Release::new(17, 2), 16), |(_, release, line)| (*release, *line))
    }

    /// The other build that this may be, where nothing tells: of versions that Debian has too.
    pub fn other_build(self) -> Option<Self> {
        let is_debians = OF_DEBIAN.iter().any(|(version, _)| *version == (self.major, self.minor, self.patch));
        let open = self.build.maker == Maker::Open && self.build.go.is_none() && is_debians;
        open.then(|| self.built_by(Maker::Debian))
    }

    /// The same containerd, built by somebody without the project's `go` line: every setting of Go stands as of old.
    #[must_use]
    pub fn with_oldest_settings(self) -> Self {
        if self.build.maker == Maker::Open { self.built_by(Maker::Debian) } else { self }
    }

    /// Whether nothing tells who built it, and that may make a difference.
    pub fn is_open_to(self, difference: bool) -> bool {
        self.build.maker == Maker::Open && difference
    }

    /// Whether both are the same release, whoever built them.
    pub fn is_release(self, other: Self) -> bool {
        (self.major, self.minor, self.patch) == (other.major, other.minor, other.patch)
    }

    /// What is said where the two builds of an open version answer differently.
    pub fn differing_builds(self, what: &str) -> String {
        format!(
            "{what}, and Debian's build of containerd {self} does otherwise than the project's: name the one that runs here, \
             `--containerd-version v{self}` or `{self}~ds1`"
        )
    }

    #[must_use]
    pub const fn built_by(self, maker: Maker) -> Self {
        Self { build: Build { maker, ..self.build }, ..self }
    }

    /// With what else is known of the build, where the version's own text left it open.
    #[must_use]
    pub fn with_build(self, known: Build) -> Self {
        let maker = if self.build.maker == Maker::Open { known.maker } else { self.build.maker };
        let (go, ranchers) = (self.build.go.or(known.go), self.build.ranchers.or(known.ranchers));
        Self { build: Build { maker, go, told: known.told, ranchers }, ..self }
    }

    /// As a running daemon says it, with the Go that it says it was built with. A version without a mark is the project's
    /// only where the Go is, too: Ubuntu's build has the same version and a Go of its own.
    #[must_use]
    pub fn told_by_daemon(self, go: Option<Release>) -> Self {
        let of_project = self.build.maker == Maker::Open && go == Some(self.of_project().0);
        let maker = if of_project { Maker::Official } else { self.build.maker };
        // k3s and RKE2 say theirs with their mark.
        let ranchers = Some(self.build.ranchers.unwrap_or(false));
        Self { build: Build { maker, go, ranchers, ..self.build }, ..self }
    }

    /// The table `rewrite` of a host or mirror is known.
    pub fn knows_rewrite(self) -> bool {
        self.build.ranchers == Some(true)
    }

    /// An index entry's `os.features` must all be the host's; a Linux host has none. Debian builds 2.1.9 with newer
    /// libraries than the project does.
    pub fn checks_os_features(self) -> bool {
        match self.build.maker {
            Maker::Debian => self.since(&[(2, 1, 0)]),
            Maker::Open | Maker::Official => self.since(&[(2, 3, 0)]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn a_build_is_told_by_what_stands_behind_the_numbers() {
        let maker = |text: &str| v(text).build.maker;
        for text in ["1.6.20~ds1", "1.7.24~ds1-6+deb13u1", "2.1.9+unknown", "1.4.13+ds1"] {
            assert_eq!(maker(text), Maker::Debian, "{text}");
        }
        for text in ["v2.1.9", "v1.7.27-k3s1", "1.7.27-k3s1", "2.0.5-rke2", "2.1.5+bottlerocket"] {
            assert_eq!(maker(text), Maker::Official, "{text}");
        }
        assert_eq!((maker("2.1.9"), maker("2.1")), (Maker::Open, Maker::Open));
    }

    #[test]
    fn each_release_has_the_go_that_it_was_built_with() {
        let of = |text: &str| (v(text).go().release, v(text).go().line);
        assert_eq!(of("v1.7.34"), (Release::new(25, 12), 25));
        assert_eq!(of("v2.0.11"), (Release::new(25, 12), 23));
        assert_eq!(of("v2.1.9"), (Release::new(25, 11), 24));
        assert_eq!(of("v2.2.7"), (Release::new(25, 12), 25));
        assert_eq!(of("v2.3.4"), (Release::new(26, 5), 26));
        assert_eq!(of("2.1.9~ds1"), (Release::new(27, 1), BEFORE_ALL_SETTINGS));
        assert_eq!(of("1.7.24~ds1").0, Release::new(24, 4));
        assert_eq!(of("1.6.33").0, Release::new(21, 11));
        // A series is its newest patch; a newer series has the newest Go, and an older one the oldest.
        assert_eq!((of("1.7"), of("2.4.0"), of("1.5.2").0), (of("1.7.34"), of("2.3.4"), Release::new(17, 2)));
    }

    /// From the release Dockerfiles, and as seen on v1.7.34, v2.0.11, v2.1.9, v2.2.7 and v2.3.4.
    #[test]
    fn rules_of_go_begin_with_the_releases_that_were_seen_to_have_them() {
        type Rule = fn(Go) -> bool;
        let rules: [(&str, Rule, &[&str], &[&str]); 8] = [
            (
                "ML-KEM",
                Go::offers_mlkem,
                &["1.7.30", "2.1.6", "2.2.0", "2.3.4"],
                &["1.7.29", "2.0.11", "2.1.5", "1.6.20"],
            ),
            (
                "no RSA key exchange",
                Go::refuses_rsa_key_exchange,
                &["1.7.34", "2.0.11", "2.1.9", "2.3.4"],
                &["1.7.27", "1.6.38"],
            ),
            (
                "no SHA-1",
                Go::refuses_sha1_signatures,
                &["1.7.34", "2.2.5", "2.3.4"],
                &["2.0.11", "2.1.9", "2.2.4", "1.7.33"],
            ),
            (
                "no negative serial",
                Go::refuses_negative_serials,
                &["1.6.39", "1.7.28", "2.0.5", "2.1.0"],
                &["1.7.27", "2.0.4"],
            ),
            (
                "policies",
                Go::follows_certificate_policies,
                &["1.7.29", "2.0.7", "2.1.5"],
                &["1.7.28", "2.0.6", "2.1.4"],
            ),
            (
                "NO_PROXY",
                Go::tells_addresses_from_domains,
                &["1.6.38", "1.7.27", "2.0.4"],
                &["1.6.37", "1.7.26", "2.0.3"],
            ),
            (
                "wildcards",
                Go::excludes_wildcards,
                &["1.7.30", "2.0.8", "2.1.6", "2.2.1"],
                &["1.7.29", "2.0.7", "2.2.0"],
            ),
            ("mapped addresses", Go::refuses_mapped_addresses, &["2.1.9~ds1"], &["2.1.9", "2.3.4", "1.7.24~ds1"]),
        ];
        for (name, rule, have, have_not) in rules {
            for version in have {
                assert!(rule(v(version).go()), "{name} on {version}");
            }
            for version in have_not {
                assert!(!rule(v(version).go()), "{name} on {version}");
            }
        }
    }

    #[test]
    fn debians_builds_keep_the_old_ways_that_their_go_still_has() {
        let [trixie, newest] = [v("1.7.24~ds1").go(), v("2.1.9~ds1").go()];
        assert!(!trixie.refuses_negative_serials() && !newest.refuses_negative_serials());
        assert!(!trixie.refuses_rsa_key_exchange() && newest.refuses_rsa_key_exchange());
        assert!(!trixie.sends_edns() && newest.sends_edns());
        assert!(!newest.offers_mlkem() && !newest.refuses_sha1_signatures());
    }

    #[test]
    fn only_a_version_that_debian_has_too_leaves_the_build_open() {
        assert_eq!(v("2.1.9").other_build(), Some(v("2.1.9~ds1")));
        for text in ["v2.1.9", "2.1.9~ds1", "2.1.8", "2.1", "2.3.4"] {
            assert_eq!(v(text).other_build(), None, "{text}");
        }
        let told = v("2.1.9").with_build(Build { go: Some(Release::new(25, 11)), ..Build::default() });
        assert_eq!((told.other_build(), told.go().release), (None, Release::new(25, 11)));
    }

    #[test]
    fn what_the_text_of_a_version_says_goes_before_what_the_node_looks_like() {
        let layout = Build { maker: Maker::Official, ..Build::default() };
        assert_eq!(v("2.1.9~ds1").with_build(layout).build.maker, Maker::Debian);
        assert_eq!(v("2.1.9").with_build(layout).build.maker, Maker::Official);
    }

    #[test]
    fn a_plain_version_is_the_projects_only_with_the_projects_go() {
        let maker = |text: &str, go| v(text).told_by_daemon(go).build.maker;
        let [projects, ubuntus] = [Release::new(23, 7), Release::new(22, 2)].map(Some);
        assert_eq!(maker("1.7.27", projects), Maker::Official);
        assert_eq!([maker("1.7.27", ubuntus), maker("1.7.27", None)], [Maker::Open; 2]);
        assert_eq!([maker("v1.7.27", ubuntus), maker("1.7.27-k3s1", ubuntus)], [Maker::Official; 2]);
        assert_eq!([maker("2.1.9+unknown", None), maker("1.6.20~ds1", projects)], [Maker::Debian; 2]);
        assert_eq!(v("1.7.27").told_by_daemon(ubuntus).go().release, Release::new(22, 2));
    }

    #[test]
    fn what_k3s_and_rke2_have_added_is_known_to_their_containerd_alone() {
        let [ranchers, others] = [true, false].map(|own| Build { ranchers: Some(own), ..Build::OPEN });
        assert!(v("1.7.27-k3s1").with_build(others).knows_rewrite() && v("v2.0.5-rke2").knows_rewrite());
        assert!(v("v2.1.9").with_build(ranchers).knows_rewrite() && !v("2.1.9").with_build(others).knows_rewrite());
        assert!(!v("2.1.9").knows_rewrite());
        // The daemon that answers knows best whose it is.
        assert!(!v("v2.1.9").told_by_daemon(None).with_build(ranchers).knows_rewrite());
        assert!(v("1.7.27-k3s1").told_by_daemon(None).with_build(others).knows_rewrite());
    }

    #[test]
    fn os_features_are_matched_where_the_library_does_it() {
        assert!(v("2.3.0").checks_os_features() && v("2.1.9~ds1").checks_os_features());
        assert!(!v("2.1.9").checks_os_features() && !v("2.2.7").checks_os_features());
        assert!(!v("1.7.24~ds1").checks_os_features());
    }
}
