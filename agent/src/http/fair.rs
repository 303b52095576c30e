//! A connection that gives others their turn. What reads it works through all that has come before it waits: a peer
//! that sends without end what nobody needs, as heads of informational answers or digits of a chunk's length, would
//! keep a thread for seconds, and no deadline would be looked at.
//!
//! An answer that gets long reads on when it is its turn among all that are long, so many of them cost no more of the
//! thread than a few.

use std::io;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// So many bytes are read at a time.
const TURN: usize = 16 << 10;
/// Each piece counts as so many bytes at least: a record of TLS has to be decrypted, however short it is.
const PIECE: usize = 256;
/// An answer is long from here on. Few documents of real images are that long.
const LONG: usize = 256 << 10;
/// One turn begins in this time, of all long answers.
const EVERY: Duration = Duration::from_millis(1);
/// Nobody waits longer for a turn.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// When the next turn begins.
static NEXT: Mutex<Option<Instant>> = Mutex::new(None);

pub struct Fair<S> {
    stream: S,
    /// In this turn.
    read: usize,
    /// Since something was written: an answer.
    answer: usize,
    turn: Option<Pin<Box<Sleep>>>,
}

impl<S> Fair<S> {
    pub fn over(stream: S) -> Self {
        Self { stream, read: 0, answer: 0, turn: None }
    }
}

fn next_turn() -> Instant {
    let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    let turn = next.map_or(now, |next| next.clamp(now, now + LONGEST_WAIT));
    *next = Some(turn + EVERY);
    turn
}

impl<S: AsyncRead + Unpin> AsyncRead for Fair<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read >= TURN {
            self.read = 0;
            if self.answer < LONG {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.turn = Some(Box::pin(sleep_until(next_turn())));
        }
        if let Some(turn) = &mut self.turn {
            ready!(turn.as_mut().poll(context));
            self.turn = None;
        }
        let before = to.filled().len();
        let polled = if to.remaining() <= TURN {
            Pin::new(&mut self.stream).poll_read(context, to)
        } else {
            let mut part = ReadBuf::new(to.initialize_unfilled_to(TURN));
            let polled = Pin::new(&mut self.stream).poll_read(context, &mut part);
            let read = part.filled().len();
            to.advance(read);
            polled
        };
        let read = to.filled().len() - before;
        match polled {
            // A long answer that comes in small pieces takes no more turns than another.
            Poll::Pending if self.answer < LONG => self.read = 0,
            Poll::Pending => {}
            Poll::Ready(_) => {
                let work = read.max(PIECE);
                self.read += work;
                self.answer = self.answer.saturating_add(work);
            }
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Fair<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // The next answer waits for no turn of the last one. Who waited for it reads again, and then waits for the answer.
        (self.read, self.answer) = (0, 0);
        if self.turn.take().is_some() {
            context.waker().wake_by_ref();
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// It always has more to read.
    struct Endless;

    impl AsyncRead for Endless {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            to.put_slice(&vec![b'x'; to.remaining()]);
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_deadline_is_looked_at_however_much_there_is_to_read() {
        let reading = async {
            let (mut stream, mut piece) = (Fair::over(Endless), vec![0; 8 << 10]);
            loop {
                stream.read_exact(&mut piece).await.unwrap();
            }
        };
        let limit = Duration::from_millis(50);
        assert!(tokio::time::timeout(limit, reading).await.is_err());
    }

    async fn read(count: usize) {
        let (mut stream, mut piece) = (Fair::over(Endless), vec![0; 8 << 10]);
        for _ in 0..count / piece.len() {
            stream.read_exact(&mut piece).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn long_answers_share_their_turns_and_short_ones_wait_for_none() {
        let began = Instant::now();
        read(LONG).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        let all: Vec<_> = (0..10).map(|_| tokio::spawn(read(LONG + (1 << 20)))).collect();
        read(LONG).await;
        assert_eq!(began.elapsed(), Duration::ZERO, "a short one waited");
        for one in all {
            one.await.unwrap();
        }
        let turns = u32::try_from(10 * (1 << 20) / TURN).unwrap();
        assert!(began.elapsed() >= EVERY * (turns - 10), "{:?} for {turns} turns", began.elapsed());
        assert!(began.elapsed() <= EVERY * turns * 2 + LONGEST_WAIT, "{:?} for {turns} turns", began.elapsed());
    }

    impl AsyncWrite for Endless {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_answer_counts_by_itself() {
        let (mut stream, mut piece) = (Fair::over(Endless), vec![0; 8 << 10]);
        let began = Instant::now();
        for _ in 0..20 {
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            for _ in 0..(LONG / 2) / piece.len() {
                stream.read_exact(&mut piece).await.unwrap();
            }
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Else nobody would see the answer to what is written: the stream below was not asked for anything.
    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_turn_is_woken_by_the_next_request() {
        let (mut stream, mut piece) = (Fair::over(Endless), vec![0; TURN]);
        (stream.read, stream.answer) = (TURN, LONG);
        // Others are before it.
        for _ in 0..100 {
            next_turn();
        }
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let mut read = ReadBuf::new(&mut piece);
        assert!(Pin::new(&mut stream).poll_read(&mut context, &mut read).is_pending());
        assert!(Pin::new(&mut stream).poll_write(&mut context, b"GET").is_ready());
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert!(Pin::new(&mut stream).poll_read(&mut context, &mut read).is_ready());
    }
}
