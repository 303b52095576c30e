//! The containers that wait for an image among the pods that are meant, and what else is to be said of those pods.

use super::events;
use super::pods::{Scope, Target};
use crate::access::Cluster;
use crate::pods::{Need, Pod};
use crate::redact::clean::Clean;

/// More notes than these tell nothing new.
const NOTES: usize = 10;

/// A container that waits, with the pod that it is in.
pub struct Stuck {
    pub pod: Pod,
    pub need: Need,
}

/// The pods that are meant.
#[derive(Default)]
pub struct Found {
    pub stuck: Vec<Stuck>,
    pub left_out: usize,
    pods: usize,
    pub unscheduled: Vec<Pod>,
    /// Pods that kubelet has told nothing of yet.
    beginning: usize,
    going: Vec<String>,
}

impl Found {
    pub fn take(&mut self, pod: Pod, limit: usize) {
        self.pods += 1;
        if pod.metadata.deletion_timestamp.is_some() && self.going.len() < NOTES {
            self.going.push(pod.key());
        }
        if pod.is_over() {
            return;
        }
        let needs = pod.needs();
        let mut waits = false;
        for need in needs.into_iter().filter(|need| need.waiting.is_some()) {
            waits = true;
            if self.stuck.len() < limit {
                self.stuck.push(Stuck { pod: pod.clone(), need });
            } else {
                self.left_out += 1;
            }
        }
        if pod.spec.node_name.is_empty() {
            self.unscheduled.push(pod);
            self.unscheduled.truncate(NOTES);
        } else if !waits && *pod.status.phase == *"Pending" {
            self.beginning += 1;
        }
    }

    /// What is to be said besides the containers that wait.
    pub async fn notes(&self, cluster: &Cluster, target: &Target, scope: &Scope<'_>) -> Vec<String> {
        let mut notes = Vec::new();
        let place =
            scope.namespace.map_or("all namespaces".to_owned(), |name| format!("namespace {}", Clean::line(name)));
        let is_said_below = !self.unscheduled.is_empty() && !matches!(target, Target::All);
        if self.stuck.is_empty() && !is_said_below {
            notes.push(match target {
                Target::All if self.pods == 0 => format!("there are no pods in {place}"),
                Target::All => format!("no container waits for an image in {place}"),
                Target::Pod(name) => format!("no container of pod {} waits for an image", Clean::line(name)),
                Target::Owner(kind, name) => {
                    format!("no container of the pods of {kind}/{} waits for an image", Clean::line(name))
                }
            });
        }
        for pod in &self.unscheduled {
            let why = events::unscheduled(cluster, &pod.metadata.namespace, &pod.metadata.name).await;
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            notes
                .push(format!("pod {} is not scheduled, so that no node has tried to pull its images{why}", pod.key()));
        }
        if self.beginning > 0 {
            let many = if self.beginning == 1 { "1 pod is".to_owned() } else { format!("{} pods are", self.beginning) };
            notes.push(format!("{many} being started, and kubelet tells of no failed pull"));
        }
        let going = self
            .going
            .iter()
            .take(NOTES)
            .map(|pod| format!("pod {pod} is being deleted: kubelet starts nothing of it any more"));
        notes.extend(going);
        notes
    }
}
