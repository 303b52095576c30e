//! Response bodies that end as they should, early, never, or not at all.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// A body is handed over in pieces, so that one of which the client wants no more ends there.
const PIECE: usize = 64 * 1024;

/// How a body goes on after its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It is complete.
    Complete,
    /// The connection ends, though more was announced.
    Cut,
    /// Nothing more comes, and the connection stays.
    Stall,
    /// The same bytes come again, for ever.
    Repeat,
}

/// The body of one response.
#[derive(Debug)]
pub(crate) struct Payload {
    data: Bytes,
    ending: Ending,
    /// hyper may say how long the body is.
    announced: bool,
    /// How much of `data` was handed over.
    position: usize,
    /// All that was, for the record.
    handed: Arc<AtomicU64>,
    flushed: bool,
}

/// Why a body ends early; hyper answers by dropping the connection.
#[derive(Debug)]
pub(crate) struct CutOff;

impl std::fmt::Display for CutOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the lab ends this body early")
    }
}

impl std::error::Error for CutOff {}

impl Payload {
    pub(crate) fn new(data: Bytes, ending: Ending, announced: bool, handed: &Arc<AtomicU64>) -> Self {
        Self { data, ending, announced, position: 0, handed: Arc::clone(handed), flushed: false }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        if self.position < self.data.len() {
            let end = self.data.len().min(self.position + PIECE);
            let piece = self.data.slice(self.position..end);
            let again = end == self.data.len() && self.ending == Ending::Repeat;
            self.position = if again { 0 } else { end };
            self.handed.fetch_add(piece.len() as u64, Ordering::Relaxed);
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match self.ending {
            Ending::Complete => Poll::Ready(None),
            Ending::Stall | Ending::Repeat => Poll::Pending,
            // One turn for hyper to flush what it has: an error drops what it still holds.
            Ending::Cut if !self.flushed => {
                self.flushed = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Ending::Cut => Poll::Ready(Some(Err(CutOff))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ending == Ending::Complete && self.position == self.data.len()
    }

    fn size_hint(&self) -> SizeHint {
        if self.announced && self.ending == Ending::Complete && self.position == 0 {
            SizeHint::with_exact(self.data.len() as u64)
        } else {
            SizeHint::default()
        }
    }
}
