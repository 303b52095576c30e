//! What is known of each container of the node that needs an image: its pod's word, and what the probe of the image says.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::snapshot::Snapshot;
use super::targets::IMAGE_LIMIT;
use crate::cause::text::kubelet;
use crate::cause::{Cause, Owner};
use crate::image::reference::Reference;
use crate::model::finding::{Finding, Severity};
use crate::model::report::ImageReport;
use crate::model::verdict::Verdict;
use crate::pods::{Api, KubeletLimit, Need, POD_LIMIT, Waiting};
use crate::redact::clean::Clean;

/// For a container whose image can be pulled now: kubelet has only to try again.
pub const RETRY: &str = kubelet::RETRY_NAME;
/// kubelet let the pull not begin, because of its own limit.
pub const OWN_LIMIT: &str = kubelet::PULL_LIMIT_NAME;
/// Where pullprobe cannot tell.
pub const UNKNOWN: &str = kubelet::UNKNOWN_NAME;

/// Of the images that are not probed.
const NAMED: usize = 20;
/// Until then an API that does not answer is no finding: the agent has just been started, or the API server is.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// Whether a container would get its image, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook<'a> {
    /// `None`: unknown.
    pub pullable: Option<bool>,
    /// A cause, or one of the words above. `None`: nothing is in its way, or nothing was probed.
    pub cause: Option<&'static str>,
    /// Why it is unknown. Empty: it is not.
    pub because: &'a str,
}

/// Why a container's answer is open although that of its image is not.
pub const OWN_LOGIN: &str = "the pod brings its own login, which the agent may not read";
const NOT_PROBED: &str = "the image was not probed yet";
const LEFT_OUT: &str =
    "the image is left out: pullprobe probes at most 500 images, and of those that pods wait for 100";

impl Snapshot {
    /// Every container that needs an image, by the image: the full reference, or the text where it is none.
    pub fn needs_by_image(&self) -> BTreeMap<String, Vec<&Need>> {
        let mut needs: BTreeMap<String, Vec<&Need>> = BTreeMap::new();
        for need in self.pods.needs() {
            needs.entry(full_name(&need.image)).or_default().push(need);
        }
        needs
    }

    /// The last report about each image, by its full reference.
    fn reports_by_name(&self) -> BTreeMap<String, &ImageReport> {
        self.images.values().map(|report| (name_of(report), report.as_ref())).collect()
    }

    /// The last report about the image that a container needs.
    pub fn report_for(&self, need: &Need) -> Option<&ImageReport> {
        let name = full_name(&need.image);
        self.images.values().find(|report| name_of(report) == name).map(AsRef::as_ref)
    }

    pub fn brings_own_login(&self, need: &Need) -> bool {
        brings_own_login(need, &self.state.pull_secrets)
    }

    pub fn outlook<'a>(&'a self, need: &Need, report: Option<&'a ImageReport>) -> Outlook<'a> {
        let because = |cause: Cause| Outlook { pullable: Some(false), cause: Some(cause.as_str()), because: "" };
        if let Some(waiting) = &need.waiting {
            if waiting.is_never_pulled() {
                return because(Cause::ImageNeverPulled);
            }
            if waiting.is_malformed_secret() {
                return because(Cause::CredentialsMalformed);
            }
        }
        // What is shown of the image may be left open for the sake of other pods.
        let verdict = report.map(|report| {
            self.node_answers.get(report.requested.as_str()).map_or(&report.verdict, |answer| &answer.verdict)
        });
        let unknown = Outlook { pullable: None, cause: None, because: self.why_not_probed(need) };
        let told = match verdict {
            Some(verdict) if self.brings_own_login(need) && (is_about_login(verdict) || may_be_its_login(need)) => {
                Outlook { because: OWN_LOGIN, ..unknown }
            }
            Some(verdict) => {
                let because = verdict.unknown_because().unwrap_or_default();
                Outlook { pullable: verdict.pullable, cause: verdict.cause.map(Cause::as_str), because }
            }
            None => unknown,
        };
        let limit = need.waiting.as_ref().and_then(Waiting::limit);
        match (told.pullable, limit) {
            (Some(true), Some(KubeletLimit::PullQps)) => Outlook { cause: Some(OWN_LIMIT), ..told },
            (Some(true), _) if told.cause.is_none() && need.waiting.is_some() => Outlook { cause: Some(RETRY), ..told },
            _ => told,
        }
    }

