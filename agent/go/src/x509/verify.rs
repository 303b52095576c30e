//! Verifies a presented chain by the rules of Go's `crypto/x509`, which differ from webpki's.
//!
//! The leaf's own dates come first, then its name, then the way to a root. A leaf that is itself among
//! the roots needs no issuer; roots may be of go 1; several ways are tried.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::CertificateDer;

use super::certificate::Certificate;
use super::chains::Chains;
use super::fields::subject;
use super::invalid::{Hint, Invalid};
use super::names;
use super::signature::{check_signed_by, is_authority_beyond_us};
use super::verified::Verified;
use crate::release::Go;

/// As Go: a guard against chains made to be slow.
const SIGNATURE_CHECKS: usize = 100;

/// Trusted certificates by their subject. One is read only when it is looked at, and passed over then if it cannot be read.
#[derive(Debug, Default)]
pub struct Roots {
    /// Those of the node, which all hosts share: a bundle holds some 140.
    shared: Option<Arc<Roots>>,
    own: HashMap<Vec<u8>, Vec<CertificateDer<'static>>>,
    /// What was verified on the way to any of them.
    verified: Arc<Verified>,
}

impl Roots {
    /// These, and what is added.
    pub fn beside(shared: &Arc<Self>) -> Self {
        Self { shared: Some(Arc::clone(shared)), own: HashMap::new(), verified: Arc::clone(&shared.verified) }
    }

    pub fn add(&mut self, der: CertificateDer<'static>) {
        let Some(subject) = subject(&der).map(<[u8]>::to_vec) else { return };
        if !self.ders(&subject).any(|known| *known == der) {
            self.own.entry(subject).or_default().push(der);
        }
    }

    pub fn is_empty(&self) -> bool {
        let mut own = self.own.values().flatten();
        !own.any(|der| Certificate::parse(der).is_ok()) && self.shared.as_ref().is_none_or(|shared| shared.is_empty())
    }

    /// Whether a root has this name, whatever its key.
    pub fn know(&self, subject: &[u8]) -> bool {
        self.ders(subject).any(|der| Certificate::parse(der).is_ok())
    }

    /// Whether one signed the other, be it known or found out now.
    pub fn check_signed_by(&self, child: &Certificate<'_>, parent: &Certificate<'_>) -> Result<(), String> {
        check_signed_by(child, parent, &self.verified)
    }

    fn contains(&self, certificate: &Certificate<'_>) -> bool {
        self.ders(certificate.subject()).any(|der| der.as_ref() == certificate.der)
    }

    /// Those that Go of this containerd reads; it passes over others.
    fn with_subject(&self, subject: &[u8], go: Go) -> impl Iterator<Item = Certificate<'_>> {
        let parsed = self.ders(subject).filter_map(|der| Certificate::parse(der).ok());
        parsed.filter(move |certificate| certificate.check_readable(go).is_ok())
    }

    fn ders(&self, subject: &[u8]) -> impl Iterator<Item = &CertificateDer<'static>> {
        let shared = self.shared.iter().filter_map(|shared| shared.own.get(subject));
        shared.chain(self.own.get(subject)).flatten()
    }
}

