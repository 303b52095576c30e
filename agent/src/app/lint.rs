//! `pullprobe lint`: what was found while reading, and nothing else.

use serde::Serialize;

use super::{ExitStatus, print, refuse, style};
use crate::cli::{Format, NodeArgs, OutputArgs};
use crate::model::finding;
use crate::reading::Paths;
use crate::render::{json, text};

#[derive(Serialize)]
struct Document {
    schema_version: u32,
    paths: Paths,
    containerd: json::Containerd,
    findings: Vec<json::Finding>,
}

pub async fn run(node: &NodeArgs, output: &OutputArgs) -> ExitStatus {
    let node = match crate::reading::prepare_to_lint(node).await {
        Ok(node) => node,
        Err(problems) => return refuse(&problems),
    };
    let findings = finding::shown(&node.findings);
    let told = match output.format {
        Format::Json => json::text(&Document {
            schema_version: json::SCHEMA_VERSION,
            paths: node.paths(),
            containerd: node.about_containerd(),
            findings: findings.iter().map(json::Finding::from).collect(),
        }),
        Format::Text => {
            let style = style(output);
            let mut out = node.headline();
            out.extend(findings.iter().map(|finding| text::finding(finding, style)));
            if findings.is_empty() {
                out.push_str("nothing found\n");
            }
            out
        }
    };
    print(&told, if node.has_errors() { ExitStatus::Bad } else { ExitStatus::Well })
}
