//! Further connections to a host: to the address of the first, through the same proxy, with its TLS settings, so that its
//! session resumes.

use std::net::SocketAddr;

use futures::future::BoxFuture;
use futures::{FutureExt as _, TryFutureExt as _};
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
    /// containerd would try those, too.
    pub has_other_addresses: bool,
    pub proxy: Option<ProxyUrl>,
    /// A SOCKS proxy is given a user that has no password.
    pub bare_users: bool,
    pub setup: TlsSetup,
    pub timeouts: Timeouts,
}

impl Line {
    async fn opened(&self) -> Result<TcpStream, Failure> {
        let (failure, is_cut_short) = match timeout(self.timeouts.tcp, TcpStream::connect(self.address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => {
                if let Some(words) = own_limit(&error) {
                    return Err(LimitReached::new(Stage::Tcp, words).into());
                }
                let words = format!("dial tcp {}: connect: {}", self.address, go::errno::words(&error));
                let detail = format!("a further connection: {error}");
                (Failure::new(Stage::Tcp, classify_io(&error), detail).with_go_message(words), false)
            }
            Err(_) => {
                let detail = format!("no further connection within {:?}, where pullprobe stops", self.timeouts.tcp);
                (Failure::new(Stage::Tcp, Cause::TcpTimeout, detail), true)
            }
        };
        Err(Failure { inconclusive: is_cut_short || self.has_other_addresses, ..failure })
    }

    async fn connected(&self) -> Result<Connection, Failure> {
        let stream = self.opened().await.map_err(|failure| match &self.proxy {
            Some(proxy) => proxy::not_reached(proxy, &failure),
            None => failure,
        })?;
        let Some(proxy) = &self.proxy else { return Ok(stream.into()) };
        let target = proxy::Target {
            host_port: &self.endpoint.host_port(),
            bare_users: self.bare_users,
            plain: self.endpoint.scheme == Scheme::Http,
        };
        let (step, stream) = proxy::tunnel(stream, proxy, "", target, &self.setup, self.timeouts.http).await;
        stream.ok_or_else(|| ended(step.failure().cloned(), Stage::Proxy))
    }

    async fn secured(&self, setup: &TlsSetup) -> Result<Connection, Failure> {
        let stream = self.connected().await?;
        if self.endpoint.scheme == Scheme::Http {
            return Ok(stream);
        }
        let ends = stream.ends();
        let (step, stream) = tls::handshake(stream, self.endpoint.host(), setup, self.timeouts.tls).await;
        let stream = stream.ok_or_else(|| ended(step.failure().cloned(), Stage::Tls))?;
        Ok(Connection::inside(stream, ends))
    }
}

fn ended(failure: Option<Failure>, stage: Stage) -> Failure {
    failure.unwrap_or_else(|| Failure::new(stage, Cause::Unclassified, "no further connection"))
}

impl Dial for Line {
    fn dial(&self) -> BoxFuture<'_, Result<Connection, Failure>> {
        let dialled = async {
            match self.secured(&self.setup).await {
                // containerd resumes no session: what fails with one proves nothing.
                Err(failure) if failure.stage == Stage::Tls && failure.cause != Cause::TlsTimeout => {
                    self.secured(&self.setup.without_sessions()).await
                }
                dialled => dialled,
            }
        };
        dialled.map_err(|failure| failure.host_or(&self.endpoint.host_port())).boxed()
    }
}

#[cfg(test)]
mod tests {
    use pullprobe_lab::ca::Authority;
    use pullprobe_lab::tls::Tls;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;
    use crate::model::host::HostTls;
    use crate::model::trust::TrustStore;
    use crate::tls::NodeTrust;
    use crate::version::Version;

    fn line(scheme: Scheme, address: SocketAddr, authority: &Authority) -> Line {
        let store = TrustStore { certificates: vec![authority.root_der()], ..TrustStore::default() };
        let (trust, now) = (NodeTrust::from(&store), jiff::Timestamp::now());
        Line {
            endpoint: Endpoint::new(scheme, "registry.example"),
            address,
            has_other_addresses: false,
            proxy: None,
            bare_users: false,
            setup: TlsSetup::new(Version::NEWEST, false, &trust, &HostTls::default(), now).unwrap(),
            timeouts: Timeouts::default(),
        }
    }

    #[tokio::test]
    async fn who_refuses_is_named_and_nothing_follows_where_containerd_tries_other_addresses() {
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let alone = line(Scheme::Http, nobody, &Authority::new("lab").unwrap());
        let refused = alone.dial().await.unwrap_err();
        assert_eq!((refused.cause, refused.host.as_deref()), (Cause::TcpRefused, Some("registry.example:80")));
        assert!(!refused.inconclusive && refused.go_message.ends_with("connect: connection refused"));
        let among_others = Line { has_other_addresses: true, ..alone };
        assert!(among_others.dial().await.unwrap_err().inconclusive);
        let through = Line { proxy: ProxyUrl::parse("http://proxy.example:3128"), ..among_others };
        let refused = through.dial().await.unwrap_err();
        assert_eq!((refused.cause, refused.host.as_deref()), (Cause::ProxyUnreachable, Some("proxy.example:3128")));
        assert!(refused.inconclusive && refused.go_message.starts_with("proxyconnect tcp: dial tcp 127.0.0.1:"));
    }

    #[tokio::test]
    async fn a_handshake_that_fails_is_followed_by_one_in_full() {
        let authority = Authority::new("lab").unwrap();
        let acceptor = Tls::acceptor(&authority, "registry.example").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (mut first, _) = listener.accept().await.unwrap();
            first.read_u8().await.unwrap();
            drop(first);
            let (second, _) = listener.accept().await.unwrap();
            acceptor.accept(second).await.is_ok()
        });
        line(Scheme::Https, address, &authority).dial().await.unwrap();
        assert!(serving.await.unwrap());
    }
}