/// Verifies `chain` (leaf first) for `host` at the time `now`, as this containerd does. The outcome stays good until the time that
/// is returned: no certificate that leads to a root expires before, and none becomes valid that would be another way.
pub fn verify(
    roots: &Roots,
    chain: &[Certificate<'_>],
    host: &str,
    now: Timestamp,
    go: Go,
) -> Result<Timestamp, Invalid> {
    let Some((leaf, intermediates)) = chain.split_first() else {
        return Err(Invalid::UnknownAuthority(Hint::default()));
    };
    check(leaf, Kind::Leaf, &[], now, go)?;
    names::check_host(leaf, host).map_err(Invalid::Name)?;
    if roots.contains(leaf) {
        return if leaf.allows_server_auth() { Ok(dates(leaf).1) } else { Err(Invalid::KeyUsage) };
    }
    let (until, chains) = (Timestamp::MAX, Chains::default());
    let mut search = Search { roots, intermediates, now, go, checks: 0, chains, until, beyond: None };
    let outcome = search.build(&[leaf]);
    match (search.chains.judge(go), search.beyond, outcome) {
        (Some(Ok(())), _, _) => Ok(search.until),
        (_, Some(detail), _) => Err(Invalid::BeyondUs(detail)),
        (Some(Err(invalid)), None, _) | (None, None, Err(invalid)) => Err(invalid),
        (None, None, Ok(())) => Err(Invalid::UnknownAuthority(Hint::default())),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Leaf,
    Intermediate,
    Root,
}

struct Search<'s, 'c> {
    roots: &'s Roots,
    intermediates: &'s [Certificate<'c>],
    now: Timestamp,
    go: Go,
    checks: usize,
    chains: Chains,
    /// Until when no certificate of these chains expires, and no other way opens.
    until: Timestamp,
    /// An issuer whose signatures cannot be verified here.
    beyond: Option<String>,
}

impl<'c> Search<'_, 'c> {
    /// Goes on from the last of `chain` to every possible issuer. Of several failures the last that is
    /// not about a signature is told, as Go tells it.
    fn build(&mut self, chain: &[&Certificate<'c>]) -> Result<(), Invalid> {
        let Some(last) = chain.last() else { return Ok(()) };
        let (roots, intermediates) = (self.roots, self.intermediates);
        let mut told = Ok(());
        let mut hint = Hint::default();
        let mut found = false;
        for root in by_key_id(roots.with_subject(last.issuer(), self.go).collect(), last) {
            match self.consider(&root, Kind::Root, chain, &mut hint) {
                Some(Ok(())) => {
                    found = true;
                    self.chains.count(chain, &root, self.go);
                    let ends = chain.iter().copied().chain([&root]).map(|link| dates(link).1);
                    self.until = ends.fold(self.until, Timestamp::min);
                }
                Some(invalid) => told = invalid,
                None => {}
            }
        }
        let candidates = intermediates.iter().filter(|candidate| candidate.subject() == last.issuer());
        for candidate in by_key_id(candidates.collect(), last) {
            match self.consider(candidate, Kind::Intermediate, chain, &mut hint) {
                Some(Ok(())) => {
                    told = self.build(&[chain, &[candidate]].concat());
                    found |= told.is_ok();
                }
                Some(invalid) => told = invalid,
                None => {}
            }
        }
        match told {
            _ if found => Ok(()),
            Ok(()) => Err(Invalid::UnknownAuthority(hint)),
            Err(invalid) => Err(invalid),
        }
    }

    /// `None`: not an issuer at all, at most a hint.
    fn consider(
        &mut self,
        candidate: &Certificate<'_>,
        kind: Kind,
        chain: &[&Certificate<'c>],
        hint: &mut Hint,
    ) -> Option<Result<(), Invalid>> {
        let last = chain.last()?;
        if chain.iter().any(|link| is_same_authority(candidate, link)) {
            return None;
        }
        self.checks += 1;
        if self.checks > SIGNATURE_CHECKS {
            return Some(Err(Invalid::TooManyChecks));
        }
        if let Err(error) = self.roots.check_signed_by(last, candidate) {
            self.beyond = self.beyond.take().or_else(|| is_authority_beyond_us(last, candidate));
            hint.0.get_or_insert_with(|| (error, candidate.short_name()));
            return None;
        }
        let checked = check(candidate, kind, chain, self.now, self.go);
        if let Err(Invalid::NotYetValid { not_before, .. }) = &checked {
            // From then on there is more to search, and the checks may not suffice.
            self.until = self.until.min(*not_before - SignedDuration::from_secs(1));
        }
        Some(checked)
    }
}

/// Same key identifier first, then where one of the two has none, then the others.
fn by_key_id<'a, C: std::borrow::Borrow<Certificate<'a>>>(mut candidates: Vec<C>, child: &Certificate<'_>) -> Vec<C> {
    let wanted = child.authority_key_id();
    candidates.sort_by_key(|candidate| {
        let own = candidate.borrow().subject_key_id();
        if own == wanted { 0 } else { 1 + u8::from(!own.is_empty() && !wanted.is_empty()) }
    });
    candidates
}

/// One authority under several certificates counts once in a chain, or cross-signing would loop.
fn is_same_authority(a: &Certificate<'_>, b: &Certificate<'_>) -> bool {
    a.subject() == b.subject()
        && a.x509.public_key().raw == b.x509.public_key().raw
        && (a.has_names, &a.dns_names, &a.addresses) == (b.has_names, &b.dns_names, &b.addresses)
}

fn check(
    certificate: &Certificate<'_>,
    kind: Kind,
    chain: &[&Certificate<'_>],
    now: Timestamp,
    go: Go,
) -> Result<(), Invalid> {
    if certificate.has_unhandled_critical(go) {
        return Err(Invalid::UnhandledCriticalExtension);
    }
    if chain.last().is_some_and(|child| child.issuer() != certificate.subject()) {
        return Err(Invalid::IssuerMismatch);
    }
    check_dates(certificate, now)?;
    if let Some(leaf) = chain.first() {
        names::check_constraints(certificate, leaf, go).map_err(Invalid::NameConstraint)?;
    }
    let constraints = certificate.basic_constraints();
    if kind == Kind::Intermediate && !constraints.is_some_and(|(is_ca, _)| is_ca) {
        return Err(Invalid::NotAuthority);
    }
    let limit = constraints.and_then(|(_, limit)| limit).and_then(|limit| usize::try_from(limit).ok());
    if limit.is_some_and(|limit| chain.len().saturating_sub(1) > limit) {
        return Err(Invalid::PathTooLong);
    }
    Ok(())
}

fn check_dates(certificate: &Certificate<'_>, now: Timestamp) -> Result<(), Invalid> {
    let (not_before, not_after) = dates(certificate);
    let subject = || certificate.x509.subject().to_string();
    if now < not_before {
        return Err(Invalid::NotYetValid { now, not_before, subject: subject() });
    }
    if now > not_after {
        return Err(Invalid::Expired { now, not_after, subject: subject() });
    }
    Ok(())
}

/// From when to when it is valid, both included.
fn dates(certificate: &Certificate<'_>) -> (Timestamp, Timestamp) {
    let validity = certificate.x509.validity();
    // A date outside jiff's range is as good as the end of it.
    let not_before = Timestamp::from_second(validity.not_before.timestamp()).unwrap_or(Timestamp::MIN);
    let not_after = Timestamp::from_second(validity.not_after.timestamp()).unwrap_or(Timestamp::MAX);
    (not_before, not_after)
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};

    use super::*;
    use crate::release::{GoDebug, Release};

    const HOST: &str = "registry.example";

    fn params(name: &str, names: &[&str], years: [i32; 2]) -> CertificateParams {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        [params.not_before, params.not_after] = years.map(|year| date_time_ymd(year, 1, 1));
        params
    }

    fn authority(name: &str, years: [i32; 2]) -> CertificateParams {
        let mut params = params(name, &[], years);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    }

    fn go() -> Go {
        Go { release: Release::new(24, 0), line: 24, told: GoDebug::UNTOLD }
    }

    fn year(year: i16) -> Timestamp {
        jiff::civil::date(year, 1, 1).to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp()
    }

    #[test]
    fn what_is_good_is_so_until_a_certificate_on_the_way_expires_or_another_way_opens() {
        let key = || KeyPair::generate().unwrap();
        let root = CertifiedIssuer::self_signed(authority("root", [2020, 2040]), key()).unwrap();
        let issuer = CertifiedIssuer::signed_by(authority("issuer", [2020, 2030]), key(), &root).unwrap();
        let later = authority("issuer", [2026, 2029]).signed_by(issuer.key(), &root).unwrap();
        let leaf = params("leaf", &[HOST], [2020, 2035]).signed_by(&key(), &issuer).unwrap();
        let mut roots = Roots::default();
        roots.add(root.der().clone());
        let until = |ders: &[&CertificateDer<'_>], now| {
            let chain: Vec<_> = ders.iter().map(|der| Certificate::parse(der).unwrap()).collect();
            verify(&roots, &chain, HOST, year(now), go()).ok()
        };
        let one = [leaf.der(), issuer.der()];
        assert_eq!([2025, 2030, 2031].map(|now| until(&one, now)), [Some(year(2030)), Some(year(2030)), None]);
        let both = [leaf.der(), issuer.der(), later.der()];
        let just_before = year(2026) - SignedDuration::from_secs(1);
        assert_eq!(
            [2025, 2026, 2030].map(|now| until(&both, now)),
            [Some(just_before), Some(year(2029)), Some(year(2030))]
        );
    }

    #[test]
    fn a_leaf_that_is_itself_trusted_needs_no_issuer() {
        let leaf = params("leaf", &[HOST], [2020, 2035]).self_signed(&KeyPair::generate().unwrap()).unwrap();
        let mut roots = Roots::default();
        roots.add(leaf.der().clone());
        let chain = [Certificate::parse(leaf.der()).unwrap()];
        assert_eq!(verify(&roots, &chain, HOST, year(2025), go()).ok(), Some(year(2035)));
    }
}
