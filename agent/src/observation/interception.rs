//! One issuer for registries that have nothing to do with each other: somebody on the way opens the
//! connections.
//!
//! An issuer in common is nothing by itself: registries at one cloud have that cloud's. What public
//! authorities issue carries timestamps of public logs, though, and what is issued on the way cannot.
//! Whether the node trusts the issuer says nothing: whoever inspects has installed it there.

use std::collections::{BTreeMap, BTreeSet};

use super::TLS_INTERCEPTION_SUSPECTED;
use crate::model::finding::{Finding, Severity};
use crate::model::report::EndpointReport;

/// Domains of public registries, of their token services and of where they keep blobs, each with who
/// runs it.
const PUBLIC: [(&str, &str); 22] = [
    ("docker.io", "Docker"),
    ("docker.com", "Docker"),
    ("ghcr.io", "GitHub"),
    ("githubusercontent.com", "GitHub"),
    ("quay.io", "Red Hat"),
    ("redhat.io", "Red Hat"),
    ("redhat.com", "Red Hat"),
    ("k8s.io", "Kubernetes"),
    ("gcr.io", "Google"),
    ("pkg.dev", "Google"),
    ("googleapis.com", "Google"),
    ("amazonaws.com", "Amazon"),
    ("ecr.aws", "Amazon"),
    ("cloudfront.net", "Amazon"),
    ("mcr.microsoft.com", "Microsoft"),
    ("azurecr.io", "Microsoft"),
    ("core.windows.net", "Microsoft"),
    ("nvcr.io", "NVIDIA"),
    ("gitlab.com", "GitLab"),
    ("cloudflarestorage.com", "Cloudflare"),
    ("elastic.co", "Elastic"),
    ("cgr.dev", "Chainguard"),
];

pub fn findings(endpoints: &[&EndpointReport]) -> Vec<Finding> {
    let mut by_issuer: BTreeMap<&str, BTreeMap<&str, BTreeSet<String>>> = BTreeMap::new();
    for report in endpoints {
        let Some(operator) = operator(report.endpoint.host()) else { continue };
        let Some(leaf) = report.stages.tls.facts().and_then(|facts| facts.chain.first()) else { continue };
        if !leaf.logged && !leaf.issuer.is_empty() {
            let places = by_issuer.entry(&leaf.issuer).or_default().entry(operator).or_default();
            places.insert(report.endpoint.host_port());
        }
    }
    let shared = by_issuer.into_iter().filter(|(_, operators)| operators.len() > 1);
    shared.map(|(issuer, operators)| finding(issuer, &operators)).collect()
}

/// Who runs this public host. `None`: it is not known to be one.
pub(super) fn operator(host: &str) -> Option<&'static str> {
    let host = host.to_ascii_lowercase();
    let is_below = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    PUBLIC.iter().find(|(domain, _)| is_below(domain)).map(|(_, operator)| *operator)
}

fn finding(issuer: &str, operators: &BTreeMap<&str, BTreeSet<String>>) -> Finding {
    let places: Vec<&str> = operators.values().flatten().map(String::as_str).collect();
    let message = format!(
        "`{issuer}` issued the certificates of {}, which belong to different owners, and no public log knows them: a proxy or \
         firewall on the way opens the connections.",
        places.join(", ")
    );
    let fix = "Exempt the registries from TLS inspection, or install the inspecting authority in the node's bundle and restart \
               containerd, which reads that bundle once.";
    Finding::new(Severity::Warning, TLS_INTERCEPTION_SUSPECTED, message, fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::presenting;

    fn suspects(reports: &[EndpointReport]) -> usize {
        findings(&reports.iter().collect::<Vec<_>>()).len()
    }

    #[test]
    fn one_unlogged_issuer_for_registries_of_two_owners_is_suspect() {
        let inspected =
            [presenting("registry-1.docker.io", "CN=Inspector", false), presenting("GHCR.io", "CN=Inspector", false)];
        let found = findings(&inspected.iter().collect::<Vec<_>>());
        assert_eq!(found.len(), 1);
        assert!(
            found[0]
                .message
                .starts_with("`CN=Inspector` issued the certificates of registry-1.docker.io:443, GHCR.io:443")
        );
    }

    #[test]
    fn what_a_public_log_knows_or_one_owner_has_or_is_no_public_registry_is_not() {
        let one = |name: &str| presenting(name, "CN=Some CA", false);
        let logged = |name: &str| presenting(name, "CN=Amazon RSA 2048 M02", true);
        assert_eq!(suspects(&[logged("registry-1.docker.io"), logged("public.ecr.aws")]), 0, "at one cloud");
        assert_eq!(suspects(&[one("auth.docker.io"), one("production.cloudflare.docker.com")]), 0, "one owner");
        assert_eq!(suspects(&[one("a.example"), one("b.other"), one("notghcr.io")]), 0, "private");
        assert_eq!(suspects(&[one("ghcr.io"), presenting("quay.io", "CN=Another", false)]), 0, "two issuers");
    }
}
