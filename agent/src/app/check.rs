//! `pullprobe check [TARGET…]`: each target once, the verdict first.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::answers::{TargetReport, ask_all, ending, wanted};
use super::{ExitStatus, print, refuse, style};
use crate::cli::{Format, NodeArgs, OutputArgs};
use crate::model::finding::{self, Finding};
use crate::model::report::{EndpointReport, ImageReport};
use crate::plan::relevance::Relevance;
use crate::pull_secrets::{self, PullSecret};
use crate::reading::options::{Options, Problems};
use crate::reading::{Node, prepare_with};
use crate::render::{json, text};
use crate::{file, lint, observation};

/// Whoever sends pull secrets has them at hand.
const PATIENCE: Duration = Duration::from_secs(10);

pub async fn run(
    targets: &[String],
    timeout: Duration,
    pull_secrets: Option<&Path>,
    node: &NodeArgs,
    output: &OutputArgs,
) -> ExitStatus {
    let (node, options) = match prepare(node, pull_secrets).await {
        Ok((node, options)) => (node.patient(timeout), options),
        Err(problems) => return refuse(&problems),
    };
    let texts = match wanted(targets, &node, &options) {
        Ok(texts) => texts,
        Err(problem) => return refuse(&[problem]),
    };
    let (began_at, began) = (Timestamp::now(), Instant::now());
    let answers = ask_all(&node, &options, &texts, timeout, output).await;
    let subject = json::Subject {
        node: &options.node_name,
        platform: node.platform.to_string(),
        containerd: node.about_containerd(),
        started_at: began_at,
        duration: began.elapsed(),
    };
    print(&rendered(&node, &answers, &subject, output), ending(&answers))
}

/// Nobody else can send the secrets before the node is read, so that nothing else has to wait for them.
async fn prepare(node: &NodeArgs, pull_secrets: Option<&Path>) -> Result<(Node, Options), Problems> {
    let secrets = pull_secrets.map(given).transpose().map_err(|problem| vec![format!("--pull-secrets: {problem}")])?;
    prepare_with(node, |options| options.for_pod(secrets)).await
}

/// The secrets of a file or of standard input. What they hold is in no message.
fn given(place: &Path) -> Result<Vec<PullSecret>, String> {
    if place == Path::new("-") {
        let input = file::document::read(std::io::stdin(), pull_secrets::SIZE_LIMIT, Instant::now() + PATIENCE);
        return pull_secrets::read(&input.map_err(|error| format!("standard input: {error}"))?)
            .map_err(|reason| format!("standard input: {reason}"));
    }
    let bytes = file::read(place, pull_secrets::SIZE_LIMIT as u64).map(Zeroizing::new);
    let shown = place.display();
    pull_secrets::read(&bytes.map_err(|error| format!("{shown}: {error}"))?)
        .map_err(|reason| format!("{shown}: {reason}"))
}

fn rendered(node: &Node, answers: &[TargetReport], subject: &json::Subject<'_>, output: &OutputArgs) -> String {
    let (findings, elsewhere) = findings(node, answers);
    let findings = finding::shown(&findings);
    if output.format == Format::Json {
        let images = answers.iter().filter_map(TargetReport::image);
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
            TargetReport::Image(report, endpoints) => {
                out.push_str(&text::image(report, style));
                endpoints.iter().for_each(|report| out.push_str(&text::endpoint(report, style)));
            }
            TargetReport::Registry(report) => out.push_str(&text::registry(report, &node.terms, style)),
        }
        out.push('\n');
    }
    let findings: String = findings.iter().map(|finding| text::finding(finding, style)).collect();
    out + &findings + &text::elsewhere(elsewhere, style)
}

/// The findings about the node's files that affect the targets, those about the network, and how many more findings
/// there are about other registries.
fn findings(node: &Node, answers: &[TargetReport]) -> (Vec<Finding>, usize) {
    let endpoints: Vec<&EndpointReport> = answers.iter().flat_map(TargetReport::endpoints).collect();
    let images: Vec<&ImageReport> = answers.iter().filter_map(TargetReport::image).collect();
    let domains: BTreeSet<&str> = answers.iter().filter_map(TargetReport::domain).collect();
    let relevance = Relevance::of(&node.containerd, &domains);
    let (here, elsewhere): (Vec<_>, Vec<_>) =
        node.findings.iter().cloned().partition(|finding| relevance.holds(finding));
    let other_port = lint::other_ports(&node.containerd.registry, domains, &here);
    let seen = observation::findings(&endpoints, &images)
        .into_iter()
        .chain(other_port)
        .map(|finding| node.terms.mended(finding))
        .collect::<Vec<_>>();
    (here.into_iter().chain(seen).collect(), elsewhere.len())
}
