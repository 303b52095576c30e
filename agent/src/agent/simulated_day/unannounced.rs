//! Registries that count pulls and do not say so in time: what a day with each of them costs.

use pullprobe_lab::registry::{Announce, Then};

use super::*;

/// The registry, and how many pulls are spent before anybody can know that they count.
struct Trap {
    name: &'static str,
    announce: Announce,
    fault: Option<Fault>,
    unasked: usize,
}

fn traps() -> [Trap; 5] {
    let on = |method: &str, status: u16| Some(Fault::on(Kind::Manifest).method(method).status(status));
    let trap = |name, announce, fault, unasked| Trap { name, announce, fault, unasked };
    let broken = Fault::on(Kind::Manifest).method("GET").then(Then { truncate_at: Some(50), ..Then::default() });
    [
        trap("HEAD is answered 405", Announce::Always, on("HEAD", 405), 1),
        trap("HEAD is answered 403", Announce::Always, on("HEAD", 403), 1),
        trap("only GET tells", Announce::OnGet, None, 1),
        trap("a limit without its number", Announce::Malformed, None, 0),
        trap("every manifest breaks off", Announce::Always, Some(broken), 0),
    ]
}

fn world(trap: &Trap, budget: &str) -> World {
    let limit = RateLimit { announce: trap.announce, limit: 1_000, remaining: 1_000, ..RateLimit::default() };
    let world = World::with(5, Some(limit), &format!("interval: {INTERVAL}s{budget}"), INTERVAL);
    trap.fault.iter().for_each(|fault| world.registry.add_fault(fault.clone()));
    world
}

fn exported(snapshot: &Snapshot) -> u64 {
    snapshot.tally.cost.counted_pulls.values().sum()
}

#[test]
fn without_a_budget_one_at_most_is_spent_and_that_one_is_exported() {
    for trap in traps() {
        in_paused_time(async {
            let mut world = world(&trap, "");
            let snapshot = world.live(5 * HOUR).await;
            assert_eq!(exported(&snapshot), world.registry.counted_pulls(), "{}", trap.name);
            // Another agent knows what the first one learnt.
            let snapshot = world.live(6 * HOUR).await;
            assert_eq!(world.counted.len(), trap.unasked, "{}: {:?}", trap.name, world.counted);
            assert!(world.manifests.len() >= 5 * 11, "{}: {} requests", trap.name, world.manifests.len());
            assert_eq!(told(&snapshot), 0, "{}", trap.name);
        });
    }
}

#[test]
fn a_budget_of_two_an_hour_is_not_exceeded_by_what_was_spent_unasked() {
    for trap in traps() {
        in_paused_time(async {
            let mut world = world(&trap, ", counted_pulls_per_hour: 2");
            let agent = world.agent().await;
            let snapshot = world.live_with(&agent, 6 * HOUR).await;
            let counted = &world.counted;
            assert!(counted.windows(3).all(|three| three[2] - three[0] > HOUR), "{}: {counted:?}", trap.name);
            assert!((4..=12).contains(&counted.len()), "{}: {counted:?}", trap.name);
            assert_eq!(exported(&snapshot), world.registry.counted_pulls(), "{}", trap.name);
        });
    }
}
