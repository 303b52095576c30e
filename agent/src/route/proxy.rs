//! The proxy stage: a tunnel to the registry through the proxy that containerd's environment names.

use std::time::{Duration, Instant};

use crate::cause::{Cause, Owner};
use crate::model::facts::ProxyFacts;
use crate::model::outcome::{Failure, Mark, Outcome, Step};
use crate::model::proxy::{ProxyScheme, ProxyUrl};
use crate::model::stage::Stage;
use crate::tls::{self, TlsSetup};
use crate::transport::connection::Connection;

mod answer;
mod connect;
mod schemes;
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
    let mut facts =
        ProxyFacts { proxy: Some(proxy.to_string().into()), rule: rule.to_owned().into(), connect_status: None };
    let mut said = Said::default();
    // A handshake ends by itself, and knows more then.
    let longest = if proxy.scheme == ProxyScheme::Https { limit + LATER } else { limit };
    let asked = tokio::time::timeout(longest, ask(stream.into(), proxy, target, tls, limit, &mut said)).await;
    facts.connect_status = said.status;
    let patience = match proxy.scheme {
        ProxyScheme::Socks5 if said.greeted => Duration::MAX,
        ProxyScheme::Socks5 => GREETING,
        ProxyScheme::Http | ProxyScheme::Https => PATIENCE,
    };
    let outcome = asked.unwrap_or_else(|_| Err(silent(limit, patience)));
    match outcome {
        Ok(connection) => (Step::new(Outcome::Passed(facts), began.elapsed()), Some(connection)),
        Err(failure) => (Step::new(Outcome::Failed(failure.at(proxy.host_port()), Some(facts)), began.elapsed()), None),
    }
}

/// What a proxy has told so far.
#[derive(Default)]
struct Said {
    /// Of its answer to CONNECT.
    status: Option<u16>,
    /// It answered as SOCKS does.
    greeted: bool,
}

