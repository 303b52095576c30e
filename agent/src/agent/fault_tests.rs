//! The agent where some of its probes panic.

use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use pullprobe_lab::node::Node;
use tokio_util::sync::CancellationToken;

use super::{Agent, Probed};
use crate::cause::Cause;
use crate::cli::{Cli, Verb};
use crate::fault::Fault;
use crate::model::outcome::{Outcome, Skip};
use crate::render::metrics::{self, Shape};
use crate::schedule::{self, Job, Prober};
use crate::state::snapshot::Snapshot;

const FAULTY: &str = "127.0.0.1:1/demo/faulty:1.0";
const OTHER: &str = "127.0.0.1:1/demo/other:1.0";
const PATIENCE: Duration = Duration::from_secs(60);

/// The agent itself, but for the probes of some targets.
struct Faulty(Arc<Agent>);

impl Prober for Faulty {
    type Target = Probed;

    fn targets(&self) -> BoxFuture<'_, Vec<Job<Probed>>> {
        self.0.targets()
    }

    fn probe(&self, job: Job<Probed>) -> BoxFuture<'static, ()> {
        match &job.target {
            Probed::Image(image) if image == FAULTY => async { panic!("password=hunter2") }.boxed(),
            Probed::Registry(_) => panic!("password=hunter2"),
            Probed::Image(_) => self.0.probe(job),
        }
    }

    fn owner(&self, target: &Probed) -> String {
        self.0.owner(target)
    }

    fn out_of_time(&self, target: Probed) {
        self.0.out_of_time(target);
    }

    fn at_fault(&self, target: Probed, fault: &Fault) {
        self.0.at_fault(target, fault);
    }

    fn round_over(&self, took: Duration) {
        self.0.round_over(took);
    }
}

fn agent(node: &Node) -> Arc<Agent> {
    let text = format!(
        "node: {{name: worker-71, containerd_version: '2.1', platform: linux/amd64}}\n\
         targets: {{images: [{{image: '{FAULTY}', interval: 5s}}, {{image: '{OTHER}', interval: 5s}}], \
         discover: {{certs_d: false, sandbox_image: false}}}}\nprobe: {{interval: 5s}}\n"
    );
    node.write("/pullprobe.yaml", text).unwrap();
    let (config, root) = (node.path("/pullprobe.yaml"), node.root());
    let cli = Cli::parse_from([
        "pullprobe",
        "run",
        "--config",
        config.to_str().unwrap(),
        "--host-root",
        root.to_str().unwrap(),
    ]);
    let Verb::Run { node, .. } = cli.verb else { panic!("it was told to run") };
    let (node, options) = crate::reading::prepare_unasked(&node).unwrap();
    Arc::new(Agent::new(options, Arc::new(node), Timestamp::now, None))
}

#[tokio::test]
async fn a_fault_in_a_probe_makes_its_answer_unknown_and_ends_nothing_else() {
    let node = Node::temporary().unwrap();
    let agent = agent(&node);
    let stop = CancellationToken::new();
    let running = tokio::spawn(schedule::run(agent.schedule(), Arc::new(Faulty(Arc::clone(&agent))), stop.clone()));
    let mut snapshots = agent.store.subscribe();
    let all = |snapshot: &Snapshot| {
        snapshot.images.len() == 2 && !snapshot.endpoints.is_empty() && snapshot.last_cycle.is_some()
    };
    let snapshot = tokio::time::timeout(PATIENCE, snapshots.wait_for(|snapshot| all(snapshot))).await;
    let snapshot = Arc::clone(&snapshot.unwrap().unwrap());
    stop.cancel();
    running.await.unwrap();

    let verdict = &snapshot.images[FAULTY].verdict;
    assert_eq!((verdict.pullable, verdict.cause), (None, Some(Cause::OwnFault)), "{verdict:?}");
    assert!(verdict.summary.contains("pullprobe has a fault of its own"), "{verdict:?}");
    assert_eq!(snapshot.images[OTHER].verdict.pullable, Some(false));
    for report in snapshot.endpoints.values() {
        assert!(matches!(report.stages.ping.outcome, Outcome::Skipped(Skip::OwnFault)), "{report:?}");
        assert!(!report.ok());
    }
    let shown = super::serving::report(&snapshot, Timestamp::now());
    assert!(shown.contains("\"own_fault\"") && !shown.contains("hunter2"), "{shown}");
    let metrics = metrics::exposition(&snapshot, Shape::default()).unwrap();
    assert!(metrics.contains("\npullprobe_faults_total "), "{metrics}");
}