    /// Why there is no report about the image of a container.
    fn why_not_probed(&self, need: &Need) -> &'static str {
        let (left_out, images) = (&self.targets.left_out, &self.targets.images);
        let is_named = left_out.wanted.contains(&*need.image) || left_out.background.contains(&*need.image);
        // Of what is only on the node, not all are named.
        let has_more = left_out.count > left_out.wanted.len() + left_out.background.len();
        let is_target = || images.contains(&*need.image) || images.contains(&full_name(&need.image));
        if is_named || (has_more && !is_target()) { LEFT_OUT } else { NOT_PROBED }
    }

    /// How many containers wait for an image, by what is in their way.
    pub fn waiting_by_cause(&self) -> BTreeMap<&'static str, u64> {
        let (mut waiting, reports) = (BTreeMap::from([(UNKNOWN, 0)]), self.reports_by_name());
        for need in self.pods.waiting() {
            let outlook = self.outlook(need, reports.get(&full_name(&need.image)).copied());
            *waiting.entry(outlook.cause.unwrap_or(UNKNOWN)).or_default() += 1;
        }
        waiting
    }

    /// Images that containers run with and that could not be pulled again, each with the report that says so: what runs
    /// would not start on a new node, or here once the image was cleaned up.
    pub fn not_restartable(&self) -> BTreeMap<String, &ImageReport> {
        let reports = self.reports_by_name();
        let running = self.pods.needs().filter(|need| need.has_had_image && need.waiting.is_none());
        let lost = running.filter_map(|need| {
            let (name, report) = reports.get_key_value(&full_name(&need.image))?;
            let is_lost = self.outlook(need, Some(report)).pullable == Some(false);
            is_lost.then(|| (name.clone(), *report))
        });
        lost.collect()
    }

    /// What is not known of the pods.
    pub(super) fn pod_findings(&self, now: Timestamp) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Api::Down { since, why } = &self.pods.api
            && now.duration_since(*since) >= PATIENCE
        {
            let shown = since.strftime("%Y-%m-%dT%H:%M:%SZ");
            let message = format!("the pods of this node are not known since {shown}: {why}");
            let fix = "`docs/deployment.md` says what the agent needs for that, and `rbac.pods: true` of the chart gives it; `targets.discover.waiting_pods: false` does without";
            findings.push(Finding::new(Severity::Warning, "pods_unknown", message, fix));
        }
        if self.pods.left_out > 0 {
            let message = format!("{} pods of this node are left out: pullprobe keeps {POD_LIMIT}", self.pods.left_out);
            findings.push(Finding::new(
                Severity::Warning,
                "pods_left_out",
                message,
                "nothing is to be done on the node",
            ));
        }
        findings.extend(self.left_out_finding());
        findings
    }

    /// What somebody asked for, or waits for, is not left out without a word.
    fn left_out_finding(&self) -> Option<Finding> {
        let left_out = &self.targets.left_out.wanted;
        let shown: Vec<&str> = left_out.iter().take(NAMED).map(String::as_str).collect();
        let more = left_out.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let message = format!(
            "{} images are not probed, because pullprobe probes {IMAGE_LIMIT}, and what pods wait for comes first: {}{more}",
            left_out.len(),
            shown.join(", ")
        );
        let fix = "name fewer images in `targets.images`; those that pods wait for get their turn when others have their image";
        (!left_out.is_empty()).then(|| Finding::new(Severity::Warning, "images_left_out", message, fix))
    }
}

