//! Work on files beside the program's one thread: a disk that hangs stops that work, and nobody who waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use tokio::sync::oneshot;

/// A disk that works takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);
/// Work that may wait for its turn; beyond it the disk has come to a stop, and what else is to be done there is dropped.
const WAITING: usize = 64;

type Work = Box<dyn FnOnce() + Send>;

/// One piece of work after another, each to its end, on at most one thread.
#[derive(Clone, Default)]
pub struct Aside(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Work>,
    is_at_work: bool,
    /// Somebody waited in vain, and nothing has come to an end since.
    has_hung: bool,
}

impl std::fmt::Debug for Aside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Aside")
    }
}

impl Aside {
    /// When its turn comes. `false`: too much waits already.
    pub fn begin(&self, work: impl FnOnce() + Send + 'static) -> bool {
        let mut queue = self.queue();
        if queue.waiting.len() >= WAITING {
            return false;
        }
        queue.waiting.push_back(Box::new(work));
        if !std::mem::replace(&mut queue.is_at_work, true) {
            let aside = self.clone();
            tokio::task::spawn_blocking(move || aside.work());
        }
        true
    }

    /// What the work finds. `None`: it did not come to its end in time, or its turn does not come. While the disk hangs nobody waits.
    pub async fn result<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (answer, told) = oneshot::channel();
        let begun = self.begin(move || drop(answer.send(work())));
        if !begun || self.queue().has_hung {
            return None;
        }
        let told = tokio::time::timeout(PATIENCE, told).await;
        self.queue().has_hung |= told.is_err();
        told.ok()?.ok()
    }

    fn work(&self) {
        loop {
            let next = {
                let mut queue = self.queue();
                let next = queue.waiting.pop_front();
                queue.is_at_work = next.is_some();
                next
            };
            let Some(work) = next else { return };
            // Its fault is told where faults are told; the next piece has its turn all the same.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            self.queue().has_hung = false;
        }
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a look finds, before there is anything that could wait for it. `None`: the disk says nothing. The thread looks once and ends.
pub fn seen_in_time<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (told, seen) = mpsc::channel();
    std::thread::spawn(move || told.send(look()));
    seen.recv_timeout(PATIENCE).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn pieces_are_done_in_order_and_a_faulty_one_stops_no_other() {
        let aside = Aside::default();
        let order = Arc::new(Mutex::new(Vec::new()));
        for number in 0..5 {
            let order = Arc::clone(&order);
            assert!(aside.begin(move || order.lock().unwrap().push(number)));
        }
        assert_eq!(aside.result::<()>(|| panic!("as it was told")).await, None);
        assert_eq!(aside.result(|| 7).await, Some(7));
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn who_asks_a_disk_that_hangs_waits_once_and_what_is_left_waiting_is_bounded() {
        let aside = Aside::default();
        let (mend, hang) = mpsc::channel::<()>();
        let stuck = move || {
            let _ = hang.recv();
        };
        assert!(aside.begin(stuck));
        let began = Instant::now();
        assert_eq!(aside.result(|| 1).await, None);
        let waited = began.elapsed();
        assert!(waited >= PATIENCE, "{waited:?}");
        let began = Instant::now();
        assert_eq!(aside.result(|| 2).await, None);
        assert!(began.elapsed() < PATIENCE, "nobody waits twice");
        while aside.begin(|| ()) {}
        assert_eq!(aside.queue().waiting.len(), WAITING);
        drop(mend);
        let settled = async {
            while aside.queue().is_at_work {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), settled).await.unwrap();
        assert_eq!(aside.result(|| 3).await, Some(3));
    }
}
