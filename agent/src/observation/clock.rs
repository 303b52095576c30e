//! Whose clock is wrong: that of the node, when all others agree, or that of one of the others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::CLOCK_SKEW;
use crate::cause::Cause;
use crate::model::finding::{Finding, Severity};
use crate::model::report::{EndpointReport, ImageReport};

/// In seconds. Token services allow for a minute; `Date` and the way take a second or two.
const LIMIT: f64 = 60.0;

pub fn findings(endpoints: &[&EndpointReport], images: &[&ImageReport]) -> Vec<Finding> {
    // Each place once: it has one clock, whatever its names.
    let seen: BTreeMap<String, f64> =
        endpoints.iter().filter_map(|one| Some((one.endpoint.host_port(), one.clock_skew?))).collect();
    let off: Vec<(&String, f64)> =
        seen.iter().map(|(place, skew)| (place, *skew)).filter(|one| one.1.abs() > LIMIT).collect();
    if off.is_empty() {
        return Vec::new();
    }
    // A clock that another one agrees with is not the odd one.
    if off.len() < seen.len() {
        return off.into_iter().map(|(place, skew)| of_host(place, skew)).collect();
    }
    let mut skews: Vec<f64> = off.iter().map(|one| one.1).collect();
    skews.sort_by(f64::total_cmp);
    vec![of_node(skews[skews.len() / 2], &off, endpoints, images)]
}

fn of_host(place: &str, skew: f64) -> Finding {
    let message = format!(
        "The clock of {place} is {} that of this node, which the other hosts agree with: tokens of one may be expired or \
         not yet valid for the other.",
        words(skew)
    );
    Finding::new(Severity::Warning, CLOCK_SKEW, message, "Whoever runs that host has to set its clock.")
}

/// `skew`: theirs minus ours.
fn of_node(skew: f64, off: &[(&String, f64)], endpoints: &[&EndpointReport], images: &[&ImageReport]) -> Finding {
    let places: Vec<&str> = off.iter().take(3).map(|one| one.0.as_str()).collect();
    // One against one: who is right is not known.
    let doubt = if off.len() == 1 { ", one of the two is wrong" } else { "" };
    let mut message = format!("The clock of this node is {} that of {}{doubt}.", words(-skew), places.join(", "));
    let blamed: Vec<String> =
        endpoints.iter().filter(|one| is_due_to(one, skew)).map(|one| one.endpoint.to_string()).collect();
    if !blamed.is_empty() {
        message = format!("{message} By their time the certificate of {} is valid.", blamed.join(", "));
    }
    for told in credentials_due_to(images, skew) {
        message = format!("{message} {told}");
    }
    let fix =
        "Let the clock be set and kept: `chronyc makestep`, or `timedatectl set-ntp true`; NTP needs UDP port 123.";
    Finding::new(Severity::Warning, CLOCK_SKEW, message, fix)
}

/// Whether a certificate is refused only because of the node's clock.
fn is_due_to(report: &EndpointReport, skew: f64) -> bool {
    let cause = report.failure().map(|failure| failure.cause);
    let Some(chain) = report.stages.tls.facts().map(|facts| &facts.chain) else { return false };
    let theirs = SignedDuration::try_from_secs_f64(skew).ok().and_then(|skew| report.started_at.checked_add(skew).ok());
    let Some(theirs) = theirs.map(Timestamp::as_second) else { return false };
    matches!(cause, Some(Cause::TlsExpired | Cause::TlsNotYetValid))
        && !chain.is_empty()
        && chain.iter().all(|one| (one.not_before..=one.not_after).contains(&theirs))
}

/// What is past its time by one clock only, each credential once.
fn credentials_due_to(images: &[&ImageReport], skew: f64) -> BTreeSet<String> {
    let of_image = |image: &&ImageReport| {
        let used = image.credential.as_ref()?;
        let (lifetime, ours) = (used.lifetime?, image.started_at);
        let theirs = ours.checked_add(SignedDuration::try_from_secs_f64(skew).ok()?).ok()?;
        let ended = lifetime.has_ended(theirs);
        let verdict = if ended { "has expired" } else { "has not expired" };
        (ended != lifetime.has_ended(ours))
            .then(|| format!("By their time the credential for `{}` ({}) {verdict}.", used.key, used.source))
    };
    images.iter().filter_map(of_image).collect()
}

