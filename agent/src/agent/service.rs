//! Tells a service manager how the agent is, where one asks for it (`NOTIFY_SOCKET`, as systemd's `Type=notify` sets it): when it is
//! ready, when it ends, and at intervals that the schedule turns (`WATCHDOG_USEC`).

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::file::aside::Aside;
use crate::server::progress::Progress;

/// For as long as the agent runs.
pub async fn tell(progress: Arc<Progress>, stop: CancellationToken) {
    // A manager that takes nothing holds up nobody.
    let aside = Aside::default();
    let say = move |state: NotifyState<'static>| {
        aside.begin(move || {
            if let Err(error) = sd_notify::notify(&[state]) {
                tracing::warn!(error = %error.kind(), "the service manager cannot be told how the agent is");
            }
        });
    };
    tell_with(&progress, &stop, sd_notify::watchdog_enabled(), say).await;
}

/// Nobody waits for the agent any more, and it does not wait for a manager that takes nothing.
pub async fn ends() {
    Aside::default().result(|| drop(sd_notify::notify(&[NotifyState::Stopping]))).await;
}

async fn tell_with(
    progress: &Progress,
    stop: &CancellationToken,
    watchdog: Option<Duration>,
    say: impl Fn(NotifyState<'static>),
) {
    progress.begun().await;
    say(NotifyState::Ready);
    let Some(watchdog) = watchdog.filter(|watchdog| !watchdog.is_zero()) else { return };
    // As sd_watchdog_enabled(3) recommends.
    let mut ticks = tokio::time::interval(watchdog / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_turning = true;
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let is_turning = progress.is_turning();
        if is_turning {
            say(NotifyState::Watchdog);
        } else if was_turning {
            tracing::error!(
                "the schedule has come to a stop: the service manager's watchdog is no longer told otherwise"
            );
        }
        was_turning = is_turning;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::model::sample;
    use crate::server::progress::STALLED;

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_told_only_while_the_schedule_turns() {
        let (progress, stop) = (Arc::new(Progress::new(sample::now)), CancellationToken::new());
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let (of, log, until) = (Arc::clone(&progress), Arc::clone(&said), stop.clone());
        let watchdog = Some(Duration::from_secs(10));
        let telling = tokio::spawn(async move {
            tell_with(&of, &until, watchdog, |state| log.lock().unwrap().push(state.to_string())).await;
        });
        let count = |wanted: &str| said.lock().unwrap().iter().filter(|state| *state == wanted).count();
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!(said.lock().unwrap().is_empty(), "nothing has begun");
        progress.turned();
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert_eq!((count("READY=1"), count("WATCHDOG=1")), (1, 7));
        tokio::time::sleep(STALLED).await;
        let before = count("WATCHDOG=1");
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(count("WATCHDOG=1"), before, "the schedule stands still");
        progress.turned();
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(count("WATCHDOG=1") > before);
        stop.cancel();
        telling.await.unwrap();
    }
}
