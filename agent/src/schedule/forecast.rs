//! When a node will probe what, told ahead by the code that decides it.

use std::time::Duration;

use tokio::time::Instant;

use super::timing::Timing;
use super::{Job, Schedule};

/// Tells each probe within this time of the node's start, target by target: the number of its job, and how long after the start
/// it begins. Every answer comes at once here, and nothing fails.
pub fn probes<T>(schedule: &Schedule, jobs: &[Job<T>], within: Duration, mut probe: impl FnMut(usize, Duration))
where
    T: Clone + Ord + std::fmt::Display,
{
    let start = Instant::now();
    let mut timing = Timing::new(schedule, start);
    for (number, job) in jobs.iter().enumerate() {
        let mut at = timing.due(job, start);
        while at < start + within {
            probe(number, at.saturating_duration_since(start));
            at = timing.next(job, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures::FutureExt as _;
    use futures::future::BoxFuture;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::model::urgency::Urgency;
    use crate::schedule::{Prober, run};

    fn jobs() -> Vec<Job<String>> {
        let job = |(target, minutes, urgency): (&str, u64, Urgency)| Job {
            target: target.to_owned(),
            interval: Duration::from_mins(minutes),
            not_before: None,
            urgency,
        };
        [("r", 1, Urgency::Usual), ("r/a", 5, Urgency::Usual), ("r/b", 30, Urgency::Background)].map(job).into()
    }

    /// Answers at once, and writes down when it was asked.
    struct Real(Instant, Mutex<Vec<(String, u64)>>);

    impl Prober for Real {
        type Target = String;

        fn targets(&self) -> BoxFuture<'_, Vec<Job<String>>> {
            async { jobs() }.boxed()
        }

        fn probe(&self, job: Job<String>) -> BoxFuture<'static, ()> {
            self.1.lock().unwrap().push((job.target, self.0.elapsed().as_secs()));
            async {}.boxed()
        }

        fn owner(&self, _: &String) -> String {
            "r".to_owned()
        }

        fn out_of_time(&self, _: String) {}

        fn round_over(&self, _: Duration) {}
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_what_a_node_then_does() {
        let within = Duration::from_hours(2);
        for (name, spread_start) in [("a", true), ("b", true), ("c", false)] {
            let schedule = Schedule {
                node: name.to_owned(),
                epoch: Duration::from_secs(1_795_168_800),
                concurrency: 8,
                deadline: Duration::from_secs(30),
                spread_start,
                reread: Duration::from_secs(10),
            };
            let mut told = Vec::new();
            let jobs = jobs();
            probes(&schedule, &jobs, within, |number, at| told.push((jobs[number].target.clone(), at.as_secs())));
            let real = Arc::new(Real(Instant::now(), Mutex::default()));
            let stop = CancellationToken::new();
            let running = tokio::spawn(run(schedule, Arc::clone(&real), stop.clone()));
            tokio::time::sleep(within).await;
            stop.cancel();
            running.await.unwrap();
            let mut done = real.1.lock().unwrap().clone();
            told.sort();
            done.sort();
            assert_eq!(told.len(), done.len(), "{name}: {told:?} {done:?}");
            let is_near =
                |(told, done): (&(String, u64), &(String, u64))| told.0 == done.0 && told.1.abs_diff(done.1) <= 1;
            assert!(told.iter().zip(&done).all(is_near), "{name}: {told:?} {done:?}");
        }
    }
}
