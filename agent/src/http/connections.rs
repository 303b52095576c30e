//! The connections to one host. The first is that on which the way was proved: Go's transport uses the one that it
//! dialled, too, and another one would cost a handshake and two round trips more.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::future::BoxFuture;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::fair::Fair;
use super::lru::{LruSlots, Slot, lock};
use crate::model::outcome::Failure;
use crate::transport::connection::Connection;

/// One is closed after so long without a request, or up to twice as long. Servers do so themselves after a few seconds, and a
/// request that meets this looks like a failure of theirs.
const IDLE: Duration = Duration::from_secs(2);
/// So many idle ones are kept of a host: as many images of one registry may be at work, by default.
const OF_A_HOST: usize = 8;
/// Idle ones are kept of so many hosts at a time: each takes some 50 KB with its buffers and its session, and an agent may look at two
/// hundred hosts within the time that one is idle. Eight images at work, as by default, need up to three: the registry, its token
/// service and its store of blobs. Where more are at work, some connect anew.
pub const HOSTS: usize = 24;

/// How further connections to a host are made: to the same address as the first, in the same way.
pub trait Dial: std::fmt::Debug + Send + Sync {
    fn dial(&self) -> BoxFuture<'_, Result<Connection, Failure>>;
}

/// What is kept open within a cycle, of all hosts.
#[derive(Clone, Debug)]
pub struct IdlePool(LruSlots<Vec<Idle>>);

impl Default for IdlePool {
    fn default() -> Self {
        Self(LruSlots::at_most(HOSTS))
    }
}

/// Those of one host that are idle.
#[derive(Clone, Debug)]
pub struct Connections {
    idle: Arc<Slot<Vec<Idle>>>,
    kept: LruSlots<Vec<Idle>>,
}

/// An error has the request where nothing of it was sent.
pub type Sent = Result<http::Response<Incoming>, TrySendError<http::Request<String>>>;

/// Go limits only their size. More than these are an attack, or a loop.
const HEADERS: usize = 1000;

#[derive(Debug)]
pub struct Idle {
    sender: SendRequest<String>,
    since: Instant,
    has_served: bool,
}

/// A connection, for one request.
pub struct Taken {
    sender: SendRequest<String>,
    /// Another request before.
    pub has_served: bool,
    slot: Weak<Slot<Vec<Idle>>>,
    kept: LruSlots<Vec<Idle>>,
}

impl Connections {
    /// There is none yet.
    pub fn none(kept: &IdlePool) -> Self {
        Self { idle: Arc::default(), kept: kept.0.clone() }
    }

    /// This one, which is open.
    pub async fn over(stream: Connection, kept: &IdlePool) -> Self {
        let connections = Self::none(kept);
        // It sends nothing yet.
        if let Ok(taken) = connections.begin(stream).await {
            taken.put(false);
        }
        connections
    }

    /// One that is idle.
    pub async fn take(&self) -> Option<Taken> {
        loop {
            let mut idle = lock(&self.idle).as_mut()?.pop()?;
            if idle.sender.ready().await.is_ok() {
                return Some(self.taken(idle.sender, idle.has_served));
            }
        }
    }

    /// Another one.
    pub async fn begin(&self, stream: Connection) -> hyper::Result<Taken> {
        let (sender, connection) = as_go_reads().handshake(TokioIo::new(Fair::over(stream))).await?;
        tokio::spawn(serve(connection, Arc::downgrade(&self.idle)));
        Ok(self.taken(sender, false))
    }

    fn taken(&self, sender: SendRequest<String>, has_served: bool) -> Taken {
        Taken { sender, has_served, slot: Arc::downgrade(&self.idle), kept: self.kept.clone() }
    }
}

impl Taken {
    pub async fn send(&mut self, request: http::Request<String>) -> Sent {
        self.sender.try_send_request(request).await
    }

    /// Once nobody reads more of the answer.
    pub fn give_back(self) {
        self.put(true);
    }

    fn put(self, has_served: bool) {
        if let Some(slot) = self.slot.upgrade().filter(|_| !self.sender.is_closed()) {
            let mut idle = lock(&slot);
            let of_host = idle.get_or_insert_default();
            of_host.push(Idle { sender: self.sender, since: Instant::now(), has_served });
            of_host.drain(..of_host.len().saturating_sub(OF_A_HOST));
            drop(idle);
            self.kept.used(&slot);
        }
    }
}

/// What Go takes of an answer, and hyper by itself does not.
fn as_go_reads() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .max_headers(HEADERS)
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true);
    builder
}

/// Ends when either side closes the connection, or when it was idle for a while.
async fn serve(connection: impl Future, slot: Weak<Slot<Vec<Idle>>>) {
    let mut connection = pin!(connection);
    loop {
        tokio::select! {
            _ = &mut connection => return,
            () = tokio::time::sleep(IDLE) => {
                let Some(slot) = slot.upgrade() else { continue };
                lock(&slot).iter_mut().for_each(|idle| idle.retain(|idle| idle.since.elapsed() < IDLE));
            }
        }
    }
}
