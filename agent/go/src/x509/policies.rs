//! Whether the certificate policies of a chain leave one that holds: RFC 5280, 6.1, for whom any policy is good.

use std::collections::BTreeSet;

use x509_parser::extensions::ParsedExtension;

use super::certificate::Certificate;

/// Stands for all policies.
const ANY: &str = "2.5.29.32.0";

/// `chain` has the leaf first and goes without its root.
pub fn hold(chain: &[&Certificate<'_>]) -> bool {
    let Some((leaf, authorities)) = chain.split_first() else { return true };
    let mut path = Path::of_length(chain.len());
    let goes_on = authorities.iter().rev().all(|authority| {
        let held = path.enter(authority, authority.is_self_issued()) && path.map(authority);
        path.limit(authority);
        held
    });
    goes_on && path.enter(leaf, false) && path.end(leaf)
}

/// The state of RFC 5280, 6.1.2, on the way from the root to the leaf.
struct Path {
    /// `None`: no policy is left.
    held: Option<Held>,
    /// After so many more certificates a policy must be left,
    explicit: u32,
    /// none may be mapped to another,
    mapping: u32,
    /// and [`ANY`] stands for none.
    any: u32,
}

/// What the next certificate may state.
struct Held {
    any: bool,
    named: BTreeSet<String>,
}

impl Path {
    fn of_length(length: usize) -> Self {
        let beyond = u32::try_from(length).unwrap_or(u32::MAX).saturating_add(1);
        let held = Held { any: true, named: BTreeSet::new() };
        Self { held: Some(held), explicit: beyond, mapping: beyond, any: beyond }
    }

    /// What is left behind this certificate's own policies. `false`: nothing, where something must be.
    fn enter(&mut self, certificate: &Certificate<'_>, self_issued_authority: bool) -> bool {
        let mut stated = policies(certificate);
        let is_wide = stated.remove(ANY) && (self.any > 0 || self_issued_authority);
        self.held = self.held.take().and_then(|held| {
            let mut named: BTreeSet<String> =
                stated.into_iter().filter(|policy| held.any || held.named.contains(policy)).collect();
            if is_wide {
                named.extend(held.named);
            }
            let any = is_wide && held.any;
            (any || !named.is_empty()).then_some(Held { any, named })
        });
        self.explicit > 0 || self.held.is_some()
    }

    /// What an authority calls otherwise below itself. `false`: it may not.
    fn map(&mut self, certificate: &Certificate<'_>) -> bool {
        let mappings = mappings(certificate);
        if mappings.iter().any(|(from, to)| from == ANY || to == ANY) {
            return false;
        }
        let Some(held) = &mut self.held else { return true };
        let known: Vec<_> = mappings.iter().filter(|(from, _)| held.any || held.named.contains(from)).collect();
        for (from, _) in &known {
            held.named.remove(from);
        }
        if self.mapping > 0 {
            held.named.extend(known.iter().map(|(_, to)| to.clone()));
        }
        if !held.any && held.named.is_empty() {
            self.held = None;
        }
        true
    }

    fn limit(&mut self, certificate: &Certificate<'_>) {
        let step = u32::from(!certificate.is_self_issued());
        let (explicit, mapping) = constraints(certificate);
        let lower = |own: u32, stated: Option<u32>| own.saturating_sub(step).min(stated.unwrap_or(u32::MAX));
        self.explicit = lower(self.explicit, explicit);
        self.mapping = lower(self.mapping, mapping);
        self.any = lower(self.any, inhibits_any(certificate));
    }

    fn end(&self, leaf: &Certificate<'_>) -> bool {
        let must = self.explicit <= 1 || constraints(leaf).0 == Some(0);
        !must || self.held.is_some()
    }
}

fn policies(certificate: &Certificate<'_>) -> BTreeSet<String> {
    let found = certificate.extension(|parsed| match parsed {
        ParsedExtension::CertificatePolicies(policies) => {
            Some(policies.iter().map(|policy| policy.policy_id.to_id_string()).collect())
        }
        _ => None,
    });
    found.unwrap_or_default()
}

fn mappings(certificate: &Certificate<'_>) -> Vec<(String, String)> {
    let found = certificate.extension(|parsed| match parsed {
        ParsedExtension::PolicyMappings(mappings) => Some(
            mappings
                .mappings
                .iter()
                .map(|mapping| {
                    (mapping.issuer_domain_policy.to_id_string(), mapping.subject_domain_policy.to_id_string())
                })
                .collect(),
        ),
        _ => None,
    });
    found.unwrap_or_default()
}

/// After how many certificates a policy is required, and may not be mapped.
fn constraints(certificate: &Certificate<'_>) -> (Option<u32>, Option<u32>) {
    let found = certificate.extension(|parsed| match parsed {
        ParsedExtension::PolicyConstraints(stated) => {
            Some((stated.require_explicit_policy, stated.inhibit_policy_mapping))
        }
        _ => None,
    });
    found.unwrap_or_default()
}

fn inhibits_any(certificate: &Certificate<'_>) -> Option<u32> {
    certificate.extension(|parsed| match parsed {
        ParsedExtension::InhibitAnyPolicy(stated) => Some(stated.skip_certs),
        _ => None,
    })
}
