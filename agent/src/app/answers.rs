//! Asks about each target once: what `check` and `hosts` have in common.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::Ending;
use super::node::Site;
use super::options::Options;
use crate::cli::{Format, OutputArgs};
use crate::image::target::Target;
use crate::model::registry::RegistryReport;
use crate::model::report::{EndpointReport, ImageReport};
use crate::plan::plan;
use crate::probe;
use crate::pull::attempt::PullBudget;
use crate::pull::limit_disclosure::Prices;
use crate::schedule::in_turn;

/// As many targets are started at a time.
const CONCURRENCY: usize = 8;

/// What was found out about one target.
pub enum Answer {
    Image(Box<ImageReport>, Vec<EndpointReport>),
    Registry(Box<RegistryReport>),
}

impl Answer {
    /// The registry, as image references name it. `None`: the target is none.
    pub fn domain(&self) -> Option<&str> {
        match self {
            Self::Image(report, _) => report.image.as_ref().map(|image| &*image.domain),
            Self::Registry(report) => Some(&report.name),
        }
    }

    pub fn endpoints(&self) -> &[EndpointReport] {
        match self {
            Self::Image(_, endpoints) => endpoints,
            Self::Registry(report) => &report.endpoints,
        }
    }
}

/// The targets of the settings and of the node's files.
pub fn configured(site: &Site, options: &Options) -> Vec<String> {
    let targets = &options.settings.targets;
    let mut texts: Vec<String> = targets.images.iter().map(|one| one.image.clone()).collect();
    texts.extend(targets.registries.iter().cloned());
    if targets.discover.certs_d {
        texts.extend(site.containerd.registry.namespaces());
    }
    if let (true, Some(image)) = (targets.discover.sandbox_image, &site.containerd.sandbox_image) {
        texts.push(image.clone());
    }
    texts.extend(site.found_images.iter().cloned());
    let mut seen = BTreeSet::new();
    texts.retain(|text| seen.insert(text.clone()));
    texts
}

/// In the order of the targets. One that hangs holds up no other.
pub async fn ask_all(
    site: &Site,
    options: &Options,
    texts: &[String],
    timeout: Duration,
    progress: &Progress,
) -> Vec<Answer> {
    let network = site.network(Timestamp::now());
    let pulls = options.counted_pulls.unwrap_or(1);
    let places = Arc::new(Semaphore::new(CONCURRENCY));
    let network = &network;
    let prices = Arc::<Prices>::default();
    let ask = |text: &String| {
        let (text, places, prices) = (text.clone(), Arc::clone(&places), Arc::clone(&prices));
        in_turn(places, async move {
            let budget = PullBudget::knowing(pulls, prices);
            let question = site.question(network, &budget, timeout);
            let answer = match Target::parse(&text) {
                Ok(Target::Image(image)) => {
                    let (report, endpoints) = Box::pin(probe::image(&question, &text, &image)).await;
                    Answer::Image(Box::new(report), endpoints)
                }
                Ok(Target::Registry(domain)) => {
                    let endpoints = probe::registry(&question, &domain, &probe::Needs::new(), &BTreeSet::new()).await;
                    let plan = plan(&site.containerd, &domain);
                    let hosts = plan.hosts.iter().map(Into::into).collect();
                    Answer::Registry(Box::new(RegistryReport::new(domain, hosts, plan.fatal, endpoints)))
                }
                Err(error) => Answer::Image(Box::new(probe::unparsable(&question, &text, &error)), Vec::new()),
            };
            progress.done();
            answer
        })
    };
    join_all(texts.iter().map(ask)).await
}

/// The worst target decides.
pub fn ending(answers: &[Answer]) -> Ending {
    let of_one = |answer: &Answer| match answer {
        Answer::Image(report, _) => match (report.image.is_some(), report.verdict.pullable, report.verdict.runnable) {
            (false, ..) => Ending::Refused,
            (_, Some(false), _) | (_, _, Some(false)) => Ending::Bad,
            (_, None, _) => Ending::Untold,
            (_, Some(true), _) => Ending::Well,
        },
        Answer::Registry(report) => match report.health.pullable {
            Some(true) => Ending::Well,
            Some(false) => Ending::Bad,
            None => Ending::Untold,
        },
    };
    let endings: Vec<Ending> = answers.iter().map(of_one).collect();
    [Ending::Refused, Ending::Bad, Ending::Untold]
        .into_iter()
        .find(|worst| endings.contains(worst))
        .unwrap_or(Ending::Well)
}

/// A line on a terminal while the work goes on.
pub struct Progress {
    shown: bool,
    total: usize,
    done: std::sync::atomic::AtomicUsize,
}

impl Progress {
    pub fn new(output: &OutputArgs, total: usize) -> Self {
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

    pub fn clear(&self) {
        if self.shown {
            let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K");
        }
    }
}
