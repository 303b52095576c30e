//! Asks about each target once: what `check` and `hosts` have in common.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;

use super::ExitStatus;
use crate::cli::{Format, OutputArgs};
use crate::image::target::Target;
use crate::model::registry::RegistryReport;
use crate::model::report::{EndpointReport, ImageReport};
use crate::plan::plan;
use crate::probe;
use crate::pull::attempt::PullBudget;
use crate::pull::limit_disclosure::LimitDisclosures;
use crate::reading::Node;
use crate::reading::options::Options;
use crate::schedule::places::{Pace, Places};

/// As many targets are started at a time.
const CONCURRENCY: usize = 8;

/// What was found out about one target.
pub enum TargetReport {
    Image(Box<ImageReport>, Vec<EndpointReport>),
    Registry(Box<RegistryReport>),
}

impl TargetReport {
    /// The registry, as image references name it. `None`: the target is none.
    pub fn domain(&self) -> Option<&str> {
        match self {
            Self::Image(report, _) => report.image.as_ref().map(|image| &*image.domain),
            Self::Registry(report) => Some(&report.name),
        }
    }

    pub fn image(&self) -> Option<&ImageReport> {
        match self {
            Self::Image(report, _) => Some(report),
            Self::Registry(_) => None,
        }
    }

    pub fn endpoints(&self) -> &[EndpointReport] {
        match self {
            Self::Image(_, endpoints) => endpoints,
            Self::Registry(report) => &report.endpoints,
        }
    }
}

/// Each target that was named, once, or else those of the settings and of the node's files.
pub fn wanted(named: &[String], node: &Node, options: &Options) -> Result<Vec<String>, &'static str> {
    let texts = if named.is_empty() { configured(node, options) } else { each_once(named.to_vec()) };
    if texts.is_empty() {
        return Err("no targets: name an image or a registry, or configure targets (--config)");
    }
    Ok(texts)
}

fn configured(node: &Node, options: &Options) -> Vec<String> {
    let targets = &options.settings.targets;
    let mut texts: Vec<String> = targets.images.iter().map(|one| one.image.clone()).collect();
    texts.extend(targets.registries.iter().cloned());
    if targets.discover.certs_d {
        texts.extend(node.containerd.registry.namespaces());
    }
    if let (true, Some(image)) = (targets.discover.sandbox_image, &node.containerd.sandbox_image) {
        texts.push(image.clone());
    }
    texts.extend(node.found_images.iter().cloned());
    each_once(texts)
}

fn each_once(mut texts: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    texts.retain(|text| seen.insert(text.clone()));
    texts
}

/// In the order of the targets. One that hangs holds up no other.
pub async fn ask_all(
    node: &Node,
    options: &Options,
    texts: &[String],
    timeout: Duration,
    output: &OutputArgs,
) -> Vec<TargetReport> {
    let progress = &Progress::new(output, texts.len());
    let network = node.network(Timestamp::now());
    let pulls = options.counted_pulls.unwrap_or(1);
    let places = Places::for_once(CONCURRENCY);
    let network = &network;
    let disclosures = Arc::<LimitDisclosures>::default();
    let ask = |text: &String| {
        let (text, places, disclosures) = (text.clone(), places.clone(), Arc::clone(&disclosures));
        places.in_turn(Pace::UNKNOWN, async move {
            let budget = PullBudget::knowing(pulls, disclosures);
            let question = node.question(network, &budget, timeout);
            let answer = match Target::parse(&text) {
                Ok(Target::Image(image)) => {
                    let (report, endpoints) = Box::pin(probe::image(&question, &text, &image)).await;
                    TargetReport::Image(Box::new(report), endpoints)
                }
                Ok(Target::Registry(domain)) => {
                    let endpoints =
                        probe::registry(&question, &domain, &probe::Dependencies::new(), &BTreeSet::new()).await;
                    let plan = plan(&node.containerd, &domain);
                    let hosts = plan.hosts.iter().map(Into::into).collect();
                    TargetReport::Registry(Box::new(RegistryReport::new(domain, hosts, plan.fatal, endpoints)))
                }
                Err(error) => TargetReport::Image(Box::new(probe::unparsable(&question, &text, &error)), Vec::new()),
            };
            progress.done();
            answer
        })
    };
    let answers = join_all(texts.iter().map(ask)).await;
    progress.clear();
    answers
}

/// The worst target decides.
pub fn ending(answers: &[TargetReport]) -> ExitStatus {
    let of_one = |answer: &TargetReport| match answer {
        TargetReport::Image(report, _) => {
            match (report.image.is_some(), report.verdict.pullable, report.verdict.runnable) {
                (false, ..) => ExitStatus::Refused,
                (_, Some(false), _) | (_, _, Some(false)) => ExitStatus::Bad,
                (_, None, _) => ExitStatus::Unknown,
                (_, Some(true), _) => ExitStatus::Well,
            }
        }
        TargetReport::Registry(report) => match report.health.pullable {
            Some(true) => ExitStatus::Well,
            Some(false) => ExitStatus::Bad,
            None => ExitStatus::Unknown,
        },
    };
    let endings: Vec<ExitStatus> = answers.iter().map(of_one).collect();
    [ExitStatus::Refused, ExitStatus::Bad, ExitStatus::Unknown]
        .into_iter()
        .find(|worst| endings.contains(worst))
        .unwrap_or(ExitStatus::Well)
}

/// A line on a terminal while the work goes on.
pub struct Progress {
    shown: bool,
    total: usize,
    done: std::sync::atomic::AtomicUsize,
}

impl Progress {
    pub fn new(output: &OutputArgs, total: usize) -> Self {
        Self::of(total, output.format == Format::Text)
    }

    pub fn of(total: usize, is_for_people: bool) -> Self {
        let shown = is_for_people && std::io::stderr().is_terminal();
        let progress = Self { shown, total, done: std::sync::atomic::AtomicUsize::new(0) };
        progress.draw(0);
        progress
    }

    pub fn done(&self) {
        let done = self.done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        self.draw(done);
    }

    fn draw(&self, done: usize) {
        if self.shown {
            let _ = write!(std::io::stderr().lock(), "\rchecking… {done}/{}", self.total);
        }
    }

    pub fn clear(&self) {
        if self.shown {
            let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K");
        }
    }
}
