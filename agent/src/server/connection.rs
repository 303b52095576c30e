//! Connections within bounds: anyone who reaches the node may open some.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::util::ServiceExt as _;

use super::places::{Held, Places, Stage};
use super::readers::Caller;
use crate::web_config::in_force::{InForce, WebConfigFile};

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

/// `web`: what says whether TLS is spoken.
pub async fn serve(
    listeners: Vec<TcpListener>,
    routes: Router,
    web: Option<Arc<WebConfigFile>>,
    stop: CancellationToken,
) {
    let server = Server { routes, web, stop: stop.clone() };
    let open = Arc::new(Places::default());
    let accepting = listeners.into_iter().map(|listener| {
        let (server, open) = (server.clone(), Arc::clone(&open));
        async move { server.stop.run_until_cancelled(accept(listener, &server, &open)).await }
    });
    futures::future::join_all(accepting).await;
    open.tasks.close();
    if tokio::time::timeout(GRACE + ACCEPT_PAUSE, open.tasks.wait()).await.is_err() {
        tracing::warn!("shutdown closes connections that are still open");
    }
}

/// What every connection needs.
#[derive(Clone)]
struct Server {
    routes: Router,
    web: Option<Arc<WebConfigFile>>,
    stop: CancellationToken,
}

async fn accept(listener: TcpListener, server: &Server, open: &Arc<Places>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Without its own end it is gone already.
                let Ok(own) = stream.local_addr() else { continue };
                // One that goes without is closed after its time, too.
                let _ = rustix::net::sockopt::set_socket_send_buffer_size(&stream, SEND_BUFFER);
                let stage = if server.speaks_tls() { Stage::Greeting } else { Stage::Asking };
                open.add(peer.ip(), stage, |held| server.clone().converse(stream, Caller::new(peer, own), held));
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

impl Server {
    /// As the file last said: a port that speaks TLS goes on with it for as long as the agent runs.
    fn speaks_tls(&self) -> bool {
        self.web.as_ref().is_some_and(|file| file.last().tls.is_some())
    }

    /// The file is looked at once somebody has said something, and not for everyone who only connects.
    async fn converse(self, stream: TcpStream, mut caller: Caller, held: Held) {
        let Some(file) = self.web.clone() else { return self.http(stream, caller).await };
        if !self.speaks_tls() && file.now().await.tls.is_none() {
            return self.http(stream, caller).await;
        }
        held.has_come_to(Stage::Greeting);
        let shaken = tokio::time::timeout(HEAD_TIMEOUT, shake_hands(stream, &file, &caller, &held));
        let Some(Ok(Ok(stream))) = self.stop.run_until_cancelled(shaken).await else { return };
        held.has_come_to(Stage::Asking);
        caller.certified = stream.get_ref().1.peer_certificates().is_some_and(|chain| !chain.is_empty());
        self.http(stream, caller).await;
    }

    async fn http(self, stream: impl AsyncRead + AsyncWrite + Unpin, caller: Caller) {
        let routes = self.routes.map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(caller);
            request
        });
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(BUFFER);
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
        let mut connection = std::pin::pin!(connection);
        let over = async { tokio::time::timeout(LIFETIME, self.stop.cancelled()).await };
        tokio::select! {
            // A caller that goes away or sends nonsense is no fault of ours.
            _ = connection.as_mut() => return,
            _ = over => connection.as_mut().graceful_shutdown(),
        }
        let _ = tokio::time::timeout(GRACE, connection).await;
    }
}

/// The first byte of every handshake. An HTTP request begins with a letter.
const HANDSHAKE: u8 = 22;
const NO_TLS: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n\
    this port speaks TLS: ask with https\n";

async fn shake_hands(
    mut stream: TcpStream,
    file: &Arc<WebConfigFile>,
    caller: &Caller,
    held: &Held,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE {
        let _ = stream.write_all(NO_TLS).await;
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let greeted = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    held.has_come_to(Stage::Shaking);
    let in_force = file.now().await;
    let config = of(&in_force, caller).ok_or(std::io::ErrorKind::InvalidData)?;
    greeted.into_stream(config).await
}

fn of(in_force: &InForce, caller: &Caller) -> Option<Arc<ServerConfig>> {
    let tls = in_force.tls.as_ref()?;
    Some(Arc::clone(if caller.is_of_node() { &tls.with_node } else { &tls.with_others }))
}
