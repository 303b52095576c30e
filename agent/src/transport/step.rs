//! One stage: measures and bounds its time. It knows nothing of what the step does.

use std::time::{Duration, Instant};

use crate::model::outcome::{Failure, Outcome, Step};

/// Runs the work for at most `limit`; `on_timeout` words the failure when it takes longer.
pub async fn step<F>(
    limit: Duration,
    on_timeout: impl FnOnce() -> Failure,
    work: impl Future<Output = Outcome<F>>,
) -> Step<F> {
    let began = Instant::now();
    let outcome = match tokio::time::timeout(limit, work).await {
        Ok(outcome) => outcome,
        Err(_) => Outcome::Failed(on_timeout(), None),
    };
    Step::new(outcome, began.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Cause;
    use crate::model::stage::Stage;

    fn late() -> Failure {
        Failure::new(Stage::Ping, Cause::RegistryTimeout, "late")
    }

    #[tokio::test]
    async fn work_that_ends_keeps_its_outcome() {
        let step = step(Duration::from_mins(1), late, async { Outcome::Passed(7) }).await;
        assert_eq!(step.facts(), Some(&7));
        assert!(step.duration.unwrap() < Duration::from_mins(1));
    }

    #[tokio::test]
    async fn work_without_end_is_cut_at_the_limit() {
        let limit = Duration::from_millis(20);
        let step: Step<()> = step(limit, late, std::future::pending()).await;
        assert_eq!(step.failure(), Some(&late()));
        assert!(step.duration.unwrap() >= limit);
    }
}
