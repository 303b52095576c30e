//! The answer about an image whose pods bring logins that the agent may not read.

use super::snapshot::Snapshot;
use super::waiting::{full_name, is_about_login};
use crate::cause::Cause;
use crate::model::report::ImageReport;
use crate::model::verdict::Verdict;
use crate::pods::Need;

const FIX: &str = "check the pod's own login: `kubectl get secret NAME -n NAMESPACE` for each pull secret that the pod names; with the \
                   secrets mounted at `credentials.pull_secrets_dir` the agent tries them itself";

/// Of an image that only pods with such logins need, a refusal of the node's own logins says nothing. `is_configured`: users
/// asked for the node's answer.
pub fn left_open(report: ImageReport, snapshot: &Snapshot, is_configured: bool) -> ImageReport {
    if is_configured || !is_about_login(&report.verdict) {
        return report;
    }
    let name = full_name(&report.requested);
    let needs: Vec<&Need> = snapshot.pods.needs().filter(|need| full_name(&need.image) == name).collect();
    let who_wait: Vec<&Need> = needs.iter().copied().filter(|need| need.waiting.is_some()).collect();
    let asked = if who_wait.is_empty() { needs } else { who_wait };
    if asked.is_empty() || !asked.iter().all(|need| snapshot.brings_own_login(need)) {
        return report;
    }
    // It names no pod: summaries stand in the log, too.
    let cause = report.verdict.cause.map_or("unknown", Cause::as_str);
    let summary = format!(
        "The registry wants a login ({cause}), and every pod that needs the image brings its own. The agent may not read pull \
         secrets, so the answer is unknown."
    );
    let Verdict { stage, host, cause, also_possible, .. } = &report.verdict;
    let also_possible = cause.iter().chain(also_possible).copied().collect();
    let verdict = Verdict { stage: *stage, host: host.clone(), also_possible, ..Verdict::unknown(&summary, FIX) };
    ImageReport { verdict, ..report }
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

    #[test]
    fn a_refusal_of_the_nodes_login_is_none_of_the_pods() {
        let (mut snapshot, report) = private();
        only(&mut snapshot, &["own-login", "cached"]);
        let open = left_open(report.clone(), &snapshot, false);
        assert_eq!((open.verdict.pullable, open.verdict.cause), (None, None));
        let own = snapshot.pods.needs().find(|need| need.container == "own-login").unwrap();
        assert_eq!(snapshot.outlook(own, Some(&open)).because, crate::state::waiting::OWN_LOGIN);
        let summary = &open.verdict.summary;
        assert!(summary.contains("brings its own") && !summary.contains("own-login"), "{summary}");
        assert_eq!(left_open(report.clone(), &snapshot, true).verdict, report.verdict, "users asked for it");
        snapshot.state.pull_secrets = vec!["shop/private".into()];
        assert_eq!(left_open(report.clone(), &snapshot, false).verdict, report.verdict, "the agent has it");
    }

    #[test]
    fn one_pod_without_a_login_of_its_own_is_enough_for_the_answer() {
        let (snapshot, report) = private();
        assert_eq!(left_open(report.clone(), &snapshot, false).verdict, report.verdict);
        let (mut snapshot, mut report) = private();
        only(&mut snapshot, &["own-login"]);
        report.verdict.cause = Some(Cause::DnsNxdomain);
        report.verdict.also_possible = Vec::new();
        assert_eq!(left_open(report.clone(), &snapshot, false).verdict, report.verdict, "no login finds a name");
    }
}
