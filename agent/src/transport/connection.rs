//! A byte stream to a host, over TCP or through a proxy, that remembers how the other side began.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use go::errno::words;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Enough to tell TLS from HTTP and to read the version out of a `ServerHello`.
const HEAD_LIMIT: usize = 16;

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

pub struct Connection {
    stream: Box<dyn Stream>,
    is_socket: bool,
    /// This side and the other of the TCP connection underneath. `None` when it is already gone.
    ends: Option<(SocketAddr, SocketAddr)>,
    head: Head,
}

/// The first bytes that came, at most [`HEAD_LIMIT`]: still there when the connection is gone.
#[derive(Clone, Debug, Default)]
pub struct Head(Arc<Mutex<Vec<u8>>>);

impl Head {
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, fresh: &[u8]) {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = HEAD_LIMIT - bytes.len();
        bytes.extend_from_slice(&fresh[..fresh.len().min(room)]);
    }
}

impl From<TcpStream> for Connection {
    fn from(stream: TcpStream) -> Self {
        // As Go: a message is not held back until the one before is acknowledged.
        let _ = stream.set_nodelay(true);
        let ends = stream.local_addr().ok().zip(stream.peer_addr().ok());
        Self { stream: Box::new(stream), is_socket: true, ends, head: Head::default() }
    }
}

impl Connection {
    /// A stream inside this one, as TLS to a proxy is.
    pub fn inside(
        stream: impl AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static,
        ends: Option<(SocketAddr, SocketAddr)>,
    ) -> Self {
        Self { stream: Box::new(stream), is_socket: false, ends, head: Head::default() }
    }

    /// The same stream, as if nothing had been read yet.
    #[must_use]
    pub fn anew(self) -> Self {
        Self { head: Head::default(), ..self }
    }

    pub const fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.ends
    }

    pub fn head(&self) -> Head {
        self.head.clone()
    }
}

/// What Go's `net` package says of an error on this connection, `op` being `read` or `write`.
pub fn with_go_message(op: &str, ends: Option<(SocketAddr, SocketAddr)>, error: &io::Error) -> String {
    let reason = words(error);
    match ends {
        Some((local, remote)) => format!("{op} tcp {local}->{remote}: {op}: {reason}"),
        None => format!("{op}: {reason}"),
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.head.add(&buf.filled()[before..]);
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// A socket is closed next, as Go closes it, which says the same to the other side. TLS over TLS has a word of its own.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_socket { self.poll_flush(cx) } else { Pin::new(&mut self.stream).poll_shutdown(cx) }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("ends", &self.ends).finish_non_exhaustive()
    }
}
