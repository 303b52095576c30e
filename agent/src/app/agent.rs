//! `pullprobe run`: probes on a schedule, publishes one snapshot, serves it until a signal comes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;

use super::options::Options;
use super::site::Site;
use super::{Ending, complain};
use crate::ask;
use crate::cli::NodeArgs;
use crate::model::namespace::Namespace;
use crate::model::outcome::Failure;
use crate::model::ratelimit::LimitState;
use crate::model::snapshot::{Snapshot, Targets};
use crate::model::target::Target;
use crate::probe::image::attempt::PullBudget;
use crate::probe::network::Network;
use crate::render::json;
use crate::schedule::{self, Answer, Job, Ledger, Prober, Schedule};
use crate::server::{self, Content, Latch};
use crate::settings::ImageTarget;
use crate::store::Store;

/// One answer has this long, as `check` gives it.
const ANSWER: Duration = Duration::from_secs(30);
/// A target's own deadline, waiting for a place included.
const DEADLINE: Duration = Duration::from_secs(60);
/// How often the node's files are looked at again, at least.
const REREAD: Duration = Duration::from_secs(10);
/// More images than this are counted and left out: each costs requests and series.
const IMAGE_LIMIT: usize = 100;

pub async fn run(node: &NodeArgs) -> Ending {
    let prepared = super::prepare(node).await.map(|(site, options)| (Arc::new(site), options));
    let (site, options) = match prepared {
        Ok(ready) => ready,
        Err(problems) => {
            problems.iter().for_each(|problem| complain(problem));
            return Ending::Refused;
        }
    };
    let stop = match crate::shutdown::on_signal() {
        Ok(stop) => stop,
        Err(error) => {
            complain(&format!("signals cannot be caught: {error}"));
            return Ending::Bad;
        }
    };
    let bound = match server::bind(&options.settings.web.listen).await {
        Ok(bound) => bound,
        Err(error) => {
            complain(&error.to_string());
            return Ending::Bad;
        }
    };
    for address in bound.addresses() {
        complain(&format!("listening on {address}"));
    }
    let (latch, readiness) = server::readiness();
    let agent = Arc::new(Agent::new(options, site, latch));
    let content = Content {
        snapshots: agent.store.subscribe(),
        readiness,
        report: Box::new(report),
        schema: json::schema(),
        node_label: agent.options.settings.labels.node,
        clock: Timestamp::now,
    };
    let probing = tokio::spawn(schedule::run(agent.schedule(), Arc::clone(&agent), stop.clone()));
    bound.serve(content, stop.clone()).await;
    stop.cancel();
    probing.abort();
    Ending::Well
}

/// The snapshot as the published document.
fn report(snapshot: &Snapshot) -> String {
    let state = &snapshot.state;
    let subject = json::Subject {
        node: &snapshot.node,
        platform: state.platform.to_string(),
        containerd: json::Containerd {
            version: state.containerd.version.to_string(),
            version_source: state.containerd.source.as_str().to_owned(),
            config_files: state.containerd.config_files.clone(),
            config_path: state.containerd.config_path.clone(),
        },
        started_at: snapshot.started_at,
        duration: snapshot.last_cycle.unwrap_or_default(),
    };
    let images = snapshot.images.values().map(AsRef::as_ref);
    let endpoints = snapshot.endpoints.values().map(AsRef::as_ref);
    json::text(&json::report(&subject, images, endpoints, &state.findings))
}

/// A registry or an image, as the settings and the node's files name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Probed {
    Registry(String),
    Image(String),
}

impl std::fmt::Display for Probed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Registry(name) | Self::Image(name)) = self;
        f.write_str(name)
    }
}

struct Agent {
    options: Options,
    store: Arc<Store>,
    ledger: Arc<Ledger>,
    /// The node as last read, and the network of the cycle under way.
    current: Mutex<(Arc<Site>, Arc<Network>)>,
    latch: Mutex<Option<Latch>>,
}

impl Agent {
    fn new(options: Options, site: Arc<Site>, latch: Latch) -> Self {
        let now = Timestamp::now();
        let probe = &options.settings.probe;
        let per_hour = options.counted_pulls.unwrap_or(probe.counted_pulls_per_hour);
        let ledger = Arc::new(Ledger::open(per_hour, probe.counted_pulls_file.clone(), now));
        let store = Arc::new(Store::new(Snapshot::new(options.node_name.clone(), site.state(), now)));
        let network = Arc::new(site.network(now));
        Self { options, store, ledger, current: Mutex::new((site, network)), latch: Mutex::new(Some(latch)) }
    }

    fn schedule(&self) -> Schedule {
        Schedule {
            node: self.options.node_name.clone(),
            epoch: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            concurrency: self.options.settings.probe.concurrency,
            deadline: DEADLINE,
            reread: REREAD.min(self.options.settings.probe.interval),
        }
    }

