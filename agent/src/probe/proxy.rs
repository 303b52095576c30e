//! The proxy stage: a tunnel to the registry through the proxy that containerd's environment names.

use std::time::{Duration, Instant};

use super::connection::Connection;
use super::tls::{self, TlsSetup};
use crate::model::cause::Cause;
use crate::model::facts::ProxyFacts;
use crate::model::outcome::{Failure, Outcome, Step};
use crate::model::proxy::{ProxyScheme, ProxyUrl};
use crate::model::stage::Stage;

mod answer;
mod connect;
mod socks;

pub use answer::{or_the_proxy, refusal};

/// What the proxy is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    pub host_port: &'a str,
    /// A SOCKS proxy is given a user that has no password.
    pub bare_users: bool,
    /// Plain HTTP: an HTTP proxy passes its requests on one by one, without a tunnel.
    pub plain: bool,
}

/// Asks the proxy at the other end of `stream` for a tunnel to the target. `tls` is that of the
/// registry's host: Go uses one configuration for both.
pub async fn tunnel(
    stream: impl Into<Connection>,
    proxy: &ProxyUrl,
    rule: &str,
    target: Target<'_>,
    tls: &TlsSetup,
    limit: Duration,
) -> (Step<ProxyFacts>, Option<Connection>) {
    let began = Instant::now();
    let mut facts = ProxyFacts { proxy: Some(proxy.to_string()), rule: rule.to_owned(), connect_status: None };
    let asked =
        tokio::time::timeout(limit, ask(stream.into(), proxy, target, tls, limit, &mut facts.connect_status)).await;
    let outcome = asked.unwrap_or_else(|_| Err(silent(limit)));
    match outcome {
        Ok(connection) => (Step::new(Outcome::Passed(facts), began.elapsed()), Some(connection)),
        Err(failure) => (Step::new(Outcome::Failed(failure.at(proxy.host_port()), Some(facts)), began.elapsed()), None),
    }
}

async fn ask(
    connection: Connection,
    proxy: &ProxyUrl,
    target: Target<'_>,
    tls: &TlsSetup,
    limit: Duration,
    status: &mut Option<u16>,
) -> Result<Connection, Failure> {
    match proxy.scheme {
        ProxyScheme::Http if target.plain => Ok(connection),
        ProxyScheme::Http => connect::connect(connection, proxy, target.host_port, status).await,
        ProxyScheme::Https if target.plain => secure(connection, proxy, tls, limit).await,
        ProxyScheme::Https => {
            connect::connect(secure(connection, proxy, tls, limit).await?, proxy, target.host_port, status).await
        }
        ProxyScheme::Socks5 => socks::connect(connection, proxy, target.host_port, target.bare_users).await,
    }
}

async fn secure(
    connection: Connection,
    proxy: &ProxyUrl,
    tls: &TlsSetup,
    limit: Duration,
) -> Result<Connection, Failure> {
    let ends = connection.ends();
    let (step, stream) = tls::handshake(connection, &proxy.host, tls, limit).await;
    if let Some(stream) = stream {
        return Ok(Connection::inside(stream, ends));
    }
    let (detail, wording) = step.failure().map_or_else(Default::default, |f| (f.detail.clone(), f.wording.clone()));
    let failure = Failure::new(Stage::Proxy, Cause::ProxyUnreachable, format!("TLS to the proxy failed: {detail}"));
    Err(failure.worded(format!("proxyconnect tcp: {wording}")))
}

fn silent(limit: Duration) -> Failure {
    let detail = format!("the proxy accepted the connection and did not answer within {limit:?}");
    Failure::new(Stage::Proxy, Cause::ProxyUnreachable, detail).worded("context deadline exceeded")
}

#[cfg(test)]
mod tests;
