//! Releases of Go, the defaults of `GODEBUG`, and every rule that differs between them.
//!
//! A rule goes by Go's release, or by one of its settings: those have the value of the release that the
//! program's `go` line asks for, until `GODEBUG` in the environment says otherwise.

use std::fmt;
use std::str::FromStr;

/// A release `1.MINOR.PATCH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    pub minor: u32,
    pub patch: u32,
}

impl Release {
    pub const fn new(minor: u32, patch: u32) -> Self {
        Self { minor, patch }
    }

    /// Whether a change that first came in these is in this one; those it was carried back to come first.
    fn since(self, firsts: &[(u32, u32)]) -> bool {
        match firsts.iter().find(|(minor, _)| *minor == self.minor) {
            Some((_, patch)) => self.patch >= *patch,
            None => firsts.last().is_some_and(|(minor, _)| self.minor > *minor),
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}.{}", self.minor, self.patch)
    }
}

impl FromStr for Release {
    type Err = ();

    /// Reads `go1.24.4`, as Go's runtime says it, with whatever follows a space.
    fn from_str(text: &str) -> Result<Self, ()> {
        let numbers = text.trim().strip_prefix("go1.").ok_or(())?;
        let numbers = numbers.split([' ', '-', '+']).next().unwrap_or_default();
        let (minor, patch) = numbers.split_once('.').unwrap_or((numbers, "0"));
        // `rc1` comes before every patch.
        let leading = |text: &str| text.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default().parse().ok();
        Ok(Self { minor: leading(minor).ok_or(())?, patch: leading(patch).unwrap_or(0) })
    }
}

/// A setting of `GODEBUG` that changes what a pull comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    NegativeSerial,
    RsaKeyExchange,
    TripleDes,
    Sha1Signatures,
    MlKem,
    Kyber,
    Edns,
}

/// What is known of a setting.
struct Row {
    name: &'static str,
    /// The releases that know it first.
    known: &'static [(u32, u32)],
    /// The `go` line from which on the new way is the default.
    changed: u32,
    /// The value that means the old way.
    old: &'static str,
    /// The release that knows it no more, and has the new way alone.
    gone: u32,
}

const NEVER: u32 = u32::MAX;

impl Setting {
    const ALL: [Self; 7] = [
        Self::NegativeSerial,
        Self::RsaKeyExchange,
        Self::TripleDes,
        Self::Sha1Signatures,
        Self::MlKem,
        Self::Kyber,
        Self::Edns,
    ];

    #[rustfmt::skip]
    const fn row(self) -> Row {
        match self {
            Self::NegativeSerial => Row { name: "x509negativeserial", known: &[(23, 0)], changed: 23, old: "1", gone: NEVER },
            Self::RsaKeyExchange => Row { name: "tlsrsakex", known: &[(22, 0)], changed: 22, old: "1", gone: 27 },
            Self::TripleDes => Row { name: "tls3des", known: &[(23, 0)], changed: 23, old: "1", gone: 27 },
            Self::Sha1Signatures => Row { name: "tlssha1", known: &[(25, 0)], changed: 25, old: "1", gone: NEVER },
            Self::MlKem => Row { name: "tlsmlkem", known: &[(24, 0)], changed: 24, old: "0", gone: NEVER },
            // Of 1.23 alone: what became ML-KEM.
            Self::Kyber => Row { name: "tlskyber", known: &[(23, 0)], changed: 23, old: "0", gone: NEVER },
            Self::Edns => Row { name: "netedns0", known: &[(21, 12), (22, 5), (23, 0)], changed: 19, old: "0", gone: 27 },
        }
    }
}

/// What the environment tells Go: for each setting the old way, the new one, or nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDebug([Option<bool>; Setting::ALL.len()]);

impl GoDebug {
    /// Nothing.
    pub const UNTOLD: Self = Self([None; Setting::ALL.len()]);

    /// Reads the value of `GODEBUG`. Of several values of a setting the last one counts.
    pub fn parse(text: &str) -> Self {
        let mut told = Self::default();
        for (key, value) in text.split(',').filter_map(|setting| setting.split_once('=')) {
            for (place, setting) in told.0.iter_mut().zip(Setting::ALL) {
                let Row { name, old, .. } = setting.row();
                if key == name {
                    *place = Some(value != old);
                }
            }
        }
        told
    }

    fn is_new(self, setting: Setting) -> Option<bool> {
        self.0.into_iter().zip(Setting::ALL).find_map(|(told, one)| told.filter(|_| one == setting))
    }
}

/// The Go of one build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Go {
    pub release: Release,
    /// The minor release that the program's `go` line asks for.
    pub line: u32,
    pub told: GoDebug,
}

