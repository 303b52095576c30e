//! Wall time of one look at one image: `pullprobe check` and `skopeo inspect` at the same registry.

use std::io;
use std::process::Command;

use pullprobe_lab::registry::Config;

use crate::Options;
use crate::goal::Goal;
use crate::process::{median, wall};
use crate::world::World;

pub async fn measure(world: &World, options: &Options) -> io::Result<Goal> {
    let registry = world.registry(Config { host: "inspect.bench.test".to_owned(), ..Config::default() })?;
    let image = format!("{}/app:1.0", registry.authority());
    let certificates = world.write("skopeo/ca.crt", &world.lab.authority.root_pem())?;
    let certificates = certificates.parent().unwrap_or(&certificates).to_owned();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // One after the other, in turn: what else the machine does meets both.
    for _ in 0..options.runs {
        let mut skopeo = Command::new("skopeo");
        // Without the list of tags, which pullprobe does not ask for.
        skopeo.args(["inspect", "--no-tags", "--cert-dir"]).arg(&certificates).arg(format!("docker://{image}"));
        skopeo.env("GODEBUG", "netdns=go");
        theirs.push(wall(skopeo).await?);
        ours.push(wall(check(world, options, &image)).await?);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!("\n== one image, median of {} runs", options.runs);
    println!("skopeo inspect       {theirs:>8.1?}");
    println!("pullprobe check      {ours:>8.1?}");
    Ok(Goal {
        what: "wall time of a check, against skopeo inspect",
        measured: ours.as_secs_f64() / theirs.as_secs_f64(),
        at_most: 0.5,
    })
}

/// `pullprobe check` of an image on the world's node.
pub fn check(world: &World, options: &Options, image: &str) -> Command {
    let mut check = Command::new(&options.pullprobe);
    check.args(["check", "--containerd-version", "2.1", "--host-root"]).arg(world.node.root()).arg(image);
    check
}