    fn current(&self) -> (Arc<Site>, Arc<Network>) {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the node anew for the cycle that begins. A root that cannot be opened leaves the last
    /// reading in force.
    async fn begin_cycle(&self) -> Arc<Site> {
        let now = Timestamp::now();
        let site = match Site::load(&self.options).await {
            Ok(site) => Arc::new(site),
            Err(problem) => {
                tracing::error!(%problem, "the node cannot be read; what was read last stays in force");
                self.current().0
            }
        };
        let network = Arc::new(site.network(now));
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = (Arc::clone(&site), network);
        self.store.apply_node(site.state(), now);
        site
    }

    fn wanted(&self, site: &Site) -> (Targets, Vec<Job<Probed>>) {
        let settings = &self.options.settings;
        let mut images: Vec<ImageTarget> = settings.targets.images.clone();
        if let (true, Some(image)) = (settings.targets.discover.sandbox_image, &site.containerd.sandbox_image) {
            images.push(ImageTarget { image: image.clone(), interval: ImageTarget::INTERVAL });
        }
        let mut seen = BTreeSet::new();
        images.retain(|target| seen.insert(target.image.clone()));
        let dropped = images.len().saturating_sub(IMAGE_LIMIT);
        images.truncate(IMAGE_LIMIT);
        let namespaces = self.namespaces(site, &images);
        let interval = settings.probe.interval;
        let mut jobs: Vec<Job<Probed>> = namespaces
            .keys()
            .map(|name| Job { target: Probed::Registry(name.clone()), interval, party: name.clone() })
            .collect();
        jobs.extend(images.iter().map(|target| Job {
            target: Probed::Image(target.image.clone()),
            interval: target.interval,
            // Not the registry's: a throttled image must not make the registry's own probes go stale.
            party: format!("images of {}", domain_of(&target.image).unwrap_or_default()),
        }));
        let images = images.into_iter().map(|target| target.image).collect();
        (Targets { namespaces, images, images_dropped: u64::try_from(dropped).unwrap_or(u64::MAX) }, jobs)
    }

    fn namespaces(&self, site: &Site, images: &[ImageTarget]) -> BTreeMap<String, Namespace> {
        let targets = &self.options.settings.targets;
        let mut names: BTreeSet<String> = targets.registries.iter().cloned().collect();
        names.extend(images.iter().filter_map(|target| domain_of(&target.image)));
        if targets.discover.certs_d {
            names.extend(site.containerd.registry.namespaces());
        }
        let planned = |name: String| {
            let plan = crate::plan::plan(&site.containerd, &name);
            let hosts = plan.hosts.iter().map(Into::into).collect();
            (name, Namespace { hosts, broken: plan.fatal })
        };
        names.into_iter().map(planned).collect()
    }
}

/// The registry that an image comes from. `None`: the text is no reference.
fn domain_of(image: &str) -> Option<String> {
    Target::parse(image).ok().map(|target| target.domain().to_owned())
}

impl Prober for Agent {
    type Target = Probed;

    fn targets(&self) -> BoxFuture<'_, Vec<Job<Probed>>> {
        async move {
            let site = self.begin_cycle().await;
            let (targets, jobs) = self.wanted(&site);
            self.store.retain(targets);
            jobs
        }
        .boxed()
    }

    fn probe(&self, target: Probed) -> BoxFuture<'static, Answer> {
        let (site, network) = self.current();
        let (store, ledger) = (Arc::clone(&self.store), Arc::clone(&self.ledger));
        async move {
            let answer = match &target {
                Probed::Registry(name) => probe_registry(&site, &network, &store, name).await,
                Probed::Image(image) => probe_image(&site, &network, &store, &ledger, image).await,
            };
            store.apply_cost(&network.usage.take());
            answer
        }
        .boxed()
    }

    fn out_of_time(&self, target: Probed) {
        tracing::warn!(%target, deadline = ?DEADLINE, "not reached within the deadline");
    }

    fn round_over(&self, took: Duration) {
        self.store.end_cycle(took);
        drop(self.latch.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

async fn probe_registry(site: &Site, network: &Network, store: &Store, name: &str) -> Answer {
    let budget = PullBudget::new(0);
    let mut pause = None;
    for report in ask::registry(&site.question(network, &budget, ANSWER), name).await {
        log_failure(name, report.failure());
        if report.rate_limit.state == LimitState::Blocked {
            pause = Some(report.rate_limit.retry_after);
        }
        store.apply_endpoint(report);
    }
    pause.map_or(Answer::Usual, Answer::LeaveAlone)
}

async fn probe_image(site: &Site, network: &Network, store: &Store, ledger: &Ledger, requested: &str) -> Answer {
    let paid = ledger.take(Timestamp::now());
    let budget = PullBudget::new(u32::from(paid));
    let question = site.question(network, &budget, ANSWER);
    let report = match Target::parse(requested) {
        Ok(Target::Image(image)) => Box::pin(ask::verdict(&question, requested, &image)).await,
        Ok(Target::Registry(name)) => {
            let error = crate::model::reference::ReferenceError {
                found: name,
                reason: "this names a registry, not an image".to_owned(),
            };
            ask::unparsable(&question, requested, &error)
        }
        Err(error) => ask::unparsable(&question, requested, &error),
    };
    if paid && report.counted_pulls == 0 {
        ledger.give_back();
    }
    let pause = (report.rate_limit.state == LimitState::Blocked).then_some(report.rate_limit.retry_after);
    if let Some(cause) = report.verdict.cause {
        tracing::warn!(image = requested, %cause, summary = report.verdict.summary, "not pullable");
    }
    store.apply_image(report);
    pause.map_or(Answer::Usual, Answer::LeaveAlone)
}

fn log_failure(registry: &str, failure: Option<&Failure>) {
    if let Some(failure) = failure {
        tracing::warn!(registry, stage = %failure.stage, cause = %failure.cause, detail = failure.detail, "registry fails");
    }
}
