//! CPU time of a scrape: `metrics.detail: standard` against `full`, by the same program with the same targets.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use pullprobe_lab::registry::{Config, Registry};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::goal::Goal;
use crate::process::Running;
use crate::world::{LOOPBACK, World, free_port};
use crate::{Options, http};

const ENDPOINTS: usize = 200;
const IMAGES: usize = 200;
/// Enough for the hundredths of a second that the kernel counts in.
const SCRAPES: u32 = 100;
const PATIENCE: Duration = Duration::from_mins(5);

/// What scrapes cost, and how many series each had.
struct Cost {
    cpu: Duration,
    series: usize,
    bytes: usize,
}

pub async fn measure(world: &World, options: &Options) -> io::Result<Goal> {
    let names = (0..ENDPOINTS).map(|number| format!("r{number}.scrape.test"));
    let registries: Vec<Registry> =
        names.map(|host| world.registry(Config { host, ..Config::default() })).collect::<io::Result<_>>()?;
    let hosts: Vec<&str> = registries.iter().map(Registry::authority).collect();
    println!("\n== {SCRAPES} scrapes of {ENDPOINTS} endpoints and {IMAGES} images");
    let full = scrapes(world, options, &hosts, "full").await?;
    let standard = scrapes(world, options, &hosts, "standard").await?;
    for (detail, cost) in [("full", &full), ("standard", &standard)] {
        let each = cost.cpu.as_secs_f64() * 1_000.0 / f64::from(SCRAPES);
        println!(
            "metrics.detail: {detail:<10} {each:>7.2} ms CPU a scrape  {:>6} series  {:>8} bytes",
            cost.series, cost.bytes
        );
    }
    Ok(Goal {
        what: "CPU of a scrape, metrics.detail standard against full",
        measured: standard.cpu.as_secs_f64() / full.cpu.as_secs_f64(),
        at_most: 0.3,
    })
}

async fn scrapes(world: &World, options: &Options, hosts: &[&str], detail: &str) -> io::Result<Cost> {
    let address = SocketAddr::new(LOOPBACK, free_port()?);
    // Probed once: what is measured is not to be shared with probes.
    let mut settings = format!(
        "node: {{host_root: {}, name: bench, containerd_version: \"2.1\"}}\nprobe: {{interval: 24h, concurrency: 32, spread_start: false}}\n\
         web: {{listen: [\"{address}\"]}}\nmetrics: {{detail: {detail}}}\ntargets:\n  discover: {{sandbox_image: false}}\n  registries: [{}]\n  images:\n",
        world.node.root().display(),
        hosts.iter().map(|host| format!("\"{host}\"")).collect::<Vec<_>>().join(", "),
    );
    for host in hosts.iter().take(IMAGES) {
        // Writing to a string cannot fail.
        let _ = writeln!(settings, "    - {{image: \"{host}/app:1.0\", interval: 24h}}");
    }
    let settings = world.write(&format!("scrape/{detail}.yaml"), &settings)?;
    let running = Running::start(
        Command::new(&options.pullprobe).arg("run").arg("--config").arg(settings),
        world.log(&format!("scrape/{detail}.log"))?,
    )?;
    let deadline = Instant::now() + PATIENCE;
    let metrics = loop {
        let metrics = http::get(address, "/metrics").await.unwrap_or_default();
        let of = |name| http::sum(&metrics, name, "");
        #[expect(clippy::cast_precision_loss, reason = "there are a few hundred")]
        let wanted = [ENDPOINTS, IMAGES].map(|count| count as f64);
        if of("pullprobe_endpoint_up") >= wanted[0] && of("pullprobe_image_pullable") >= wanted[1] {
            break metrics;
        }
        if Instant::now() > deadline {
            return Err(io::Error::other("not every target was probed and good within five minutes"));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let before = running.cpu()?;
    for _ in 0..SCRAPES {
        compressed(address).await?;
    }
    let series = metrics.lines().filter(|line| !line.starts_with('#')).count();
    Ok(Cost { cpu: running.cpu()?.saturating_sub(before), series, bytes: metrics.len() })
}

/// As Prometheus asks.
async fn compressed(server: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(server).await?;
    let request = format!("GET /metrics HTTP/1.0\r\nHost: {server}\r\nAccept-Encoding: gzip\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let ok = answer.starts_with(b"HTTP/1.1 200") || answer.starts_with(b"HTTP/1.0 200");
    if ok { Ok(()) } else { Err(io::Error::other("a scrape failed")) }
}
