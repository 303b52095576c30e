//! One node: the agent's schedule, its list of jobs, its back-offs and its ledger, with reports that no network made.

use std::fmt;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::registries::{Answer, REGISTRIES};
use super::sums::Sums;
use super::{END, STARTED, clock, second};
use crate::agent::back_off::{BackOffs, Pace};
use crate::agent::cost::Cost;
use crate::agent::wanted::{Probed, jobs};
use crate::model::host::{Capabilities, Endpoint, Role, Scheme};
use crate::model::namespace::{Namespace, PlannedHost};
use crate::model::outcome::{Outcome, Step};
use crate::model::report::{Attempt, EndpointReport, ImageReport};
use crate::model::sample;
use crate::model::urgency::Urgency;
use crate::schedule::{Job, Ledger, Prober, Schedule, run};
use crate::settings::Settings;
use crate::state::image_list::{Found, ImageList};
use crate::state::targets::Targets;

/// Of each registry: what the settings name, and what is on the node.
const CONFIGURED: usize = 3;
const ON_NODE: usize = 10;

/// What every node of the fleet has to probe.
struct World {
    targets: Targets,
    jobs: Vec<Job<Numbered>>,
    /// By number of the target.
    probed: Vec<Known>,
    up: Vec<EndpointReport>,
    /// Of an image that was asked for.
    attempt: Attempt,
    settings: Settings,
}

/// The number of a target, which is compared sooner than its name: the schedule does that a million times for each node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Numbered(usize);

struct Known {
    probed: Probed,
    /// The number of its registry.
    registry: usize,
    /// Of an image: what is seen where all is well.
    good: Option<ImageReport>,
}

impl Numbered {
    fn known(self) -> &'static Known {
        &WORLD.probed[self.0]
    }
}

/// Phases are made of the name.
impl fmt::Display for Numbered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.known().probed.fmt(f)
    }
}

static WORLD: LazyLock<World> = LazyLock::new(World::new);

fn images() -> Vec<Found> {
    let mut list = ImageList::default();
    for registry in &REGISTRIES {
        (0..CONFIGURED).for_each(|n| {
            list.add_as_written(format!("{}/app{n}:1", registry.name), crate::settings::ImageTarget::INTERVAL);
        });
    }
    for registry in &REGISTRIES {
        (0..ON_NODE).for_each(|n| list.add_background(&format!("{}/there{n}:1", registry.name)));
    }
    list.finish().0
}

impl World {
    fn new() -> Self {
        let images = images();
        let settings = Settings::default();
        let names: Vec<String> = REGISTRIES.iter().map(|registry| registry.name.to_owned()).collect();
        let jobs = jobs(&settings, names.iter(), &images);
        let endpoint = |name: &str| Endpoint::new(Scheme::Https, name);
        let planned = |name: &String| {
            let host = PlannedHost {
                endpoint: endpoint(name),
                role: Role::Upstream,
                capabilities: Capabilities::ALL,
                dial_timeout: None,
            };
            (name.clone(), Namespace { hosts: vec![host], ..Namespace::default() })
        };
        let sample = sample::rich();
        let up = sample.endpoints.values().find(|report| report.serves()).unwrap().as_ref();
        let up =
            names.iter().map(|name| EndpointReport { namespace: name.clone(), endpoint: endpoint(name), ..up.clone() });
        let of_busybox = sample.images["busybox:1.36"].as_ref();
        let good = |image: &String| {
            let (name, tag) = image.rsplit_once(':').unwrap();
            let mut report = ImageReport { requested: image.as_str().into(), ..of_busybox.clone() };
            report.rate_limit = crate::model::ratelimit::RateLimit::default();
            let image = report.image.as_mut().unwrap();
            image.domain = name.split('/').next().unwrap().to_owned();
            tag.clone_into(&mut image.repository);
            report
        };
        let known = |probed: Probed| Known {
            registry: names.iter().position(|name| *name == probed.registry()).unwrap(),
            good: if let Probed::Image(image) = &probed { Some(good(image)) } else { None },
            probed,
        };
        let targets = Targets {
            namespaces: names.iter().map(planned).collect(),
            images: images.iter().map(|found| found.image.clone()).collect(),
            ..Targets::default()
        };
        let number = |(number, job): (usize, &Job<Probed>)| Job {
            target: Numbered(number),
            interval: job.interval,
            not_before: job.not_before,
            urgency: job.urgency,
        };
        let attempt = sample.images["ghcr.io/example/private:1"].attempts[0].clone();
        Self {
            targets,
            probed: jobs.iter().map(|job| known(job.target.clone())).collect(),
            jobs: jobs.iter().enumerate().map(number).collect(),
            up: up.collect(),
            attempt,
            settings,
        }
    }
}