/// Who needs an image, in a few words.
pub fn needed_by(needs: &[&Need]) -> String {
    let shown: Vec<String> = (needs.iter().take(8))
        .map(|need| format!("{}/{} · {} ({})", need.namespace, need.pod, need.container, need.policy))
        .collect();
    let more = needs.len().saturating_sub(shown.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// Whether kubelet may have failed with the pod's own login, which is the one that it tries first: its last error says so, or it
/// tells of none.
fn may_be_its_login(need: &Need) -> bool {
    let is_login = |cause: &Cause| cause.owner() == Owner::Credentials || *cause == Cause::NotFoundOrDenied;
    need.waiting
        .as_ref()
        .is_some_and(|waiting| waiting.message.is_none() || waiting.causes_of_message().iter().any(is_login))
}

/// Whether the pod names a pull secret that is not among those that the agent has (`NAMESPACE/NAME`).
pub fn brings_own_login(need: &Need, known: &[Clean]) -> bool {
    let is_known = |secret: &Clean| {
        known.iter().any(|known| known.split_once('/') == Some((need.namespace.as_str(), secret.as_str())))
    };
    need.pull_secrets.iter().any(|secret| !is_known(secret))
}

/// Whether another login could change the answer. A registry may hide what exists from those whom it does not know.
pub fn is_about_login(verdict: &Verdict) -> bool {
    let is_about = |cause: &Cause| {
        cause.owner() == Owner::Credentials || matches!(cause, Cause::NotFoundOrDenied | Cause::RepositoryUnknown)
    };
    verdict.pullable != Some(true) && verdict.cause.iter().chain(&verdict.also_possible).any(is_about)
}

/// The full reference; the text itself where it is none.
pub fn full_name(image: &str) -> String {
    Reference::parse(image).map_or_else(|_| image.to_owned(), |reference| reference.to_string())
}

fn name_of(report: &ImageReport) -> String {
    report.image.as_ref().map_or_else(|| report.requested.clone().into(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;
    use crate::state::targets::{LeftOut, WAITING_LIMIT};

    fn outlooks(snapshot: &Snapshot) -> BTreeMap<String, Outlook<'_>> {
        let told = snapshot
            .pods
            .needs()
            .map(|need| (need.container.to_string(), snapshot.outlook(need, snapshot.report_for(need))));
        told.collect()
    }

    #[test]
    fn each_container_is_told_what_is_in_its_way() {
        let snapshot = sample::rich();
        let outlooks = outlooks(&snapshot);
        let cause = |container: &str| (outlooks[container].pullable, outlooks[container].cause);
        assert_eq!(cause("never"), (Some(false), Some("image_never_pulled")));
        assert_eq!(cause("malformed"), (Some(false), Some("credentials_malformed")));
        assert_eq!(cause("refused"), (Some(false), Some("credentials_rejected")));
        assert_eq!(cause("own-login"), (None, None), "never `not pullable`");
        assert_eq!(outlooks["own-login"].because, OWN_LOGIN);
        assert_eq!(cause("own-refused"), (None, None), "what anybody may pull is refused to a wrong login");
        for (container, outlook) in &outlooks {
            assert_eq!(outlook.pullable.is_none(), !outlook.because.is_empty(), "{container}: {outlook:?}");
        }
        assert_eq!(cause("retried"), (Some(true), Some(RETRY)));
        assert_eq!(cause("throttled"), (Some(true), Some(OWN_LIMIT)));
        assert_eq!(cause("running"), (Some(true), None));
    }

    #[test]
    fn what_is_left_out_is_not_said_to_come_yet() {
        let mut snapshot = sample::rich();
        snapshot.images.clear();
        let because = |snapshot: &Snapshot| outlooks(snapshot)["refused"].because.to_owned();
        assert_eq!(because(&snapshot), NOT_PROBED);
        let image = snapshot.pods.needs().find(|need| &*need.container == "refused").unwrap().image.to_string();
        let others = || std::collections::BTreeSet::from(["r.example/other:1".to_owned()]);
        let left_out = |wanted: &[&str], background: &[&str], count| LeftOut {
            wanted: wanted.iter().map(ToString::to_string).collect(),
            background: background.iter().map(ToString::to_string).collect(),
            count,
        };
        snapshot.targets.images = others();
        for (beyond, is_left_out) in [
            (left_out(&[&image], &[], 1), true),
            (left_out(&[], &[&image], 1), true),
            (left_out(&["r.example/other:2"], &["r.example/other:3"], 2), false),
            (left_out(&["r.example/other:2"], &["r.example/other:3"], 3), true),
        ] {
            snapshot.targets.left_out = beyond;
            assert_eq!(because(&snapshot) == LEFT_OUT, is_left_out, "{:?}", snapshot.targets.left_out);
        }
        snapshot.targets.images.insert(image);
        assert_eq!(because(&snapshot), NOT_PROBED, "it is a target, and others are left out");
    }

    /// The words name the numbers.
    #[test]
    fn the_limits_are_those_that_hold() {
        assert!(LEFT_OUT.contains(&format!("at most {IMAGE_LIMIT} images")), "{LEFT_OUT}");
        assert!(LEFT_OUT.ends_with(&format!("pods wait for {WAITING_LIMIT}")), "{LEFT_OUT}");
    }

    #[test]
    fn waiting_containers_are_counted_by_cause_and_there_is_always_a_number() {
        let waiting = sample::rich().waiting_by_cause();
        assert_eq!(waiting.values().sum::<u64>(), 7, "{waiting:?}");
        assert_eq!(waiting[UNKNOWN], 2);
        assert_eq!(sample::empty().waiting_by_cause(), [(UNKNOWN, 0)].into());
    }

    #[test]
    fn what_runs_and_could_not_be_pulled_again_is_named() {
        let snapshot = sample::rich();
        let names: Vec<String> = snapshot.not_restartable().into_keys().collect();
        assert_eq!(names, ["ghcr.io/example/private:1"]);
    }

    #[test]
    fn who_needs_an_image_is_named_as_far_as_a_line_has_room() {
        let snapshot = sample::rich();
        let needs: Vec<&Need> = snapshot.pods.needs().filter(|need| &*need.container == "refused").collect();
        let one = needed_by(&needs);
        assert_eq!(one, "shop/refused-0 · refused (IfNotPresent)");
        let many = needed_by(&[needs[0]; 11]);
        assert!(many.starts_with(&format!("{one}, {one}")) && many.ends_with(" and 3 more"), "{many}");
        assert_eq!(needed_by(&[]), "");
    }

    #[test]
    fn a_secret_that_the_agent_has_is_no_unknown_login() {
        let mut snapshot = sample::rich();
        snapshot.state.pull_secrets = vec!["shop/private".into()];
        assert_eq!(outlooks(&snapshot)["own-login"].cause, Some("credentials_rejected"));
        snapshot.state.pull_secrets = vec!["other/private".into()];
        assert_eq!(outlooks(&snapshot)["own-login"].cause, None);
    }

    #[test]
    fn an_api_that_stays_away_is_a_finding_after_a_minute() {
        let mut snapshot = sample::rich();
        let codes = |snapshot: &Snapshot, seconds| -> Vec<&str> {
            let now = sample::now() + SignedDuration::from_secs(seconds);
            snapshot.pod_findings(now).iter().map(|finding| finding.code).collect()
        };
        assert_eq!(codes(&snapshot, 3_600), [""; 0]);
        let mut book = snapshot.pods.as_ref().clone();
        book.down(sample::now(), "forbidden");
        book.left_out = 3;
        snapshot.pods = book.into();
        snapshot.targets.left_out.wanted = (0..25).map(|number| format!("r.example/a:{number:02}")).collect();
        let findings = snapshot.pod_findings(sample::now());
        let left_out = findings.iter().find(|finding| finding.code == "images_left_out").unwrap();
        assert!(left_out.message.starts_with("25 images are not probed"), "{}", left_out.message);
        assert!(left_out.message.ends_with("r.example/a:18, r.example/a:19 and 5 more"), "{}", left_out.message);
        snapshot.targets.left_out.wanted.clear();
        assert_eq!(codes(&snapshot, 59), ["pods_left_out"]);
        assert_eq!(codes(&snapshot, 60), ["pods_unknown", "pods_left_out"]);
    }
}
