//! The TLS handshake with a host, as containerd makes it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::cause::Cause;
use crate::model::facts::TlsFacts;
use crate::model::namespace::HANDSHAKE_TIMEOUT;
use crate::model::outcome::{Failure, Outcome, Step};
use crate::model::stage::Stage;
use crate::transport::connection::Connection;

pub mod client_hello;
mod config;
pub mod facts;
mod failure;
mod good_chains;
mod reject;
mod verifier;

pub use config::{NodeTrust, TlsSetup};
pub use failure::{classify_late, classify_late_dyn, is_plain_http};
use verifier::{PRESENTED, Presented};

/// How long to listen after a handshake of TLS 1.3 for the server's opinion on it: at least, at most.
/// In between it is the time that the handshake itself took.
const SETTLE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));

/// Shakes hands. `server_name` is the host without port and brackets; `limit` is pullprobe's own, and beyond
/// Go's it is Go's.
#[tracing::instrument(name = "tls", level = "trace", skip_all, fields(name = server_name))]
pub async fn handshake(
    stream: impl Into<Connection>,
    server_name: &str,
    setup: &TlsSetup,
    limit: Duration,
) -> (Step<TlsFacts>, Option<TlsStream<Connection>>) {
    let limit = limit.min(HANDSHAKE_TIMEOUT);
    let began = Instant::now();
    let shaken = PRESENTED
        .scope(RefCell::default(), async {
            let shaken = shake(stream.into().anew(), server_name, setup, limit).await;
            (shaken, PRESENTED.with(RefCell::take))
        })
        .await;
    let (shaken, presented) = shaken;
    match shaken {
        Ok((stream, took)) => {
            let facts = facts(setup, presented, Some(&stream));
            (Step::new(Outcome::Passed(facts), took), Some(stream))
        }
        Err(failure) => {
            let facts = facts(setup, presented, None);
            (Step::new(Outcome::Failed(failure, Some(facts)), began.elapsed()), None)
        }
    }
}

async fn shake(
    connection: Connection,
    server_name: &str,
    setup: &TlsSetup,
    limit: Duration,
) -> Result<(TlsStream<Connection>, Duration), Failure> {
    let began = Instant::now();
    let name = ServerName::try_from(server_name.to_owned()).map_err(|_| {
        let detail = format!("pullprobe cannot ask for a certificate of `{server_name}`, which is no host name");
        Failure { inconclusive: true, ..Failure::new(Stage::Tls, Cause::ReferenceInvalid, detail) }
    })?;
    let (ends, head) = (connection.ends(), connection.head());
    let connector = TlsConnector::from(Arc::new(setup.client_config()));
    let shaken = tokio::time::timeout(limit, connector.connect(name, connection)).await;
    let classify = |error: &std::io::Error| {
        let (asked, sent) = PRESENTED.with(|presented| {
            let presented = presented.borrow();
            (presented.client_certificate_asked, presented.client_certificate_sent)
        });
        failure::classify(&failure::Broken {
            error,
            head: &head.bytes(),
            ends,
            client_certificate_asked: asked,
            client_certificate_sent: sent,
        })
    };
    let mut stream = match shaken {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(classify(&error)),
        Err(_) => return Err(failure::timed_out(&head.bytes(), limit)),
    };
    let took = began.elapsed();
    if !PRESENTED.with(|presented| presented.borrow().client_certificate_asked) {
        return Ok((stream, took));
    }
    match settle(&mut stream, took.clamp(SETTLE.0, SETTLE.1)).await {
        Some(error) if is_alert(&error) => Err(classify(&error)),
        Some(_) | None => Ok((stream, took)),
    }
}

/// In TLS 1.3 the server judges the client's certificate after the client is done, and hands out its
/// session ticket when that is well. Waits for either; what does not come in time shows at the first request.
async fn settle(stream: &mut TlsStream<Connection>, limit: Duration) -> Option<std::io::Error> {
    if stream.get_ref().1.protocol_version() != Some(rustls::ProtocolVersion::TLSv1_3) {
        return None;
    }
    let mut byte = [0];
    let heard = poll_fn(|cx| {
        let polled = Pin::new(&mut *stream).poll_read(cx, &mut ReadBuf::new(&mut byte));
        match polled {
            Poll::Pending if stream.get_ref().1.tls13_tickets_received() > 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
            Poll::Ready(read) => Poll::Ready(read.err()),
        }
    });
    tokio::time::timeout(limit, heard).await.ok().flatten()
}

fn is_alert(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::AlertReceived(_)))
}

fn facts(setup: &TlsSetup, presented: Presented, stream: Option<&TlsStream<Connection>>) -> TlsFacts {
    let session = stream.map(|stream| stream.get_ref().1);
    let version = session.and_then(|session| session.protocol_version()).map(version_name);
    let cipher = session.and_then(|session| session.negotiated_cipher_suite());
    let alpn = session.and_then(|session| session.alpn_protocol());
    TlsFacts {
        version: version.map(Into::into),
        cipher: cipher.and_then(|cipher| cipher.suite().as_str()).map(cipher_name).map(Into::into),
        alpn: alpn.map(|name| String::from_utf8_lossy(name).into_owned()).map(Into::into),
        trust: setup.sources().to_vec().into_iter().map(Into::into).collect(),
        verified: presented.refused.is_none() && !presented.chain.is_empty(),
        ignored: presented.refused.as_ref().filter(|_| stream.is_some()).map(|failure| failure.cause),
        chain: presented.chain,
    }
}

fn version_name(version: rustls::ProtocolVersion) -> String {
    match version {
        rustls::ProtocolVersion::TLSv1_3 => "TLSv1.3".into(),
        rustls::ProtocolVersion::TLSv1_2 => "TLSv1.2".into(),
        other => format!("{other:?}"),
    }
}

/// The name of the registry of cipher suites, which Go uses too.
fn cipher_name(name: &str) -> String {
    name.replacen("TLS13_", "TLS_", 1)
}

#[cfg(test)]
mod tests;
