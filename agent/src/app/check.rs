//! `pullprobe check [TARGET…]`: each target once, the verdict first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::answers::{Answer, Progress, ask_all, configured, ending};
use super::node::Site;
use super::relevance::Bearing;
use super::{Ending, complain, print, style};
use crate::cli::{Format, NodeArgs, OutputArgs};
use crate::lint;
use crate::model::finding::Finding;
use crate::model::report::{EndpointReport, ImageReport};
use crate::observation;
use crate::render::{json, text};

pub async fn run(targets: &[String], timeout: Duration, node: &NodeArgs, output: &OutputArgs) -> Ending {
    let prepared = super::prepare(node).await;
    let (site, options) = match prepared {
        Ok((site, options)) => (site.patient(timeout), options),
        Err(problems) => {
            problems.iter().for_each(|problem| complain(problem));
            return Ending::Refused;
        }
    };
    let texts: Vec<String> = if targets.is_empty() { configured(&site, &options) } else { targets.to_vec() };
    if texts.is_empty() {
        complain("nothing to check: name an image or a registry, or configure targets (--config)");
        return Ending::Refused;
    }
    let (began_at, began) = (Timestamp::now(), Instant::now());
    let progress = Progress::new(output, texts.len());
    let answers = ask_all(&site, &options, &texts, timeout, &progress).await;
    progress.clear();
    let subject = json::Subject {
        node: &options.node_name,
        platform: site.platform.to_string(),
        containerd: site.about_containerd(),
        started_at: began_at,
        duration: began.elapsed(),
    };
    print(&told(&site, &answers, &subject, output), ending(&answers))
}

fn told(site: &Site, answers: &[Answer], subject: &json::Subject<'_>, output: &OutputArgs) -> String {
    let (findings, elsewhere) = findings(site, answers);
    if output.format == Format::Json {
        let images: Vec<&ImageReport> = answers
            .iter()
            .filter_map(|answer| match answer {
                Answer::Image(report, _) => Some(&**report),
                Answer::Registry(..) => None,
            })
            .collect();
        let mut endpoints: BTreeMap<(String, String), &EndpointReport> = BTreeMap::new();
        for answer in answers {
            for report in answer.endpoints() {
                endpoints.entry((report.namespace.clone(), report.endpoint.to_string())).or_insert(report);
            }
        }
        let report = json::report(subject, images, endpoints.into_values(), &findings);
        return json::text(&json::Report { findings_elsewhere: elsewhere, ..report });
    }
    let style = style(output);
    let mut out = String::new();
    for answer in answers {
        match answer {
            Answer::Image(report, endpoints) => {
                out.push_str(&text::image(report, style));
                endpoints.iter().for_each(|report| out.push_str(&text::endpoint(report, style)));
            }
            Answer::Registry(report) => out.push_str(&text::registry(report, &site.ways, style)),
        }
        out.push('\n');
    }
    let findings: String = findings.iter().map(|finding| text::finding(finding, style)).collect();
    out + &findings + &text::elsewhere(elsewhere, style)
}

/// About the node's files as far as they have a part in it, and about what was seen on the way; and how many more
/// there are about other registries.
fn findings(site: &Site, answers: &[Answer]) -> (Vec<Finding>, usize) {
    let endpoints: Vec<&EndpointReport> = answers.iter().flat_map(Answer::endpoints).collect();
    let images: Vec<&ImageReport> = answers
        .iter()
        .filter_map(|answer| match answer {
            Answer::Image(report, _) => Some(&**report),
            Answer::Registry(..) => None,
        })
        .collect();
    let domains: BTreeSet<&str> = answers.iter().filter_map(Answer::domain).collect();
    let bearing = Bearing::of(site, answers);
    let (here, elsewhere): (Vec<_>, Vec<_>) = site.findings.iter().cloned().partition(|finding| bearing.holds(finding));
    let other_port = lint::other_ports(&site.containerd.registry, domains, &here);
    let seen = observation::findings(&endpoints, &images)
        .into_iter()
        .chain(other_port)
        .map(|finding| site.ways.mended(finding))
        .collect::<Vec<_>>();
    (here.into_iter().chain(seen).collect(), elsewhere.len())
}
