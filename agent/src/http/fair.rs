//! A connection that gives others their turn. What reads it works through all that has come before it waits: a peer
//! that sends without end what nobody needs, as heads of informational answers or digits of a chunk's length, would
//! keep a thread for seconds, and no deadline would be looked at.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// So many bytes are read at a time: a few milliseconds' work at most.
const TURN: usize = 64 << 10;

pub struct Fair<S> {
    stream: S,
    read: usize,
}

impl<S> Fair<S> {
    pub fn over(stream: S) -> Self {
        Self { stream, read: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Fair<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read >= TURN {
            self.read = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = to.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, to);
        self.read = if read.is_pending() { 0 } else { self.read + to.filled().len() - before };
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Fair<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
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
    use tokio::io::AsyncReadExt as _;

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
        let limit = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(limit, reading).await.is_err());
    }
}
