//! A fleet in paused time, for half an hour after all of it was started at once and for one hour more: each node with its
//! own schedule and back-offs, as the agent has them, and registries that fail by the clock.
//!
//! Nodes meet only at the registries. So they live one after the other, and what they ask for is added up.
//!
//! `make simulate` has 5,000 nodes and prints the table of docs/schedule.md.

use std::cell::Cell;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

mod node;
mod registries;
mod sums;

use registries::{Event, REGISTRIES};
use sums::Sums;

/// All nodes are started at the same moment. This long they are left to themselves.
const SETTLED: u64 = 30 * 60;
const HOUR: u64 = 3_600;
const END: u64 = SETTLED + HOUR;
/// Within the hour the registries that fail fail from here to there.
const FAILS: u64 = SETTLED + 10 * 60;
const IS_BACK: u64 = SETTLED + 30 * 60;
/// The window of a peak.
const WINDOW: u64 = 10;

thread_local! {
    static STARTED: Cell<Option<Instant>> = const { Cell::new(None) };
}

fn second() -> u64 {
    STARTED.get().map_or(0, |started| started.elapsed().as_secs())
}

fn clock() -> Timestamp {
    Timestamp::from_second(1_795_168_800).unwrap() + Duration::from_secs(second())
}

/// What a fleet of so many nodes asked for.
fn fleet(nodes: usize) -> Sums {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    let share = |thread| move || (0..nodes).skip(thread).step_by(threads).map(node::lives).sum::<Sums>();
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(share(thread))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

/// Peaks as multiples of the usual mean, which is that of the registry that never fails.
struct Row {
    restart: f64,
    steady: f64,
    failing: f64,
    is_back: f64,
}

fn row(sums: &Sums, registry: usize, window: u64) -> Row {
    let usual = sums.mean(0, SETTLED, END);
    let peak = |from, until| sums.peak(registry, from, until, window) / usual;
    Row {
        restart: peak(0, SETTLED),
        steady: peak(SETTLED, FAILS),
        failing: peak(FAILS, IS_BACK),
        is_back: peak(IS_BACK, END),
    }
}

fn table(sums: &Sums, nodes: usize, window: u64) -> String {
    let usual = sums.mean(0, SETTLED, END);
    let mut out = format!(
        "{nodes} nodes, {} targets each; usual mean of a registry: {usual:.1} requests/s; peaks of {window} s, as multiples of it\n\n",
        node::targets()
    );
    out.push_str("| registry | requests in the hour | mean/s | peak/s | after the start | before it fails | while it fails | after it is back | token requests | connections | counted pulls |\n");
    out.push_str("|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (number, registry) in REGISTRIES.iter().enumerate() {
        let Row { restart, steady, failing, is_back } = row(sums, number, window);
        let of_hour = sums.of_hour(number);
        let _ = writeln!(
            out,
            "| {} | {} | {:.1} | {:.1} | {restart:.2} | {steady:.2} | {failing:.2} | {is_back:.2} | {} | {} | {} |",
            registry.what,
            of_hour.requests,
            sums.mean(number, SETTLED, END),
            sums.peak(number, SETTLED, END, window),
            of_hour.tokens,
            of_hour.connections,
            sums.counted_pulls(number),
        );
    }
    out
}

/// So many nodes, and what is allowed of them: with few, chance evens out in long windows only, and not as well.
struct Size {
    nodes: usize,
    window: u64,
    /// How far a peak may be from the mean, and from twice the mean.
    room: f64,
}

impl Size {
    /// Few in the tests.
    fn wanted() -> Self {
        let wanted = std::env::var("PULLPROBE_SIMULATED_NODES").ok();
        match wanted.and_then(|nodes| nodes.parse().ok()) {
            Some(nodes) if nodes >= 5_000 => Self { nodes, window: WINDOW, room: 0.3 },
            nodes => Self { nodes: nodes.unwrap_or(40), window: 120, room: 0.7 },
        }
    }
}

#[test]
fn a_fleet_is_no_burden_when_all_is_well_or_starts_at_once_or_a_registry_comes_back() {
    let Size { nodes, window, room } = Size::wanted();
    let sums = fleet(nodes);
    println!("{}", table(&sums, nodes, window));
    for (number, registry) in REGISTRIES.iter().enumerate() {
        let Row { restart, steady, failing, is_back } = row(&sums, number, window);
        let name = registry.what;
        // What is late is caught up with in half the usual time.
        let caught_up = match registry.event {
            Event::None | Event::Refuses | Event::Slow => 1.0,
            Event::Away | Event::Limited => 2.0,
        };
        assert!(steady <= 1.0 + room && failing <= 1.0 + room, "{name}: {steady} {failing}");
        assert!(restart <= 2.0 + room && is_back <= caught_up + room, "{name}: {restart} {is_back}");
        assert_eq!(sums.counted_pulls(number), 0, "{name}");
        assert!(sums.of_hour(number).requests > 0, "{name}");
    }
    // Nobody is asked less often because another one is slow.
    assert_eq!(sums.probes(0), sums.probes(1));
    assert!(sums.probes(0).abs_diff(sums.probes(4)) * 10 <= sums.probes(0), "{} {}", sums.probes(0), sums.probes(4));
}
