//! The agent of `run`, whose clock is the caller's and whose quiet the caller can wait for. Tests drive it; no verb comes here.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::pull_budget::Clock;
use super::{Agent, Begun, NotStarted, Probed};
use crate::cli::NodeArgs;
use crate::fault::Fault;
use crate::schedule::{Job, Prober};
use crate::state::snapshot::Snapshot;

/// So often nothing is under way before it is quiet: between two steps of a round a task is about to run.
const TURNS: usize = 20;

/// A running agent in the caller's runtime; it ends when dropped.
pub struct Driven {
    agent: Arc<Agent>,
    under_way: Arc<UnderWay>,
    addresses: Vec<SocketAddr>,
    stop: CancellationToken,
    living: JoinHandle<()>,
}

impl Driven {
    /// As `run`, but no signal ends it.
    pub async fn start(node: &NodeArgs, clock: Clock) -> Result<Self, NotStarted> {
        let (node, options) = crate::reading::prepare(node).await.map_err(NotStarted::Refused)?;
        let begun = Begun::with(node, options, clock).await?;
        let (agent, addresses) = (Arc::clone(&begun.agent), begun.bound.addresses());
        let (under_way, stop) = (Arc::<UnderWay>::default(), CancellationToken::new());
        let watched = Watched { agent: Arc::clone(&agent), under_way: Arc::clone(&under_way) };
        let living = tokio::spawn(begun.live(Arc::new(watched), stop.clone()));
        Ok(Self { agent, under_way, addresses, stop, living })
    }

    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.agent.store.snapshot()
    }

    pub fn under_way(&self) -> &UnderWay {
        &self.under_way
    }

    /// Ends it, as a signal does.
    pub async fn end(mut self) {
        self.stop.cancel();
        // A panic of what lived was written down where it happened.
        let _ = (&mut self.living).await;
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// While it lives, time that is paused does not go on by itself when all tasks wait for sockets.
pub struct HeldTime {
    _end: mpsc::Sender<()>,
}

impl HeldTime {
    /// In the runtime whose time is paused.
    pub fn new() -> Self {
        let (end, ended) = mpsc::channel();
        // The clock stands still for as long as a thread works for the runtime.
        tokio::task::spawn_blocking(move || ended.recv());
        Self { _end: end }
    }
}

impl Default for HeldTime {
    fn default() -> Self {
        Self::new()
    }
}

/// What an agent is doing.
#[derive(Default)]
pub struct UnderWay {
    all: Mutex<Vec<String>>,
    changed: Notify,
}

impl UnderWay {
    /// The name of each target that is being probed. Empty: the node's files are being read.
    pub fn names(&self) -> Vec<String> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_nothing(&self) -> bool {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn begins(&self, name: &str) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
    }

    fn ends(&self, name: &str) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = all.iter().position(|one| one == name) {
            all.swap_remove(at);
        }
        self.changed.notify_one();
    }

    /// Until nothing is under way. One caller at a time.
    pub async fn quiet(&self) {
        let mut turns = 0;
        while turns < TURNS {
            if self.is_nothing() {
                turns += 1;
                tokio::task::yield_now().await;
            } else {
                turns = 0;
                self.changed.notified().await;
            }
        }
    }
}

/// An agent that says what it is doing.
pub(super) struct Watched {
    pub agent: Arc<Agent>,
    pub under_way: Arc<UnderWay>,
}

impl Prober for Watched {
    type Target = Probed;

    fn targets(&self) -> BoxFuture<'_, Vec<Job<Probed>>> {
        self.under_way.begins("");
        self.agent.targets().inspect(|_| self.under_way.ends("")).boxed()
    }

    fn probe(&self, job: Job<Probed>) -> BoxFuture<'static, ()> {
        let (under_way, name) = (Arc::clone(&self.under_way), job.target.to_string());
        under_way.begins(&name);
        // Also where it is dropped at its deadline, or panics.
        let ends = Ends { under_way, name };
        let probing = self.agent.probe(job);
        async move {
            let _ends = ends;
            probing.await;
        }
        .boxed()
    }

    fn owner(&self, target: &Probed) -> String {
        self.agent.owner(target)
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        self.agent.changed()
    }

    fn out_of_time(&self, target: Probed) {
        self.agent.out_of_time(target);
    }

    fn at_fault(&self, target: Probed, fault: &Fault) {
        self.agent.at_fault(target, fault);
    }

    fn round_over(&self, took: Duration) {
        self.agent.round_over(took);
    }
}

struct Ends {
    under_way: Arc<UnderWay>,
    name: String,
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.under_way.ends(&self.name);
    }
}
