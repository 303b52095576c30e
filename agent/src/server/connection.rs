//! Connections within bounds: anyone who reaches the node may open some.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Scrapers, probes of kubelet and some people; more wait in the kernel's queue.
const CONNECTIONS: usize = 64;
/// For a whole request head, also the next one of a connection that is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// After this a connection ends with the request it is at, and after [`GRACE`] in any case.
const LIFETIME: Duration = Duration::from_mins(1);
/// What a request that was begun gets to come to its end: below the ten seconds that Kubernetes
/// gives the whole pod.
const GRACE: Duration = Duration::from_secs(5);
/// A request head is a few hundred bytes; the smallest that hyper takes.
const BUFFER: usize = 8_192;
/// Out of file descriptors: some are given back meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub async fn serve(listeners: Vec<TcpListener>, routes: Router, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let accepting = listeners.into_iter().map(|listener| {
        let (routes, free, stop, connections) = (routes.clone(), Arc::clone(&free), stop.clone(), connections.clone());
        async move { stop.run_until_cancelled(accept(listener, routes, free, &stop, connections)).await }
    });
    futures::future::join_all(accepting).await;
    connections.close();
    if tokio::time::timeout(GRACE + ACCEPT_PAUSE, connections.wait()).await.is_err() {
        tracing::warn!("connections were still open and are cut");
    }
}

async fn accept(
    listener: TcpListener,
    routes: Router,
    free: Arc<Semaphore>,
    stop: &CancellationToken,
    connections: TaskTracker,
) {
    // The semaphore is never closed.
    while let Ok(permit) = Arc::clone(&free).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let served = converse(stream, routes.clone(), stop.clone());
                connections.spawn(async move {
                    served.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, routes: Router, stop: CancellationToken) {
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
