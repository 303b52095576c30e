//! What is told ahead of the cost of probing, beside what a registry counts.

use std::collections::BTreeMap;

use super::*;
use crate::agent::cost::{Cost, LAYERS};
use crate::agent::wanted;
use crate::app::run::forecast;
use crate::model::tally::RequestKind;
use crate::pods::Book;

#[test]
fn an_hour_of_probing_costs_what_was_told_ahead() {
    in_paused_time(async {
        const NAMED: usize = 4;
        let config = Config { auth: Auth::Bearer(Bearer::default()), ..Config::default() };
        let mut world = World::of(NAMED, config, "interval: 60s", 300);
        let agent = world.agent().await;
        let node = agent.current().node;
        let (targets, jobs) = wanted::of(&agent.options.settings, &node, &Book::default(), None);
        let told = forecast::fleet(&agent.schedule(), &targets, &jobs, 1);
        let told = told.first().expect("one host");

        world.live_with(&agent, HOUR).await;
        let before = (agent.store.snapshot().tally.cost.requests.clone(), world.registry.connections());
        world.live_with(&agent, 2 * HOUR).await;
        let after = agent.store.snapshot().tally.cost.requests.clone();
        let sent = |requests: &BTreeMap<_, u64>, of_token: bool| -> u64 {
            let wanted = requests.iter().filter(|((_, kind), _)| (*kind == RequestKind::Token) == of_token);
            wanted.map(|(_, count)| count).sum()
        };
        // The images of the lab have one layer each.
        let walks = told.cost.tokens - HOUR / 60;
        let expected = told.cost.requests - walks * (LAYERS - 1);
        let requests = sent(&after, false) - sent(&before.0, false);
        let tokens = sent(&after, true) - sent(&before.0, true);
        let one_more = Cost::IMAGE.requests * NAMED as u64;
        assert!(requests.abs_diff(expected) <= one_more, "{requests} for {expected}");
        assert!(tokens.abs_diff(told.cost.tokens) <= NAMED as u64, "{tokens} for {}", told.cost.tokens);
        let connections = (world.registry.connections() - before.1) as u64;
        assert!(connections.abs_diff(HOUR / 60 + walks) <= NAMED as u64 + 1, "{connections} for {walks}");
        assert_eq!(world.registry.counted_pulls(), 0);
    });
}
