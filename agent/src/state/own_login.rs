//! The answer about an image whose pods bring logins that the agent may not read.

use std::sync::Arc;

use super::snapshot::Snapshot;
use super::waiting::{full_name, is_about_login};
use crate::cause::Cause;
use crate::model::report::ImageReport;
use crate::model::verdict::Verdict;
use crate::pods::Need;

const FIX: &str = "check the pod's own login: `kubectl get secret NAME -n NAMESPACE` for each pull secret that the pod names; with the \
                   secrets mounted at `credentials.pull_secrets_dir` the agent tries them itself";

/// Takes in a report. Where a login could change its answer, what is shown follows the pods.
pub fn note(snapshot: &mut Snapshot, report: Arc<ImageReport>) {
    let requested: String = report.requested.clone().into();
    if is_about_login(&report.verdict) && !snapshot.targets.configured.contains(&requested) {
        snapshot.node_answers.insert(requested.clone(), Arc::clone(&report));
    } else {
        snapshot.node_answers.remove(&requested);
    }
    snapshot.images.insert(requested, report);
    settle(snapshot);
}

/// The pods have changed, or the secrets that the agent has.
pub fn settle(snapshot: &mut Snapshot) {
    if snapshot.node_answers.is_empty() {
        return;
    }
    let needs = snapshot.needs_by_image();
    let shown = snapshot.node_answers.iter().map(|(requested, answer)| {
        let of_image = needs.get(&full_name(requested)).map_or(&[][..], Vec::as_slice);
        (requested.clone(), left_open(answer, of_image, snapshot).map_or_else(|| Arc::clone(answer), Arc::new))
    });
    let shown: Vec<(String, Arc<ImageReport>)> = shown.collect();
    snapshot.images.extend(shown);
}

/// Of an image that only pods with such logins need, a refusal of the node's own logins says nothing. `None`: it counts.
fn left_open(report: &ImageReport, needs: &[&Need], snapshot: &Snapshot) -> Option<ImageReport> {
    let who_wait: Vec<&Need> = needs.iter().copied().filter(|need| need.waiting.is_some()).collect();
    let (asked, verb) = if who_wait.is_empty() { (needs, "needs") } else { (who_wait.as_slice(), "waits for") };
    if asked.is_empty() || !asked.iter().all(|need| snapshot.brings_own_login(need)) {
        return None;
    }
    // It names no pod: summaries stand in the log, too.
    let cause = report.verdict.cause.map_or("unknown", Cause::as_str);
    let summary = format!(
        "The registry wants a login ({cause}), and every pod that {verb} the image brings its own. The agent may not read pull \
         secrets, so the answer is unknown."
    );
    let Verdict { stage, host, cause, also_possible, .. } = &report.verdict;
    let also_possible = cause.iter().chain(also_possible).copied().collect();
    let verdict = Verdict { stage: *stage, host: host.clone(), also_possible, ..Verdict::unknown(&summary, FIX) };
    Some(ImageReport { verdict, ..report.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;
    use crate::pods::Book;

    fn private() -> (Snapshot, ImageReport) {
        let snapshot = sample::rich();
        let report = snapshot.images["ghcr.io/example/private:1"].as_ref().clone();
        (snapshot, report)
    }

    /// Only the pods with these names are left.
    fn only(snapshot: &mut Snapshot, names: &[&str]) {
        let mut book: Book = snapshot.pods.as_ref().clone();
        let others: Vec<String> = (book.needs())
            .filter(|need| !names.contains(&need.container.as_str()))
            .map(|need| format!("{}/{}", need.namespace, need.pod))
            .collect();
        others.iter().for_each(|key| book.remove(key));
        snapshot.pods = book.into();
    }

    /// What is shown of the image when its probe is over.
    fn shown(snapshot: &mut Snapshot, report: &ImageReport) -> ImageReport {
        note(snapshot, Arc::new(report.clone()));
        snapshot.images[report.requested.as_str()].as_ref().clone()
    }

    #[test]
    fn a_refusal_of_the_nodes_login_is_none_of_the_pods() {
        let (mut snapshot, report) = private();
        only(&mut snapshot, &["own-login", "cached"]);
        let open = shown(&mut snapshot, &report);
        assert_eq!((open.verdict.pullable, open.verdict.cause), (None, None));
        let own = snapshot.pods.needs().find(|need| need.container == "own-login").unwrap();
        assert_eq!(snapshot.outlook(own, Some(&open)).because, crate::state::waiting::OWN_LOGIN);
        let summary = &open.verdict.summary;
        assert!(summary.contains("brings its own") && !summary.contains("own-login"), "{summary}");
        snapshot.targets.configured.insert(report.requested.clone().into());
        assert_eq!(shown(&mut snapshot, &report).verdict, report.verdict, "users asked for it");
        snapshot.targets.configured.clear();
        snapshot.state.pull_secrets = vec!["shop/private".into()];
        assert_eq!(shown(&mut snapshot, &report).verdict, report.verdict, "the agent has it");
    }

    #[test]
    fn one_pod_without_a_login_of_its_own_is_enough_for_the_answer() {
        let (mut snapshot, report) = private();
        assert_eq!(shown(&mut snapshot, &report).verdict, report.verdict);
        let (mut snapshot, mut report) = private();
        only(&mut snapshot, &["own-login"]);
        report.verdict.cause = Some(Cause::DnsNxdomain);
        report.verdict.also_possible = Vec::new();
        assert_eq!(shown(&mut snapshot, &report).verdict, report.verdict, "no login finds a name");
    }

    /// The probe is over, and then pods and secrets come and go.
    #[test]
    fn what_is_shown_follows_the_pods_and_the_secrets_without_another_probe() {
        let (mut snapshot, report) = private();
        let all = Arc::clone(&snapshot.pods);
        let is_open = |snapshot: &Snapshot| snapshot.images[report.requested.as_str()].verdict.pullable.is_none();
        assert_eq!(shown(&mut snapshot, &report).verdict, report.verdict, "one pod brings none");
        only(&mut snapshot, &["own-login", "cached"]);
        settle(&mut snapshot);
        assert!(is_open(&snapshot), "that pod went");
        snapshot.pods = all;
        settle(&mut snapshot);
        assert!(!is_open(&snapshot), "it came back");
        only(&mut snapshot, &["own-login", "cached"]);
        settle(&mut snapshot);
        snapshot.state.pull_secrets = vec!["shop/private".into()];
        settle(&mut snapshot);
        assert!(!is_open(&snapshot), "the agent has the secret now");
    }
}
