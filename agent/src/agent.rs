//! The agent of a node: it probes on a schedule, publishes one snapshot, and serves it until a signal comes.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::fault;
use crate::history::clock_watch::ClockWatch;
use crate::history::journal::Happening;
use crate::history_file::HistoryFile;
use crate::host::last_good;
use crate::model::finding::Finding;
use crate::node_signals::NodeSignals;
use crate::reading::Node;
use crate::reading::options::{Options, Problems};
use crate::redact::clean::Clean;
use crate::route::network::Network;
use crate::route::network::reach::Reach;
use crate::schedule::{self, Prober, Schedule};
use crate::server;
use crate::server::progress::Progress;
use crate::settings::Settings;
use crate::state::bucket::BucketKey;
use crate::state::changes::Changes;
use crate::state::snapshot::{NodeState, Snapshot};
use crate::state::store::Store;
use crate::web_config::in_force::WebConfigFile;

mod back_off;
mod background_read;
pub mod cost;
#[doc(hidden)]
pub mod driven;
#[cfg(test)]
mod fault_tests;
mod found;
mod held_back;
mod own;
mod pods;
mod prober;
mod probing;
pub mod pull_budget;
mod service;
mod serving;
#[cfg(test)]
mod simulated_day;
#[cfg(test)]
mod simulated_fleet;
pub mod wanted;
mod widen;

use back_off::BackOffs;
use background_read::BackgroundRead;
use pods::NodePods;
use pull_budget::{Clock, PullBudgets};
use wanted::Probed;

/// One answer has this long, as `check` gives it, and longer where one request alone may take as long.
const ANSWER: Duration = Duration::from_secs(30);
/// Extra time for one answer, beside its longest request.
const BESIDE: Duration = Duration::from_secs(15);
/// How long to wait for the node's files. After that, probing goes on with the last reading.
const LOOK: Duration = Duration::from_secs(10);
/// How often the node's files are looked at again, at least.
const REREAD: Duration = Duration::from_secs(10);

/// Why there is no agent.
#[derive(Debug)]
pub enum NotStarted {
    /// The settings ask for what cannot be had: every problem.
    Refused(Problems),
    /// The machine did not let it.
    Failed(String),
}

/// Runs until a signal comes. `listening` is told the addresses before anything is served.
pub async fn run(node: Node, options: Options, listening: impl Fn(&[SocketAddr])) -> Result<(), NotStarted> {
    let stop = crate::shutdown::on_signal()
        .map_err(|error| NotStarted::Failed(format!("signals cannot be caught: {error}")))?;
    let begun = Begun::with(node, options, Timestamp::now).await?;
    listening(&begun.bound.addresses());
    let prober = Arc::clone(&begun.agent);
    begun.live(prober, stop).await;
    Ok(())
}

/// An agent whose port is bound, and that does nothing yet.
struct Begun {
    agent: Arc<Agent>,
    bound: server::Bound,
    content: server::Content,
}

impl Begun {
    async fn with(node: Node, options: Options, clock: Clock) -> Result<Self, NotStarted> {
        let web = serving::web_config(&options).map_err(NotStarted::Refused)?;
        let buckets =
            own::bucket_key(&options.settings.metrics).map_err(|problem| NotStarted::Refused(vec![problem]))?;
        let bound =
            server::bind(&options.settings.web.listen).await.map_err(|error| NotStarted::Failed(error.to_string()))?;
        let agent = Arc::new(Agent { web, ..Agent::new(options, Arc::new(node), clock, buckets) });
        let content = serving::content(&agent);
        Ok(Self { agent, bound, content })
    }