async fn ask(
    connection: Connection,
    proxy: &ProxyUrl,
    target: Target<'_>,
    tls: &TlsSetup,
    limit: Duration,
    said: &mut Said,
) -> Result<Connection, Failure> {
    match proxy.scheme {
        ProxyScheme::Http if target.plain => Ok(connection),
        ProxyScheme::Http => connect::connect(connection, proxy, target.host_port, &mut said.status).await,
        ProxyScheme::Https if target.plain => secure(connection, proxy, tls, limit).await,
        ProxyScheme::Https => {
            connect::connect(secure(connection, proxy, tls, limit).await?, proxy, target.host_port, &mut said.status)
                .await
        }
        ProxyScheme::Socks5 => {
            socks::connect(connection, proxy, target.host_port, target.bare_users, &mut said.greeted).await
        }
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
    let failure = step.failure().cloned();
    let Some(inner) = failure else {
        return Err(Failure::new(Stage::Proxy, Cause::ProxyUnreachable, "TLS to the proxy failed"));
    };
    let failed = |detail: &str, go_message: &str| {
        Failure::new(Stage::Proxy, Cause::ProxyUnreachable, format!("TLS to the proxy failed: {detail}"))
            .with_go_message(format!("proxyconnect tcp: {go_message}"))
    };
    if inner.cause == Cause::TlsTimeout && inner.inconclusive {
        return Err(silent(limit, PATIENCE));
    }
    if inner.cause == Cause::TlsPlainHttp {
        return Err(speaks_plainly(failed(&inner.detail, NO_HANDSHAKE), proxy));
    }
    let failure = Failure { inconclusive: inner.inconclusive, ..failed(&inner.detail, &inner.go_message) };
    Err(if inner.is_marked(Mark::Eof) { failure.marked(Mark::Eof) } else { failure })
}

/// The way to the proxy failed.
pub fn not_reached(proxy: &ProxyUrl, inner: &Failure) -> Failure {
    let detail = format!("{} of the proxy: {} ({})", inner.stage, inner.detail, inner.cause);
    let fix = if inner.inconclusive { inner.fix().to_owned() } else { unreachable_fix(proxy) };
    let failure = Failure::new(Stage::Proxy, Cause::ProxyUnreachable, detail)
        .with_go_message(format!("proxyconnect tcp: {}", inner.go_message))
        .fixed_by(fix)
        .at(proxy.host_port());
    // Nobody knows of a proxy what nobody knows of the way to it.
    Failure { inconclusive: inner.inconclusive, ..failure }
}

/// The proxy setting cannot work: which variable sets it, and what to write there.
pub fn unreachable_fix(proxy: &ProxyUrl) -> String {
    format!(
        "Correct the proxy in {}, or exempt the registry there with `NO_PROXY`; then `systemctl daemon-reload` and `systemctl \
         restart containerd`.",
        proxy.setting()
    )
}

/// The failure if Go takes a part of the URL's password for the proxy's name. That part is a secret: it is neither
/// looked up nor shown. `None`: the URL is fine.
pub fn garbled(proxy: &ProxyUrl) -> Option<Failure> {
    proxy.holds_password.then(|| {
        let detail = "the proxy's URL has a `#`, `/` or `?` in its password as it stands: containerd takes a part of the password \
                      for the proxy's name";
        let failure = Failure::new(Stage::Proxy, Cause::ProxyUnreachable, detail);
        // A host with a port, and no user before it, may be one: containerd dials it, and the rest is a path.
        let may_be_host = proxy.port != 0 && proxy.credentials.is_none();
        let failure = Failure { inconclusive: may_be_host, ..failure };
        failure
            .at(proxy.host_port())
            .with_go_message(format!("proxyconnect tcp: dial tcp: lookup {}: no such host", proxy.host_port()))
            .owned_by(Owner::Config)
            .fixed_by(format!(
                "Write the password in {} with `%23` for `#`, `%2F` for `/`, `%3F` for `?`, `%40` for `@` and `%25` for `%`; then \
                 `systemctl daemon-reload` and `systemctl restart containerd`.",
                proxy.setting()
            ))
    })
}

/// Go's words, which it replaces where a registry answers so, but not where a proxy does.
const NO_HANDSHAKE: &str = "tls: first record does not look like a TLS handshake";

/// The URL's scheme says TLS to the proxy itself, and few proxies have that.
fn speaks_plainly(failure: Failure, proxy: &ProxyUrl) -> Failure {
    failure
        .owned_by(Owner::Config)
        .summarized("containerd is configured to speak TLS to the proxy itself, but the proxy speaks plain HTTP.")
        .fixed_by(format!(
            "Write `http://{}` instead of `https://` in {}: the `S` of `HTTPS_PROXY` is about the registry, the scheme of its \
             value about the way to the proxy. Then `systemctl daemon-reload` and `systemctl restart containerd`.",
            proxy.host_port(),
            proxy.setting()
        ))
}

/// How long Go waits for the answer to CONNECT. For a SOCKS proxy it waits without end.
const PATIENCE: Duration = Duration::from_secs(60);
/// How much longer than a handshake with the proxy all that is asked of it may take.
const LATER: Duration = Duration::from_secs(1);
/// What does not even greet as SOCKS does within this time is none, however long one waits.
const GREETING: Duration = Duration::from_secs(10);

fn silent(limit: Duration, patience: Duration) -> Failure {
    let detail = if limit < patience {
        format!(
            "the proxy accepted the connection and did not answer within {limit:?}, where pullprobe stops; containerd waits for longer"
        )
    } else {
        format!("the proxy accepted the connection and did not answer within {limit:?}")
    };
    let failure =
        Failure::new(Stage::Proxy, Cause::ProxyUnreachable, detail).with_go_message("context deadline exceeded");
    if limit >= patience {
        return failure;
    }
    let failure = failure.fixed_by(
        "Give it longer: `--timeout 5m` with `check`, `probe.timeouts.http` in the settings of `run` (`timeouts: {http: 60s}`). \
         If the proxy stays silent, look at its log, or exempt the registry with `NO_PROXY`.",
    );
    Failure { inconclusive: true, ..failure }
}

#[cfg(test)]
mod tests;
