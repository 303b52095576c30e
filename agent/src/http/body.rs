//! The bodies of answers, and the room in memory that all of them share, whoever waits for them.
//!
//! Most bodies are small and need no leave. A longer one waits for its turn, first come first served, and
//! holds its share of the room for as long as its bytes are held.

use std::error::Error as _;
use std::future::{pending, poll_fn};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, header};
use hyper::body::{Body as _, Incoming};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::BodyEnd;
use crate::fault;

/// Of all longer bodies together: two of the longest that are read.
const ROOM: usize = 16 << 20;
const UNIT: usize = 1 << 10;
/// As long as this without leave, and decoded or unpacked at once: no document of a real image is longer.
pub const SMALL: usize = 64 << 10;
static LEFT: Semaphore = Semaphore::const_new(ROOM / UNIT);
/// Who works beside all others: one at a time, so that this takes no more than a second thread.
static BESIDE: Semaphore = Semaphore::const_new(1);

/// What is said where no room was left in time.
pub fn no_room() -> String {
    format!(
        "pullprobe holds at most {} MiB of long answers at a time and unpacks one, and others were before it",
        ROOM >> 20
    )
}

/// Bytes, with their share of the room. A clone is the same bytes.
#[derive(Clone, Debug, Default)]
pub struct Body(Arc<Kept>);

#[derive(Clone, Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    /// Leave for so many bytes.
    room: usize,
    shares: Vec<Arc<SemaphorePermit<'static>>>,
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Kept { bytes, ..Kept::default() }))
    }
}

impl Body {
    /// Puts `more` behind what is there, up to `limit`. `false`: there was no room before the deadline.
    pub async fn append(&mut self, more: &[u8], limit: usize, deadline: Instant) -> bool {
        let held = Arc::make_mut(&mut self.0);
        let more = &more[..more.len().min(limit.saturating_sub(held.bytes.len()))];
        held.take(more, limit, limit, deadline).await
    }

    /// What a decoder makes of it. A long one may take half a second, for which no other probe waits.
    pub async fn decoded<T: Send + 'static>(&self, decode: impl FnOnce(&[u8]) -> T + Send + 'static) -> T {
        if self.len() <= SMALL {
            return decode(self);
        }
        let body = self.clone();
        beside(move || decode(&body)).await
    }
}

/// Work that waits for nothing, on a thread of its own, to its end.
pub async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match BESIDE.acquire().await {
        Ok(turn) => in_turn(turn, work).await,
        Err(_) => pending().await,
    }
}

/// Likewise. `None`: it was not this one's turn before the deadline.
pub async fn beside_before<T: Send + 'static>(
    deadline: Instant,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let turn = timeout_at(deadline, BESIDE.acquire()).await.ok()?.ok()?;
    Some(in_turn(turn, work).await)
}

async fn in_turn<T: Send + 'static>(turn: SemaphorePermit<'static>, work: impl FnOnce() -> T + Send + 'static) -> T {
    let found = Arc::new(Mutex::new(None));
    let to = Arc::clone(&found);
    let work = move || *to.lock().unwrap_or_else(PoisonError::into_inner) = Some(work());
    done_beside(turn, Box::new(work)).await;
    let found = found.lock().unwrap_or_else(PoisonError::into_inner).take();
    match found {
        Some(found) => found,
        None => pending().await,
    }
}

/// One function for all kinds of work: the program is smaller.
async fn done_beside(turn: SemaphorePermit<'static>, work: Box<dyn FnOnce() + Send>) {
    let working = tokio::task::spawn_blocking(move || {
        let done = fault::caught_now(work);
        drop(turn);
        done
    });
    match working.await {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => fault::pass_on(fault),
        // The program ends.
        Err(_) => pending().await,
    }
}

impl Kept {
    /// `expected`: how long the whole may get.
    async fn take(&mut self, chunk: &[u8], expected: usize, limit: usize, deadline: Instant) -> bool {
        let length = self.bytes.len() + chunk.len();
        // What is put together out of pieces outgrows what its first one announced.
        if length > SMALL.max(self.room) {
            let whole = expected.clamp(length, limit.max(length));
            let Some(share) = share(whole - self.room, deadline).await else { return false };
            self.shares.push(Arc::new(share));
            self.room = whole;
        }
        if length > self.bytes.capacity() {
            // Twice as much at a time, and never more than may come.
            let wanted = (2 * length).min(limit.max(length));
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
        self.bytes.extend_from_slice(chunk);
        true
    }
}

/// `None`: it was not this one's turn before the deadline.
async fn share(bytes: usize, deadline: Instant) -> Option<SemaphorePermit<'static>> {
    let units = u32::try_from(bytes.min(ROOM).div_ceil(UNIT)).unwrap_or(u32::MAX);
    timeout_at(deadline, LEFT.acquire_many(units)).await.ok()?.ok()
}

