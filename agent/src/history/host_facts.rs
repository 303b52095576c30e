//! What was last seen of a host beside its answer: its certificate and its addresses.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use jiff::Timestamp;

use super::journal::What;
use crate::model::facts::{CertificateFacts, DnsFacts, NameSource};
use crate::model::report::EndpointReport;
use crate::redact::clean::Clean;

/// A host behind several servers shows theirs in turn.
const CERTIFICATES: usize = 4;
/// The addresses that are remembered. Large registries answer with some of many.
const ADDRESSES: usize = 32;
/// So much of an issuer is told.
const ISSUER_LIMIT: usize = 80;
/// So many addresses are told.
const TOLD: usize = 4;

/// What was seen before is known by its hash.
#[derive(Clone, Debug, Default)]
pub(super) struct HostFacts {
    certificates: Vec<u64>,
    /// The last one, in words.
    certificate: Clean,
    addresses: Vec<u64>,
    /// The last ones, in words.
    resolved: Clean,
}

impl HostFacts {
    /// What is new since the last look. The first look has no news, and a look that saw nothing forgets nothing.
    pub fn news(&mut self, report: &EndpointReport) -> Vec<(What, String)> {
        let leaf = report.stages.tls.facts().and_then(|facts| facts.chain.first());
        let resolved = report.stages.dns.facts().filter(|facts| facts.source != NameSource::Literal);
        let certificate = leaf.and_then(|leaf| self.certificate(report, leaf));
        let addresses = resolved.and_then(|facts| self.addresses(report, facts));
        certificate.into_iter().chain(addresses).collect()
    }

    fn certificate(&mut self, report: &EndpointReport, leaf: &CertificateFacts) -> Option<(What, String)> {
        let is_first = self.certificates.is_empty();
        let is_known = !remember(&mut self.certificates, hash(&leaf.sha256), CERTIFICATES);
        let before = std::mem::replace(&mut self.certificate, in_words(leaf));
        let detail =
            || format!("{} shows another certificate, {}; before, {before}", report.endpoint, self.certificate);
        (!is_first && !is_known).then(|| (What::Certificate, detail()))
    }

    /// Addresses come and go. It is news when none of them was seen before.
    fn addresses(&mut self, report: &EndpointReport, facts: &DnsFacts) -> Option<(What, String)> {
        let found: Vec<String> = facts.addresses.iter().map(ToString::to_string).collect();
        if found.is_empty() {
            return None;
        }
        let is_first = self.addresses.is_empty();
        let new = found.iter().filter(|address| remember(&mut self.addresses, hash(address), ADDRESSES)).count();
        let more = if found.len() > TOLD { format!(" and {} more", found.len() - TOLD) } else { String::new() };
        let words = format!("{}{more}", found[..found.len().min(TOLD)].join(", "));
        let before = std::mem::replace(&mut self.resolved, words.into());
        let detail = || format!("{} has other addresses: {}; before, {before}", report.endpoint.host(), self.resolved);
        (!is_first && new == found.len()).then(|| (What::Addresses, detail()))
    }
}

fn in_words(leaf: &CertificateFacts) -> Clean {
    let end =
        Timestamp::from_second(leaf.not_after).map(|end| format!(" and valid until {end:.0}")).unwrap_or_default();
    format!("issued by `{}`{end}", Clean::clipped(&leaf.issuer, ISSUER_LIMIT)).into()
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Keeps the last of them. Whether it was not among them.
fn remember(known: &mut Vec<u64>, one: u64, limit: usize) -> bool {
    let place = known.iter().position(|other| *other == one);
    if let Some(place) = place {
        known.remove(place);
    } else if known.len() >= limit {
        known.remove(0);
    }
    known.push(one);
    place.is_none()
}