impl Go {
    /// Whether the new way of a setting counts.
    fn has(self, setting: Setting) -> bool {
        let row = setting.row();
        if self.release.minor >= row.gone {
            return true;
        }
        if !self.release.since(row.known) {
            return false;
        }
        self.told.is_new(setting).unwrap_or(self.line >= row.changed)
    }

    /// A certificate whose serial number is negative is unreadable.
    pub fn refuses_negative_serials(self) -> bool {
        self.has(Setting::NegativeSerial)
    }

    /// No cipher suite is offered whose keys are exchanged under the server's RSA key.
    pub fn refuses_rsa_key_exchange(self) -> bool {
        self.has(Setting::RsaKeyExchange)
    }

    /// No cipher suite with 3DES is offered.
    pub fn refuses_triple_des(self) -> bool {
        self.has(Setting::TripleDes)
    }

    /// A handshake of TLS 1.2 may not be signed with SHA-1.
    pub fn refuses_sha1_signatures(self) -> bool {
        self.has(Setting::Sha1Signatures)
    }

    /// The `ClientHello` has a key share that withstands quantum computers, X25519MLKEM768 or the draft of it, which makes
    /// it larger than a packet.
    pub fn offers_mlkem(self) -> bool {
        self.has(Setting::MlKem) || (self.release.minor == 23 && self.has(Setting::Kyber))
    }

    /// Questions to name servers carry an EDNS record.
    pub fn sends_edns(self) -> bool {
        let is_known = self.release.since(Setting::Edns.row().known);
        self.release.minor >= 19 && (!is_known || self.has(Setting::Edns))
    }

    /// An answer's additional records count: the extended code, and that a server which adds any refers to
    /// nobody by mistake.
    pub fn reads_additional_records(self) -> bool {
        self.release.since(&[(21, 12), (22, 0)])
    }

    /// A SOCKS proxy is given a user without a password.
    pub fn signs_in_without_password(self) -> bool {
        self.release.minor >= 21
    }

    /// A proxy's URL may be of any scheme, and one that Go has no way for is plain HTTP; before, Go took a scheme
    /// that it did not know, `socks5h` too, for the proxy's name.
    pub fn takes_any_proxy_scheme(self) -> bool {
        self.release.minor >= 23
    }

    /// A domain in `NO_PROXY` is none of an address, also where the address ends like it.
    pub fn tells_addresses_from_domains(self) -> bool {
        self.release.since(&[(23, 7), (24, 1)])
    }

    /// `tls: failed to verify certificate: ` stands before a certificate's fault.
    pub fn words_verification(self) -> bool {
        self.release.minor >= 20
    }

    /// The longest message of certificates that is read, in bytes.
    pub fn certificates_limit(self) -> usize {
        if self.release.minor >= 20 { 262_144 } else { 65_536 }
    }

    /// A redirect to another port keeps the credential, as one to the same host or one below it does. Before, Go took
    /// host and port for the host.
    pub fn keeps_credential_at_other_port(self) -> bool {
        self.release.since(&[(21, 8), (22, 1)])
    }

    /// Credentials that a redirect left behind stay away, and each host is compared with the first one; before, it was
    /// compared with the host before (CVE-2024-45336).
    pub fn forgets_credentials_for_good(self) -> bool {
        self.release.since(&[(22, 11), (23, 5)])
    }

    /// The policies of certificates are followed; before, a critical extension about them made a certificate
    /// unusable.
    pub fn follows_certificate_policies(self) -> bool {
        self.release.minor >= 24
    }

    /// Extensions that must not be critical make a certificate unreadable where they are.
    pub fn refuses_wrongly_critical(self) -> bool {
        self.release.minor >= 24
    }

    /// What is wrong with several chains is counted.
    pub fn counts_chains(self) -> bool {
        self.release.minor >= 25
    }

    /// A certificate with an IPv4 address written as an IPv6 one is unreadable.
    pub fn refuses_mapped_addresses(self) -> bool {
        self.release.minor >= 27
    }

    /// Informational answers before the answer may have any number, up to a size; before, five.
    pub fn bounds_informational_by_size(self) -> bool {
        self.release.minor >= 24
    }

    /// A wildcard may not stand for a name which its issuer may not sign for (CVE-2025-61727).
    pub fn excludes_wildcards(self) -> bool {
        self.release.since(&[(24, 11), (25, 5)])
    }

    /// Where JSON has a value of another type, the embedded structs on the way are named too.
    pub fn names_embedded_structs(self) -> bool {
        self.release.minor >= 24
    }

    /// ... and every place on the way, positions and keys too, from the outermost struct on.
    pub fn names_json_places(self) -> bool {
        self.release.minor >= 27
    }

