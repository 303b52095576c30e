//! `pullprobe hosts [TARGET…]`: every place that pulls need from this node, as seen by probing.

use std::time::Duration;

use super::answers::{Answer, Progress, ask_all, configured, ending};
use super::{Ending, complain, print, style};
use crate::cli::{Format, NodeArgs, OutputArgs};
use crate::model::needed::{NeededHost, needed_hosts};
use crate::model::shown::without_credentials;
use crate::render::json::{self, Hosts, Incomplete};
use crate::render::text;

pub async fn run(targets: &[String], timeout: Duration, plain: bool, node: &NodeArgs, output: &OutputArgs) -> Ending {
    let (site, options) = match super::prepare(node).await {
        Ok(ready) => ready,
        Err(problems) => {
            problems.iter().for_each(|problem| complain(problem));
            return Ending::Refused;
        }
    };
    let texts: Vec<String> = if targets.is_empty() { configured(&site, &options) } else { targets.to_vec() };
    if texts.is_empty() {
        complain("nothing to ask for: name an image or a registry, or configure targets (--config)");
        return Ending::Refused;
    }
    let progress = Progress::new(output, texts.len());
    let answers = ask_all(&site, &options, &texts, timeout, &progress).await;
    progress.clear();
    let reports = texts
        .iter()
        .zip(&answers)
        .flat_map(|(text, answer)| answer.endpoints().iter().map(move |report| (text.as_str(), report)));
    let hosts = needed_hosts(reports);
    let incomplete: Vec<Incomplete> = texts.iter().zip(&answers).filter_map(incomplete).collect();
    match output.format {
        _ if plain => {
            incomplete.iter().for_each(|one| complain(&warning(one)));
            print(&text::hosts::plain(&hosts));
        }
        Format::Json => print(&json::text(&Hosts::new(&options.node_name, &hosts, incomplete))),
        Format::Text => show(&hosts, &incomplete, output),
    }
    ending(&site, &answers)
}

fn show(hosts: &[NeededHost], incomplete: &[Incomplete], output: &OutputArgs) {
    let mut out = text::hosts::table(hosts, style(output));
    if !incomplete.is_empty() {
        out.push('\n');
    }
    for one in incomplete {
        out.push_str(&warning(one));
        out.push('\n');
    }
    print(&out);
}

fn warning(one: &Incomplete) -> String {
    format!("{} may need more hosts: {}", one.target, one.reason)
}

/// Why a target's list may be short. `None`: its walk went to the end.
fn incomplete((text, answer): (&String, &Answer)) -> Option<Incomplete> {
    let reason = match answer {
        Answer::Image(report, _) if report.verdict.pullable == Some(true) => return None,
        Answer::Image(report, _) => report.verdict.summary.clone(),
        Answer::Registry(..) => {
            "where a registry keeps its content shows when an image is walked: name one.".to_owned()
        }
    };
    Some(Incomplete { target: without_credentials(text), reason })
}
