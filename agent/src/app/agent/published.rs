//! The snapshot as the published document.

use jiff::Timestamp;

use crate::render::json;
use crate::state::snapshot::Snapshot;

/// What `/api/v1/report` gives.
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
