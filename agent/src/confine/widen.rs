//! When a process that limited itself should start anew, to keep rights that it gave up.

use std::path::PathBuf;
use std::time::Duration;

/// It runs at least this long before it ends itself: no more than one restart in that time.
const AT_LEAST: Duration = Duration::from_mins(10);

/// Waits for a file that a new process could read. `look` says which one that is, if any.
pub async fn needed(look: impl Fn() -> Option<PathBuf>, pause: Duration) -> PathBuf {
    tokio::time::sleep(AT_LEAST).await;
    loop {
        if let Some(file) = look() {
            return file;
        }
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::time::Instant;

    use super::*;

    const PAUSE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn an_agent_ends_itself_at_most_once_in_ten_minutes() {
        let began = Instant::now();
        assert_eq!(needed(|| Some("/etc/hosts".into()), PAUSE).await, PathBuf::from("/etc/hosts"));
        assert_eq!(began.elapsed(), AT_LEAST);
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_reads_all_it_needs_goes_on() {
        let is_needed = AtomicBool::new(false);
        let began = Instant::now();
        let waiting = needed(|| is_needed.load(Ordering::Relaxed).then(|| "/etc/hosts".into()), PAUSE);
        tokio::pin!(waiting);
        assert!(tokio::time::timeout(Duration::from_hours(24), &mut waiting).await.is_err());
        is_needed.store(true, Ordering::Relaxed);
        waiting.await;
        assert!(began.elapsed() <= Duration::from_hours(24) + PAUSE);
    }
}
