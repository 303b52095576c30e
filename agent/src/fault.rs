//! A panic is a fault of pullprobe: it ends one task and not the program, is counted, and is told with its place and never with its words.
//!
//! The words of a panic may hold anything, a password too: what a value was is in them. The place is enough to find it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, PanicHookInfo, catch_unwind, resume_unwind, set_hook};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::task::JoinError;

/// Places that are remembered; a program has no more where it panics in practice.
const PLACES_LIMIT: usize = 256;
/// How much of a path is told: what stands before it is of the machine that built the program.
const PATH_PARTS: usize = 5;
/// Before work that ended by a fault is begun again.
const REST: Duration = Duration::from_secs(10);

static COUNT: AtomicU64 = AtomicU64::new(0);
/// How often each place was the one.
static PLACES: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

thread_local! {
    /// Of the panic that this thread is in, or was in last.
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Where it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    place: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.place.as_deref().unwrap_or("a place that is not known"))
    }
}

/// From now on every panic of the process is told in this way, and in no other.
pub fn tell() {
    set_hook(Box::new(note));
}

/// How many there were since the start.
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

fn note(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(|| "unknown".to_owned(), place);
    COUNT.fetch_add(1, Ordering::Relaxed);
    let times = again(&place);
    // The first time, the tenth, the hundredth: what fails at every probe does not fill the log.
    if is_power_of_ten(times) {
        tracing::error!(%place, times, "pullprobe has a fault here: please report this line");
    }
    // A thread that ends has no such place any more.
    let _ = LAST.try_with(|last| *last.borrow_mut() = Some(place));
}

fn place(at: &Location<'_>) -> String {
    let parts: Vec<&str> = at.file().split('/').collect();
    let told = parts[parts.len().saturating_sub(PATH_PARTS)..].join("/");
    format!("{told}:{}:{}", at.line(), at.column())
}

fn again(place: &str) -> u64 {
    let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
    if places.len() >= PLACES_LIMIT && !places.contains_key(place) {
        return 0;
    }
    let times = places.entry(place.to_owned()).or_default();
    *times += 1;
    *times
}

fn is_power_of_ten(count: u64) -> bool {
    count.checked_ilog10().is_some_and(|digits| 10_u64.pow(digits) == count)
}

fn last() -> Fault {
    Fault { place: LAST.with(|last| last.borrow_mut().take()) }
}

/// The work to its end, or to its fault.
pub async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Fault> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|_| last())
}

/// Likewise, of work that waits for nothing.
pub fn caught_now<T>(work: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| last())
}

/// Goes on where the work was waited for. It was counted where it happened.
pub fn pass_on(fault: Fault) -> ! {
    LAST.with(|last| *last.borrow_mut() = fault.place);
    resume_unwind(Box::new("a fault on another thread"))
}

/// The work until it is over. One that ends by a fault is begun again after a rest.
pub async fn restarted<F: Future<Output = ()>>(mut work: impl FnMut() -> F) {
    while caught(work()).await.is_err() {
        tokio::time::sleep(REST).await;
    }
}

/// Why a task has no result, without the words of its panic.
pub fn of_task(error: &JoinError) -> &'static str {
    if error.is_panic() { "pullprobe has a fault there, and its log names the place" } else { "it was called off" }
}

#[cfg(test)]
mod tests {
    use std::panic::take_hook;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn a_place_is_told_without_the_machine_that_built_it() {
        let told = place(Location::caller());
        assert!(told.starts_with("agent/src/fault.rs:") && told.split(':').count() == 3, "{told}");
    }

    #[test]
    fn what_happens_at_every_probe_is_told_ever_less_often() {
        let told = (0..5_000).filter(|count| is_power_of_ten(*count)).collect::<Vec<_>>();
        assert_eq!(told, [1, 10, 100, 1_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_ends_by_a_fault_is_begun_again_until_it_is_over() {
        let begun = Arc::new(AtomicUsize::new(0));
        let work = || {
            let begun = Arc::clone(&begun);
            async move {
                assert!(begun.fetch_add(1, Ordering::SeqCst) >= 2, "as it was told");
            }
        };
        restarted(work).await;
        assert_eq!(begun.load(Ordering::SeqCst), 3);
    }

    /// The hook is the process's: one test has it.
    #[tokio::test]
    async fn a_fault_is_counted_and_told_with_its_place_and_without_its_words() {
        let before = take_hook();
        tell();
        let counted = count();
        let caught_in_place = caught::<()>(async { panic!("password=hunter2") }).await;
        let error = tokio::spawn(async { panic!("password=hunter2") }).await.unwrap_err();
        let elsewhere =
            std::thread::spawn(|| caught_now::<()>(|| panic!("password=hunter2"))).join().unwrap().unwrap_err();
        set_hook(before);
        let passed_on = caught::<()>(async { pass_on(elsewhere.clone()) }).await.unwrap_err();
        assert_eq!(passed_on, elsewhere);
        let fault = caught_in_place.unwrap_err().to_string();
        assert!(fault.starts_with("agent/src/fault.rs:") && !fault.contains("hunter2"), "{fault}");
        assert!(count() >= counted + 2);
        assert!(of_task(&error).starts_with("pullprobe has a fault"));
    }
}
