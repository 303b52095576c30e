//! What a client is bound to: one host, one address, one proxy, and the TLS settings of the handshake.

use std::net::SocketAddr;
use std::time::Duration;

use super::informational::Informational;
use super::lru::LruSlots;
use super::pooled::PooledConnection;
use crate::model::host::{Endpoint, Scheme};
use crate::model::proxy::{ProxyScheme, ProxyUrl};

/// As Go's transport: idle connections are kept this long.
const IDLE: Duration = Duration::from_secs(30);

/// What a client is bound to.
#[derive(Debug)]
pub struct Binding {
    pub endpoint: Endpoint,
    /// Where the host's name leads (the proxy's name, behind a proxy).
    pub address: SocketAddr,
    pub proxy: Option<ProxyUrl>,
    pub tls: rustls::ClientConfig,
    /// Empty where requests have another form than on the connection at hand, as to an HTTP proxy.
    pub pooled: PooledConnection,
    /// The clients that were used last, of all hosts.
    pub clients: LruSlots<reqwest::Client>,
    pub limit: Duration,
    /// How long containerd would wait for the head of an answer. `None`: without end.
    pub patience: Option<Duration>,
    pub informational: Informational,
}

impl Binding {
    /// Plain requests are passed on by an HTTP proxy; of TLS, and through SOCKS, it sees a tunnel.
    pub(super) fn passed_on_by(&self) -> Option<String> {
        let passes_on = |proxy: &&ProxyUrl| {
            self.endpoint.scheme == Scheme::Http && matches!(proxy.scheme, ProxyScheme::Http | ProxyScheme::Https)
        };
        self.proxy.as_ref().filter(passes_on).map(ProxyUrl::host_port)
    }

    pub(super) fn client(&self) -> reqwest::Result<reqwest::Client> {
        let builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .no_proxy()
            .pool_idle_timeout(IDLE)
            .connect_timeout(self.limit);
        let builder = match &self.proxy {
            Some(proxy) => builder
                .proxy(reqwest::Proxy::all(proxy.with_credentials().expose())?)
                .resolve(&proxy.host, self.address),
            None => builder.resolve(&self.endpoint.host().to_ascii_lowercase(), self.address),
        };
        builder.tls_backend_preconfigured(self.tls.clone()).build()
    }
}
