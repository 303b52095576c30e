//! Connections within bounds: anyone who reaches the node may open some.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::util::ServiceExt as _;

use super::readers::Ends;

/// Scrapers, probes of kubelet and some people. Each may hold an answer of a MB that it does not read.
pub const CONNECTIONS: usize = 32;
/// For a whole request head, also the next one of a connection that is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// After this a connection ends with the request it is at, and after [`GRACE`] in any case.
const LIFETIME: Duration = Duration::from_mins(1);
/// What a request that was begun gets to come to its end: below the ten seconds that Kubernetes
/// gives the whole pod.
const GRACE: Duration = Duration::from_secs(5);
/// A request head is a few hundred bytes; the smallest that hyper takes.
const BUFFER: usize = 8_192;
/// Of an answer that nobody reads. By itself the kernel would take 4 MB a connection, which count as the agent's
/// memory too.
const SEND_BUFFER: usize = 65_536;
/// Out of file descriptors: some are given back meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Those that are open.
#[derive(Default)]
struct Open {
    tasks: TaskTracker,
    oldest_first: Mutex<VecDeque<AbortHandle>>,
}

impl Open {
    /// One too many cuts the oldest: whoever holds connections and asks nothing must not keep out who asks,
    /// or kubelet would take the agent for dead.
    fn add(&self, served: impl Future<Output = ()> + Send + 'static) {
        let mut open = self.oldest_first.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|connection| !connection.is_finished());
        if open.len() >= CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        open.push_back(self.tasks.spawn(served).abort_handle());
    }
}

pub async fn serve(listeners: Vec<TcpListener>, routes: Router, stop: CancellationToken) {
    let open = Arc::new(Open::default());
    let accepting = listeners.into_iter().map(|listener| {
        let (routes, stop, open) = (routes.clone(), stop.clone(), Arc::clone(&open));
        async move { stop.run_until_cancelled(accept(listener, routes, &stop, &open)).await }
    });
    futures::future::join_all(accepting).await;
    open.tasks.close();
    if tokio::time::timeout(GRACE + ACCEPT_PAUSE, open.tasks.wait()).await.is_err() {
        tracing::warn!("shutdown closes connections that are still open");
    }
}

async fn accept(listener: TcpListener, routes: Router, stop: &CancellationToken, open: &Open) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Without its own end it is gone already.
                let Ok(own) = stream.local_addr() else { continue };
                // One that goes without is closed after its time, too.
                let _ = rustix::net::sockopt::set_socket_send_buffer_size(&stream, SEND_BUFFER);
                open.add(converse(stream, Ends { peer, own }, routes.clone(), stop.clone()));
                // Who has asked is answered before more come: a flood must not cut it first.
                tokio::task::yield_now().await;
            }
            Err(error) => {
                tracing::debug!(%error, "accepting a connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, ends: Ends, routes: Router, stop: CancellationToken) {
    let routes = routes.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ends);
        request
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(BUFFER);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let mut connection = std::pin::pin!(connection);
    let over = async { tokio::time::timeout(LIFETIME, stop.cancelled()).await };
    tokio::select! {
        // A caller that goes away or sends nonsense is no fault of ours.
        _ = connection.as_mut() => return,
        _ = over => connection.as_mut().graceful_shutdown(),
    }
    let _ = tokio::time::timeout(GRACE, connection).await;
}
