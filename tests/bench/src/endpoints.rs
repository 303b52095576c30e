//! CPU per probe and memory: the agent and `blackbox_exporter` look at the same endpoints, each doing a
//! DNS lookup, TCP, TLS and GET /v2/. `pullprobe-bare` does nothing but TCP, TLS and GET /v2/.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pullprobe_lab::registry::{Config, Registry};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::goal::Goal;
use crate::process::{self, Running, median};
use crate::world::{LOOPBACK, World, free_port};
use crate::{Options, http};

/// Probes that are under way at a time, for both.
const CONCURRENCY: usize = 8;
/// Debian's.
const BLACKBOX: &str = "/usr/bin/prometheus-blackbox-exporter";
const INTERVAL: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_mins(3);

/// What a prober used for its probes, each time after it was warm.
#[derive(Default)]
struct Cost {
    probes: f64,
    cpu: Duration,
    /// Read once a cycle.
    resident: Vec<u64>,
    highest: u64,
}

pub async fn measure(world: &World, options: &Options) -> io::Result<Vec<Goal>> {
    let names = (0..options.endpoints).map(|number| format!("r{number}.bench.test"));
    let registries: Vec<Registry> =
        names.map(|host| world.registry(Config { host, ..Config::default() })).collect::<io::Result<_>>()?;
    let hosts: Vec<&str> = registries.iter().map(Registry::authority).collect();
    let Options { rounds, cycles, .. } = options;
    println!("== {} endpoints, {rounds} x {cycles} cycles of DNS, TCP, TLS and GET /v2/", hosts.len());
    process::forget(BLACKBOX.as_ref())?;
    let (mut theirs, mut ours, mut bare) = (Cost::default(), Cost::default(), Cost::default());
    // In turn: what else the machine does meets all.
    for _ in 0..*rounds {
        theirs.add(blackbox(world, options, &hosts).await?);
        ours.add(agent(world, options, &registries).await?);
        if let Some(program) = &options.bare {
            bare.add(handshakes(world, program, options.cycles, &registries).await?);
        }
    }
    theirs.print("blackbox_exporter");
    ours.print("pullprobe run");
    bare.print("bare rustls");
    let against_bare = options.bare.as_ref().map(|_| Goal {
        what: "CPU per endpoint probe, against a bare handshake and request",
        measured: ours.per_probe() / bare.per_probe(),
        at_most: 1.25,
    });
    let goals = [
        Goal {
            what: "CPU per endpoint probe, against blackbox_exporter",
            measured: ours.per_probe() / theirs.per_probe(),
            at_most: 0.33,
        },
        Goal {
            what: "resident memory, against blackbox_exporter",
            measured: ratio(ours.typical(), theirs.typical()),
            at_most: 0.55,
        },
    ];
    Ok(goals.into_iter().chain(against_bare).collect())
}

async fn blackbox(world: &World, options: &Options, hosts: &[&str]) -> io::Result<Cost> {
    let config = world.write(
        "blackbox/config.yml",
        "modules:\n  v2:\n    prober: http\n    timeout: 10s\n    http:\n      preferred_ip_protocol: ip4\n      \
             valid_status_codes: [200, 401]\n",
    )?;
    let address = SocketAddr::new(LOOPBACK, free_port()?);
    let running = Running::start(
        Command::new(BLACKBOX)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--web.listen-address={address}"))
            // The name server is asked over the network, as by the agent, not through libc.
            .env("GODEBUG", "netdns=go")
            // Read once, as by the agent.
            .env("SSL_CERT_FILE", world.node.path("/etc/ssl/certs/ca-certificates.crt")),
        world.log("blackbox/log")?,
    )?;
    eventually(async || http::get(address, "/-/healthy").await.is_ok()).await?;
    probe_all(address, hosts).await?;
    let before = running.cpu()?;
    let mut resident = Vec::new();
    for _ in 0..options.cycles {
        let next = tokio::time::Instant::now() + INTERVAL;
        probe_all(address, hosts).await?;
        tokio::time::sleep_until(next).await;
        resident.push(running.memory()?.0);
    }
    Cost::of(&running, before, count(options.cycles * hosts.len()), resident)
}

/// One probe of each; all have to succeed.
async fn probe_all(blackbox: SocketAddr, hosts: &[&str]) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(CONCURRENCY));
    let mut probes = JoinSet::new();
    for host in hosts {
        let (places, path) = (Arc::clone(&places), format!("/probe?module=v2&target=https://{host}/v2/"));
        probes.spawn(async move {
            let _place = places.acquire().await;
            http::get(blackbox, &path).await
        });
    }
    while let Some(probe) = probes.join_next().await {
        let metrics = probe.map_err(io::Error::other)??;
        if http::sum(&metrics, "probe_success", "") < 1.0 {
            return Err(io::Error::other(format!("a probe of blackbox_exporter failed:\n{metrics}")));
        }
    }
    Ok(())
}

