//! A day of the agent in paused time, against a registry of the lab that announces a limit and counts.
//!
//! Time stands still while anything is under way, so that answers over real sockets come in no time, and
//! is put forward when all is quiet.

use std::cell::Cell;
use std::time::Duration;

use clap::Parser as _;
use pullprobe_lab::Lab;
use pullprobe_lab::node::{ConfigVersion, Node};
use pullprobe_lab::registry::{
    Auth, Bearer, Config, Content, Entry, Fault, Image, Index, Kind, RateLimit, Registry, Request,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::driven::{HeldTime, UnderWay, Watched};
use super::*;
use crate::cli::{Cli, Verb};
use crate::model::report::{ContentSource, ImageReport};

const IMAGES: usize = 20;
const INTERVAL: u64 = 30 * 60;
const STEP: Duration = Duration::from_secs(20);
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

mod costs;
mod logins;
mod struggling;
mod unannounced;

thread_local! {
    /// When the day began, by tokio's clock.
    static MORNING: Cell<Option<Instant>> = const { Cell::new(None) };
}

fn seconds_of_day() -> u64 {
    MORNING.get().map_or(0, |morning| morning.elapsed().as_secs())
}

fn clock() -> Timestamp {
    Timestamp::from_second(1_795_168_800).unwrap() + Duration::from_secs(seconds_of_day())
}

/// The registry with its own runtime and real time, the node, and what was seen in the course of the day.
struct World {
    registry: Registry,
    node: Node,
    /// Second of the day of each counted pull.
    counted: Vec<u64>,
    /// Second of the day of each request about a manifest.
    manifests: Vec<u64>,
    /// Likewise of each that asked whether it is there at all.
    pings: Vec<u64>,
    /// Likewise of each that brought a password to the token service.
    logins: Vec<u64>,
    /// What was paid for.
    bought: Vec<String>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for World {
    fn drop(&mut self) {
        // Another runtime is in the way of waiting for this one.
        self.runtime.take().into_iter().for_each(tokio::runtime::Runtime::shutdown_background);
    }
}

impl World {
    fn new(budget: &str) -> Self {
        Self::with(IMAGES, Some(RateLimit::default()), &format!("interval: {INTERVAL}s{budget}"), INTERVAL)
    }

    /// Registries are probed as `probe` says, images every so many seconds.
    fn with(images: usize, rate_limit: Option<RateLimit>, probe: &str, interval: u64) -> Self {
        Self::of(images, Config { rate_limit, ..Config::default() }, probe, interval)
    }

    fn of(images: usize, config: Config, probe: &str, interval: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let entered = runtime.enter();
        let registry = Lab::new().unwrap().registry(config).unwrap();
        drop(entered);
        for number in 0..images {
            let image = Image { layers: vec![format!("layer of {number}")], ..Image::default() };
            let entry = Entry { content: Some(Box::new(Content::Image(image))), ..Entry::new("linux/amd64") };
            let index = Index { manifests: vec![entry], ..Index::default() };
            registry.push(&format!("demo/app{number}"), "1.0", &Content::Index(index));
        }
        let node = Node::temporary().unwrap();
        node.use_certs_d(ConfigVersion::V3).unwrap();
        node.hosts_toml("hub.example", &format!("server = \"{}\"\n", registry.endpoint())).unwrap();
        let image = |number| format!("{{image: 'hub.example/demo/app{number}:1.0', interval: {interval}s}}");
        let images: Vec<String> = (0..images).map(image).collect();
        let record = node.path("/counted-pulls");
        let text = format!(
            "node: {{name: worker-3, containerd_version: '2.1', platform: linux/amd64}}\n\
             targets:\n  images: [{}]\n  discover: {{certs_d: false, sandbox_image: false}}\n\
             probe: {{{probe}, counted_pulls_file: '{}'}}\n",
            images.join(", "),
            record.display()
        );
        node.write("/pullprobe.yaml", text).unwrap();
        Self {
            registry,
            node,
            counted: Vec::new(),
            manifests: Vec::new(),
            pings: Vec::new(),
            logins: Vec::new(),
            bought: Vec::new(),
            runtime: Some(runtime),
        }
    }

    async fn agent(&self) -> Arc<Agent> {
        let (config, root) = (self.node.path("/pullprobe.yaml"), self.node.root());
        let (config, root) = (config.to_str().unwrap(), root.to_str().unwrap());
        let cli = Cli::parse_from(["pullprobe", "run", "--config", config, "--host-root", root]);
        let Verb::Run { node, .. } = cli.verb else { panic!("it was told to run") };
        let (node, options) = crate::reading::prepare(&node).await.unwrap();
        Arc::new(Agent::new(options, Arc::new(node), clock, None))
    }

    /// Lets an agent live until that second of the day, and gives its last snapshot.
    async fn live(&mut self, until: u64) -> Arc<Snapshot> {
        let agent = self.agent().await;
        self.live_with(&agent, until).await
    }

    async fn live_with(&mut self, agent: &Arc<Agent>, until: u64) -> Arc<Snapshot> {
        let (under_way, stop) = (Arc::<UnderWay>::default(), CancellationToken::new());
        let watched = Watched { agent: Arc::clone(agent), under_way: Arc::clone(&under_way) };
        let schedule = Schedule { reread: agent.options.settings.probe.interval, ..agent.schedule() };
        let running = tokio::spawn(schedule::run(schedule, Arc::new(watched), stop.clone()));
        while seconds_of_day() < until {
            tokio::time::advance(STEP).await;
            under_way.quiet().await;
            self.look();
        }
        stop.cancel();
        running.await.unwrap();
        agent.store.snapshot()
    }

    fn look(&mut self) {
        let now = seconds_of_day();
        self.counted.resize(usize::try_from(self.registry.counted_pulls()).unwrap(), now);
        let requests = self.registry.requests();
        self.pings.extend(requests.iter().filter(|request| request.kind == Kind::Ping).map(|_| now));
        let logins = requests.iter().filter(|request| request.kind == Kind::Token && has_login(request));
        self.logins.extend(logins.map(|_| now));
        for request in requests.into_iter().filter(|request| request.kind == Kind::Manifest) {
            self.manifests.push(now);
            if request.counted {
                self.bought.push(request.reference);
            }
        }
        self.registry.clear_requests();
    }

    fn asked_between(&self, from: u64, until: u64) -> usize {
        self.manifests.iter().filter(|at| (from..until).contains(*at)).count()
    }
}

fn has_login(request: &Request) -> bool {
    request.authorization().is_some() || request.body.contains("password=")
}

fn in_paused_time(day: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        // The sockets are looked at as often as the tasks.
        .event_interval(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let _held = HeldTime::new();
        MORNING.set(Some(Instant::now()));
        day.await;
    });
}

fn told(snapshot: &Snapshot) -> usize {
    snapshot.images.values().filter(|image| image.verdict.pullable == Some(true)).count()
}

#[test]
fn a_day_of_watching_costs_no_pull_by_default() {
    in_paused_time(async {
        let mut world = World::new("");
        let snapshot = world.live(DAY).await;
        assert_eq!(world.registry.counted_pulls(), 0);
        let a_day = usize::try_from(DAY / INTERVAL).unwrap() * IMAGES;
        let asked = world.manifests.len();
        let bounds = a_day - IMAGES..=a_day + 2 * IMAGES;
        assert!(bounds.contains(&asked), "{asked} HEADs in a day: {:#?}", snapshot.images.values().next());
        assert_eq!((snapshot.images.len(), told(&snapshot)), (IMAGES, 0));
        let guessed = snapshot.images.values().find(|image| image.verdict.pullable.is_some() || image.digest.is_none());
        assert!(guessed.is_none(), "{guessed:?}");
        assert!(snapshot.tally.cost.counted_pulls.is_empty());
    });
}

#[test]
fn a_budget_of_two_an_hour_is_used_and_never_exceeded_over_throttling_and_a_restart() {
    in_paused_time(async {
        let mut world = World::new(", counted_pulls_per_hour: 2");
        world.live(6 * HOUR).await;
        let throttle = Fault::on(Kind::Manifest).status(429).header("retry-after", "7200");
        world.registry.add_fault(throttle);
        world.live(7 * HOUR).await;
        world.registry.set_faults(Vec::new());
        let snapshot = world.live(DAY).await;
        assert_eq!(snapshot.images.len(), IMAGES);

        let World { counted, bought, .. } = &world;
        assert!(counted.windows(3).all(|three| three[2] - three[0] > HOUR), "{counted:?}");
        // Nothing twice, and two whenever an hour is over and images are next due, the pause left out.
        assert_eq!(bought.iter().collect::<BTreeSet<_>>().len(), counted.len(), "{bought:?}");
        let least = usize::try_from(2 * (22 * HOUR) / (HOUR + 60 + INTERVAL)).unwrap();
        assert!((least..=48).contains(&counted.len()), "{} of {least}: {counted:?}", counted.len());
        let remembered = |image: &Arc<ImageReport>| image.source == Some(ContentSource::Remembered);
        assert!(snapshot.images.values().any(remembered), "a restart forgot what was bought");
        // Two requests tell of an image: its index and its manifest.
        assert!(told(&snapshot) + 2 >= least / 2, "{} images are told", told(&snapshot));
    });
}

#[test]
fn a_registry_that_asks_to_be_left_alone_is_for_as_long_as_it_says() {
    in_paused_time(async {
        let mut world = World::new("");
        let throttle = Fault::on(Kind::Manifest).status(429).header("retry-after", "7200");
        world.registry.add_fault(throttle);
        world.live(INTERVAL).await;
        let first = world.manifests[0];
        let in_the_first_round = world.asked_between(first, first + 60);
        world.registry.set_faults(Vec::new());
        assert!(in_the_first_round <= IMAGES, "{in_the_first_round}");
        assert_eq!(world.manifests.len(), in_the_first_round);

        let mut world = World::new("");
        world.live(HOUR).await;
        let began = seconds_of_day();
        world.registry.add_fault(Fault::on(Kind::Manifest).status(429).header("retry-after", "7200"));
        let snapshot = world.live(began + 4 * HOUR).await;
        let refused = *world.manifests.iter().find(|at| **at > began).unwrap();
        assert_eq!(world.asked_between(refused + 60, refused + 7_200), 0);
        assert!(world.asked_between(refused + 7_200, refused + 7_200 + 2 * INTERVAL) > 0);
        assert!(snapshot.images.values().all(|image| image.verdict.pullable != Some(true)));
    });
}
