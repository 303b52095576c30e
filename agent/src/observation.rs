//! Findings about the way although pulls work, and fixes put into the terms of the node's distribution.

use std::collections::BTreeMap;

use crate::model::expiry;
use crate::model::finding::{Finding, Severity};
use crate::model::report::{EndpointReport, ImageReport};

mod clock;
pub mod distribution;
mod interception;
mod path;
mod provider;
pub mod reach;
pub mod sinkhole;

pub const HOST_NEW: &str = "host_new";
pub const TLS_INTERCEPTION_SUSPECTED: &str = "tls_interception_suspected";
pub const CLOCK_SKEW: &str = "clock_skew";
pub const PRIVATE_TARGET: &str = "private_target";
pub const SLOW_STAGE: &str = "slow_stage";
pub const CREDENTIAL_PROVIDER_FAILED: &str = "credential_provider_failed";
pub const CREDENTIAL_PROVIDER_NO_MATCH: &str = "credential_provider_no_match";
pub const CREDENTIAL_PROVIDER_UNKNOWN: &str = "credential_provider_unknown";

/// The worst first, then by code.
pub fn findings(endpoints: &[&EndpointReport], images: &[&ImageReport]) -> Vec<Finding> {
    let mut findings = clock::findings(endpoints, images);
    let provided = images.iter().flat_map(|image| image.expiries.iter().map(|one| (one, image.started_at)));
    findings.extend(expiry::findings(provided));
    findings.extend(interception::findings(endpoints));
    findings.extend(path::findings(endpoints));
    findings.extend(reach::findings(endpoints));
    findings.extend(slow(endpoints, images));
    findings.extend(provider::findings(images));
    findings
}

fn slow(endpoints: &[&EndpointReport], images: &[&ImageReport]) -> Vec<Finding> {
    let mut by_endpoint = BTreeMap::new();
    for report in endpoints {
        if let Some((stage, share)) = report.stages.slow() {
            // One way may serve several names.
            let what = format!("{} is slow to reach: {stage} {share}.", report.endpoint);
            by_endpoint.entry(&report.endpoint).or_insert(what);
        }
    }
    let of_image = |image: &&ImageReport| {
        let (attempt, share) = image.slow()?;
        let name = image.image.as_ref().map_or_else(|| image.requested.clone().into(), ToString::to_string);
        let what = format!("{name} is slow: to {} at {} {share}.", attempt.operation.as_str(), attempt.endpoint);
        // The stage of the way says more than the request that had to wait for it.
        (!by_endpoint.contains_key(&attempt.endpoint)).then_some(what)
    };
    let of_images: Vec<String> = images.iter().filter_map(of_image).collect();
    let fix = "Pulls wait as long. `pullprobe check` shows each stage with its time; for DNS look at the nameservers one \
               by one (JSON: `stages.dns.nameservers`), for the rest at the path and the far side.";
    let all = by_endpoint.into_values().chain(of_images);
    all.map(|message| Finding::new(Severity::Warning, SLOW_STAGE, message, fix)).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::sample;

    #[test]
    fn every_code_has_its_paragraph() {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/findings.md")).unwrap();
        let providers = [CREDENTIAL_PROVIDER_FAILED, CREDENTIAL_PROVIDER_NO_MATCH, CREDENTIAL_PROVIDER_UNKNOWN];
        let own =
            [HOST_NEW, TLS_INTERCEPTION_SUSPECTED, CLOCK_SKEW, SLOW_STAGE, PRIVATE_TARGET, sinkhole::DNS_SINKHOLE];
        for code in own.into_iter().chain(providers) {
            assert!(text.contains(&format!("\n**`{code}`**")), "docs/findings.md does not tell of {code}");
        }
    }

    #[test]
    fn a_slow_way_is_told_once_and_a_slow_answer_by_the_request_that_waited() {
        let snapshot = sample::rich();
        let mut way = sample::presenting("quay.io", "CN=A", true);
        way.stages.tls.duration = Some(Duration::from_secs(5));
        let mut image = snapshot.images["busybox:1.36"].as_ref().clone();
        let mut attempt = snapshot.images["ghcr.io/example/private:1"].attempts[0].clone();
        (attempt.endpoint, attempt.duration) = (way.endpoint.clone(), Duration::from_secs(5));
        (image.attempts, image.duration) = (vec![attempt.clone()], Duration::from_secs(6));
        let told = |endpoints: &[&EndpointReport]| -> Vec<String> {
            let slow = findings(endpoints, &[&image]).into_iter().filter(|finding| finding.code == SLOW_STAGE);
            slow.map(|finding| finding.message.into()).collect()
        };
        let [one] = &told(&[&way, &way])[..] else { panic!("{:?}", told(&[&way, &way])) };
        assert!(one.starts_with("https://quay.io is slow to reach: tls took 5.0 s of "), "{one}");
        let alone = told(&[]);
        let expected =
            "docker.io/library/busybox:1.36 is slow: to resolve at https://quay.io took 5.0 s of 6.0 s (83 %).";
        assert_eq!(alone, [expected]);
    }
}
