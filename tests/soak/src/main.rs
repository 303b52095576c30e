//! The soak: the agent of `run` for 100,000 cycles against a lab that flaps, every verdict beside the truth, and what it
//! takes at the beginning and at the end.
//!
//! Two processes: this one has the lab and the truth, its child the agent, so that what is measured is the agent's.

mod agent;
mod control;
mod measure;
mod troubles;
mod world;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use serde_json::Value;

use agent::{Seen, Told};
use control::Child;
use measure::{Marks, Taken};
use troubles::Truth;
use world::World;

/// Drives the agent through months in minutes, and compares what it says with the truth.
#[derive(Debug, Parser)]
struct Options {
    /// How often each registry and image is due
    #[arg(long, default_value_t = 100_000)]
    cycles: u64,
    /// Which troubles come when; the same number gives the same troubles
    #[arg(long, default_value_t = 17)]
    seed: u64,
    /// How many registries, each with an image
    #[arg(long, default_value_t = 4)]
    registries: usize,
    /// Only troubles whose name contains this, besides none at all
    #[arg(long, default_value = "")]
    only: String,
    /// From this cycle on what is well is taken to be ill: the soak must notice
    #[arg(long, hide = true)]
    planted: Option<u64>,
    /// Print every verdict
    #[arg(long)]
    verbose: bool,
    /// Be the agent: its node, the port of who drives it, and the time
    #[arg(long, hide = true, num_args = 3)]
    agent: Option<Vec<PathBuf>>,
}

/// The pages are read in every so many cycles.
const PAGES_EVERY: u64 = 10;
/// The longest that a target may go without a probe, in cycles: eight intervals of back-off, or a minute that a registry
/// asked for, and the time that silent ones take.
const LONGEST_WAIT: u64 = 40;
/// So many differences are printed.
const SHOWN: u64 = 20;

fn main() -> ExitCode {
    let options = Options::parse();
    let ended = match options.agent.as_deref() {
        Some([root, port, morning]) => agent::live(root, port, morning).map(|()| true),
        _ => soak(&options),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(problem) => {
            eprintln!("soak: {problem}");
            ExitCode::from(2)
        }
    }
}

/// What was compared.
#[derive(Default)]
struct Tally {
    images: u64,
    hosts: u64,
    pages: u64,
    differing: u64,
}

fn soak(options: &Options) -> io::Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _entered = runtime.enter();
    let mut world = runtime.block_on(World::new(options.seed, options.registries, &options.only))?;
    let mut child = Child::start(world.node.root())?;
    say(&format!("== {} cycles, seed {}, {} registries", options.cycles, options.seed, options.registries));
    let (began, mut tally, mut marks) = (Instant::now(), Tally::default(), Marks::new(options.cycles));
    for cycle in 1..=options.cycles {
        if cycle > 1 {
            world.flap()?;
        }
        let seen = child.cycle(&world.silent())?;
        let is_planted = options.planted.is_some_and(|planted| cycle >= planted);
        for problem in compare(&mut world, &seen, cycle, is_planted, &mut tally) {
            tally.differing += 1;
            if tally.differing <= SHOWN {
                say(&format!("DIFFERS: seed {}, cycle {cycle}: {problem}", options.seed));
            }
        }
        if options.verbose {
            seen.images.iter().chain(&seen.hosts).for_each(|told| say(&format!("{cycle}: {told:?}")));
        }
        let series = if cycle.is_multiple_of(PAGES_EVERY) {
            tally.pages += 1;
            let (series, problems) = pages(&child, &seen)?;
            tally.differing += u64::try_from(problems.len()).unwrap_or_default();
            problems.iter().for_each(|it| say(&format!("DIFFERS: seed {}, cycle {cycle}: {it}", options.seed)));
            Some(series)
        } else {
            None
        };
        world.forget();
        let now = Taken { seconds: began.elapsed().as_secs(), tasks: seen.tasks, series, ..child.taken()? };
        if let Some(mark) = marks.note(cycle, now) {
            say(&mark.to_string());
        }
    }
    child.end()?;
    let seconds = began.elapsed().as_secs();
    let growth = marks.growth();
    say(&format!("\n{}", marks.table()));
    say(&format!(
        "| cycles | verdicts of images | of hosts | readings of the pages | differing | s |\n|---|---|---|---|---|---|\n| {} | {} | {} | {} | {} | {seconds} |",
        options.cycles, tally.images, tally.hosts, tally.pages, tally.differing
    ));
    growth.iter().for_each(|problem| say(&format!("NOT FLAT: seed {}: {problem}", options.seed)));
    Ok(tally.differing == 0 && growth.is_empty())
}

