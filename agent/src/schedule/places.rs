//! Places: how many targets are started at the same time, and which of them has to wait for which.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// A target that waits longer than this for an answer no longer takes up a place: targets that hang must not delay
/// the others. Each target is probed at most once at a time, so their number is limited.
const HELD: Duration = Duration::from_secs(1);
/// The same for one whose last probe took next to no time.
const HELD_AT_LEAST: Duration = Duration::from_millis(100);
/// A target whose last probe took longer than this is slow.
const SLOW: Duration = Duration::from_secs(5);
/// For this many places there is one more, which slow targets share, and one that is left to quick ones. Slow ones get no other, and
/// have one even where there are fewer.
const SHARE: usize = 4;

/// What a target's last probe says about the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It took no longer than a place is held, and may hold the next one for so long: little more than it took. Hundreds may begin to hang
    /// at once, or to wait for each other.
    Quick(Duration),
    /// Nothing is known yet, or neither. Held for so long.
    Unknown(Duration),
    Slow,
}

impl Pace {
    pub const UNKNOWN: Self = Self::Unknown(HELD);

    /// Who was quick is not slow at once: it may have waited for others. But hundreds may hang, so none holds its place for longer.
    #[must_use]
    pub fn after(self, took: Duration) -> Self {
        match self {
            _ if took <= HELD => Self::Quick((took * 5 / 4).clamp(HELD_AT_LEAST, HELD)),
            _ if took <= SLOW => Self::UNKNOWN,
            Self::Quick(held) => Self::Unknown(held),
            Self::Unknown(_) | Self::Slow => Self::Slow,
        }
    }

    /// How long it may hold a place.
    fn held(self) -> Duration {
        match self {
            Self::Quick(held) | Self::Unknown(held) => held,
            Self::Slow => HELD,
        }
    }
}

#[derive(Clone)]
pub struct Places {
    all: Arc<Semaphore>,
    /// Who is not known to be quick needs one of these, too. So quick ones never wait for the end of all others.
    unknown: Arc<Semaphore>,
    slow: Arc<Semaphore>,
}

impl Places {
    pub fn new(concurrency: usize) -> Self {
        Self::keeping(concurrency.max(1) / SHARE, concurrency)
    }

    /// For targets of which nothing will be known.
    pub fn for_once(concurrency: usize) -> Self {
        Self::keeping(0, concurrency)
    }

    fn keeping(share: usize, concurrency: usize) -> Self {
        let all = concurrency.max(1);
        let of = |places: usize| Arc::new(Semaphore::new(places));
        Self { all: of(all), unknown: of(all - share), slow: of(share.max(1)) }
    }

    async fn take(&self, pace: Pace) -> [Option<OwnedSemaphorePermit>; 2] {
        // None is ever closed; and without a place a probe would only be started sooner.
        let of = async |places: &Arc<Semaphore>| Arc::clone(places).acquire_owned().await.ok();
        match pace {
            Pace::Quick(_) => [of(&self.all).await, None],
            Pace::Unknown(_) => [of(&self.unknown).await, of(&self.all).await],
            Pace::Slow => [of(&self.slow).await, None],
        }
    }

    /// Runs a probe as soon as a place is free. A probe that takes long gives its place back.
    pub async fn in_turn<T>(self, pace: Pace, work: impl Future<Output = T>) -> T {
        let held = self.take(pace).await;
        let mut work = std::pin::pin!(work);
        if let Ok(done) = timeout(pace.held(), &mut work).await {
            return done;
        }
        drop(held);
        work.await
    }
}
