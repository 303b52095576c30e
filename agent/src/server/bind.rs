//! Addresses that are listened on. Bound but not serving is a type of its own.

use std::io;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Content, connection, routes};

/// Every listener is bound and none is served yet.
#[derive(Debug)]
pub struct Bound {
    listeners: Vec<TcpListener>,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}. {}", fix(source, address))]
pub struct BindError {
    pub address: SocketAddr,
    pub source: io::Error,
}

fn fix(error: &io::Error, address: &SocketAddr) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => {
            format!(
                "Another process has port {0} (see `ss -ltnp 'sport = :{0}'`): stop it, or set web.listen.",
                address.port()
            )
        }
        ErrorKind::AddrNotAvailable => "The node has no such address: set web.listen to one that it has.".to_owned(),
        ErrorKind::PermissionDenied => "Set web.listen to a port above 1023.".to_owned(),
        _ => "Set web.listen to another address.".to_owned(),
    }
}

/// Listens on each address. `[::]` stands for every address, of both families where there are both.
pub async fn bind(addresses: &[SocketAddr]) -> Result<Bound, BindError> {
    let mut listeners = Vec::new();
    for address in addresses {
        let wrong = |source| BindError { address: *address, source };
        if address.ip() == IpAddr::from(std::net::Ipv6Addr::UNSPECIFIED) {
            listeners.extend(bind_everywhere(address.port()).await.map_err(wrong)?);
        } else {
            listeners.push(TcpListener::bind(address).await.map_err(wrong)?);
        }
    }
    Ok(Bound { listeners })
}

async fn bind_everywhere(port: u16) -> io::Result<Vec<TcpListener>> {
    let old = |port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
    let Ok(both) = TcpListener::bind((std::net::Ipv6Addr::UNSPECIFIED, port)).await else {
        // Without IPv6; or the port is taken, which the other family then says too.
        return Ok(vec![old(port).await?]);
    };
    // A kernel whose IPv6 sockets take no IPv4 (net.ipv6.bindv6only) leaves the port free there.
    let port = both.local_addr()?.port();
    Ok(std::iter::once(both).chain(old(port).await.ok()).collect())
}

impl Bound {
    /// With the ports that were chosen where port 0 was asked for.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves until `stop`, then lets requests that were begun come to their end.
    pub async fn serve(self, content: Content, stop: CancellationToken) {
        let web = content.web.clone();
        connection::serve(self.listeners, routes(Arc::new(content)), web, stop).await;
    }
}