/// `2 h behind`, `90 s ahead of`.
fn words(skew: f64) -> String {
    let seconds = Duration::try_from_secs_f64(skew.abs()).unwrap_or(Duration::MAX).as_secs();
    let (count, unit) = match seconds {
        0..=119 => (seconds, "s"),
        120..=7_199 => (seconds / 60, "min"),
        7_200..=172_799 => (seconds / 3_600, "h"),
        _ => (seconds / 86_400, "days"),
    };
    format!("{count} {unit} {}", if skew < 0.0 { "behind" } else { "ahead of" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::expiry::{Form, Lifetime};
    use crate::model::outcome::{Failure, Outcome};
    use crate::model::report::CredentialUsed;
    use crate::model::sample;
    use crate::model::stage::Stage;

    fn with(name: &str, skew: Option<f64>) -> EndpointReport {
        EndpointReport { clock_skew: skew, ..sample::presenting(name, "CN=A", true) }
    }

    fn told(reports: &[EndpointReport]) -> Vec<String> {
        findings(&reports.iter().collect::<Vec<_>>(), &[]).into_iter().map(|finding| finding.message.into()).collect()
    }

    #[test]
    fn a_clock_that_every_other_contradicts_is_the_nodes() {
        let reports = [with("a.example", Some(7_300.0)), with("b.example", Some(7_301.0)), with("c.example", None)];
        assert_eq!(told(&reports), ["The clock of this node is 2 h behind that of a.example:443, b.example:443."]);
    }

    #[test]
    fn a_credential_that_has_ended_by_one_clock_only_is_told_of_once() {
        let mut image = sample::rich().images["busybox:1.36"].as_ref().clone();
        let ends = image.started_at.checked_add(SignedDuration::from_hours(1)).unwrap();
        let lifetime = Lifetime { form: Form::Jwt, begins: None, ends };
        image.credential = image.credential.map(|used| CredentialUsed { lifetime: Some(lifetime), ..used });
        let said = |skew: f64, image: &ImageReport| {
            let endpoint = with("a.example", Some(skew));
            findings(&[&endpoint], &[image, image])
                .into_iter()
                .map(|finding| String::from(finding.message))
                .collect::<String>()
        };
        let about = "the credential for `docker.io` (kubelet-config-json)";
        assert_eq!(said(7_200.0, &image).matches(&format!("By their time {about} has expired.")).count(), 1);
        assert!(!said(1_800.0, &image).contains("credential") && said(1_800.0, &image).contains("30 min behind"));
        image.started_at = ends;
        assert!(said(-7_200.0, &image).contains(&format!("By their time {about} has not expired.")));
    }

    #[test]
    fn a_clock_that_the_others_contradict_is_that_hosts() {
        let reports = [with("a.example", Some(-90.0)), with("b.example", Some(0.4))];
        let [one] = &told(&reports)[..] else { panic!("{:?}", told(&reports)) };
        assert!(one.starts_with("The clock of a.example:443 is 90 s behind that of this node"), "{one}");
    }

    #[test]
    fn a_minute_is_nobodys_fault() {
        assert!(told(&[with("a.example", Some(59.0)), with("b.example", Some(-60.0))]).is_empty());
        assert!(told(&[]).is_empty());
    }

    #[test]
    fn a_certificate_that_is_valid_by_the_others_clocks_is_said_to_be() {
        let mut refused = with("c.example", None);
        let facts = refused.stages.tls.facts().cloned();
        let (begins, day) = (facts.as_ref().unwrap().chain[0].not_before, 86_400.0);
        refused.started_at = Timestamp::from_second(begins - 86_400).unwrap();
        let failure = Failure::new(Stage::Tls, Cause::TlsNotYetValid, "");
        refused.stages.tls.outcome = Outcome::Failed(failure, facts);
        let said = |skew| told(&[with("a.example", Some(skew)), refused.clone()]).concat();
        assert!(said(2.0 * day).contains("By their time the certificate of https://c.example is valid."));
        assert!(!said(0.5 * day).contains("certificate") && said(0.5 * day).contains("12 h behind"));
    }
}
