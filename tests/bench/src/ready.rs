//! How soon an agent is ready after its start, where no registry answers: half of them refuse, half say nothing.

use std::fmt::Write as _;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::goal::Goal;
use crate::process::{Running, median};
use crate::world::{LOOPBACK, World, free_port};
use crate::{Options, http};

const REGISTRIES: usize = 10;
const IMAGES: usize = 20;
const PAUSE: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(30);

pub async fn measure(world: &World, options: &Options) -> io::Result<Goal> {
    println!("\n== {} x an agent with {REGISTRIES} dead registries and {IMAGES} images of theirs", options.runs);
    // Nobody takes what the kernel has accepted.
    let silent: Vec<TcpListener> =
        (0..REGISTRIES / 2).map(|_| TcpListener::bind((LOOPBACK, 0))).collect::<io::Result<_>>()?;
    let mut registries: Vec<SocketAddr> = silent.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
    for _ in registries.len()..REGISTRIES {
        registries.push(SocketAddr::new(LOOPBACK, free_port()?));
    }
    let mut times = Vec::new();
    for _ in 0..options.runs {
        times.push(once(world, options, &registries).await?);
    }
    let slowest = times.iter().max().copied().unwrap_or_default();
    let took = milliseconds(median(times));
    println!("from start to ready: {took:.1} ms, at most {:.1} ms", milliseconds(slowest));
    Ok(Goal { what: "ms from start to ready, all registries dead", measured: took, at_most: 100.0 })
}

async fn once(world: &World, options: &Options, registries: &[SocketAddr]) -> io::Result<Duration> {
    let address = SocketAddr::new(LOOPBACK, free_port()?);
    let names: Vec<String> = registries.iter().map(|registry| format!("\"{registry}\"")).collect();
    let mut settings = format!(
        "node: {{host_root: {}, name: bench, containerd_version: \"2.1\"}}\nprobe: {{spread_start: false}}\nweb: {{listen: [\"{address}\"]}}\n\
         targets:\n  discover: {{sandbox_image: false}}\n  registries: [{}]\n  images:\n",
        world.node.root().display(),
        names.join(", "),
    );
    for (number, registry) in registries.iter().cycle().take(IMAGES).enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(settings, "    - {{image: \"{registry}/app{number}:1.0\"}}");
    }
    let settings = world.write("ready/settings.yaml", &settings)?;
    let mut command = Command::new(&options.pullprobe);
    command.arg("run").arg("--config").arg(settings);
    let log = world.log("ready/log")?;
    let began = Instant::now();
    let _running = Running::start(&mut command, log)?;
    while http::get(address, "/readyz").await.is_err() {
        if began.elapsed() > PATIENCE {
            let said = std::fs::read_to_string(world.path("ready/log")).unwrap_or_default();
            return Err(io::Error::other(format!("the agent is not ready after {PATIENCE:?}: {said}")));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(began.elapsed())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
