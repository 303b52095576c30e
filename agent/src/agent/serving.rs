//! What the agent serves, and to whom.

use std::sync::Arc;

use jiff::Timestamp;

use super::Agent;
use crate::host::last_good;
use crate::model::finding::{self, Finding};
use crate::reading::options::{Options, Problems};
use crate::render::json;
use crate::render::metrics::Shape;
use crate::server::{Content, Names, Readers, Readiness};
use crate::settings::ReportReaders;
use crate::state::snapshot::Snapshot;
use crate::web_config::in_force::WebConfigFile;

/// The web configuration file, where the settings name one. `Err`: every problem of it.
pub fn web_config(options: &Options) -> Result<Option<Arc<WebConfigFile>>, Problems> {
    let web = &options.settings.web;
    let must_authenticate = web.report == ReportReaders::Authenticated;
    match &web.config_file {
        Some(path) => WebConfigFile::open(path, must_authenticate).map(Some),
        None if must_authenticate => Err(vec![
            "web.report: authenticated needs web.config_file, with basic_auth_users or client certificates: otherwise \
             nobody could read page and report"
                .to_owned(),
        ]),
        None => Ok(None),
    }
}

/// What is wrong with it now, after a look.
pub async fn finding(file: &Arc<WebConfigFile>) -> Option<Finding> {
    file.now().await;
    let trouble = file.trouble()?;
    let consequence = "TLS, passwords and headers of the agent's port are those of before";
    let fix = "mend the file: the agent reads it again at the next connection";
    Some(last_good::finding(&file.path.to_string_lossy(), trouble.since, &trouble.problem, consequence, fix))
}

pub fn content(agent: &Agent) -> Content {
    let options = &agent.options;
    let web = &options.settings.web;
    Content {
        snapshots: agent.store.subscribe(),
        readiness: readiness(agent),
        report: {
            let clock = agent.clock;
            Box::new(move |snapshot| report(snapshot, clock()))
        },
        schema: json::schema(),
        shape: Shape { node_label: options.settings.labels.node, detail: options.settings.metrics.detail },
        readers: Readers { rule: web.report, names: Names::of(&options.node_name, &web.hosts) },
        web: agent.web.clone(),
        clock: agent.clock,
    }
}

fn readiness(agent: &Agent) -> Readiness {
    let (progress, snapshots) = (Arc::clone(&agent.progress), agent.store.subscribe());
    Readiness::new(move || progress.parts(&snapshots.borrow()))
}

/// The snapshot as the published document.
pub fn report(snapshot: &Snapshot, now: Timestamp) -> String {
    let state = &snapshot.state;
    let subject = json::Subject {
        node: &snapshot.node,
        platform: state.platform.to_string(),
        containerd: json::Containerd {
            version: state.containerd.version.to_string(),
            version_source: state.containerd.source.as_str().to_owned(),
            build: state.containerd.version.build.maker.name().map(str::to_owned),
            go: state.containerd.version.go().release.to_string(),
            config_files: state.containerd.config_files.clone(),
            config_path: state.containerd.config_path.clone(),
        },
        started_at: snapshot.started_at,
        duration: snapshot.last_cycle.unwrap_or_default(),
    };
    let images = snapshot.images.values().map(AsRef::as_ref);
    let endpoints = snapshot.endpoints.values().map(AsRef::as_ref);
    let findings = finding::shown(&snapshot.findings(now));
    json::text(
        &json::report(&subject, images, endpoints, &findings)
            .with_back_offs(snapshot)
            .with_pods(snapshot, now)
            .with_histories(snapshot, now),
    )
}
