//! `pullprobe lint`: what was found while reading, and nothing else.

use serde::Serialize;

use super::node::Paths;
use super::{Ending, complain, print, style};
use crate::cli::{Format, NodeArgs, OutputArgs};
use crate::render::{json, text};

#[derive(Serialize)]
struct Document {
    schema_version: u32,
    paths: Paths,
    containerd: json::Containerd,
    findings: Vec<json::Finding>,
}

pub async fn run(node: &NodeArgs, output: &OutputArgs) -> Ending {
    let site = match super::prepare(node).await {
        Ok((site, _)) => site,
        Err(problems) => {
            problems.iter().for_each(|problem| complain(problem));
            return Ending::Refused;
        }
    };
    let told = match output.format {
        Format::Json => json::text(&Document {
            schema_version: json::SCHEMA_VERSION,
            paths: site.paths(),
            containerd: site.about_containerd(),
            findings: site.findings.iter().map(json::Finding::from).collect(),
        }),
        Format::Text => {
            let style = style(output);
            let mut out = site.headline();
            out.extend(site.findings.iter().map(|finding| text::finding(finding, style)));
            if site.findings.is_empty() {
                out.push_str("nothing found\n");
            }
            out
        }
    };
    print(&told, if site.has_errors() { Ending::Bad } else { Ending::Well })
}
