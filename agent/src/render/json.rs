//! The published JSON: one document for `check --format json` and `/api/v1/report`, and its schema.
//!
//! The types here are the contract (`docs/schema/report.v1.json` is generated from them); the rest
//! of the house is free to change.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

mod back_off;
mod endpoint;
pub mod fleet;
mod history;
mod hosts;
mod image;
mod pods;
pub mod summary;

pub use back_off::BackingOff;
pub use endpoint::Endpoint;
pub use history::{Change, Happening};
pub use hosts::{Hosts, Incomplete, places};
pub use image::Image;
pub use pods::{NeededBy, Pods};

use self::history::History;
use crate::model::finding;
use crate::model::host::EndpointKey;
use crate::model::report::{EndpointReport, ImageReport};
use crate::state::back_off::BackOff;
use crate::state::snapshot::Snapshot;

pub const SCHEMA_VERSION: u32 = 1;

/// What a report is about: filled by the code that ran the probes.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    pub node: &'a str,
    pub platform: String,
    pub containerd: Containerd,
    pub started_at: jiff::Timestamp,
    pub duration: std::time::Duration,
}

/// A report of pullprobe.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "pullprobe report", deny_unknown_fields)]
pub struct Report {
    pub schema_version: u32,
    /// The node's name.
    pub node: String,
    /// `OS/ARCH[/VARIANT]` that images are wanted for.
    pub platform: String,
    pub containerd: Containerd,
    /// RFC 3339, UTC.
    pub started_at: String,
    pub duration_seconds: f64,
    /// Of `run`: the pods of this node. Null: the Kubernetes API is not asked.
    pub pods: Option<Pods>,
    pub images: Vec<Image>,
    /// Of `run`: the images beyond the most that are probed.
    pub images_left_out: ImagesLeftOut,
    pub endpoints: Vec<Endpoint>,
    pub findings: Vec<Finding>,
    /// How many findings there are about other registries: `lint` shows them.
    pub findings_elsewhere: usize,
    /// Of `run`: what happened on the node and to its hosts in the last 24 hours, newest first.
    pub happenings: Vec<Happening>,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ImagesLeftOut {
    pub count: usize,
    /// The first hundred of them, those that somebody asked for before those that are only on the node.
    pub images: Vec<String>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Containerd {
    /// The containerd version whose rules were applied.
    pub version: String,
    /// `cri`, `config`, `assumed` or `flag`.
    pub version_source: String,
    /// Whose build it is, `project` or `debian`. Null: unknown.
    pub build: Option<String>,
    /// The release of Go that it was built with, as far as is known.
    pub go: String,
    /// The configuration files that were read, in order.
    pub config_files: Vec<String>,
    /// The directories where hosts.toml files are looked for.
    pub config_path: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Finding {
    /// `error`, `warning` or `info`.
    pub severity: String,
    pub code: String,
    pub file: Option<String>,
    pub line: Option<usize>,
    pub column: Option<usize>,
    pub message: String,
    pub fix: String,
}

impl From<&finding::Finding> for Finding {
    fn from(finding: &finding::Finding) -> Self {
        Self {
            severity: finding.severity.as_str().to_owned(),
            code: finding.code.to_owned(),
            file: finding.file.clone().map(Into::into),
            line: finding.line(),
            column: finding.column(),
            message: finding.message.clone().into(),
            fix: finding.fix.clone().into(),
        }
    }
}

/// The whole report as a document.
pub fn report<'a>(
    subject: &Subject<'_>,
    images: impl IntoIterator<Item = &'a ImageReport>,
    endpoints: impl IntoIterator<Item = &'a EndpointReport>,
    findings: &[finding::Finding],
) -> Report {
    let images: Vec<&ImageReport> = images.into_iter().collect();
    let tight: Vec<finding::Finding> = images.iter().filter_map(|image| image.finding()).collect();
    Report {
        schema_version: SCHEMA_VERSION,
        node: subject.node.to_owned(),
        platform: subject.platform.clone(),
        containerd: subject.containerd.clone(),
        started_at: subject.started_at.to_string(),
        duration_seconds: seconds(subject.duration),
        pods: None,
        images_left_out: ImagesLeftOut::default(),
        images: images.iter().map(|image| Image::from(*image)).collect(),
        endpoints: endpoints.into_iter().map(Endpoint::from).collect(),
        findings: findings.iter().chain(&tight).map(Finding::from).collect(),
        findings_elsewhere: 0,
        happenings: Vec::new(),
    }
}

/// The JSON Schema of [`Report`].
pub fn schema() -> String {
    text(&schemars::schema_for!(Report))
}

/// The JSON Schema of [`summary::Summary`].
pub fn summary_schema() -> String {
    text(&schemars::schema_for!(summary::Summary))
}

/// The JSON Schema of [`fleet::Fleet`].
pub fn fleet_schema() -> String {
    text(&schemars::schema_for!(fleet::Fleet))
}

/// A document as text, ending in a line feed.
pub fn text(document: &impl Serialize) -> String {
    // Only maps with other keys than strings and failing serializers can fail; there are none here.
    let mut text = serde_json::to_string_pretty(document).unwrap_or_default();
    text.push('\n');
    text
}

/// A document as one line, for programs.
pub fn line(document: &impl Serialize) -> String {
    let mut text = serde_json::to_string(document).unwrap_or_default();
    text.push('\n');
    text
}

/// Whole microseconds: enough for a network, short to read.
fn seconds(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

impl Report {
    /// With the pods of the node, and who of them needs which image.
    #[must_use]
    pub fn with_pods(mut self, snapshot: &Snapshot, now: jiff::Timestamp) -> Self {
        self.pods = Pods::of(snapshot);
        let left_out = &snapshot.targets.left_out;
        self.images_left_out = ImagesLeftOut { count: left_out.count, images: left_out.named().cloned().collect() };
        let needs = snapshot.needs_by_image();
        for image in &mut self.images {
            let Some(report) = snapshot.images.get(&image.requested) else { continue };
            let name = image.image.as_ref().unwrap_or(&image.requested);
            let needed_by = needs.get(name).into_iter().flatten();
            image.needed_by =
                needed_by.map(|need| NeededBy::of(need, snapshot.outlook(need, Some(report)), now)).collect();
        }
        self
    }

    /// With what the schedule of `run` leaves alone at present.
    #[must_use]
    pub fn with_back_offs(mut self, snapshot: &Snapshot) -> Self {
        for image in &mut self.images {
            let report = snapshot.images.get(&image.requested);
            image.put_off(report.and_then(|report| snapshot.image_back_off(report)));
        }
        let held = snapshot.endpoints.iter().filter_map(|(key, report)| {
            let back_off = snapshot.endpoint_back_off(key)?;
            Some(((report.namespace.clone(), report.endpoint.to_string()), back_off))
        });
        let held: BTreeMap<(String, String), &BackOff> = held.collect();
        for endpoint in &mut self.endpoints {
            let key = (endpoint.namespace.clone(), endpoint.endpoint.clone());
            endpoint.put_off(held.get(&key).copied());
        }
        self
    }

    /// With the last 24 hours of each target.
    #[must_use]
    pub fn with_histories(mut self, snapshot: &Snapshot, now: jiff::Timestamp) -> Self {
        for image in &mut self.images {
            image.remember(History::of(snapshot.image_history(&image.requested), now));
        }
        let keys = snapshot.endpoints.keys().map(|key| ((key.0.clone(), key.1.to_string()), key));
        let keys: BTreeMap<(String, String), &EndpointKey> = keys.collect();
        for endpoint in &mut self.endpoints {
            let key = keys.get(&(endpoint.namespace.clone(), endpoint.endpoint.clone()));
            endpoint.remember(History::of(key.and_then(|key| snapshot.endpoint_history(key)), now));
        }
        self.happenings = snapshot.histories.journal().all().rev().map(Happening::from).collect();
        self
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_published_schemas_are_those_of_the_code() {
        for (name, schema) in
            [("report", super::schema()), ("summary", super::summary_schema()), ("fleet", super::fleet_schema())]
        {
            let path = format!("{}/docs/schema/{name}.v1.json", env!("CARGO_MANIFEST_DIR"));
            if std::env::var_os("UPDATE_DOCS").is_some() {
                std::fs::create_dir_all(std::path::Path::new(&path).parent().unwrap()).unwrap();
                std::fs::write(&path, &schema).unwrap();
            }
            let published = std::fs::read_to_string(&path).unwrap();
            assert!(published == schema, "{path} is not up to date: run with UPDATE_DOCS=1");
        }
    }
}