    /// A time in JSON is read without the quotes around it.
    pub fn unquotes_times(self) -> bool {
        self.release.minor >= 20
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(minor: u32, patch: u32, line: u32) -> Go {
        Go { release: Release::new(minor, patch), line, told: GoDebug::default() }
    }

    fn told(go: Go, text: &str) -> Go {
        Go { told: GoDebug::parse(text), ..go }
    }

    #[test]
    fn a_release_is_read_as_the_runtime_says_it() {
        assert_eq!("go1.24.4".parse(), Ok(Release::new(24, 4)));
        assert_eq!("go1.25".parse(), Ok(Release::new(25, 0)));
        assert_eq!("go1.27rc1".parse(), Ok(Release::new(27, 0)));
        assert_eq!("go1.26.5 X:nodwarf5".parse(), Ok(Release::new(26, 5)));
        assert!("devel +1a2b".parse::<Release>().is_err() && "1.24".parse::<Release>().is_err());
    }

    /// The release knows the setting, the `go` line says which way it goes, the environment has the last word.
    #[test]
    fn a_setting_goes_by_release_line_and_environment() {
        assert!(go(23, 0, 23).refuses_negative_serials() && !go(23, 7, 21).refuses_negative_serials());
        assert!(!go(22, 9, 23).refuses_negative_serials(), "this release does not know it");
        assert!(!told(go(25, 11, 24), "x509negativeserial=1").refuses_negative_serials());
        assert!(told(go(24, 4, 18), "x509negativeserial=0").refuses_negative_serials());
    }

    #[test]
    fn a_setting_that_is_gone_is_not_heard() {
        let newest = told(go(27, 1, 18), "tlsrsakex=1,tls3des=1,netedns0=0");
        assert!(newest.refuses_rsa_key_exchange() && newest.refuses_triple_des() && newest.sends_edns());
        let before = told(go(26, 5, 26), "tlsrsakex=1,tls3des=1,netedns0=0");
        assert!(!before.refuses_rsa_key_exchange() && !before.refuses_triple_des() && !before.sends_edns());
    }

    #[test]
    fn a_large_hello_is_offered_by_those_whose_line_asks_for_it() {
        assert!(go(24, 11, 24).offers_mlkem() && !go(24, 9, 23).offers_mlkem() && !go(25, 12, 23).offers_mlkem());
        assert!(!told(go(24, 11, 24), "tlsmlkem=0").offers_mlkem() && told(go(24, 9, 23), "tlsmlkem=1").offers_mlkem());
        // The draft, in the one release that has it.
        assert!(go(23, 11, 23).offers_mlkem() && !go(23, 7, 21).offers_mlkem() && !go(22, 9, 23).offers_mlkem());
        assert!(!told(go(23, 11, 23), "tlskyber=0").offers_mlkem());
    }

    #[test]
    fn edns_came_before_its_setting() {
        assert!(!go(18, 10, 17).sends_edns() && go(19, 7, 17).sends_edns());
        assert!(told(go(21, 11, 19), "netedns0=0").sends_edns(), "this release does not know it");
        assert!(!told(go(21, 12, 19), "netedns0=0").sends_edns() && go(21, 12, 19).sends_edns());
        assert!(!go(24, 4, 18).sends_edns(), "an old line asks for the old way");
    }

    #[test]
    fn sha_1_is_refused_where_release_and_line_are_new() {
        assert!(go(25, 12, 25).refuses_sha1_signatures() && !go(25, 12, 24).refuses_sha1_signatures());
        assert!(!go(24, 11, 25).refuses_sha1_signatures());
        assert!(!told(go(26, 5, 26), "tlssha1=1").refuses_sha1_signatures());
    }

    #[test]
    fn a_repair_is_in_the_releases_that_it_was_carried_back_to() {
        assert!(go(23, 7, 20).tells_addresses_from_domains() && !go(23, 6, 21).tells_addresses_from_domains());
        assert!(!go(24, 0, 24).tells_addresses_from_domains() && go(24, 1, 24).tells_addresses_from_domains());
        assert!(go(24, 11, 24).excludes_wildcards() && !go(25, 4, 25).excludes_wildcards());
        assert!(!go(22, 12, 22).tells_addresses_from_domains() && go(26, 0, 26).excludes_wildcards());
    }

    #[test]
    fn of_several_values_the_last_one_counts() {
        let settings = GoDebug::parse("http2client=0,tlsmlkem=0,tlsmlkem=1,x,=,tlssha1");
        assert_eq!((settings.is_new(Setting::MlKem), settings.is_new(Setting::Sha1Signatures)), (Some(true), None));
        assert_eq!(GoDebug::parse(""), GoDebug::default());
    }
}
