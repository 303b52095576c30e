//! What every server of the lab stands on: tasks that end with their owner, loopback sockets, and
//! connections that can end in a reset or in foreign bytes.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A task that is aborted when this value is dropped.
#[derive(Debug)]
pub(crate) struct Task(JoinHandle<()>);

impl Task {
    pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Gives every connection of `listener` to `handle`; the connections end with the loop.
pub(crate) async fn accept_all<F, H>(listener: TcpListener, handle: H)
where
    F: Future<Output = ()> + Send + 'static,
    H: Fn(TcpStream) -> F,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // As registries' servers do: else a handshake waits for a delayed acknowledgement.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(handle(stream));
                }
                // A connection that ended before it was accepted: the next one may do better.
                Err(_) => tokio::task::yield_now().await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// A TCP listener that needs no `await`, so that a test's set-up reads as a list of values.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Any port of 127.0.0.1.
pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)
}

/// A loopback address that a parallel test is unlikely to use; 127.0.x.y is left to the system.
pub(crate) fn random_loopback() -> Ipv4Addr {
    let [a, b, c, ..] = random().to_be_bytes();
    Ipv4Addr::new(127, 1 + a % 254, b, 1 + c % 254)
}

/// A number that differs from call to call and from process to process; not for secrets.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The lab's locks guard plain values: one that a panicking test left behind is still usable.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a connection is made to end other than by its protocol.
#[derive(Debug, Default)]
pub(crate) struct Switch {
    reset: AtomicBool,
    foreign: Mutex<Option<Bytes>>,
}

impl Switch {
    /// The connection will end in a reset instead of an orderly close.
    pub(crate) fn reset_at_end(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }

    /// Everything written from now on is replaced by `bytes`, once.
    pub(crate) fn write_instead(&self, bytes: Bytes) {
        *lock(&self.foreign) = Some(bytes);
    }
}

/// The TCP side of a connection.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) tcp: TcpStream,
    pub(crate) switch: Arc<Switch>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.switch.reset.load(Ordering::Relaxed) {
            // Failing means that the connection is gone already.
            let _ = self.tcp.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// The application's side of a connection, inside TLS where there is TLS.
#[derive(Debug)]
pub(crate) struct Wire<S> {
    inner: S,
    switch: Arc<Switch>,
    foreign: Option<Bytes>,
}

impl<S> Wire<S> {
    pub(crate) fn new(inner: S, switch: Arc<Switch>) -> Self {
        Self { inner, switch, foreign: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(bytes) = lock(&this.switch.foreign).take() {
            this.foreign = Some(bytes);
        }
        let Some(bytes) = &mut this.foreign else {
            return Pin::new(&mut this.inner).poll_write(cx, data);
        };
        while bytes.has_remaining() {
            let written = ready!(Pin::new(&mut this.inner).poll_write(cx, bytes))?;
            bytes.advance(written);
        }
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