/// Leave to hold bytes that come from elsewhere.
pub struct Room(Option<SemaphorePermit<'static>>);

impl Room {
    /// Few bytes need none.
    pub const NONE: Self = Self(None);

    pub fn filled(self, mut bytes: Vec<u8>) -> Body {
        bytes.shrink_to_fit();
        let shares: Vec<_> = self.0.map(|share| Arc::new(of_need(share, bytes.len()))).into_iter().collect();
        let room = if shares.is_empty() { 0 } else { bytes.len() };
        Body(Arc::new(Kept { bytes, room, shares }))
    }
}

/// What is not needed is given back.
fn of_need(mut share: SemaphorePermit<'static>, bytes: usize) -> SemaphorePermit<'static> {
    drop(share.split(share.num_permits().saturating_sub(bytes.div_ceil(UNIT))));
    share
}

/// Room for so many. `None`: it was not this one's turn before the deadline.
pub async fn room(bytes: usize, deadline: Instant) -> Option<Room> {
    if bytes <= SMALL {
        return Some(Room::NONE);
    }
    share(bytes, deadline).await.map(|share| Room(Some(share)))
}

/// Reads at most `limit` bytes.
pub async fn read(headers: &HeaderMap, mut body: Incoming, limit: usize, deadline: Instant) -> (Body, BodyEnd) {
    let mut held = Kept::default();
    let lasts_until_the_end =
        [header::CONTENT_LENGTH, header::TRANSFER_ENCODING].iter().all(|framing| !headers.contains_key(framing));
    let announced = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
    let expected = announced.unwrap_or(limit).min(limit);
    let end = loop {
        let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context));
        match timeout_at(deadline, frame).await {
            Err(_) => break BodyEnd::Stalled,
            // Go asks for no `close_notify` where TLS ends.
            Ok(Some(Err(error))) if lasts_until_the_end && is_end(&error) => break BodyEnd::Whole,
            Ok(Some(Err(_))) => break BodyEnd::Broken,
            Ok(None) => break BodyEnd::Whole,
            Ok(Some(Ok(frame))) => {
                // Trailers are no part of it.
                let Ok(chunk) = frame.into_data() else { continue };
                let room = limit.saturating_sub(held.bytes.len());
                if !held.take(&chunk[..chunk.len().min(room)], expected, limit, deadline).await {
                    break BodyEnd::NoRoom;
                }
                if chunk.len() > room {
                    break BodyEnd::Cut;
                }
            }
        }
    };
    (Body(Arc::new(held)), end)
}

/// The stream ended, with or without the ceremony of TLS.
fn is_end(error: &hyper::Error) -> bool {
    let mut next = error.source();
    while let Some(error) = next {
        if error.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::UnexpectedEof) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(50)
    }

    /// Other tests of this process may have some of the room.
    fn late() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_is_long_is_decoded_beside_all_other_work() {
        for length in [SMALL, SMALL + 1] {
            let (others, work) = std::sync::mpsc::channel();
            tokio::spawn(async move { others.send(()) });
            let body = Body::from(vec![0; length]);
            let decoded = body.decoded(move |bytes| (bytes.len(), work.recv_timeout(Duration::from_secs(1)).is_ok()));
            assert_eq!(decoded.await, (length, length > SMALL));
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_fault_beside_is_one_of_who_waits_and_keeps_the_place_from_nobody() {
        let faulty = fault::caught(beside(|| panic!("as it was told"))).await;
        assert!(faulty.is_err());
        assert_eq!(beside(|| 1).await, 1);
    }

    /// One test, for all of them share the room.
    #[tokio::test]
    async fn long_bodies_wait_for_each_other_and_short_ones_for_nobody() {
        let long = vec![0; 8 << 20];
        let mut bodies = [Body::default(), Body::default(), Body::default()];
        let [one, other, third] = &mut bodies;
        assert!(one.append(&long, long.len(), late()).await && other.append(&long, long.len(), late()).await);
        assert!(!third.append(&long, long.len(), soon()).await, "a third one took room that there is not");
        assert!(third.append(&long[..SMALL], long.len(), late()).await, "a short one had to wait");
        // A clone is the same bytes, and takes no more room.
        let same = other.clone();
        *other = Body::default();
        assert!(!third.append(&long, long.len(), soon()).await, "room was given back that is still in use");
        drop(same);
        assert!(third.append(&long, long.len(), late()).await && third.len() == long.len());
        *other = Body::default();
        // One whose first piece announced little takes more room as it grows.
        *one = Body::default();
        let mut piece = Kept::default();
        assert!(piece.take(&long[..2 * SMALL], 2 * SMALL, long.len(), late()).await);
        *other = Body(Arc::new(piece));
        assert!(one.append(&long[..4 << 20], 4 << 20, late()).await, "it holds more room than its first piece");
        assert!(!other.append(&long, long.len(), soon()).await, "it grew into room that there is not");
        *one = Body::default();
        assert!(other.append(&long, long.len(), late()).await && other.len() == long.len());
        assert!(!one.append(&long[..2 * SMALL], 2 * SMALL, soon()).await, "a grown one holds no room for its growth");
    }
}
