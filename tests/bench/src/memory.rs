//! Memory: the agent of a node with few registries and images, and of one with many.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use pullprobe_lab::registry::{Config, Registry};

use crate::endpoints::eventually;
use crate::goal::Goal;
use crate::process::{Running, median};
use crate::world::{LOOPBACK, World, free_port};
use crate::{Options, http};

const INTERVAL: Duration = Duration::from_secs(5);
const MEBIBYTE: f64 = 1_048_576.0;

struct Size {
    endpoints: usize,
    images: usize,
    goal: &'static str,
    at_most: f64,
}

const SIZES: [Size; 2] = [
    Size { endpoints: 10, images: 20, goal: "MiB resident with 10 endpoints and 20 images", at_most: 11.0 },
    Size { endpoints: 200, images: 200, goal: "MiB resident with 200 endpoints and 200 images", at_most: 18.0 },
];

/// Read at one moment, in bytes; the first decides what is the median.
type Resident = (u64, u64, u64);

pub async fn measure(world: &World, options: &Options) -> io::Result<Vec<Goal>> {
    let mut goals = Vec::new();
    for size in &SIZES {
        println!("== {} x {} endpoints and {} images", options.rounds, size.endpoints, size.images);
        let names = (0..size.endpoints).map(|number| format!("r{number}.memory{}.test", size.endpoints));
        let registries: Vec<Registry> =
            names.map(|host| world.registry(Config { host, ..Config::default() })).collect::<io::Result<_>>()?;
        let hosts: Vec<&str> = registries.iter().map(Registry::authority).collect();
        let mut read = Vec::new();
        for _ in 0..options.rounds {
            read.extend(resident(world, options, size, &hosts).await?);
        }
        let (whole, own, file) = median(read);
        let [whole, own, file] = [whole, own, file].map(mebibytes);
        println!("{whole:>6.2} MiB resident: {own:.2} its own, {file:.2} of the program's file");
        goals.push(Goal { what: size.goal, measured: whole, at_most: size.at_most });
    }
    Ok(goals)
}

/// Once a cycle, after everything was probed.
async fn resident(world: &World, options: &Options, size: &Size, hosts: &[&str]) -> io::Result<Vec<Resident>> {
    let address = SocketAddr::new(LOOPBACK, free_port()?);
    let mut settings = format!(
        "node: {{host_root: {}, name: bench, containerd_version: \"2.1\"}}\nprobe: {{interval: {}s, spread_start: false}}\n\
         web: {{listen: [\"{address}\"]}}\ntargets:\n  discover: {{sandbox_image: false}}\n  registries: [{}]\n  images:\n",
        world.node.root().display(),
        INTERVAL.as_secs(),
        hosts.iter().map(|host| format!("\"{host}\"")).collect::<Vec<_>>().join(", "),
    );
    for (number, host) in (0..size.images).zip(hosts.iter().cycle()) {
        // A second image of a host has the other name. Writing to a string cannot fail.
        let name = if number < hosts.len() { "app:1.0" } else { "app:latest" };
        let _ = writeln!(settings, "    - {{image: \"{host}/{name}\", interval: 10s}}");
    }
    let settings = world.write("memory/settings.yaml", &settings)?;
    let running = Running::start(
        Command::new(&options.pullprobe).arg("run").arg("--config").arg(settings),
        world.log("memory/log")?,
    )?;
    eventually(async || {
        let Ok(metrics) = http::get(address, "/metrics").await else { return false };
        http::sum(&metrics, "pullprobe_endpoint_up", "") >= count(size.endpoints)
            && http::sum(&metrics, "pullprobe_image_pullable", "") >= count(size.images)
    })
    .await?;
    let mut read = Vec::new();
    for _ in 0..options.cycles {
        tokio::time::sleep(INTERVAL).await;
        // Scraped once a cycle, as Prometheus would.
        http::get(address, "/metrics").await?;
        let (own, file) = running.kinds()?;
        read.push((running.memory()?.0, own, file));
    }
    Ok(read)
}

#[expect(clippy::cast_precision_loss, reason = "there are a few hundred at most")]
fn count(number: usize) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "fewer bytes than 2^52")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / MEBIBYTE
}
