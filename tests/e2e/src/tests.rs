//! The tests, one after the other: each finds the cluster as the last one found it.

mod changes;
mod deploy;
mod events;
mod fleet;
mod signals;
mod waiting;
mod why;

use std::time::{Duration, Instant};

use futures::future::LocalBoxFuture;

use crate::Result;
use crate::cluster::Cluster;

type Test = for<'a> fn(&'a Cluster) -> LocalBoxFuture<'a, Result>;

const TESTS: &[(&str, Test)] = &[
    ("deploy::the_daemon_set_becomes_ready_and_is_scraped", |cluster| Box::pin(deploy::ready_and_scraped(cluster))),
    ("deploy::the_agent_is_asked_through_the_api_server", |cluster| {
        Box::pin(deploy::asked_through_the_api_server(cluster))
    }),
    ("deploy::a_private_root_is_told_and_one_value_mends_it", |cluster| Box::pin(deploy::private_root(cluster))),
    ("deploy::the_agent_uses_the_rights_of_its_role", |cluster| Box::pin(deploy::rights(cluster))),
    ("deploy::an_upgrade_from_the_first_chart", |cluster| Box::pin(deploy::upgrade(cluster))),
    ("deploy::uninstalling_leaves_nothing", |cluster| Box::pin(deploy::nothing_is_left(cluster))),
    ("signals::node_and_pods_are_told_with_the_rights_of_the_chart", |cluster| Box::pin(signals::told(cluster))),
    ("waiting::pods_are_told_with_their_cause", |cluster| Box::pin(waiting::told_with_their_cause(cluster))),
    ("changes::an_api_server_that_was_away_is_found_again", |cluster| Box::pin(changes::api_server(cluster))),
    ("changes::an_agent_that_slept_past_a_compaction_lists_again", |cluster| Box::pin(changes::compaction(cluster))),
    ("changes::a_rotated_token_is_taken", |cluster| Box::pin(changes::token(cluster))),
    ("changes::a_thousand_pods_come_and_go_in_the_same_memory", |cluster| Box::pin(changes::churn(cluster))),
    ("why::it_names_the_cause_of_each_pod", |cluster| Box::pin(why::names_the_cause(cluster))),
    ("fleet::it_tells_who_can_pull_what", |cluster| Box::pin(fleet::of_one_node(cluster))),
    ("events::kubelet_says_what_check_predicts", |cluster| Box::pin(events::predicted(cluster))),
];

/// How long what nothing tells of may take, and how often it is looked at. The agent probes what waits every minute.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(200);

/// Runs those that are wanted; whether all of them passed.
pub async fn run(cluster: &Cluster, only: &[String]) -> Result<bool> {
    let wanted = |name: &str| only.is_empty() || only.iter().any(|part| name.contains(part.as_str()));
    let chosen: Vec<_> = TESTS.iter().filter(|(name, _)| wanted(name)).collect();
    if chosen.is_empty() {
        return Err(format!("no test is named like {only:?}").into());
    }
    let mut failed = Vec::new();
    for (name, test) in &chosen {
        let began = Instant::now();
        let result = test(cluster).await;
        let seconds = began.elapsed().as_secs_f64();
        match result {
            Ok(()) => println!("test {name} ... ok ({seconds:.1} s)"),
            Err(error) => {
                println!("test {name} ... FAILED ({seconds:.1} s)\n{error}");
                failed.push(*name);
                cluster.recover().await?;
            }
        }
    }
    println!("e2e: {} tests, {} failed", chosen.len(), failed.len());
    Ok(failed.is_empty())
}

/// Looks until there is nothing to complain about; else the last complaint.
async fn eventually<T, F>(mut look: F) -> Result<T>
where
    F: AsyncFnMut() -> Result<T>,
{
    let deadline = Instant::now() + PATIENCE;
    let mut interval = tokio::time::interval(LOOK);
    loop {
        interval.tick().await;
        match look().await {
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => {}
            Ok(found) => return Ok(found),
        }
    }
}
