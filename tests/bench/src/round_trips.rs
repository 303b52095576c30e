//! How many times a first check waits for the other side, on a line where each wait is 100 ms.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use pullprobe_lab::registry::{Auth, Bearer, Config};

use crate::Options;
use crate::goal::Goal;
use crate::inspect::check;
use crate::process::{median, wall};
use crate::relay::{self, Delay};
use crate::world::World;

const EACH_WAY: Duration = Duration::from_millis(50);
/// The name server at the end of the long line.
const FAR_NAMES: Ipv4Addr = Ipv4Addr::new(127, 53, 53, 53);

/// What the protocols need, one after the other: each waits for the answer to the one before.
const NEEDED: [(&str, u32); 13] = [
    ("name of the registry", 1),
    ("TCP", 1),
    ("TLS 1.3", 1),
    ("HEAD of the tag, answered with a challenge", 1),
    ("name of the token service", 1),
    ("TCP", 1),
    ("TLS 1.3", 1),
    ("GET of the token", 1),
    ("HEAD of the tag, with the token", 1),
    ("GET of the index", 1),
    ("GET of the manifest", 1),
    ("GET of the config", 1),
    ("GET of the first byte of its layer", 1),
];

pub async fn measure(world: &World, options: &Options) -> io::Result<Goal> {
    let delay = Delay::default();
    relay::udp(SocketAddr::new(FAR_NAMES.into(), 53), world.names.address(), Delay::clone(&delay)).await?;
    world.node.resolv_conf(&[FAR_NAMES.into()], "")?;
    let tokens = world.registry(named("auth.bench.test", Bearer::default()))?;
    let tokens_port = relay::tcp(tokens.address(), Delay::clone(&delay)).await?;
    let realm = format!("https://auth.bench.test:{tokens_port}/token");
    let registry = world.registry(named("far.bench.test", Bearer { realm, ..Bearer::default() }))?;
    let port = relay::tcp(registry.address(), Delay::clone(&delay)).await?;
    let image = format!("far.bench.test:{port}/app:1.0");

    let near = typical(world, options, &image).await?;
    set(&delay, EACH_WAY);
    let far = typical(world, options, &image).await?;
    set(&delay, Duration::ZERO);
    let made = far.saturating_sub(near).as_secs_f64() / (EACH_WAY * 2).as_secs_f64();
    let needed: u32 = NEEDED.iter().map(|(_, count)| count).sum();
    println!("\n== round trips of a first check of an image behind token authentication, 50 ms each way");
    for (what, count) in NEEDED {
        println!("{count:>5}    {what}");
    }
    println!("{needed:>5}    are needed");
    println!("{made:>7.1}  were made ({far:.1?} on the long line, {near:.1?} without it)");
    Ok(Goal {
        what: "round trips of a first check, against those that are needed",
        measured: made / f64::from(needed),
        at_most: 1.15,
    })
}

fn named(host: &str, bearer: Bearer) -> Config {
    Config { host: host.to_owned(), auth: Auth::Bearer(bearer), ..Config::default() }
}

async fn typical(world: &World, options: &Options, image: &str) -> io::Result<Duration> {
    let mut runs = Vec::new();
    for _ in 0..options.runs.div_ceil(3) {
        runs.push(wall(check(world, options, image)).await?);
    }
    Ok(median(runs))
}

fn set(delay: &Delay, to: Duration) {
    if let Ok(mut delay) = delay.write() {
        *delay = to;
    }
}
