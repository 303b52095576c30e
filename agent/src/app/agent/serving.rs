//! What the agent serves, and to whom.

use jiff::Timestamp;

use super::Agent;
use crate::reading::options::Options;
use crate::render::json;
use crate::server::{Content, Names, Readers, Readiness};
use crate::settings::ReportReaders;
use crate::state::snapshot::Snapshot;

/// `Err`: what of the settings does not go together.
pub fn is_consistent(options: &Options) -> Result<(), String> {
    match options.settings.web.report {
        ReportReaders::Authenticated => {
            Err("web.report: authenticated needs web.config_file, with basic_auth_users or \
                                             client certificates: otherwise nobody could read page and report"
                .to_owned())
        }
        _ => Ok(()),
    }
}

pub fn content(agent: &Agent, readiness: Readiness) -> Content {
    let options = &agent.options;
    let web = &options.settings.web;
    Content {
        snapshots: agent.store.subscribe(),
        readiness,
        report: Box::new(report),
        schema: json::schema(),
        node_label: options.settings.labels.node,
        readers: Readers { rule: web.report, names: Names::of(&options.node_name, &web.hosts) },
        clock: Timestamp::now,
    }
}

/// The snapshot as the published document.
pub fn report(snapshot: &Snapshot) -> String {
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
    let findings = snapshot.findings(Timestamp::now());
    json::text(
        &json::report(&subject, images, endpoints, &findings)
            .with_back_offs(snapshot)
            .with_pods(snapshot, Timestamp::now()),
    )
}