/// Only what was probed in this cycle can know of it. What was not must not be forgotten, either.
fn compare(world: &mut World, seen: &Seen, cycle: u64, is_planted: bool, tally: &mut Tally) -> Vec<String> {
    let mut problems = Vec::new();
    if seen.faults > 0 {
        problems.push(format!("the agent counts {} faults of its own", seen.faults));
    }
    for one in &mut world.registries {
        let (name, image, trouble) = (one.name.clone(), one.image(), one.trouble);
        let mut about = |told: Option<&Told>, last: &mut u64, truth: Truth, what: &str, count: &mut u64| {
            if let Some(told) = told.filter(|told| told.is_new) {
                (*last, *count) = (cycle, *count + 1);
                let truth = if is_planted && truth == Truth::Well { Truth::Unknown } else { truth };
                if !truth.is(told.well, told.cause.as_deref()) {
                    problems.push(format!("{what}: {}: {truth:?} is true, and it says {told:?}", trouble.name));
                }
            } else if cycle - *last > LONGEST_WAIT {
                problems.push(format!("{what}: it was not probed for {} cycles", cycle - *last));
            }
        };
        let told = seen.images.iter().find(|told| told.name == image);
        about(told, &mut one.image_seen, trouble.image, &image, &mut tally.images);
        let told = seen.hosts.iter().find(|told| told.name == name);
        about(told, &mut one.seen, trouble.host, &name, &mut tally.hosts);
    }
    problems
}

/// What is served has to say the same. Also how many series the metrics have.
fn pages(child: &Child, seen: &Seen) -> io::Result<(usize, Vec<String>)> {
    let mut problems = Vec::new();
    let report: Value = serde_json::from_slice(&child.get("/api/v1/report")?)?;
    let metrics = String::from_utf8_lossy(&child.get("/metrics")?).into_owned();
    let page = String::from_utf8_lossy(&child.get("/")?).into_owned();
    let shown = report["images"].as_array().map_or(&[][..], Vec::as_slice);
    for told in &seen.images {
        let of = shown.iter().find(|image| image["requested"] == *told.name);
        let same =
            of.is_some_and(|it| it["pullable"].as_bool() == told.well && it["cause"].as_str() == told.cause.as_deref());
        if !same {
            problems.push(format!("the report says of {}: {of:?}, and not {told:?}", told.name));
        }
        if !page.contains(&told.name) {
            problems.push(format!("{} is missing on the page", told.name));
        }
        // What is unknown has no value.
        if value(&metrics, PULLABLE, &told.name) != told.well {
            problems.push(format!("the metrics do not say {told:?}"));
        }
    }
    let series = metrics.lines().filter(|line| !line.starts_with('#')).count();
    Ok((series, problems))
}

const PULLABLE: &str = "pullprobe_image_pullable{";

fn value(metrics: &str, metric: &str, image: &str) -> Option<bool> {
    let of = |line: &&str| line.starts_with(metric) && line.contains(image);
    metrics.lines().find(of).map(|line| line.ends_with(" 1"))
}

fn say(line: &str) {
    // Who no longer reads it does not need it.
    drop(writeln!(io::stdout().lock(), "{line}"));
}
