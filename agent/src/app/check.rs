//! `pullprobe check [TARGET…]`: each target once, the verdict first.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::options::Options;
use super::site::Site;
use super::{Ending, complain, print, style};
use crate::ask;
use crate::cli::{Format, NodeArgs, OutputArgs};
use crate::model::report::{EndpointReport, ImageReport};
use crate::model::target::Target;
use crate::probe::image::attempt::PullBudget;
use crate::render::{json, text};

/// As many targets are walked at a time.
const CONCURRENCY: usize = 8;

pub async fn run(targets: &[String], timeout: Duration, node: &NodeArgs, output: &OutputArgs) -> Ending {
    let prepared = super::prepare(node).await;
    let (site, options) = match prepared {
        Ok(ready) => ready,
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
    show(&site, &answers, &subject, output);
    ending(&answers)
}

/// What was found out about one target.
enum Answer {
    Image(Box<ImageReport>, Vec<EndpointReport>),
    Registry(String, Vec<EndpointReport>),
}

fn configured(site: &Site, options: &Options) -> Vec<String> {
    let targets = &options.settings.targets;
    let mut texts: Vec<String> = targets.images.iter().map(|one| one.image.clone()).collect();
    texts.extend(targets.registries.iter().cloned());
    if targets.discover.certs_d {
        texts.extend(site.containerd.registry.namespaces());
    }
    if let (true, Some(image)) = (targets.discover.sandbox_image, &site.containerd.sandbox_image) {
        texts.push(image.clone());
    }
    let mut seen = std::collections::BTreeSet::new();
    texts.retain(|text| seen.insert(text.clone()));
    texts
}

async fn ask_all(
    site: &Site,
    options: &Options,
    texts: &[String],
    timeout: Duration,
    progress: &Progress,
) -> Vec<Answer> {
    use futures::stream::{self, StreamExt as _};
    let network = site.network(Timestamp::now());
    let pulls = options.counted_pulls.unwrap_or(1);
    let ask = |text: &String| {
        let (text, network) = (text.clone(), &network);
        async move {
            let budget = PullBudget::new(pulls);
            let question = site.question(network, &budget, timeout);
            let answer = match Target::parse(&text) {
                Ok(Target::Image(image)) => {
                    let (report, endpoints) = Box::pin(ask::image(&question, &text, &image)).await;
                    Answer::Image(Box::new(report), endpoints)
                }
                Ok(Target::Registry(domain)) => {
                    Answer::Registry(domain.clone(), ask::registry(&question, &domain).await)
                }
                Err(error) => Answer::Image(Box::new(ask::unparsable(&question, &text, &error)), Vec::new()),
            };
            progress.done();
            answer
        }
    };
    stream::iter(texts).map(ask).buffered(CONCURRENCY).collect().await
}

fn show(site: &Site, answers: &[Answer], subject: &json::Subject<'_>, output: &OutputArgs) {
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
            let (Answer::Image(_, list) | Answer::Registry(_, list)) = answer;
            for report in list {
                endpoints.entry((report.namespace.clone(), report.endpoint.to_string())).or_insert(report);
            }
        }
        print(&json::text(&json::report(subject, images, endpoints.into_values(), &site.findings)));
        return;
    }
    let style = style(output);
    let mut out = String::new();
    for answer in answers {
        match answer {
            Answer::Image(report, endpoints) => {
                out.push_str(&text::image(report, style));
                endpoints.iter().for_each(|report| out.push_str(&text::endpoint(report, style)));
            }
            Answer::Registry(namespace, endpoints) => {
                out.push_str(&text::registry(namespace, &endpoints.iter().collect::<Vec<_>>(), style));
            }
        }
        out.push('\n');
    }
    let errors: String = site.findings.iter().map(|finding| text::finding(finding, style)).collect();
    out.push_str(&errors);
    print(&out);
}

fn ending(answers: &[Answer]) -> Ending {
    let of_one = |answer: &Answer| match answer {
        Answer::Image(report, _) => match (report.image.is_some(), report.verdict.pullable, report.verdict.runnable) {
            (false, ..) => Ending::Refused,
            (_, Some(false), _) | (_, _, Some(false)) => Ending::Bad,
            (_, None, _) => Ending::Untold,
            (_, Some(true), _) => Ending::Well,
        },
        Answer::Registry(_, endpoints) if endpoints.iter().any(EndpointReport::ok) => Ending::Well,
        Answer::Registry(..) => Ending::Bad,
    };
    let endings: Vec<Ending> = answers.iter().map(of_one).collect();
    [Ending::Refused, Ending::Bad, Ending::Untold]
        .into_iter()
        .find(|worst| endings.contains(worst))
        .unwrap_or(Ending::Well)
}

/// A line on a terminal while the work goes on.
struct Progress {
    shown: bool,
    total: usize,
    done: std::sync::atomic::AtomicUsize,
}

impl Progress {
    fn new(output: &OutputArgs, total: usize) -> Self {
        let shown = output.format == Format::Text && std::io::stderr().is_terminal();
        let progress = Self { shown, total, done: std::sync::atomic::AtomicUsize::new(0) };
        progress.draw(0);
        progress
    }

    fn done(&self) {
        let done = self.done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        self.draw(done);
    }

    fn draw(&self, done: usize) {
        if self.shown {
            let _ = write!(std::io::stderr().lock(), "\rchecking… {done}/{}", self.total);
        }
    }

    fn clear(&self) {
        if self.shown {
            let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K");
        }
    }
}
