//! Nodes with many targets, with nothing wrong, and with hostile words wherever others write.

use std::sync::Arc;
use std::time::Duration;

use super::{MARKUP, add, all_passed, attempt, dead, failed, good, image, now, refused, rich, state, unsuited};
use crate::cause::Cause;
use crate::history::journal::{Happening, What};
use crate::image::platform::Platform;
use crate::model::credential::CredentialSource;
use crate::model::finding::{Finding, Severity};
use crate::model::host::{Endpoint, Role, Scheme};
use crate::model::outcome::{Failure, Outcome, Step};
use crate::model::report::{EndpointReport, ImageReport, Stages};
use crate::model::stage::Stage;
use crate::model::verdict::Verdict;
use crate::state::snapshot::Snapshot;

/// So many images, and so many hosts: two for each registry. Of each there are some that fail.
pub fn many(images: usize, hosts: usize) -> Snapshot {
    let mut snapshot = bare();
    let refused_token = || Failure::new(Stage::Token, Cause::CredentialsRejected, "401 Unauthorized");
    for at in 0..hosts / 2 {
        let (name, mirror) = (format!("registry-{at:03}.example"), format!("mirror-{at:03}.example:5000"));
        add(&mut snapshot, &name, &mirror, Role::Mirror, if at % 10 == 3 { dead() } else { all_passed() });
        let upstream =
            if at % 20 == 3 { Stages { token: failed(refused_token(), 180), ..all_passed() } } else { all_passed() };
        add(&mut snapshot, &name, &name, Role::Upstream, upstream);
    }
    for at in 0..images {
        let registry = format!("registry-{:03}.example", at % (hosts / 2).max(1));
        let repository = format!("team-{}/service-{at:03}", at % 9);
        let verdict = match at % 20 {
            3 | 13 => refused(),
            5 => unsuited(),
            7 => Verdict { pullable: None, runnable: None, ..good() },
            _ => good(),
        };
        let mut report = image(&format!("{registry}/{repository}:1.4.2"), (&registry, &repository, "1.4.2"), verdict);
        if report.verdict.pullable == Some(false) {
            report.attempts =
                vec![attempt("mirror.example:5000", Role::Mirror, 404), attempt(&registry, Role::Upstream, 401)];
        }
        insert(&mut snapshot, report);
    }
    snapshot
}

/// All registries and images are well.
pub fn well() -> Snapshot {
    let mut snapshot = bare();
    snapshot.state.findings.clear();
    for name in ["docker.io", "quay.io", "registry.k8s.io"] {
        add(&mut snapshot, name, name, Role::Upstream, all_passed());
        let report = image(&format!("{name}/example/app:1"), (name, "example/app", "1"), good());
        insert(&mut snapshot, ImageReport { warnings: Vec::new(), ..report });
    }
    snapshot
}

fn bare() -> Snapshot {
    let mut snapshot = Snapshot::new("worker-3", state(), now());
    snapshot.last_cycle = Some(Duration::from_millis(2_410));
    snapshot
}

fn insert(snapshot: &mut Snapshot, report: ImageReport) {
    snapshot.targets.images.insert(report.requested.clone().into());
    snapshot.images.insert(report.requested.clone().into(), Arc::new(report));
}

/// With a history: of what fails a second time since 09:42, and of a file that was changed two minutes before.
pub fn remembered(mut snapshot: Snapshot) -> Snapshot {
    let minutes = |count: u64| now() - Duration::from_secs(60 * count);
    for (at, is_well) in [(180, true), (90, false), (60, true), (18, false)] {
        if at == 18 {
            let changed = Happening::of_node(minutes(20), What::File, "/etc/resolv.conf was changed");
            snapshot.histories.happened(changed, minutes(19));
        }
        for report in snapshot.images.values().map(AsRef::as_ref) {
            let verdict = if is_well { good() } else { report.verdict.clone() };
            snapshot.histories.note_image(&ImageReport { verdict, ..report.clone() }, minutes(at));
        }
        for report in snapshot.endpoints.values().map(AsRef::as_ref) {
            let stages = if is_well { all_passed() } else { report.stages.clone() };
            snapshot.histories.note_endpoint(&EndpointReport { stages, ..report.clone() }, minutes(at));
        }
    }
    snapshot
}

/// Whatever others may have written holds markup.
pub fn hostile() -> Snapshot {
    let mut snapshot = rich();
    let evil = || MARKUP.to_owned();
    snapshot.node = evil();
    snapshot.state.containerd.config_files = vec![evil()];
    snapshot.state.containerd.config_path = vec![evil()];
    snapshot.config.hash = Some(evil());
    let mut report = snapshot.images["busybox:1.36"].as_ref().clone();
    report.requested = evil().into();
    report.image.as_mut().unwrap().repository = evil();
    report.warnings = vec![evil().into()];
    report.verdict.summary = evil().into();
    report.verdict.fix = format!("`{MARKUP}`").into();
    report.verdict.kubelet_message = Some(evil().into());
    report.verdict.host = Some(evil().into());
    report.credential.as_mut().unwrap().key = evil().into();
    report.credential.as_mut().unwrap().source = CredentialSource::Provider(evil().into());
    report.blob.as_mut().unwrap().redirect_host = Some(evil().into());
    report.platform.offered = vec![Platform::new(MARKUP, "amd64", "")];
    let mut asked = snapshot.images["ghcr.io/example/private:1"].attempts[0].clone();
    asked.endpoint = Endpoint::new(Scheme::Https, MARKUP);
    asked.detail = evil().into();
    report.attempts = vec![asked];
    snapshot.targets.images = [evil(), format!("waiting {MARKUP}")].into();
    snapshot.images = [(evil(), Arc::new(report))].into();
    let finding = Finding::new(Severity::Warning, "config_type", evil(), evil()).in_file(evil());
    snapshot.state.findings = vec![finding];
    let (key, report) = snapshot.endpoints.pop_first().unwrap();
    let mut report = report.as_ref().clone();
    let failure = Failure::new(Stage::Ping, Cause::RegistryError, evil());
    report.stages.ping = Step::new(Outcome::Failed(failure, None), Duration::from_secs(1));
    snapshot.endpoints.insert(key, Arc::new(report));
    let namespace = snapshot.targets.namespaces.values().next().unwrap().clone();
    snapshot.targets.namespaces.insert(evil(), namespace);
    snapshot
}
