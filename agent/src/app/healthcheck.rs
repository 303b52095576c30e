//! `pullprobe healthcheck`: asks the agent of this node how it is, as kubelet's exec probes do.
//!
//! It needs no password and no certificate: the agent tells its health to its own node without. It takes any certificate
//! of the agent, for it asks at an address of this node, sends nothing that is secret, and the names in the certificate are for others.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{ExitStatus, complain, print, refuse};
use crate::reading::options;
use crate::redact::clean::Clean;
use crate::settings::Settings;
use crate::web_config::own_client;

/// Of an answer: its head and one sentence.
const ANSWER_LIMIT: u64 = 4_096;

pub async fn run(config: Option<&Path>, live: bool, timeout: Duration) -> ExitStatus {
    let settings = match config.map_or_else(|| Ok(Settings::default()), options::load) {
        Ok(settings) => settings,
        Err(problems) => return refuse(&problems),
    };
    let Some(listened) = settings.web.listen.iter().find(|address| address.port() != 0) else {
        return refuse(&["web.listen has no port: with port 0 nobody knows where the agent listens"]);
    };
    let path = if live { "/livez" } else { "/readyz" };
    let asked_at = near(*listened).iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    let asked = ask(*listened, path, settings.web.config_file.is_some());
    let (said, ending) = match tokio::time::timeout(timeout, asked).await {
        Ok(Ok((true, said))) => return print(&said, ExitStatus::Well),
        Ok(Ok((false, said))) => (said, ExitStatus::Bad),
        Ok(Err(error)) => (
            format!("no agent answers at {asked_at}: {error}. Does `pullprobe run` run, with the same --config?"),
            ExitStatus::Bad,
        ),
        Err(_) => (format!("the agent at {asked_at} did not answer within {timeout:?}"), ExitStatus::Bad),
    };
    complain(said.trim_end());
    ending
}

/// Where a listener is reached from the node itself.
fn near(listened: SocketAddr) -> Vec<SocketAddr> {
    let at = |ip: IpAddr| SocketAddr::new(ip, listened.port());
    match listened.ip() {
        // Of both families, or of the one that the node has.
        IpAddr::V6(ip) if ip.is_unspecified() => vec![at(Ipv4Addr::LOCALHOST.into()), at(Ipv6Addr::LOCALHOST.into())],
        IpAddr::V4(ip) if ip.is_unspecified() => vec![at(Ipv4Addr::LOCALHOST.into())],
        _ => vec![listened],
    }
}

/// Whether the answer is 200, and its words. With a web configuration file the agent may speak TLS or not: the file can have been
/// changed or damaged since the agent read it, so both are tried.
async fn ask(listened: SocketAddr, path: &str, perhaps_tls: bool) -> io::Result<(bool, String)> {
    let addresses = near(listened);
    if perhaps_tls {
        let stream = TcpStream::connect(&addresses[..]).await?;
        let name = ServerName::from(stream.peer_addr()?.ip());
        let config = own_client::config().map_err(io::Error::other)?;
        if let Ok(stream) = TlsConnector::from(Arc::new(config)).connect(name, stream).await {
            return converse(stream, path).await;
        }
    }
    converse(TcpStream::connect(&addresses[..]).await?, path).await
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> io::Result<(bool, String)> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    // A peer that closes without a farewell has said what it had to say.
    let read = stream.take(ANSWER_LIMIT).read_to_end(&mut answer).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5));
    match (status, read) {
        (Some(status), _) => {
            let words = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            Ok((status == "200", format!("{}\n", Clean::from(words.trim_end()))))
        }
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Err(io::Error::new(io::ErrorKind::InvalidData, "its answer is no HTTP")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_asked_at_its_own_address_and_by_loopback_where_it_has_all() {
        let near = |address: &str| {
            near(address.parse().unwrap()).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(near("[::]:10048"), "127.0.0.1:10048 [::1]:10048");
        assert_eq!(near("0.0.0.0:1"), "127.0.0.1:1");
        assert_eq!(near("192.0.2.7:10048"), "192.0.2.7:10048");
        assert_eq!(near("[2001:db8::7]:10048"), "[2001:db8::7]:10048");
    }
}