    /// Probes, and serves what was seen, until `stop`. `prober` is the agent, or who looks at what it does.
    async fn live<P: Prober>(self, prober: Arc<P>, stop: CancellationToken) {
        let Self { agent, bound, content } = self;
        let work = (Arc::clone(&agent), prober, stop.clone());
        let probe = move || schedule::run(work.0.schedule(), Arc::clone(&work.1), work.2.clone());
        let probing = tokio::spawn(fault::restarted(probe));
        let of_pods = Arc::clone(&agent);
        let following = tokio::spawn(fault::restarted(move || of_pods.follow_pods()));
        let of_signals = Arc::clone(&agent);
        let telling = tokio::spawn(fault::restarted(move || of_signals.tell_signals()));
        let widening = tokio::spawn(widen::when_needed(Arc::clone(&agent), stop.clone()));
        let managed = tokio::spawn(service::tell(Arc::clone(&agent.progress), stop.clone()));
        bound.serve(content, stop.clone()).await;
        stop.cancel();
        [probing, following, telling, widening, managed].iter().for_each(JoinHandle::abort);
        let snapshot = agent.store.snapshot();
        tokio::join!(service::ends(), agent.history_file.finish(&snapshot.histories, (agent.clock)()));
    }
}

/// The node as last read, and the network of the cycle under way.
#[derive(Clone)]
struct Current {
    node: Arc<Node>,
    network: Arc<Network>,
    /// Since when the node cannot be read at all.
    unreadable: Option<Timestamp>,
}

struct Agent {
    options: Arc<Options>,
    store: Arc<Store>,
    pull_budgets: Arc<PullBudgets>,
    back_offs: Arc<BackOffs>,
    changes: Arc<Changes>,
    clock: Clock,
    current: Mutex<Current>,
    clock_watch: ClockWatch,
    history_file: HistoryFile,
    progress: Arc<Progress>,
    look: BackgroundRead<Result<(Node, NodeState), String>>,
    pods: Arc<NodePods>,
    signals: Arc<NodeSignals>,
    /// TLS and passwords of what is served.
    web: Option<Arc<WebConfigFile>>,
}

impl Agent {
    fn new(options: Options, node: Arc<Node>, clock: Clock, buckets: Option<BucketKey>) -> Self {
        let now = clock();
        let probe = &options.settings.probe;
        let per_hour = options.counted_pulls.unwrap_or(probe.counted_pulls_per_hour);
        let pull_budgets = Arc::new(PullBudgets::open(per_hour, probe.counted_pulls_file.clone(), clock));
        let record = pull_budget::file_of(probe.counted_pulls_file.clone());
        let history_file = HistoryFile::open(record.map(pull_budget::history_beside), now);
        let first = Snapshot {
            memory_limit: own::memory_limit(),
            ..Snapshot::new(options.node_name.clone(), node.state(), now)
        };
        let store = Arc::new(Store::new(first).with_buckets(buckets));
        let network = Arc::new(node.network(now).within(reach(&options.settings)));
        let current = Mutex::new(Current { node, network, unreadable: None });
        let pods = Arc::new(NodePods::of(&options.settings.targets.discover, now));
        let signals = Arc::new(NodeSignals::of(&options.settings, deadline(&options.settings), now));
        let (options, back_offs) = (Arc::new(options), Arc::new(BackOffs::new(clock)));
        let (changes, progress) = (Arc::default(), Arc::new(Progress::new(clock)));
        Self {
            options,
            store,
            pull_budgets,
            back_offs,
            changes,
            clock,
            current,
            clock_watch: ClockWatch::default(),
            history_file,
            progress,
            look: BackgroundRead::default(),
            pods,
            signals,
            web: None,
        }
    }

    /// For as long as the agent runs.
    fn follow_pods(&self) -> impl Future<Output = ()> + use<> {
        let shown =
            pods::Shown { store: Arc::clone(&self.store), changes: Arc::clone(&self.changes), clock: self.clock };
        Arc::clone(&self.pods).run(self.options.node_name.clone(), shown)
    }

    /// Likewise.
    fn tell_signals(&self) -> impl Future<Output = ()> + use<> {
        Arc::clone(&self.signals).run(self.options.node_name.clone(), Arc::clone(&self.store), self.clock)
    }

    fn schedule(&self) -> Schedule {
        schedule(&self.options, (self.clock)())
    }

    fn answer(&self) -> Duration {
        answer(&self.options.settings)
    }

    fn deadline(&self) -> Duration {
        deadline(&self.options.settings)
    }

