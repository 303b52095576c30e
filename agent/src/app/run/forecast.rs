//! What a fleet of such nodes will ask of each registry, from the plan and the schedule. Nothing is sent.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::agent::cost::Cost;
use crate::agent::wanted::Probed;
use crate::model::host::{Endpoint, Role, Scheme};
use crate::schedule::{Job, Schedule, forecast};
use crate::state::targets::Targets;

/// A peak is the busiest so many seconds.
pub const WINDOW: usize = 10;
/// Longer than anything that is late may be.
const START: usize = 30 * 60;
const HOUR: usize = 60 * 60;
/// The phases of more nodes tell nothing new: their sums are those of so many, multiplied.
pub const PLAYED: u32 = 2_000;

/// One host of a registry, for the whole fleet.
pub struct HostLoad {
    pub registry: String,
    pub endpoint: Endpoint,
    pub role: Role,
    /// In an hour.
    pub cost: Cost,
    /// Requests to host and token service, in a second.
    pub mean: f64,
    pub peak: f64,
    /// While a fleet that was started at once begins.
    pub peak_after_start: f64,
}

struct Host {
    load: HostLoad,
    by_second: Vec<u64>,
    hour: Cost,
}

/// `schedule`: that of one node. Its name is used where it is the only one.
pub fn fleet(schedule: &Schedule, targets: &Targets, jobs: &[Job<Probed>], nodes: u32) -> Vec<HostLoad> {
    let mut hosts = hosts(targets);
    let asked: Vec<Vec<(usize, Cost)>> = jobs.iter().map(|job| asks(&hosts, &job.target)).collect();
    let played = nodes.min(PLAYED);
    for number in 0..played {
        let node = if nodes == 1 { schedule.node.clone() } else { format!("node-{number}") };
        let schedule = Schedule { node, ..schedule.clone() };
        let within = Duration::from_secs((START + HOUR) as u64);
        forecast::probes(&schedule, jobs, within, |job, at| {
            let second = usize::try_from(at.as_secs()).unwrap_or(usize::MAX);
            for (host, cost) in &asked[job] {
                let host = &mut hosts[*host];
                if let Some(sum) = host.by_second.get_mut(second) {
                    *sum += cost.requests + cost.tokens;
                }
                if second >= START {
                    host.hour += *cost;
                }
            }
        });
    }
    let factor = f64::from(nodes) / f64::from(played.max(1));
    hosts.into_iter().map(|host| host.load(nodes, played, factor)).collect()
}

fn hosts(targets: &Targets) -> Vec<Host> {
    let of = |registry: &String, endpoint: &Endpoint, role| {
        let load = HostLoad {
            registry: registry.clone(),
            endpoint: endpoint.clone(),
            role,
            cost: Cost::default(),
            mean: 0.0,
            peak: 0.0,
            peak_after_start: 0.0,
        };
        Host { load, by_second: vec![0; START + HOUR], hour: Cost::default() }
    };
    let all = targets
        .namespaces
        .iter()
        .flat_map(|(name, namespace)| namespace.hosts.iter().map(move |host| (name, &host.endpoint, host.role)));
    all.map(|(name, endpoint, role)| of(name, endpoint, role)).collect()
}

/// A registry is probed at each of its hosts. An image is asked of the first, which is taken to have it.
fn asks(hosts: &[Host], target: &Probed) -> Vec<(usize, Cost)> {
    let name = target.registry();
    let of_it = hosts.iter().enumerate().filter(|(_, host)| host.load.registry == name);
    let cost = |host: &Host, cost: Cost| match host.load.endpoint.scheme {
        Scheme::Http => Cost { connections: 0, ..cost },
        Scheme::Https => cost,
    };
    match target {
        Probed::Registry(_) => of_it.map(|(number, host)| (number, cost(host, Cost::REGISTRY))).collect(),
        Probed::Image(_) => of_it.take(1).map(|(number, host)| (number, cost(host, Cost::IMAGE))).collect(),
    }
}

impl Host {
    fn load(self, nodes: u32, played: u32, factor: f64) -> HostLoad {
        let scaled = |count: u64| count * u64::from(nodes) / u64::from(played.max(1));
        let busiest = |seconds: &[u64]| {
            let most = seconds.windows(WINDOW).map(|window| window.iter().sum::<u64>()).max().unwrap_or_default();
            number(most) * factor / number(WINDOW as u64)
        };
        let hour = &self.by_second[START..];
        HostLoad {
            cost: Cost {
                requests: scaled(self.hour.requests),
                tokens: scaled(self.hour.tokens),
                connections: scaled(self.hour.connections),
            },
            mean: number(hour.iter().sum()) * factor / number(HOUR as u64),
            peak: busiest(hour),
            peak_after_start: busiest(&self.by_second[..START]),
            ..self.load
        }
    }
}

fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// How many images of each registry are probed.
pub fn images(jobs: &[Job<Probed>]) -> BTreeMap<String, usize> {
    let mut images = BTreeMap::new();
    for job in jobs.iter().filter(|job| matches!(job.target, Probed::Image(_))) {
        *images.entry(job.target.registry()).or_default() += 1;
    }
    images
}
