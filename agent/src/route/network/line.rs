//! Further connections to a host: to the address of the first, through the same proxy, with its TLS settings, so that its
//! session resumes.

use std::net::SocketAddr;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Timeouts;
use crate::cause::Cause;
use crate::http::Dial;
use crate::model::host::{Endpoint, Scheme};
use crate::model::limit::LimitReached;
use crate::model::outcome::Failure;
use crate::model::proxy::ProxyUrl;
use crate::model::stage::Stage;
use crate::route::proxy;
use crate::tls::{self, TlsSetup};
use crate::transport::connection::Connection;
use crate::transport::errno::{classify_io, own_limit};

#[derive(Debug)]
pub struct Line {
    pub endpoint: Endpoint,
    /// Of the host, or of the proxy.
    pub address: SocketAddr,
    pub proxy: Option<ProxyUrl>,
    /// A SOCKS proxy is given a user that has no password.
    pub bare_users: bool,
    pub setup: TlsSetup,
    pub timeouts: Timeouts,
}

impl Line {
    async fn connected(&self) -> Result<Connection, Failure> {
        let here = |failure: Failure| failure.at(self.endpoint.host_port());
        let stream = match timeout(self.timeouts.tcp, TcpStream::connect(self.address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                if let Some(words) = own_limit(&error) {
                    return Err(LimitReached::new(Stage::Tcp, words).into());
                }
                let words = format!("dial tcp {}: connect: {}", self.address, go::errno::words(&error));
                let detail = format!("a further connection: {error}");
                return Err(here(Failure::new(Stage::Tcp, classify_io(&error), detail).with_go_message(words)));
            }
            Err(_) => {
                let detail = format!("no further connection within {:?}, where pullprobe stops", self.timeouts.tcp);
                let failure = here(Failure::new(Stage::Tcp, Cause::TcpTimeout, detail));
                return Err(Failure { inconclusive: true, ..failure });
            }
        };
        let Some(proxy) = &self.proxy else { return Ok(stream.into()) };
        let target = proxy::Target {
            host_port: &self.endpoint.host_port(),
            bare_users: self.bare_users,
            plain: self.endpoint.scheme == Scheme::Http,
        };
        let (step, stream) = proxy::tunnel(stream, proxy, "", target, &self.setup, self.timeouts.http).await;
        stream.ok_or_else(|| ended(step.failure().cloned(), Stage::Proxy))
    }

    async fn secured(&self) -> Result<Connection, Failure> {
        let stream = self.connected().await?;
        if self.endpoint.scheme == Scheme::Http {
            return Ok(stream);
        }
        let ends = stream.ends();
        let (step, stream) = tls::handshake(stream, self.endpoint.host(), &self.setup, self.timeouts.tls).await;
        let stream = stream.ok_or_else(|| ended(step.failure().cloned(), Stage::Tls))?;
        Ok(Connection::inside(stream, ends))
    }
}

fn ended(failure: Option<Failure>, stage: Stage) -> Failure {
    failure.unwrap_or_else(|| Failure::new(stage, Cause::Unclassified, "no further connection"))
}

impl Dial for Line {
    fn dial(&self) -> BoxFuture<'_, Result<Connection, Failure>> {
        self.secured().boxed()
    }
}