/// One after the other, all of them once in the interval.
async fn handshakes(world: &World, program: &Path, cycles: usize, registries: &[Registry]) -> io::Result<Cost> {
    let log = "bare/log";
    world.write(log, "")?;
    let mut command = Command::new(program);
    command.arg(world.node.path("/etc/ssl/certs/ca-certificates.crt")).arg(cycles.to_string());
    command.arg(INTERVAL.as_millis().to_string());
    for registry in registries {
        let host = registry.authority().rsplit_once(':').map_or(registry.authority(), |(host, _)| host);
        command.arg(format!("{host}={}", registry.address()));
    }
    let mut running = Running::start(&mut command, world.log(log)?)?;
    let says = |word: &'static str| {
        let log = world.path(log);
        eventually(async move || std::fs::read_to_string(&log).is_ok_and(|said| said.contains(word)))
    };
    says("warm").await?;
    let before = running.cpu()?;
    running.go_on()?;
    says("done").await?;
    Cost::of(&running, before, count(cycles * registries.len()), vec![running.memory()?.0])
}

async fn agent(world: &World, options: &Options, registries: &[Registry]) -> io::Result<Cost> {
    let address = SocketAddr::new(LOOPBACK, free_port()?);
    let mut settings = format!(
        "node: {{host_root: {}, name: bench, containerd_version: \"2.1\"}}\nprobe: {{interval: {}s, concurrency: {CONCURRENCY}}}\n\
         web: {{listen: [\"{address}\"]}}\ntargets:\n  discover: {{sandbox_image: false}}\n  registries:\n",
        world.node.root().display(),
        INTERVAL.as_secs(),
    );
    for registry in registries {
        // Writing to a string cannot fail.
        let _ = writeln!(settings, "    - {}", registry.authority());
    }
    let settings = world.write("pullprobe/settings.yaml", &settings)?;
    let running = Running::start(
        Command::new(&options.pullprobe).arg("run").arg("--config").arg(settings),
        world.log("pullprobe/log")?,
    )?;
    // Each probe makes one connection.
    let probes = || count(registries.iter().map(Registry::connections).sum());
    let earlier = probes();
    eventually(async || probes() >= earlier + count(registries.len())).await?;
    let (before, first) = (running.cpu()?, probes());
    let mut resident = Vec::new();
    // Scraped once a cycle, as Prometheus would.
    for _ in 0..options.cycles {
        tokio::time::sleep(INTERVAL).await;
        http::get(address, "/metrics").await?;
        resident.push(running.memory()?.0);
    }
    let made = probes() - first;
    let up = http::sum(&http::get(address, "/metrics").await?, "pullprobe_endpoint_up", "");
    if up < count(registries.len()) {
        return Err(io::Error::other(format!("only {up} of {} endpoints are up for pullprobe", registries.len())));
    }
    Cost::of(&running, before, made, resident)
}

pub async fn eventually(mut come: impl AsyncFnMut() -> bool) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !come().await {
        if Instant::now() > deadline {
            return Err(io::Error::other("a prober did not begin within three minutes"));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

impl Cost {
    fn of(running: &Running, before: Duration, probes: f64, resident: Vec<u64>) -> io::Result<Self> {
        let (_, highest) = running.memory()?;
        Ok(Self { probes, cpu: running.cpu()?.saturating_sub(before), resident, highest })
    }

    fn add(&mut self, more: Self) {
        self.probes += more.probes;
        self.cpu += more.cpu;
        self.resident.extend(more.resident);
        self.highest = self.highest.max(more.highest);
    }

    /// What was resident most of the time.
    fn typical(&self) -> u64 {
        median(self.resident.clone())
    }

    fn per_probe(&self) -> f64 {
        self.cpu.as_secs_f64() / self.probes.max(1.0)
    }

    fn print(&self, who: &str) {
        let megabytes = |bytes: u64| bytes / 1_000_000;
        println!(
            "{who:<20} {:>6.0} probes  {:>7.3} ms CPU a probe  {:>4} MB resident (highest {} MB)",
            self.probes,
            self.per_probe() * 1_000.0,
            megabytes(self.typical()),
            megabytes(self.highest),
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio needs no more than 52 bits")]
fn ratio(ours: u64, theirs: u64) -> f64 {
    ours as f64 / theirs.max(1) as f64
}

#[expect(clippy::cast_precision_loss, reason = "there are a few thousand at most")]
fn count(number: usize) -> f64 {
    number as f64
}
