//! `pullprobe hosts [TARGET…]`: every place that pulls need from this node, as seen by probing.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::answers::{TargetReport, ask_all, ending, wanted};
use super::{ExitStatus, complain, print, refuse, style};
use crate::cli::{Format, NodeArgs, OutputArgs};
use crate::file;
use crate::model::tally;
use crate::redact::urls::without_credentials;
use crate::render::json::{self, Hosts, Incomplete};
use crate::render::text;
use crate::state::host_dependencies::{Destination, NeededHost, needed_hosts};

/// A size limit: no output of this program is larger.
const EARLIER_LIMIT: u64 = 16 << 20;

/// What was typed.
pub struct Wish<'a> {
    pub targets: &'a [String],
    pub timeout: Duration,
    pub plain: bool,
    /// An earlier answer.
    pub since: Option<&'a Path>,
}

pub async fn run(wish: Wish<'_>, node: &NodeArgs, output: &OutputArgs) -> ExitStatus {
    let Wish { targets, timeout, plain, since } = wish;
    let earlier = match since.map(earlier).transpose() {
        Ok(earlier) => earlier,
        Err(problem) => return refuse(&[problem]),
    };
    let (node, options) = match crate::reading::prepare(node).await {
        Ok((node, options)) => (node.patient(timeout), options),
        Err(problems) => return refuse(&problems),
    };
    let texts = match wanted(targets, &node, &options) {
        Ok(texts) => texts,
        Err(problem) => return refuse(&[problem]),
    };
    let answers = ask_all(&node, &options, &texts, timeout, output).await;
    let reports = texts
        .iter()
        .zip(&answers)
        .flat_map(|(text, answer)| answer.endpoints().iter().map(move |report| (text.as_str(), report)));
    let mut hosts = needed_hosts(reports);
    if let Some(earlier) = &earlier {
        hosts.iter_mut().for_each(|host| host.new = Some(!earlier.contains(&host.place())));
    }
    let incomplete: Vec<Incomplete> = texts.iter().zip(&answers).filter_map(incomplete).collect();
    let counted_pulls = answers.iter().filter_map(TargetReport::image).map(|report| report.counted_pulls).sum();
    let told = match output.format {
        _ if plain => {
            notes(&incomplete, counted_pulls).iter().for_each(|note| complain(note));
            text::hosts::plain(&hosts)
        }
        Format::Json => json::text(&Hosts::new(&options.node_name, &hosts, incomplete, counted_pulls)),
        Format::Text => table(&hosts, &notes(&incomplete, counted_pulls), output),
    };
    print(&told, ending(&answers))
}

/// The places in an earlier answer.
fn earlier(file: &Path) -> Result<BTreeSet<Destination>, String> {
    let problem = |what: &dyn std::fmt::Display| format!("--since {}: {what}", file.display());
    let text = file::read_text(file, EARLIER_LIMIT).map_err(|error| problem(&error))?;
    let why = |error| problem(&format!("this is not the output of `pullprobe hosts --format json`: {error}"));
    json::places(&text).map_err(why)
}

fn table(hosts: &[NeededHost], notes: &[String], output: &OutputArgs) -> String {
    let mut out = text::hosts::table(hosts, style(output));
    if !notes.is_empty() {
        out.push('\n');
    }
    for note in notes {
        out.push_str(note);
        out.push('\n');
    }
    out
}

/// What the list may lack, and what it cost.
fn notes(incomplete: &[Incomplete], counted_pulls: u32) -> Vec<String> {
    let lacks = incomplete.iter().map(|one| format!("{} may need more hosts: {}", one.target, one.reason));
    lacks.chain(tally::spent(counted_pulls)).collect()
}

/// Why the list of a target may be incomplete. `None`: it is complete.
fn incomplete((text, answer): (&String, &TargetReport)) -> Option<Incomplete> {
    let reason = match answer {
        TargetReport::Image(report, _) if report.verdict.pullable == Some(true) => return None,
        TargetReport::Image(report, _) => report.verdict.summary.clone(),
        TargetReport::Registry(report) if report.broken.is_some() => {
            report.broken.as_ref().map(text::sentence).unwrap_or_default().into()
        }
        TargetReport::Registry(_) => {
            "name an image, too: only a check of an image shows where the registry keeps its content.".into()
        }
    };
    Some(Incomplete { target: without_credentials(text), reason: reason.into() })
}
