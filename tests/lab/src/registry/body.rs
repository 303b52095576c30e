//! Response bodies that end as they should, early, never, or not at all.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

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
    sent: bool,
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
    pub(crate) fn new(data: Bytes, ending: Ending, announced: bool) -> Self {
        Self { data, ending, announced, sent: false, flushed: false }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        if !self.sent && !self.data.is_empty() {
            self.sent = self.ending != Ending::Repeat;
            return Poll::Ready(Some(Ok(Frame::data(self.data.clone()))));
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
        self.ending == Ending::Complete && (self.sent || self.data.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        if self.announced && self.ending == Ending::Complete && !self.sent {
            SizeHint::with_exact(self.data.len() as u64)
        } else {
            SizeHint::default()
        }
    }
}
