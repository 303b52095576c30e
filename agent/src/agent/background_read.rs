//! Reads something that may hang (a disk). The first call waits for it, and a second read never starts beside it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};

pub struct BackgroundRead<T> {
    under_way: Mutex<Option<JoinHandle<T>>>,
}

impl<T> Default for BackgroundRead<T> {
    fn default() -> Self {
        Self { under_way: Mutex::new(None) }
    }
}

impl<T> BackgroundRead<T> {
    /// The result of a read that started now or at an earlier call. `None`: it is still under way. Only the call that
    /// starts it waits.
    pub async fn result(&self, begin: impl FnOnce() -> JoinHandle<T>, wait: Duration) -> Option<Result<T, JoinError>> {
        let before = self.under_way.lock().unwrap_or_else(PoisonError::into_inner).take();
        let wait = if before.is_some() { Duration::ZERO } else { wait };
        let mut look = before.unwrap_or_else(begin);
        let ended = tokio::time::timeout(wait, &mut look).await;
        if ended.is_err() {
            *self.under_way.lock().unwrap_or_else(PoisonError::into_inner) = Some(look);
        }
        ended.ok()
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_is_waited_for_once_and_its_end_is_seen() {
        let look = BackgroundRead::default();
        let (mend, mended) = oneshot::channel::<u8>();
        let began = Instant::now();
        assert!(look.result(|| tokio::spawn(mended), Duration::from_secs(10)).await.is_none());
        assert_eq!(began.elapsed(), Duration::from_secs(10));
        let again = || panic!("it hangs already");
        assert!(look.result(again, Duration::from_secs(10)).await.is_none());
        assert_eq!(began.elapsed(), Duration::from_secs(10), "nobody waits twice");
        mend.send(7).unwrap();
        tokio::task::yield_now().await;
        assert_eq!(look.result(again, Duration::from_secs(10)).await.unwrap().unwrap(), Ok(7));
        let next = look.result(|| tokio::spawn(async { Ok(8) }), Duration::from_secs(10)).await;
        assert_eq!(next.unwrap().unwrap(), Ok(8));
    }
}