    fn current(&self) -> Current {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the node anew for the cycle that begins. A root that cannot be opened, or a disk that hangs,
    /// leaves the last reading in force.
    async fn begin_cycle(&self) -> Arc<Node> {
        let now = (self.clock)();
        let before = self.current();
        let jump = self.clock_watch.look(now, Instant::now());
        jump.iter().for_each(|jump| self.store.clock_jumped(jump.ahead, now));
        let mut news: Vec<Happening> = jump.into_iter().map(|jump| jump.happening).collect();
        let (node, mut state, unreadable) = match self.read_again(&before.node, now).await {
            Ok((node, state)) => {
                news.extend(node.news_since(&before.node, (self.clock)()));
                (Arc::new(node), state, None)
            }
            Err(problem) => {
                let since = before.unreadable.unwrap_or(now);
                let state = self.state_before(&before.node, since, &problem);
                (before.node, state, Some(since))
            }
        };
        if let Some(web) = &self.web {
            state.findings.extend(serving::finding(web).await);
        }
        self.store.happened(news, now);
        log_news(&self.store.snapshot().state.findings, &state.findings);
        let network = Arc::new(node.network(now).within(reach(&self.options.settings)));
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) =
            Current { node: Arc::clone(&node), network, unreadable };
        let changed = self.store.apply_node(state, now);
        self.changes.images(&changed, &self.store.snapshot());
        self.progress.looked(unreadable);
        self.store.apply_faults(fault::count());
        node
    }

    async fn read_again(&self, node: &Arc<Node>, now: Timestamp) -> Result<(Node, NodeState), String> {
        let look = || tokio::spawn(Node::reload(Arc::clone(node), Arc::clone(&self.options), now));
        match self.look.result(look, LOOK).await {
            Some(Ok(read)) => read,
            Some(Err(error)) => Err(format!("the node could not be read: {}", fault::of_task(&error))),
            None => Err(format!("its files could not be read within {} s: a disk hangs", LOOK.as_secs())),
        }
    }

    /// The last state, and why there is no other. Nothing is read for it.
    fn state_before(&self, node: &Node, since: Timestamp, problem: &str) -> NodeState {
        let mut findings = node.findings.clone();
        findings.push(self.unreadable(since, problem));
        NodeState { findings, ..self.store.snapshot().state.clone() }
    }

    fn unreadable(&self, since: Timestamp, problem: &str) -> Finding {
        let consequence = "pullprobe has not read the node's files since then, and they may have changed";
        let fix = "mount the node's root there again; `docs/deployment.md` shows how";
        last_good::finding(&self.options.host_root.to_string_lossy(), since, problem, consequence, fix)
    }
}

/// How an agent with these options probes.
pub fn schedule(options: &Options, now: Timestamp) -> Schedule {
    let probe = &options.settings.probe;
    Schedule {
        node: options.node_name.clone(),
        epoch: Duration::try_from(now.as_duration()).unwrap_or_default(),
        concurrency: probe.concurrency,
        deadline: deadline(&options.settings),
        spread_start: probe.spread_start,
        reread: REREAD.min(probe.interval),
    }
}

/// How long one answer may take.
fn answer(settings: &Settings) -> Duration {
    ANSWER.max(settings.probe.timeouts.http + BESIDE)
}

/// A target's own deadline, from when it has a place: one answer, and what it leads to.
fn deadline(settings: &Settings) -> Duration {
    answer(settings) * 2
}

/// Where registries may send the agent: on its schedule it must not be led to services of the node.
fn reach(settings: &Settings) -> Reach {
    let ports = settings.web.listen.iter().map(SocketAddr::port);
    if settings.probe.follow_private { Reach::default() } else { Reach::guarded(ports.collect()) }
}

/// Logs once when a file breaks, and once when it is readable again.
fn log_news(before: &[Finding], now: &[Finding]) {
    let broken = |findings: &[Finding]| -> BTreeSet<Option<Clean>> {
        findings.iter().filter(|finding| finding.code == last_good::CODE).map(|finding| finding.file.clone()).collect()
    };
    let (known, still) = (broken(before), broken(now));
    for finding in now.iter().filter(|finding| finding.code == last_good::CODE && !known.contains(&finding.file)) {
        tracing::error!(file = finding.file.as_deref(), line = finding.line(), "{}", finding.message);
    }
    for file in known.difference(&still) {
        tracing::info!(file = file.as_deref(), "the file is readable again: its current content is used");
    }
}