/// How many targets each node has.
pub fn targets() -> usize {
    WORLD.jobs.len()
}

struct Node {
    back_offs: BackOffs,
    ledger: Ledger,
    sums: Mutex<Sums>,
}

/// What the node of this number asks for from its start to the end.
pub fn lives(number: usize) -> Sums {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        STARTED.set(Some(Instant::now()));
        let settings = &WORLD.settings.probe;
        let ledger = Ledger::open(settings.counted_pulls_per_hour, None, clock());
        let node = Arc::new(Living(Arc::new(Node { back_offs: BackOffs::new(clock), ledger, sums: Mutex::default() })));
        let schedule = Schedule {
            node: format!("node-{number}"),
            epoch: Duration::from_secs(u64::try_from(clock().as_second()).unwrap()),
            concurrency: settings.concurrency,
            deadline: Duration::from_mins(1),
            spread_start: settings.spread_start,
            reread: super::super::REREAD,
        };
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(schedule, Arc::clone(&node), stop.clone()));
        sleep(Duration::from_secs(END)).await;
        stop.cancel();
        running.await.unwrap();
        let mut sums = node.0.sums.lock().unwrap();
        std::mem::take(&mut *sums)
    })
}

struct Living(Arc<Node>);

impl Node {
    /// As the agent does, the ladder of a host that is left alone is not climbed.
    async fn registry(&self, number: usize, pace: Pace) {
        let up = &WORLD.up[number];
        if !self.back_offs.left_alone(&up.namespace).is_empty() {
            return;
        }
        let Answer { takes, failure, cost } = REGISTRIES[number].answers(Cost::REGISTRY);
        self.sums.lock().unwrap().add(number, second(), cost, false);
        sleep(takes).await;
        let offered = |_: &_| unreachable!("no login is refused here");
        match failure {
            None => self.back_offs.saw_endpoint(up, pace, offered),
            Some(failure) => {
                let mut report = up.clone();
                report.stages.ping = Step::new(Outcome::Failed(failure, None), takes);
                self.back_offs.saw_endpoint(&report, pace, offered);
            }
        }
    }

    async fn image(&self, number: usize, good: &ImageReport, urgency: Urgency, pace: Pace) {
        let registry = &REGISTRIES[number];
        let is_counted = registry.counts && urgency != Urgency::Background && self.ledger.take(clock());
        let usual = if registry.counts && !is_counted { Cost::HEAD_ONLY } else { Cost::IMAGE };
        let Answer { takes, failure, cost } = registry.answers(usual);
        self.sums.lock().unwrap().add(number, second(), cost, is_counted);
        sleep(takes).await;
        let offered = |_: &_| unreachable!("no login is refused here");
        match failure {
            None => self.back_offs.saw_image(good, pace, offered),
            Some(failure) => {
                let mut report = good.clone();
                report.verdict.pullable = Some(false);
                report.attempts = vec![Attempt { failure: Some(failure), ..WORLD.attempt.clone() }];
                self.back_offs.saw_image(&report, pace, offered);
            }
        }
    }
}

impl Prober for Living {
    type Target = Numbered;

    fn targets(&self) -> BoxFuture<'_, Vec<Job<Numbered>>> {
        let back_offs = &self.0.back_offs;
        back_offs.retain(&WORLD.targets);
        let mut jobs = WORLD.jobs.clone();
        for job in &mut jobs {
            let Known { probed, registry, .. } = job.target.known();
            if let Probed::Image(image) = probed {
                let registry = REGISTRIES[*registry].name;
                job.not_before = back_offs.image_gate(&WORLD.targets, registry, image);
            }
        }
        async move { jobs }.boxed()
    }

    fn probe(&self, job: Job<Numbered>) -> BoxFuture<'static, ()> {
        let node = Arc::clone(&self.0);
        let pace = Pace { began: Instant::now(), interval: job.interval };
        let Known { registry, good, .. } = job.target.known();
        async move {
            match good {
                None => node.registry(*registry, pace).await,
                Some(good) => node.image(*registry, good, job.urgency, pace).await,
            }
        }
        .boxed()
    }

    fn owner(&self, target: &Numbered) -> String {
        REGISTRIES[target.known().registry].name.to_owned()
    }

    fn out_of_time(&self, target: Numbered) {
        panic!("{target} had all the time that it needed");
    }

    fn round_over(&self, _: Duration) {}
}
