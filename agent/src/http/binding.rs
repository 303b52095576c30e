//! What a client is bound to: one host, one address, one proxy, and the connections there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::connections::{Connections, Dial};
use super::informational::Informational;
use crate::model::host::{Endpoint, Scheme};
use crate::model::proxy::{ProxyScheme, ProxyUrl};

/// What a client is bound to.
#[derive(Debug)]
pub struct Binding {
    pub endpoint: Endpoint,
    /// Where the host's name leads (the proxy's name, behind a proxy).
    pub address: SocketAddr,
    pub proxy: Option<ProxyUrl>,
    pub connections: Connections,
    /// Makes further ones.
    pub line: Arc<dyn Dial>,
    pub limit: Duration,
    /// How long containerd would wait for the head of an answer. `None`: without end.
    pub patience: Option<Duration>,
    pub informational: Informational,
}

impl Binding {
    /// Plain requests are passed on by an HTTP proxy; of TLS, and through SOCKS, it sees a tunnel.
    pub(super) fn via(&self) -> Option<&ProxyUrl> {
        let passes_on = |proxy: &&ProxyUrl| {
            self.endpoint.scheme == Scheme::Http && matches!(proxy.scheme, ProxyScheme::Http | ProxyScheme::Https)
        };
        self.proxy.as_ref().filter(passes_on)
    }
}
